"""I3D on ResNet-50 with non-local blocks, ten crops: the features of RTFM (Tian et al., 2021)."""

from stavad.extract.backbones import resnet
from stavad.extract.preprocess import KINETICS, View
from stavad.extract.presets import Preset
from stavad.extract.weights import Weights


def _nonlocal() -> Preset:
    return Preset(
        "i3d-r50-nonlocal",
        resnet.NonLocalI3D,
        "mean after layer4",
        resnet.WIDTH,
        View(**KINETICS, resize=256, crop=224, ten_crop=True, antialias=True, rounded=True),
        Weights(),
    )


PRESETS = {"i3d-r50-nonlocal": _nonlocal}
