"""The readings of `kernels.powers` by tensor operations: on a CPU in parts that stay in its cache, elsewhere whole."""

import functools

import torch
from torch import Tensor

from stavad.train.kernels.powers import Own, Term, products

PART = 2**15  # positions worked on at a time on a CPU


def gather(features: Tensor, reach: float, count: int, values: tuple, keep: Tensor | None) -> tuple[Tensor, Tensor]:
    bags, clips, width = features.shape
    rows = features.new_empty(len(values), count, bags, clips)
    columns = features.new_zeros(len(values), count, bags, width)
    for part in parts(features):
        x = features[part] / reach
        kept = None if keep is None else keep[part]
        if kept is not None:
            x = x.masked_fill(kept == 0, 0)
        for place, v in enumerate(values):
            t = torch.ones_like(x) if v is None else v[part].clone()
            if kept is not None:
                t = t.masked_fill(kept == 0, 0)
            for k in range(count):
                t = t.mul_(x) if k else t
                rows[place, k][part] = t.sum(2)
                columns[place, k, part[0]] += t.sum(1)
    return rows, columns


def attend(
    features: Tensor, reach: float, matrix: Tensor, less: Tensor, keep: Tensor | None, out: Tensor
) -> tuple[Tensor, Tensor]:
    rows, columns = (side[0] for side in gather(features, reach, matrix.shape[1], (None,), keep))
    both = Term(None, matrix, rows, columns, less)
    above, below = (_coefficients(half) for half in _halves(both, len(matrix) // 2))
    for part in parts(features):
        f = features[part]
        x = f / reach
        quotient = _at(above, part, x).div_(_at(below, part, x))
        out[part] = f + (quotient if keep is None else quotient.masked_fill(keep[part] == 0, 0))
    return rows, columns


def given(features: Tensor, reach: float, out: Tensor, grad: Tensor, below: Term, keep):
    up = grad / combine(features, reach, (below,), (), None)
    return gather(features, reach, len(below.matrix), (up, (features - out).mul_(up)), keep)


def derive(features: Tensor, reach: float, out: Tensor, grad: Tensor, both: Term, key: Term, keep) -> Tensor:
    above, below = _halves(both, len(key.matrix) - 1)
    up = grad / combine(features, reach, (below,), (), None)
    down = below._replace(
        multiplier=(features - out).mul_(up),
        matrix=_slope(below.matrix),
        less=_slope(below.less),
    )
    return combine(features, reach, (above._replace(multiplier=up), down, key), (), keep).div_(reach).add_(grad)


def in_two_readings(
    read, write, features: Tensor, reach: float, out: Tensor, grad: Tensor, both: Term, key: Tensor, keep, wanted: bool
) -> tuple[Tensor | None, Tensor]:
    """`kernels.powers.backward`: here `read`, a form of `given`, makes the sums of u x^k and w x^k, and `write`, one of `derive`, the gradient."""
    _, below = _halves(both, len(key) - 1)
    sums = [side.flatten(0, 1) for side in read(features, reach, out, grad, below, keep)]
    met = products(sums[0], both.rows) + products(sums[1], both.columns)
    met = torch.cat([met, sums[0].sum((1, 2))[:, None]], 1)
    return write(features, reach, out, grad, both, Term(None, key, *sums), keep) if wanted else None, met


backward = functools.partial(in_two_readings, given, derive)


def _slope(coefficients: Tensor) -> Tensor:
    """Of a polynomial's derivative: of the coefficients (Q, ..), which belong to x^0 .. x^(Q-1), those of x^0 .. x^(Q-2)."""
    order = torch.arange(1, len(coefficients), device=coefficients.device, dtype=coefficients.dtype)
    return coefficients[1:] * order.view(-1, *[1] * (coefficients.dim() - 1))


def _halves(both: Term, terms: int) -> tuple[Term, Term]:
    """The polynomial of the first `terms` coefficients, and that of the others."""

    def of(which: slice) -> Term:
        return both._replace(matrix=both.matrix[which], less=both.less[which])

    return of(slice(terms)), of(slice(terms, None))


def combine(
    features: Tensor, reach: float, terms: tuple[Term, ...], owns: tuple[Own, ...], keep: Tensor | None
) -> Tensor:
    prepared = [_coefficients(term) for term in terms]
    out = torch.empty_like(features)
    for part in parts(features):
        x = features[part] / reach
        pieces = [(term.multiplier, _at(coefficients, part, x)) for term, coefficients in zip(terms, prepared)]
        pieces += [(m, _horner(own[:, None, None, None], x)) for m, own in owns]
        total = sum(p if m is None else p.mul_(m[part]) for m, p in pieces)
        out[part] = total if keep is None else total.masked_fill(keep[part] == 0, 0)
    return out


def parts(features: Tensor) -> list[tuple[slice, slice]]:
    """Indices of whole rows."""
    bags, clips, width = features.shape
    if features.device.type != "cpu":
        return [(slice(None), slice(None))]
    rows = min(clips, max(1, PART // width))
    together = max(1, PART // (clips * width))
    return [
        (slice(b, b + together), slice(i, i + rows)) for b in range(0, bags, together) for i in range(0, clips, rows)
    ]


def _coefficients(term: Term) -> tuple[Tensor, Tensor]:
    """Of the rows (Q, B, N, 1) and of the columns (Q, B, 1, C)."""
    columns = (term.matrix @ term.columns.flatten(1)).view(len(term.matrix), *term.columns.shape[1:])
    return term.of_rows.movedim(2, 0)[..., None], columns[:, :, None]


def _at(coefficients: tuple[Tensor, Tensor], part, x: Tensor) -> Tensor:
    rows, columns = coefficients[0][:, *part], coefficients[1][:, part[0]]
    total = rows[-1] + columns[-1]
    for q in reversed(range(len(rows) - 1)):
        total.mul_(x).add_(rows[q]).add_(columns[q])
    return total


def _horner(coefficients: Tensor, x: Tensor) -> Tensor:
    total = coefficients[-1].expand_as(x).clone()
    for coefficient in coefficients[:-1].flip(0):
        total.mul_(x).add_(coefficient)
    return total
