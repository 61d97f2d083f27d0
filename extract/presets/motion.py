"""Presets without a download for many cameras: what moves, by optical flow, and the same beside six passes of an image network."""

from pathlib import Path

from torch import nn

from stavad.extract import flow
from stavad.extract.backbones.frames import FramesAndDifferences, FramesAndDifferencesView
from stavad.extract.clips import Taken
from stavad.extract.preprocess import IMAGENET, View
from stavad.extract.presets import Preset
from stavad.extract.presets.efficientnet_lite0 import LITE0, by_order
from stavad.extract.weights import Weights

STATISTICS = f"statistics of DIS flow between {len(flow.PAIRS)} pairs of frames, short side {flow.SIDE}"


class WithoutNetwork(Preset):
    """Its features are made where frames are decoded."""

    def load(self, weights_file: Path | None = None) -> tuple[nn.Module, dict]:
        return self.build().eval(), self.fingerprint("none")


def _motion() -> Preset:
    return WithoutNetwork(
        "motion", nn.Identity, STATISTICS, flow.WIDTH, View(**IMAGENET, resize=flow.SIDE), Weights(), tail="overlap", taken=Taken((), True)
    )  # fmt: skip


def _motion_lite0() -> Preset:
    shown = FramesAndDifferences
    return Preset(
        "motion-lite0",
        _build,
        f"{STATISTICS}; {shown.WEIGHT} times the strongest activations of efficientnet-lite0, block 4 on frames {shown.SEEN}, "
        f"blocks 1-4 on differences from {shown.MOVING}",
        flow.WIDTH + 368,
        FramesAndDifferencesView(**IMAGENET, resize=256, antialias=True),
        LITE0,
        tail="overlap",
        rename=by_order,
        taken=Taken(shown.FRAMES, True),
    )


def _build() -> nn.Module:
    import timm

    return FramesAndDifferences(timm.create_model("tf_efficientnet_lite0", num_classes=0))


PRESETS = {"motion-lite0": _motion_lite0, "motion": _motion}
