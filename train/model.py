"""The paper's model: clip features -> spatial-temporal attention -> head -> anomaly scores."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from stavad.train.attention import SpatialTemporalAttention
from stavad.train.heads import RecurrentHead, head
from stavad.train.losses import objective
from stavad.train.scaling import Scaling
from stavad.train.settings import TrainSettings


class Scored(NamedTuple):
    scores: Tensor  # (B, N) anomaly scores in [0, 1]
    features: Tensor  # (B, N, C) boosted features F^, which eq. 4 compares


class Detector(nn.Module):
    """What `train.loop.fit` trains: (B, N, C) -> `Scored`, with its objective."""

    def objective(self, abnormal: Scored, normal: Scored) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its terms by name (detached)."""
        raise NotImplementedError

    def bound(self) -> None:
        """Called after every step of the optimiser: brings back within bounds what has any."""


class AnomalyDetector(Detector):
    """(B, N, C) features of N clips or segments -> `Scored`.

    Args:
        width: C, the feature dimension.
        settings: `head`, `memory`, `attention`, `channels`, `passes` and `normalize` shape the model.
    """

    def __init__(self, width: int, settings: TrainSettings):
        super().__init__()
        self.attention = (
            SpatialTemporalAttention(settings.channels, settings.passes, settings.normalize)
            if settings.attention
            else None
        )
        self.head = head(width, settings)
        self.settings = settings

    def forward(self, features: Tensor) -> Scored:
        if self.attention is not None:
            features = self.attention(features)
        return Scored(self.head(features), features)

    def objective(self, abnormal: Scored, normal: Scored) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 6: the loss, and its terms by name."""
        return objective(abnormal, normal, self.settings)

    def bound(self) -> None:
        if isinstance(self.head, RecurrentHead):
            self.head.forget()


class Ensemble(nn.Module):
    """What is trained, as one thing: features (B, N, C) as extracted -> scores (B, N), the mean of models of different seeds."""

    def __init__(self, scaling: Scaling, models: list[nn.Module]):
        super().__init__()
        self.scaling, self.models = scaling, nn.ModuleList(models)

    def forward(self, features: Tensor) -> Tensor:
        scaled = self.scaling(features)
        return torch.stack([model(scaled).scores for model in self.models]).mean(0)
