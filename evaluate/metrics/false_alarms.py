"""How often normal videos are in alarm."""

import numpy as np

PLACE = 3
THRESHOLD = 0.5


def false_alarm_rate(scored, threshold: float = THRESHOLD):
    """Share of the normal videos' frames that score above the threshold."""
    normal = [s.scores for s in scored if s.video.label == 0]
    return float((np.concatenate(normal) > threshold).mean()) if normal else None


METRICS = {"far": (f"false alarm rate at {THRESHOLD} on normal videos", false_alarm_rate)}
