"""The numbers that are reported together, always: AUC beside the oracle that knows only the videos' labels."""

from collections.abc import Callable, Collection

import numpy as np
from sklearn.metrics import auc as area
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from evaluate.score import ScoredVideo

THRESHOLD = 0.5  # of the false alarm rate
RESAMPLES = 1000  # of the bootstrap


def evaluate(scored: list[ScoredVideo], intervals: Collection[str] | None = None, seed: int = 0) -> dict[str, dict]:
    """All metrics of a set of videos: name -> {"value", "low", "high"}, the 95 % interval of a bootstrap over videos.

    Args:
        intervals: names of the metrics that get one; None: all.

    A metric that the truth at hand does not define is None: frame metrics need the intervals of every abnormal video,
    `auc_abnormal` frames of both kinds, `video_auc` videos of both labels.
    """
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(scored), size=len(scored)) for _ in range(RESAMPLES)]
    result = {}
    for name, (_, metric) in METRICS.items():
        value = metric(scored)
        wanted = draws if value is not None and (intervals is None or name in intervals) else []
        resampled = [metric([scored[i] for i in draw]) for draw in wanted]
        resampled = [v for v in resampled if v is not None]
        low, high = map(float, np.percentile(resampled, [2.5, 97.5])) if resampled else (None, None)
        result[name] = {"value": value, "low": low, "high": high}
    return result


def by_class(scored: list[ScoredVideo]) -> dict[str, dict]:
    """For each class of anomaly: its number of videos, `auc` of them beside all normal videos, `auc_abnormal` of them alone."""
    normal = [s for s in scored if s.video.label == 0]
    found = {}
    for kind in sorted({s.video.kind for s in scored if s.video.kind}):
        of_kind = [s for s in scored if s.video.kind == kind and s.video.label == 1]
        if of_kind:
            found[kind] = {"videos": len(of_kind), "auc": auc(normal + of_kind), "auc_abnormal": auc_abnormal(of_kind)}
    return found


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
        "false_alarm_rate": false_alarm_rate(scored, threshold),
        "frames_found": frames,
        "videos_found": float(np.mean(found)) if found else None,
    }


def _frames(scored: list[ScoredVideo], of_video: Callable | None = None) -> tuple | None:
    """Truth, score and weight: the frames of a video that have the same score and truth stand in one row, weighted by their number.

    Args:
        of_video: the score of all frames of a video; None: their own.
    """
    if not scored or any(s.truth is None for s in scored):
        return None
    if of_video:
        scores = np.array([of_video(s) for s in scored], float)
        weights = np.stack([s.covered.sum(1) for s in scored], axis=1)
    else:
        scores = np.concatenate([s.levels[0] for s in scored])
        weights = np.concatenate([s.levels[1] for s in scored], axis=1)
    if not weights.any(1).all():
        return None
    return np.repeat([False, True], len(scores)), np.tile(scores, 2), weights.ravel()


def _auc(frames) -> float | None:
    return float(roc_auc_score(*frames[:2], sample_weight=frames[2])) if frames else None


def auc(scored):
    """Area under the ROC curve over all frames of all videos."""
    return _auc(_frames(scored))


def auc_abnormal(scored):
    """The same over the abnormal videos alone, which the video's label does not help with."""
    return _auc(_frames([s for s in scored if s.video.label == 1]))


def oracle_auc(scored):
    """What a scorer reaches that gives every frame its video's label."""
    return _auc(_frames(scored, lambda s: s.video.label == 1))


def average_precision(scored):
    """Mean of the precision over the recall, in steps."""
    frames = _frames(scored)
    return float(average_precision_score(*frames[:2], sample_weight=frames[2])) if frames else None


def average_precision_trapezoid(scored):
    """Area under straight lines between the points of the precision-recall curve, as much of the field computes it."""
    frames = _frames(scored)
    if not frames:
        return None
    precision, recall, _ = precision_recall_curve(*frames[:2], sample_weight=frames[2])
    return float(area(recall, precision))


def false_alarm_rate(scored, threshold: float = THRESHOLD):
    """Share of the normal videos' frames that score above the threshold."""
    normal = [s.scores for s in scored if s.video.label == 0]
    return float((np.concatenate(normal) > threshold).mean()) if normal else None


def _clip_means(scored) -> tuple[float, float] | None:
    """Mean scores of clips without and with an abnormal frame (Table 2 of the paper)."""
    if any(s.truth is None for s in scored):
        return None
    normal, abnormal = np.concatenate([s.covered for s in scored], axis=1)
    clips = np.concatenate([s.clips for s in scored])[normal + abnormal > 0]
    positive = abnormal[normal + abnormal > 0] > 0
    if positive.all() or not positive.any():
        return None
    return float(clips[~positive].mean()), float(clips[positive].mean())


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
    if not known or labels.all() or not labels.any():
        return None
    return float(roc_auc_score(labels, [s.scores.max() for s in known]))


METRICS = {  # in the order of the table: what it is called, and the function of a list of scored videos
    "auc": ("frame AUC", auc),
    "auc_abnormal": ("frame AUC, abnormal videos only", auc_abnormal),
    "oracle_auc": ("frame AUC of an oracle that knows only the video labels", oracle_auc),
    "ap": ("average precision", average_precision),
    "ap_trapezoid": ("average precision, trapezoids under the curve", average_precision_trapezoid),
    "far": (f"false alarm rate at {THRESHOLD} on normal videos", false_alarm_rate),
    "mean_score_negative": ("mean score of negative clips", mean_score_negative),
    "mean_score_positive": ("mean score of positive clips", mean_score_positive),
    "gap": ("gap of the two means", gap),
    "video_auc": ("video AUC by maximum score", video_auc),
}
