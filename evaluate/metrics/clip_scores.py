"""Mean scores of clips with and without an abnormal frame: Table 2 of the paper."""

from stavad.evaluate.counted import Counted

PLACE = 4


def _clip_means(scored, times) -> tuple[float, float] | None:
    """Mean scores of clips without and with an abnormal frame (Table 2 of the paper)."""
    counted = Counted.of(scored)
    if counted.clips is None:
        return None
    totals = counted.times(times) @ counted.clips  # number and sum of the negative, then of the positive
    return (totals[1] / totals[0], totals[3] / totals[2]) if totals[0] and totals[2] else None


def mean_score_negative(scored, times=None):
    means = _clip_means(scored, times)
    return means and float(means[0])


def mean_score_positive(scored, times=None):
    means = _clip_means(scored, times)
    return means and float(means[1])


def gap(scored, times=None):
    means = _clip_means(scored, times)
    return means and float(means[1] - means[0])


METRICS = {
    "mean_score_negative": ("mean score of negative clips", mean_score_negative),
    "mean_score_positive": ("mean score of positive clips", mean_score_positive),
    "gap": ("gap of the two means", gap),
}
