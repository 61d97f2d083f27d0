"""The readings of `kernels.powers` as Triton kernels: a program for each tile of a map, compiled once for all degrees of a kind of sizes.

A tile leaves the sums of its own rows and columns, which are added up afterwards, so that the same map always gives the same sums. `combine`, which only
the normalisation by queries needs, is that of tensor operations.
"""

import functools
import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from stavad.train.kernels.eager import combine, in_two_readings
from stavad.train.kernels.powers import Term

__all__ = ["attend", "backward", "combine", "gather", "unavailable"]

# rows and columns of a tile
SUMMED = {"R": 16, "W": 64, "num_warps": 1}  # one warp adds up without waiting for others
WRITTEN = {"R": 32, "W": 32, "num_warps": 4}


@functools.cache
def unavailable(device: torch.device) -> str:
    """Why the kernels cannot be had on that GPU; empty if they can."""
    try:
        gather(torch.ones(1, 1, 1, device=device), 1.0, 2, (None,), None)[0].tolist()
    except Exception as reason:  # of Triton, of the compiler that it calls, of the driver: of no common class
        said = str(reason).strip().splitlines()
        return f"Triton fails: {said[-1][:150] if said else type(reason).__name__}"
    return ""


def _on_its_device(reading):
    """Triton launches on the current GPU, whichever its tensors lie on."""

    @functools.wraps(reading)
    def run(features: Tensor, *arguments):
        with torch.cuda.device_of(features):
            return reading(features, *arguments)

    return run


@_on_its_device
def gather(features: Tensor, reach: float, count: int, values: tuple, keep: Tensor | None) -> tuple[Tensor, Tensor]:
    return _sums(features, _inverse(features, reach), count, values, keep)


@_on_its_device
def attend(
    features: Tensor, reach: float, matrix: Tensor, less: Tensor, keep: Tensor | None, out: Tensor
) -> tuple[Tensor, Tensor]:
    inverse = _inverse(features, reach)
    rows, columns = (side[0] for side in _sums(features, inverse, matrix.shape[1], (None,), keep))
    _attend[_grid(features, WRITTEN)](
        features, inverse, keep, *_coefficients(Term(None, matrix, rows, columns, less)), out, *features.shape,
        len(matrix) // 2, MASKED=keep is not None, **WRITTEN,
    )  # fmt: skip
    return rows, columns


@_on_its_device
def given(features: Tensor, reach: float, out: Tensor, grad: Tensor, below: Term, keep):
    terms = len(below.matrix)
    rows, columns = _room(features, 2, terms)
    _given[_grid(features, SUMMED)](
        features, _inverse(features, reach), out, grad, keep, *_coefficients(below), rows, columns, *features.shape, terms,
        MASKED=keep is not None, **SUMMED,
    )  # fmt: skip
    return _total(rows), _total(columns)


@_on_its_device
def derive(features: Tensor, reach: float, out: Tensor, grad: Tensor, both: Term, key: Term, keep) -> Tensor:
    d_features = torch.empty_like(features)
    _derive[_grid(features, WRITTEN)](
        features, _inverse(features, reach), out, grad, keep, *_coefficients(both), *_coefficients(key), d_features, *features.shape,
        len(key.matrix), MASKED=keep is not None, **WRITTEN,
    )  # fmt: skip
    return d_features


backward = functools.partial(in_two_readings, given, derive)


def _sums(features: Tensor, inverse: Tensor, count: int, values: tuple, keep: Tensor | None) -> tuple[Tensor, Tensor]:
    rows, columns = _room(features, len(values), count)
    for place, value in enumerate(values):
        _gather[_grid(features, SUMMED)](
            features, inverse, value, keep, rows, columns, *features.shape, count,
            V=len(values), PLACE=place, ONES=value is None, MASKED=keep is not None, **SUMMED,
        )  # fmt: skip
    return _total(rows), _total(columns)


