"""Area under the precision-recall curve over frames, by the two definitions in use."""

import numpy as np

from stavad.evaluate.counted import Counted

PLACE = 2


def _curve(scored, times) -> tuple[np.ndarray, np.ndarray] | None:
    """Recall and precision at each score as threshold, the highest first, before them the point (0, 1)."""
    counted = Counted.of(scored)
    return counted.frames.precision_recall(counted.times(times)) if counted.frames else None


def average_precision(scored, times=None):
    """Mean of the precision over the recall, in steps."""
    curve = _curve(scored, times)
    return curve and float(np.diff(curve[0]) @ curve[1][1:])


def average_precision_trapezoid(scored, times=None):
    """Area under straight lines between the points of the precision-recall curve, as much of the field computes it."""
    curve = _curve(scored, times)
    return curve and float(np.diff(curve[0]) @ (curve[1][1:] + curve[1][:-1])) / 2


METRICS = {
    "ap": ("average precision", average_precision),
    "ap_trapezoid": ("average precision, trapezoids under the curve", average_precision_trapezoid),
}
