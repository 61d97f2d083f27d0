"""The readings of a map that power sums need: in C on a CPU with a compiler, by the same names in `gpu` by Triton and in `eager` with tensors alone."""

from typing import NamedTuple

import torch
from torch import Tensor

from stavad.train.kernels.compiled import call, library


class Term(NamedTuple):
    """m(position) p(x): the polynomial's coefficients are `matrix` times the power sums, the row's plus the column's, less `less`."""

    multiplier: Tensor | None  # (B, N, C); None stands for 1
    matrix: Tensor  # (Q, K)
    rows: Tensor  # (K, B, N)
    columns: Tensor  # (K, B, C)
    less: Tensor | None = None  # (Q,)

    @property
    def of_rows(self) -> Tensor:
        """(B, N, Q), less `less`."""
        rows = torch.einsum("qk,kbn->bnq", self.matrix, self.rows)
        return rows if self.less is None else rows - self.less


class Own(NamedTuple):
    """m(position) e(x), the same polynomial everywhere."""

    multiplier: Tensor | None
    coefficients: Tensor  # (Q,)


def products(one: Tensor, other: Tensor) -> Tensor:
    """(K, ..), (L, ..) -> (K, L): the sums of the products."""
    return one.flatten(1) @ other.flatten(1).T


def gather(features: Tensor, reach: float, count: int, values: tuple, keep: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sums of v x^k, k < count, over the rows (V, K, B, N) and columns (V, K, B, C), x = features / reach; v None is 1."""
    bags, clips, width = features.shape
    rows = features.new_empty(len(values), count, bags, clips)
    columns = features.new_empty(len(values), count, bags, width)
    loaded = library("powers.c", features.dtype)
    call(loaded, "gather", bags, clips, width, features, 1 / reach, count, len(values), values, keep, rows, columns)
    return rows, columns


def attend(
    features: Tensor, reach: float, matrix: Tensor, less: Tensor, keep: Tensor | None, out: Tensor
) -> tuple[Tensor, Tensor]:
    """out = features + numerator / denominator, whose coefficients follow each other in `matrix` (2 Q, K) and `less` (2 Q,), as in `Term`.

    `out` may be `features`. Returns the power sums of rows (K, B, N) and columns (K, B, C).
    """
    bags, clips, width = features.shape
    terms, count = matrix.shape
    rows, columns = features.new_empty(count, bags, clips), features.new_empty(count, bags, width)
    call(
        library("powers.c", features.dtype), "attend", bags, clips, width, features, 1 / reach, terms // 2, count, matrix, less, keep,
        rows, columns, out,
    )  # fmt: skip
    return rows, columns


def backward(
    features: Tensor, reach: float, out: Tensor, grad: Tensor, both: Term, key: Tensor, keep, wanted: bool
) -> tuple[Tensor | None, Tensor]:
    """What `attend` passes back: u = grad / d is the gradient of the numerator n, w = (features - out) u that of the denominator d.

    Args:
        both: coefficients of n', then of d (2 Q - 1, K).
        key: those of r', what the position is given as a key, from the sums of u x^k, then of w x^k, k < Q, over its row and its column (Q, 2 Q).
        wanted: whether the features' gradient is.

    Returns:
        The gradient of the features, (u n'(x) + w d'(x) + r'(x)) / reach + grad, or None. Then (2 Q, K + 1): the products of those sums with the power
        sums of `both`, over all rows and columns, and last their sums over the whole map; float64 in C, else of the map's dtype.
    """
    bags, clips, width = features.shape
    terms, count = len(key), both.matrix.shape[1]
    met = torch.zeros(bags, 2 * terms, count + 1, dtype=torch.float64)
    d_features = torch.empty_like(features) if wanted else None
    call(
        library("powers.c", features.dtype), "backward", bags, clips, width, features, 1 / reach, out, grad, terms, count, both.matrix, both.less,
        both.rows, both.columns, key, keep, met, d_features,
    )  # fmt: skip
    return d_features, met.sum(0)


def combine(
    features: Tensor, reach: float, terms: tuple[Term, ...], owns: tuple[Own, ...], keep: Tensor | None
) -> Tensor:
    """The sum of the terms at each position (B, N, C); 0 where a row is not kept."""
    out = torch.empty_like(features)
    call(
        library("powers.c", features.dtype), "combine", *features.shape, features, 1 / reach,
        len(terms), tuple(t.matrix.shape[0] for t in terms), tuple(t.matrix.shape[1] for t in terms),
        *(tuple(part) for part in zip(*((t.multiplier, t.matrix, t.of_rows, t.columns) for t in terms))),
        len(owns), tuple(len(o.coefficients) for o in owns), tuple(o.multiplier for o in owns), tuple(o.coefficients for o in owns), keep, out,
    )  # fmt: skip
    return out