def _tiles(features: Tensor, tile: dict[str, int]) -> tuple[int, int]:
    """In a row of the map, and in a column."""
    return triton.cdiv(features.shape[2], tile["W"]), triton.cdiv(features.shape[1], tile["R"])


def _grid(features: Tensor, tile: dict[str, int]) -> tuple[int]:
    return (math.prod(_tiles(features, tile)) * len(features),)  # of one dimension: of others a GPU has 65,535 at most


def _room(features: Tensor, values: int, count: int) -> tuple[Tensor, Tensor]:
    """For each tile's sums of rows (tiles in a row, V, K, B, N) and of columns (tiles in a column, V, K, B, C)."""
    (across, down), (bags, clips, width) = _tiles(features, SUMMED), features.shape
    return features.new_empty(across, values, count, bags, clips), features.new_empty(down, values, count, bags, width)


def _total(tiles: Tensor) -> Tensor:
    return tiles.sum(0) if len(tiles) > 1 else tiles[0]


def _inverse(features: Tensor, reach: float) -> Tensor:
    """A tensor: as a number it would come with the digits of float32."""
    return torch.full((), 1 / reach, dtype=features.dtype, device=features.device)


def _coefficients(term: Term) -> tuple[Tensor, Tensor]:
    """Of the rows (Q, B N) and of the columns (Q, B C)."""
    rows, columns = term.rows.flatten(1), term.columns.flatten(1)
    of_rows = term.matrix @ rows if term.less is None else torch.addmm(term.less[:, None], term.matrix, rows, beta=-1)
    return of_rows, term.matrix @ columns


@triton.jit
def _place(N, C, R: tl.constexpr, W: tl.constexpr):
    """This program's tile: its place in a row of tiles, in a column, and its bag."""
    across, down = tl.cdiv(C, W), tl.cdiv(N, R)
    program = tl.program_id(0)
    return program % across, program // across % down, (program // (across * down)).to(tl.int64)


@triton.jit
def _tile(N, C, keep, MASKED: tl.constexpr, R: tl.constexpr, W: tl.constexpr):
    """Rows n and columns c of bag b, where they lie in the map, which there are, and which of these are kept."""
    across, down, b = _place(N, C, R, W)
    n, c = down * R + tl.arange(0, R), across * W + tl.arange(0, W)
    inside = (n < N)[:, None] & (c < C)[None, :]
    kept = inside
    if MASKED:
        kept = inside & (tl.load(keep + b * N + n, mask=n < N, other=0) != 0)[:, None]
    return b, n, c, (b * N + n)[:, None] * C + c[None, :], inside, kept


@triton.jit
def _coefficient(q, rows, columns, b, n, c, B, N, C):
    """Of x^q: the row's plus the column's."""
    of_rows = tl.load(rows + (q * B + b) * N + n, mask=n < N, other=0)
    return of_rows[:, None] + tl.load(columns + (q * B + b) * C + c, mask=c < C, other=0)[None, :]


@triton.jit
def _polynomial(x, rows, columns, b, n, c, B, N, C, first, terms):
    total = _coefficient(first + terms - 1, rows, columns, b, n, c, B, N, C)
    for i in range(1, terms):
        total = total * x + _coefficient(first + terms - 1 - i, rows, columns, b, n, c, B, N, C)
    return total


@triton.jit
def _add_powers(
    x, t, rows, columns, b, n, c, B, N, C, K, V: tl.constexpr, PLACE: tl.constexpr, R: tl.constexpr, W: tl.constexpr
):
    """The sums of t x^k, k < K, over this tile's rows and columns."""
    across, down, _ = _place(N, C, R, W)
    for k in range(K):
        tl.store(rows + (((across.to(tl.int64) * V + PLACE) * K + k) * B + b) * N + n, tl.sum(t, 1), mask=n < N)
        tl.store(columns + (((down.to(tl.int64) * V + PLACE) * K + k) * B + b) * C + c, tl.sum(t, 0), mask=c < C)
        t = t * x


