"""From clip features to anomaly scores: the bidirectional RNN of section 2.3, and the FC head it is compared with."""

import torch
from torch import Tensor, nn

from stavad.train.settings import TrainSettings


class RecurrentHead(nn.Module):
    """Two bidirectional layers of 64 ReLU units, then one sigmoid: (B, N, C) -> scores (B, N) in [0, 1].

    The ranking loss looks at one segment of a bag, and a free recurrence brings the evidence of the whole video there: it integrates, and
    the highest score moves to an end of the video. With a spectral norm of at most `memory`, evidence fades by that factor a segment.

    Args:
        width: C.
        memory: bound of the spectral norm of every recurrent matrix; inf: none, as the paper prints it.
    """

    def __init__(self, width: int, memory: float = float("inf")):
        super().__init__()
        self.rnn = nn.RNN(width, 64, num_layers=2, nonlinearity="relu", batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * 64, 1)
        self.memory = memory
        self.forget()

    def forward(self, features: Tensor) -> Tensor:
        hidden = self._by_one_product(features) if features.device.type == "cpu" else self.rnn(features)[0]
        return self.out(hidden).squeeze(-1).sigmoid()

    def _by_one_product(self, features: Tensor) -> Tensor:
        """`self.rnn(features)[0]` on a CPU, where it would copy the features and multiply them with one direction's weights at a time.

        Here one product serves both directions of the first layer; each then takes its half of it by a matrix of zeros and ones.
        """
        forward, backward, *second = self.rnn.all_weights  # of each: input, recurrent, and their biases
        projected = features @ torch.cat([forward[0], backward[0]]).T
        halves = torch.eye(projected.shape[-1], dtype=projected.dtype).chunk(2)
        weights = [halves[0], *forward[1:], halves[1], *backward[1:], *(weight for layer in second for weight in layer)]
        layers = self.rnn.num_layers
        before = projected.new_zeros(2 * layers, len(features), self.rnn.hidden_size)
        return torch.rnn_relu(projected, before, weights, True, layers, 0.0, self.training, True, True)[0]

    @torch.no_grad()
    def forget(self) -> None:
        """Bring the recurrent matrices back within the bound; after every step of an optimiser."""
        if self.memory == float("inf"):
            return
        recurrent = [matrix for name, matrix in self.rnn.named_parameters() if "weight_hh" in name]
        norms = torch.linalg.matrix_norm(torch.stack(recurrent).nan_to_num(0, 0, 0), ord=2)
        for matrix, norm in zip(recurrent, norms):
            matrix *= (self.memory / norm).nan_to_num(0).clamp(max=1)


class FullyConnectedHead(nn.Module):
    """512-32-1 with dropout 0.6, each clip by itself, as in Sultani et al., 2018: (B, N, C) -> (B, N) in [0, 1]."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 512), nn.ReLU(), nn.Dropout(0.6), nn.Linear(512, 32), nn.Dropout(0.6), nn.Linear(32, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features).squeeze(-1).sigmoid()


def head(width: int, settings: TrainSettings) -> nn.Module:
    """The one that the settings name."""
    return RecurrentHead(width, settings.memory) if settings.head == "rnn" else FullyConnectedHead(width)
