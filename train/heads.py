"""From clip features to anomaly scores: the bidirectional RNN of section 2.3, and the FC head it is compared with."""

from collections.abc import Callable

from torch import Tensor, nn


class RecurrentHead(nn.Module):
    """Two bidirectional layers of 64 ReLU units, then one sigmoid: (B, N, C) -> scores (B, N) in [0, 1]."""

    def __init__(self, width: int):
        super().__init__()
        self.rnn = nn.RNN(width, 64, num_layers=2, nonlinearity="relu", batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * 64, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.out(self.rnn(features)[0]).squeeze(-1).sigmoid()


class FullyConnectedHead(nn.Module):
    """512-32-1 with dropout 0.6, each clip by itself, as in Sultani et al., 2018: (B, N, C) -> (B, N) in [0, 1]."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 512), nn.ReLU(), nn.Dropout(0.6), nn.Linear(512, 32), nn.Dropout(0.6), nn.Linear(32, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).squeeze(-1).sigmoid()


HEADS: dict[str, Callable[[int], nn.Module]] = {"rnn": RecurrentHead, "fc": FullyConnectedHead}
