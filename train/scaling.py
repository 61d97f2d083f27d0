"""How features are scaled before the model sees them; learned on the training videos, kept with the model."""

from dataclasses import dataclass

import numpy as np

from data.bags import unit_length

SCALES = ("centre", "whiten", "length", "none")


class Moments:
    """Mean and deviation of each feature dimension (C,) over clips that need not be in memory together."""

    def __init__(self):
        self.count, self.sum, self.squares = 0, 0.0, 0.0

    def add(self, clips: np.ndarray) -> None:
        """More clips (any, C)."""
        self.count += len(clips)
        self.sum += clips.sum(0, dtype=np.float64)
        self.squares += np.square(clips, dtype=np.float64).sum(0)

    @property
    def mean(self) -> np.ndarray:
        return self.sum / self.count

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(np.maximum(self.squares / self.count - self.mean**2, 0))


@dataclass(frozen=True)
class Scaling:
    """`centre`: less the mean of the training clips, which hides what tells clips apart, then one factor for all dimensions, so
    that a row's length is 1 on the average (root mean square) and says how unusual the clip is. `whiten`: the same with every
    dimension brought to deviation 1 first. `length`: every row to length 1, as Sultani et al. `none`: as extracted."""

    kind: str
    mean: np.ndarray  # (C,)
    deviation: np.ndarray  # (C,)

    @classmethod
    def learn(cls, seen: Moments, kind: str) -> "Scaling":
        """From the clips of the training videos."""
        floor = 1e-3 * seen.deviation.mean() or 1.0  # a dimension that hardly moves stays small
        return cls(kind, seen.mean.astype(np.float32), (seen.deviation + floor).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(.., C) -> (.., C) float32."""
        if self.kind == "centre":
            features = (features - self.mean) / np.linalg.norm(self.deviation)
        elif self.kind == "whiten":
            features = (features - self.mean) / self.deviation / np.sqrt(len(self.mean))
        elif self.kind == "length":
            features = unit_length(features)
        return features.astype(np.float32)
