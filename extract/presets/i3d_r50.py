"""pytorchvideo's I3D on ResNet-50, trained on Kinetics."""

from torch import Tensor, nn

from stavad.extract.preprocess import KINETICS, View
from stavad.extract.presets import Preset
from stavad.extract.weights import Weights


def _i3d_r50() -> Preset:
    return Preset(
        "i3d-r50",
        _build,
        "pool before the projection, mean over time",
        2048,
        View(**KINETICS, resize=256, crop=224),
        Weights("https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/I3D_8x8_R50.pyth"),
        rename=_in_network,
    )


def _build() -> nn.Module:
    from pytorchvideo.models.hub import i3d_r50

    return ResNetFeatures(i3d_r50(pretrained=False))


class ResNetFeatures(nn.Module):
    """pytorchvideo's network up to the pool before its projection, averaged over the places in time: (B, 2048)."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        for block in self.network.blocks[:-1]:
            clips = block(clips)
        return self.network.blocks[-1].pool(clips.float()).mean((2, 3, 4))  # no bf16 average on a CPU


def _in_network(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{key}": value for key, value in state.items()}


PRESETS = {"i3d-r50": _i3d_r50}
