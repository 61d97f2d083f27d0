"""Every metric with its 95 % interval, by a bootstrap over recordings; the classes of anomaly."""

from collections import defaultdict
from collections.abc import Collection

import numpy as np

from stavad.evaluate.counted import Counted
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.metrics.frame_auc import auc, auc_abnormal
from stavad.evaluate.score import ScoredVideo

RESAMPLES = 1000


def measure(scored: list[ScoredVideo], intervals: Collection[str] | None = None, seed: int = 0) -> dict[str, dict]:
    """All metrics of a set of videos: name -> {"value", "low", "high"}, the 95 % interval of a bootstrap over recordings.

    A recording is a video, or all videos of one `group`. Of a single one there is no interval.

    Args:
        intervals: names of the metrics that get one; None: all.

    A metric that the truth at hand does not define is None: frame metrics need the intervals of every abnormal video,
    `auc_abnormal` frames of both kinds, `video_auc` videos of both labels.
    """
    members = recordings(scored)
    counted = Counted(scored)
    values = {name: metric(counted) for name, (_, metric) in METRICS.items()}
    wanted = [name for name, value in values.items() if value is not None and (intervals is None or name in intervals)]
    resampled: dict[str, list[float]] = {name: [] for name in METRICS}
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES if len(members) > 1 else 0):
        times = _times(members, rng.integers(len(members), size=len(members)), len(scored))
        for name in wanted:
            if (value := METRICS[name][1](counted, times)) is not None:
                resampled[name].append(value)
    result = {}
    for name, value in values.items():
        found = resampled[name]
        low, high = map(float, np.percentile(found, [2.5, 97.5])) if found else (None, None)
        result[name] = {"value": value, "low": low, "high": high}
    return result


def recordings(scored: list[ScoredVideo]) -> list[list[int]]:
    """Places of the videos of each recording."""
    members = defaultdict(list)
    for place, s in enumerate(scored):
        members[s.video.group or ("", place)].append(place)
    return list(members.values())


def _times(members: list[list[int]], drawn: np.ndarray, videos: int) -> np.ndarray:
    """(videos,): how often each is in a resample."""
    times = np.zeros(videos, np.int64)
    for recording, count in zip(members, np.bincount(drawn, minlength=len(members))):
        times[recording] = count
    return times


def by_class(scored: list[ScoredVideo]) -> dict[str, dict]:
    """For each class of anomaly: its number of videos, `auc` of them beside all normal videos, `auc_abnormal` of them alone."""
    normal = [s for s in scored if s.video.label == 0]
    found = {}
    for kind in sorted({s.video.kind for s in scored if s.video.kind}):
        of_kind = [s for s in scored if s.video.kind == kind and s.video.label == 1]
        if of_kind:
            found[kind] = {"videos": len(of_kind), "auc": auc(normal + of_kind), "auc_abnormal": auc_abnormal(of_kind)}
    return found
