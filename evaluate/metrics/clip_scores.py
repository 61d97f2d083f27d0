"""Mean scores of clips with and without an abnormal frame: Table 2 of the paper."""

import numpy as np

PLACE = 4


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


METRICS = {
    "mean_score_negative": ("mean score of negative clips", mean_score_negative),
    "mean_score_positive": ("mean score of positive clips", mean_score_positive),
    "gap": ("gap of the two means", gap),
}