@triton.jit(do_not_specialize=["K"])
def _gather(
    f, inverse, value, keep, rows, columns, B, N, C, K,
    V: tl.constexpr, PLACE: tl.constexpr, ONES: tl.constexpr, MASKED: tl.constexpr, R: tl.constexpr, W: tl.constexpr,
):  # fmt: skip
    b, n, c, at, _, kept = _tile(N, C, keep, MASKED, R, W)
    x = tl.load(f + at, mask=kept, other=0) * tl.load(inverse)
    if ONES:  # noqa: SIM108
        t = tl.where(kept, x * 0 + 1, 0)
    else:
        t = tl.load(value + at, mask=kept, other=0)
    _add_powers(x, t, rows, columns, b, n, c, B, N, C, K, V, PLACE, R, W)


@triton.jit(do_not_specialize=["Q"])
def _attend(
    f, inverse, keep, of_rows, of_columns, out, B, N, C, Q,
    MASKED: tl.constexpr, R: tl.constexpr, W: tl.constexpr,
):  # fmt: skip
    b, n, c, at, inside, kept = _tile(N, C, keep, MASKED, R, W)
    value = tl.load(f + at, mask=inside, other=0)
    x = value * tl.load(inverse)
    above = _polynomial(x, of_rows, of_columns, b, n, c, B, N, C, 0, Q)
    below = _polynomial(x, of_rows, of_columns, b, n, c, B, N, C, Q, Q)
    tl.store(out + at, tl.where(kept, value + above / tl.where(kept, below, 1), value), mask=inside)


@triton.jit(do_not_specialize=["Q"])
def _given(
    f, inverse, out, grad, keep, of_rows, of_columns, rows, columns, B, N, C, Q,
    MASKED: tl.constexpr, R: tl.constexpr, W: tl.constexpr,
):  # fmt: skip
    b, n, c, at, _, kept = _tile(N, C, keep, MASKED, R, W)
    value = tl.load(f + at, mask=kept, other=0)
    x = value * tl.load(inverse)
    below = _polynomial(x, of_rows, of_columns, b, n, c, B, N, C, 0, Q)
    u = tl.load(grad + at, mask=kept, other=0) / tl.where(kept, below, 1)
    w = (value - tl.load(out + at, mask=kept, other=0)) * u
    _add_powers(x, u, rows, columns, b, n, c, B, N, C, Q, 2, 0, R, W)
    _add_powers(x, w, rows, columns, b, n, c, B, N, C, Q, 2, 1, R, W)


@triton.jit(do_not_specialize=["Q"])
def _derive(
    f, inverse, out, grad, keep, of_rows, of_columns, key_rows, key_columns, d_f, B, N, C, Q,
    MASKED: tl.constexpr, R: tl.constexpr, W: tl.constexpr,
):  # fmt: skip
    b, n, c, at, inside, kept = _tile(N, C, keep, MASKED, R, W)
    value, g = tl.load(f + at, mask=inside, other=0), tl.load(grad + at, mask=inside, other=0)
    x = value * tl.load(inverse)
    up = _polynomial(x, of_rows, of_columns, b, n, c, B, N, C, 0, Q - 1)
    key = _polynomial(x, key_rows, key_columns, b, n, c, B, N, C, 0, Q)
    below, down = _coefficient(2 * Q - 2, of_rows, of_columns, b, n, c, B, N, C), x * 0
    for i in range(1, Q):
        down = down * x + below
        below = below * x + _coefficient(2 * Q - 2 - i, of_rows, of_columns, b, n, c, B, N, C)
    u = g / tl.where(kept, below, 1)
    w = (value - tl.load(out + at, mask=inside, other=0)) * u
    slope = (u * up + w * down + key) * tl.load(inverse)
    tl.store(d_f + at, tl.where(kept, slope + g, g), mask=inside)
