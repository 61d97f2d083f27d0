"""Spatial-temporal attention (STA), exactly and in linear time: section 2.2 of Liu et al., 2022.

A video is one single-channel map F of N clips x C feature dimensions. Position (i, j) holds the query q = w_q F_ij + b_q
and the key k = w_k F_ij + b_k, vectors of `channels` numbers, and attends to its *cross*: row i (the same clip) and
column j (the same feature dimension), itself counted once:

    score  = cos(q_ij, k_mn)                                                  eq. 1
    M      = exp(score) / sum of exp(score) over the cross                    eq. 2
    F~_ij  = F_ij + sum over the cross of M F_mn                              eq. 3

Written out this costs O(NC(N + C)). It need not, because one channel makes exp(score) a function of two numbers, F_ij and F_mn. Such a function
is, to rounding, a short sum of products of a function of one and a function of the other; so a row (or column) enters every query only by
a few sums over its members. On a bounded range the functions are powers (`powers.py`), else they are those of two angles (`angles.py`). Both are held
against the written-out form by the tests; docs/attention.md has the derivation. Memory is O(NC).
"""

from types import ModuleType

import torch
from torch import Tensor, nn

from stavad.train import angles, powers
from stavad.train.kernels import eager
from stavad.train.kernels import powers as in_c
from stavad.train.kernels.compiled import unavailable
from stavad.train.polynomial import Unbounded

try:
    from stavad.train.kernels import gpu as on_gpu
except ModuleNotFoundError:  # torch brings Triton along on Linux only
    on_gpu = None

OFFSET = 1e-8  # the smallest |q| and |k|: as in torch.cosine_similarity, a zero vector has score 0


def unfused(device: torch.device) -> str:
    """Why the attention runs by tensor operations on that device; empty if it does not."""
    if device.type == "cpu":
        return unavailable()
    if device.type == "cuda" and on_gpu:
        return on_gpu.unavailable(device)
    return f"there are no kernels for {device.type}"


class SpatialTemporalAttention(nn.Module):
    """F -> F~ -> F^: `passes` steps of eq. 1-3 with shared weights.

    Args:
        channels: D, the length of a query and of a key (10 in the paper).
        passes: how often the step is applied (2 in the paper).
        normalize: "keys" divides by the sum over the keys that a query sees (CCNet, which the paper cites); "queries" by the sum over
            the queries that see a key, as eq. 2 is printed, but masked: outside the cross a weight is 0, where the printed exp(0) is 1.

    Attributes:
        fused: run loops in C on a CPU, Triton kernels on a GPU, and tensor operations only where these cannot be had (`unfused`); false if it
            was set so.

    Raises:
        ValueError: `normalize` is neither.
    """

    def __init__(self, channels: int = 10, passes: int = 2, normalize: str = "keys"):
        super().__init__()
        if normalize not in ("keys", "queries"):
            raise ValueError(f"normalize is 'keys' or 'queries', not {normalize!r}")
        self.query = nn.Conv2d(1, channels, kernel_size=1)
        self.key = nn.Conv2d(1, channels, kernel_size=1)
        self.passes, self.normalize = passes, normalize
        self.fused = True

    def extra_repr(self) -> str:
        return f"passes={self.passes}, normalize={self.normalize!r}"

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend within each video.

        Args:
            features: (B, N, C) clip features; float32, float64, or lower precision, whose moments are float32.
            mask: (B, N) bool, true for real clips. A padded clip neither gives nor takes: it leaves as it came.

        Returns:
            (B, N, C), of the dtype of `features`.

        Raises:
            ValueError: a shape that is neither.
        """
        if features.dim() != 3:
            raise ValueError(f"features must be (B, N, C), not {tuple(features.shape)}")
        if mask is not None and mask.shape != features.shape[:2]:
            raise ValueError(f"mask must be {tuple(features.shape[:2])}, not {tuple(mask.shape)}")
        dtype = torch.float64 if features.dtype == torch.float64 else torch.float32
        with torch.autocast(features.device.type, enabled=False):
            vectors = self._vectors()
            keep = None if mask is None else mask.to(dtype)[..., None].contiguous()
            attended = features.to(dtype).contiguous()
            how, loops = (keep, vectors, self.normalize), self._loops(features.device)
            for number in range(self.passes):
                try:
                    attended = powers.step(attended, *how, loops, in_place=number > 0)
                except Unbounded:
                    attended = angles.step(attended, *how, in_c=loops is in_c)
        return attended.to(features.dtype)

    def _loops(self, device: torch.device) -> ModuleType:
        if not self.fused or unfused(device):
            return eager
        return in_c if device.type == "cpu" else on_gpu

    def _vectors(self) -> Tensor:
        """w_q, b_q, w_k, b_k (4, D + 4) in float64.

        Four dimensions of length OFFSET, one for each, keep their directions defined, and differentiable, where w = 0 or b is parallel to w;
        being orthogonal they change no product of a query and a key.
        """
        vectors = (self.query.weight, self.query.bias, self.key.weight, self.key.bias)
        more = OFFSET * torch.eye(4, dtype=torch.float64, device=self.query.weight.device)
        return torch.cat([torch.stack([v.flatten() for v in vectors]).double(), more], 1)
