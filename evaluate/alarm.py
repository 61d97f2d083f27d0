"""The threshold above which a score is an alarm, from normal videos of the training part."""

import numpy as np

from stavad.evaluate.metrics.false_alarms import false_alarm_rate
from stavad.evaluate.score import ScoredVideo


def alarm(training: list[ScoredVideo], scored: list[ScoredVideo], rate: float) -> dict | None:
    """The threshold that `rate` of the frames of the training part's normal videos exceed, and what it gives.

    Returns:
        `threshold`, `wanted`, and on `scored` (None where not defined): `false_alarm_rate` over the frames of normal videos,
        `frames_found` of the abnormal frames, `videos_found` of the abnormal videos. None if there is no normal training video.
    """
    seen = [s.scores for s in training if s.video.label == 0]
    if not seen:
        return None
    threshold = float(np.quantile(np.concatenate(seen), 1 - rate, method="higher"))
    found = [(s.scores > threshold).any() for s in scored if s.video.label == 1]
    frames = None
    if all(s.truth is not None for s in scored) and any(s.truth.any() for s in scored):
        frames = float((np.concatenate([s.scores[s.truth] for s in scored]) > threshold).mean())
    return {
        "wanted": rate,
        "threshold": threshold,
        "false_alarm_rate": false_alarm_rate(scored, threshold=threshold),
        "frames_found": frames,
        "videos_found": float(np.mean(found)) if found else None,
    }
