"""The threshold above which a score is an alarm, from normal training videos scored by models that had not seen them."""

import numpy as np

from stavad.evaluate.metrics.false_alarms import false_alarm_rate
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.settings import ScoringSettings
from stavad.train.checkpoint import Trained, Unseen


def why_none(trained: Trained, settings: ScoringSettings) -> str:
    """Why there is no threshold, or nothing where there is one."""
    if not trained.unseen:
        return "the model was trained without cross-fitting, so that nothing tells how high unknown normal videos score"
    if settings.native or settings.smooth > 1 or settings.crops != "features":
        return "cross-fitting scored by segments, as without --native, --smooth and --crops scores"
    return ""


def threshold(unseen: list[Unseen], rate: float) -> float:
    """The lowest score that no more than a share `rate` of the frames exceed."""
    scores = np.concatenate([one.clips for one in unseen])
    weights = np.repeat([one.weight for one in unseen], [len(one.clips) for one in unseen])
    levels, level = np.unique(scores, return_inverse=True)
    of_level = np.bincount(level, weights)
    above = np.cumsum(of_level[::-1])[::-1] - of_level  # frames above each level
    return float(levels[np.flatnonzero(above <= rate * of_level.sum())[0]])


def alarm(trained: Trained, scored: list[ScoredVideo], rate: float, settings: ScoringSettings) -> dict:
    """The threshold that `rate` of the frames of unseen normal training videos exceed, and what it gives.

    Returns:
        `threshold`, `wanted`, and on `scored` (None where not defined): `false_alarm_rate` over the frames of normal videos,
        `frames_found` of the abnormal frames, `videos_found` of the abnormal videos; or `none`: why there is no threshold.
    """
    if reason := why_none(trained, settings):
        return {"none": reason}
    level = threshold(trained.unseen, rate)
    found = [(s.scores > level).any() for s in scored if s.video.label == 1]
    frames = None
    if all(s.truth is not None for s in scored) and any(s.truth.any() for s in scored):
        frames = float((np.concatenate([s.scores[s.truth] for s in scored]) > level).mean())
    return {
        "wanted": rate,
        "threshold": level,
        "videos": len(trained.unseen),
        "false_alarm_rate": false_alarm_rate(scored, threshold=level),
        "frames_found": frames,
        "videos_found": float(np.mean(found)) if found else None,
    }
