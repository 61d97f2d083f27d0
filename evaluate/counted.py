"""Scored videos as what metrics count, sorted once, so that a resample of the videos costs no sorting."""

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from stavad.evaluate.score import ScoredVideo


class Ranked:
    """Scores in ascending order, each with its numbers of normal and abnormal cases and the video it is of.

    Args:
        scores: (n,).
        cases: (2, n): normal and abnormal cases that have each score.
        video: (n,): place of the video.
    """

    def __init__(self, scores: np.ndarray, cases: np.ndarray, video: np.ndarray):
        order = np.argsort(scores, kind="stable")
        self.cases, self.video = cases[:, order].astype(np.float64), video[order]
        self._times: np.ndarray | None = None
        self._curve_of: np.ndarray | None = None
        self.starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)  # of equal scores

    def at_levels(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Normal and abnormal cases of each different score, ascending; `times` (videos,) is how often each video counts. None: not of both kinds."""
        if times is not self._times:  # several metrics of one resample ask for the same
            cases = self.cases * times.astype(self.cases.dtype)[self.video]
            self._times = times
            self._levels = cases if len(self.starts) == cases.shape[1] else np.add.reduceat(cases, self.starts, axis=1)
        normal, abnormal = self._levels
        return (normal, abnormal) if normal.any() and abnormal.any() else None

    def precision_recall(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Recall and precision at each score as threshold, the highest first, before them the point (0, 1). None: not of both kinds."""
        levels = self.at_levels(times)
        if levels is None:
            return None
        if times is not self._curve_of:
            false, true = np.cumsum(levels[0][::-1]), np.cumsum(levels[1][::-1])
            above = true + false
            precision = np.divide(true, above, out=np.ones(len(true)), where=above > 0)
            self._curve_of, self._curve = times, (np.r_[0.0, true / true[-1]], np.r_[1.0, precision])
        return self._curve

    def auc(self, times: np.ndarray) -> float | None:
        """Area under the ROC curve, equal scores by straight lines (ties count half), as scikit-learn's. None: not of both kinds."""
        levels = self.at_levels(times)
        if levels is None:
            return None
        normal, abnormal = levels
        below = np.cumsum(normal) - normal / 2
        return float(abnormal @ below / (normal.sum() * abnormal.sum()))


class Counted(list[ScoredVideo]):
    """Scored videos, and what of them metrics need, made when it is first asked for."""

    @classmethod
    def of(cls, scored: list[ScoredVideo]) -> "Counted":
        """`scored` itself if it is one already."""
        return scored if isinstance(scored, cls) else cls(scored)

    def times(self, times: np.ndarray | None) -> np.ndarray:
        """How often each video counts: `times`, or once."""
        return np.ones(len(self), np.int64) if times is None else times

    @cached_property
    def labels(self) -> np.ndarray:
        """(videos,): 1, 0, or -1 where it is not known."""
        return np.array([-1 if s.video.label is None else s.video.label for s in self])

    @cached_property
    def frames(self) -> Ranked | None:
        """Frames by their score; None where the truth of some is not known."""
        return self._ranked(range(len(self)))

    @cached_property
    def abnormal_frames(self) -> Ranked | None:
        """Those of the abnormal videos."""
        return self._ranked(np.flatnonzero(self.labels == 1))

    @cached_property
    def within(self) -> np.ndarray | None:
        """(videos,): AUC over the frames of each abnormal video; nan where it is not defined. None where the truth of some is not known."""
        if any(s.truth is None for s in self if s.video.label == 1):
            return None
        aucs = []
        for s in self:
            scores, cases = s.levels if s.video.label == 1 else (np.zeros(0), np.zeros((2, 0)))
            alone = Ranked(scores, cases, np.zeros(len(scores), int)).auc(np.ones(1, int))
            aucs.append(np.nan if alone is None else alone)
        return np.array(aucs)

    @cached_property
    def oracle(self) -> Ranked | None:
        """Frames by the label of their video."""
        return self._ranked(range(len(self)), lambda s: np.array([float(s.video.label == 1)]))

    @cached_property
    def videos(self) -> Ranked:
        """Videos whose label is known by their highest score."""
        peaks = np.array([s.scores.max() for s in self])
        return Ranked(peaks, np.stack([self.labels == kind for kind in (0, 1)]).astype(np.int64), np.arange(len(self)))

    @cached_property
    def clips(self) -> np.ndarray | None:
        """(videos, 4): number and sum of scores of the clips without, then of those with an abnormal frame; None where the truth is not known."""
        if not self or any(s.truth is None for s in self):
            return None
        rows = []
        for s in self:
            normal, abnormal = s.covered
            sides = (s.clips[(normal > 0) & (abnormal == 0)], s.clips[abnormal > 0])
            rows.append([value for side in sides for value in (len(side), side.sum(dtype=np.float64))])
        return np.array(rows, float)

    def above(self, threshold: float) -> np.ndarray:
        """(videos,): frames that score higher."""
        if threshold not in self._above:
            self._above[threshold] = np.array([(s.scores > threshold).sum() for s in self])
        return self._above[threshold]

    @cached_property
    def _above(self) -> dict[float, np.ndarray]:
        return {}

    def _ranked(self, places: Iterable[int], score: Callable | None = None) -> Ranked | None:
        """Of the frames of some videos; `score` gives one for all frames of a video."""
        chosen = [(place, self[place]) for place in places]
        if not chosen or any(s.truth is None for _, s in chosen):
            return None
        parts = [(score(s), s.covered.sum(1, keepdims=True)) if score else s.levels for _, s in chosen]
        video = np.repeat([place for place, _ in chosen], [len(scores) for scores, _ in parts])
        return Ranked(np.concatenate([s for s, _ in parts]), np.concatenate([c for _, c in parts], axis=1), video)
