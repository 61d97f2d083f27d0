"""How features are scaled before the model sees them; learned on the training videos, kept with the model."""

from dataclasses import dataclass

import numpy as np

from data.bags import unit_length

SCALES = ("length", "whiten", "none")


@dataclass(frozen=True)
class Scaling:
    """`length`: every row to length 1, as Sultani et al. `whiten`: each dimension to mean 0 and deviation 1 over the training
    clips first, so that what all clips share does not hide what tells them apart. `none`: as extracted."""

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
            features = (features - self.mean) / self.deviation
        return (features if self.kind == "none" else unit_length(features)).astype(np.float32)
