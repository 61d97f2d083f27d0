"""How features are scaled before the model sees them: learned on the training videos, part of the model."""

import numpy as np
import torch
from torch import Tensor, nn

from stavad.data.bags import Bag


class Moments:
    """Mean and deviation of each feature dimension (C,) over clips that need not be in memory together."""

    def __init__(self):
        self.count = 0
        self.sum: np.ndarray | float = 0.0
        self.squares: np.ndarray | float = 0.0

    def add(self, bag: Bag) -> None:
        """The clips of one more video."""
        self.count += bag.clips
        self.sum += bag.sum
        self.squares += bag.squares

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self.sum / self.count)

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(np.maximum(self.squares / self.count - self.mean**2, 0))


class Scaling(nn.Module):
    """`centre`: less the mean of the training clips, which hides what tells clips apart, then one factor for all dimensions, so
    that a row's length is 1 on the average (root mean square) and says how unusual the clip is. `whiten`: the same with every
    dimension brought to deviation 1 first. `length`: every row to length 1, as Sultani et al. `none`: as extracted.

    Args:
        kind: one of the four.
        mean, deviation: of the training clips, (C,); buffers, so that they go where the model goes.
    """

    def __init__(self, kind: str, mean, deviation):
        super().__init__()
        self.kind = kind
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.as_tensor(deviation, dtype=torch.float32))
        self.register_buffer("length", torch.tensor(np.linalg.norm(self.deviation.numpy())), persistent=False)

    def extra_repr(self) -> str:
        return f"{self.kind!r}, width={len(self.mean)}"

    @classmethod
    def learn(cls, seen: Moments, kind: str) -> "Scaling":
        """From the clips of the training videos."""
        floor = 1e-3 * seen.deviation.mean() or 1.0  # a dimension that hardly moves stays small
        return cls(kind, seen.mean.astype(np.float32), (seen.deviation + floor).astype(np.float32))

    def forward(self, features: Tensor) -> Tensor:
        """(.., C) -> (.., C) float32."""
        if self.kind == "centre":
            features = (features - self.mean) / self.length
        elif self.kind == "whiten":
            features = (features - self.mean) / self.deviation / len(self.mean) ** 0.5
        elif self.kind == "length":
            length = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
            features = features / torch.where(length > 0, length, 1)
        return features.float()
