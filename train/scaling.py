"""How features are scaled before the model sees them; learned on the training videos, kept with the model."""

from dataclasses import dataclass

import numpy as np

from data.bags import unit_length

SCALES = ("length", "whiten", "none")


@dataclass(frozen=True)
class Scaling:
    """`length`: every row to length 1, as Sultani et al. `whiten`: each dimension to mean 0 and deviation 1 over the training
    clips, then all divided by the root of C: what all clips share no longer hides what tells them apart, and a row's length,
    1 on the average, says how unusual the clip is. `none`: as extracted."""

    kind: str
    mean: np.ndarray  # (C,)
    deviation: np.ndarray  # (C,)

    @classmethod
    def learn(cls, clips: np.ndarray, kind: str) -> "Scaling":
        """From the clips (any, C) of the training videos."""
        deviation = clips.std(0)
        floor = 1e-3 * deviation.mean() or 1.0  # a dimension that hardly moves stays small
        return cls(kind, clips.mean(0), deviation + floor)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(.., C) -> (.., C) float32."""
        if self.kind == "whiten":
            features = (features - self.mean) / self.deviation / np.sqrt(len(self.mean))
        elif self.kind == "length":
            features = unit_length(features)
        return features.astype(np.float32)
