"""From clip features to anomaly scores: the bidirectional RNN of section 2.3, and the FC head it is compared with."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

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
        hidden = self._side_by_side(features) if features.device.type == "cpu" else self.rnn(features)[0]
        return self.out(hidden).squeeze(-1).sigmoid()

    def _side_by_side(self, features: Tensor) -> Tensor:
        """`self.rnn(features)[0]` on a CPU, where it would take one direction after the other; here a layer's directions are a batch of two."""
        directions = self.rnn.all_weights  # of each: input, recurrent, and their biases
        for layer in zip(directions[::2], directions[1::2]):
            of_input, recurrent, *biases = (torch.stack(pair) for pair in zip(*layer))
            given = linear(features, of_input.flatten(0, 1), sum(biases).flatten()).unflatten(-1, (2, -1))
            given = _turned(given.permute(1, 2, 0, 3))  # (N, 2, B, units)
            hidden = [given.new_zeros(given.shape[1:])]
            for of_clip in given.unbind():
                hidden.append(torch.baddbmm(of_clip, hidden[-1], recurrent.mT).relu())
            features = _turned(torch.stack(hidden[1:])).permute(2, 0, 1, 3).flatten(2)
        return features

    @torch.no_grad()
    def forget(self) -> None:
        """Bring the recurrent matrices back within the bound; after every step of an optimiser."""
        if self.memory == float("inf") or self.out.weight.is_meta:  # there is nothing on the meta device
            return
        recurrent = [matrix for name, matrix in self.rnn.named_parameters() if "weight_hh" in name]
        # on the host: a GPU takes five times as long for singular values of so small matrices
        norms = torch.linalg.matrix_norm(torch.stack(recurrent).nan_to_num(0, 0, 0).cpu(), ord=2)
        for matrix, factor in zip(recurrent, (self.memory / norms).nan_to_num(0).clamp(max=1).tolist()):
            matrix *= factor


def _turned(both: Tensor) -> Tensor:
    """(N, directions, ..): the second direction from the last clip to the first, or back again."""
    ahead, back = both.unbind(1)
    return torch.stack([ahead, back.flip(0)], 1)


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
