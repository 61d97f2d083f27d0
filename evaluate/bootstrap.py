"""Every metric with its 95 % interval, by a bootstrap over videos; the classes of anomaly."""

from collections.abc import Collection

import numpy as np

from stavad.evaluate.metrics import METRICS
from stavad.evaluate.metrics.frame_auc import auc, auc_abnormal
from stavad.evaluate.score import ScoredVideo

RESAMPLES = 1000


def measure(scored: list[ScoredVideo], intervals: Collection[str] | None = None, seed: int = 0) -> dict[str, dict]:
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
