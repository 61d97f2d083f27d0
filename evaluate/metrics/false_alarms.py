"""How often normal videos are in alarm."""

import numpy as np

from stavad.evaluate.counted import Counted

PLACE = 3
THRESHOLD = 0.5


def false_alarm_rate(scored, times=None, threshold: float = THRESHOLD):
    """Share of the normal videos' frames that score above the threshold."""
    counted = Counted.of(scored)
    weights = counted.times(times) * (counted.labels == 0)
    frames = np.array([len(s.scores) for s in counted])
    if not (weights * frames).sum():
        return None
    return float((weights * counted.above(threshold)).sum() / (weights * frames).sum())


METRICS = {"far": (f"false alarm rate at {THRESHOLD} on normal videos", false_alarm_rate)}
