"""The numbers that are reported together, always: AUC beside the oracle that knows only the videos' labels."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluate.score import ScoredVideo

THRESHOLD = 0.5  # of the false alarm rate
RESAMPLES = 1000  # of the bootstrap
METRICS = {
    "auc": "frame AUC",
    "auc_abnormal": "frame AUC, abnormal videos only",
    "oracle_auc": "frame AUC of an oracle that knows only the video labels",
    "ap": "average precision",
    "far": f"false alarm rate at {THRESHOLD} on normal videos",
    "mean_score_negative": "mean score of negative clips",
    "mean_score_positive": "mean score of positive clips",
    "gap": "gap of the two means",
    "video_auc": "video AUC by maximum score",
}


def evaluate(scored: list[ScoredVideo], seed: int = 0) -> dict[str, dict]:
    """All metrics of a set of videos: name -> {"value", "low", "high"}, the 95 % interval of a bootstrap over videos.

    A metric that the truth at hand does not define is None: frame metrics need the intervals of every abnormal video,
    `auc_abnormal` frames of both kinds, `video_auc` videos of both labels.
    """
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(scored), size=len(scored)) for _ in range(RESAMPLES)]
    result = {}
    for name, metric in _FUNCTIONS.items():
        value = metric(scored)
        resampled = [metric([scored[i] for i in draw]) for draw in draws] if value is not None else []
        resampled = [v for v in resampled if v is not None]
        low, high = np.percentile(resampled, [2.5, 97.5]) if resampled else (None, None)
        result[name] = {"value": value, "low": _plain(low), "high": _plain(high)}
    return result


def _frames(scored: list[ScoredVideo], values: Callable) -> tuple[np.ndarray, np.ndarray] | None:
    if not scored or any(s.truth is None for s in scored):
        return None
    return np.concatenate([s.truth for s in scored]), np.concatenate([values(s) for s in scored])


def _both(truth: np.ndarray) -> bool:
    return bool(truth.any() and not truth.all())


def _auc(frames) -> float | None:
    return float(roc_auc_score(*frames)) if frames and _both(frames[0]) else None


def auc(scored):
    """Area under the ROC curve over all frames of all videos."""
    return _auc(_frames(scored, lambda s: s.scores))


def auc_abnormal(scored):
    """The same over the abnormal videos alone, which the video's label does not help with."""
    return _auc(_frames([s for s in scored if s.video.label == 1], lambda s: s.scores))


def oracle_auc(scored):
    """What a scorer reaches that gives every frame its video's label."""
    return _auc(_frames(scored, lambda s: np.full(len(s.scores), s.video.label == 1, float)))


def average_precision(scored):
    frames = _frames(scored, lambda s: s.scores)
    return float(average_precision_score(*frames)) if frames and _both(frames[0]) else None


def false_alarm_rate(scored):
    """Share of the normal videos' frames that score above the threshold."""
    normal = [s.scores for s in scored if s.video.label == 0]
    return float((np.concatenate(normal) > THRESHOLD).mean()) if normal else None


def _clip_means(scored) -> tuple[float, float] | None:
    """Mean scores of clips without and with an abnormal frame (Table 2 of the paper)."""
    if any(s.truth is None for s in scored):
        return None
    clips = np.concatenate([s.clips for s in scored])
    positive = np.concatenate([np.bincount(s.cover, s.truth, len(s.clips)) > 0 for s in scored])
    return (float(clips[~positive].mean()), float(clips[positive].mean())) if _both(positive) else None


def mean_score_negative(scored):
    means = _clip_means(scored)
    return means and means[0]


def mean_score_positive(scored):
    means = _clip_means(scored)
    return means and means[1]


def gap(scored):
    means = _clip_means(scored)
    return means and means[1] - means[0]


def video_auc(scored):
    """AUC over videos, each by its highest frame."""
    known = [s for s in scored if s.video.label is not None]
    labels = np.array([s.video.label for s in known], bool)
    return float(roc_auc_score(labels, [s.scores.max() for s in known])) if len(known) and _both(labels) else None


def _plain(value):
    return None if value is None else float(value)


_FUNCTIONS = {
    "auc": auc,
    "auc_abnormal": auc_abnormal,
    "oracle_auc": oracle_auc,
    "ap": average_precision,
    "far": false_alarm_rate,
    "mean_score_negative": mean_score_negative,
    "mean_score_positive": mean_score_positive,
    "gap": gap,
    "video_auc": video_auc,
}
