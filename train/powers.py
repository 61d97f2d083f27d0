"""One step of eq. 1-3 by power sums, for maps on a bounded range.

With s the largest |F| of the map and x = F / s in [-1, 1], E(x, y) = exp(cos(q(s x), k(s y))) is an analytic function of two numbers, so to
rounding it is a polynomial, sum over a, b <= P of c_ab x^a y^b. Then a row or column enters a query only by its power sums S_b = sum of x^b:

    denominator  sum_a x^a sum_b c_ab S_b               numerator  sum_a x^a sum_b c_ab s S_(b+1)

row's plus column's, less the position's own E(x, x), which both hold and which is a polynomial e(x) of its own. The backward pass is the same
two readings of the map, with the sums G_a of u x^a and H_a of w x^a, u and w the gradients of a position's numerator and denominator. The degree
is chosen for each call; where it would have to be too high, `Unbounded` sends the call to the angles.
"""

import functools
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize as unit
from torch.nn.functional import pad

from stavad.train.kernels.powers import Own, Term, products, slope

NODES = 27  # of the Chebyshev grid on which E is looked at
DEGREE = {torch.float32: 24, torch.float64: 22}  # the highest that leaves enough coefficients to tell what is left out
OWN_DEGREE = 25
ERROR = {torch.float32: 3e-8, torch.float64: 1e-14}  # of E, by what is left out
NOISE = 1.5e-15  # of a coefficient, by rounding
GROWTH = {torch.float32: 30.0, torch.float64: 1e3}  # of the sum of the |c_ab|, by which rounding grows


class Unbounded(Exception):
    """The range of the map is too wide for power sums."""


def step(
    features: Tensor,
    keep: Tensor | None,
    vectors: Tensor,
    normalize: str,
    loops: ModuleType,
    in_place: bool = False,
) -> Tensor:
    """F -> F~ (B, N, C).

    Args:
        keep: (B, N, 1), 1 for real clips and 0 for padding.
        vectors: w_q, b_q, w_k, b_k (4, D) in float64.
        loops: who reads the map: `kernels.powers` in C, `kernels.gpu` by Triton, `kernels.eager` by tensor operations.
        in_place: `features` are not needed any more, and nobody asks for gradients: F~ may take their room.

    Raises:
        Unbounded: the polynomial would need too high a degree.
    """
    real = features.detach() if keep is None else features.detach().masked_fill(keep == 0, 0)
    reach = max(float(torch.stack(real.aminmax()).abs().amax()), torch.finfo(features.dtype).tiny)
    if not np.isfinite(reach):
        raise Unbounded
    kernel, own = polynomials(vectors, reach, features.dtype, features.shape[2])
    polynomial = kernel.to(features), own.to(features)
    if not torch.is_grad_enabled():
        attend, _ = _directions(normalize)
        return attend(features, keep, *polynomial, reach, loops, in_place)[0]
    return _Step.apply(features, keep, *polynomial, reach, normalize, loops)


def polynomials(vectors: Tensor, reach: float, dtype: torch.dtype, width: int) -> tuple[Tensor, Tensor]:
    """c (P + 1, P + 1) and the coefficients of e, in float64; both differentiable in the vectors.

    e may be off by sqrt(width) times more than E, being one of at least `width` terms of a sum.

    Raises:
        Unbounded: the degree would be too high.
    """
    nodes, transform, powers = (torch.from_numpy(array).to(vectors.device) for array in _chebyshev(NODES))
    weights, biases = reach * vectors[::2, None], vectors[1::2, None]
    unit_q, unit_k = unit(nodes[:, None] * weights + biases, dim=-1, eps=1e-300)
    values = (unit_q @ unit_k.T).exp()
    series, diagonal = transform @ values @ transform.T, transform @ values.diagonal()
    sizes = torch.cat([series.detach().abs(), diagonal.detach().abs()[None]]).cpu().numpy()
    sizes[sizes < NOISE] = 0
    degree = _degree(np.bincount(_larger(NODES), sizes[:-1].ravel()), ERROR[dtype])
    own_degree = _degree(sizes[-1], ERROR[dtype] * width**0.5)
    if degree > DEGREE[dtype] or own_degree > OWN_DEGREE:
        raise Unbounded
    kernel = (
        powers[: degree + 1, : degree + 1] @ series[: degree + 1, : degree + 1] @ powers[: degree + 1, : degree + 1].T
    )
    if kernel.detach().abs().sum() > GROWTH[dtype]:
        raise Unbounded
    return kernel, powers[: own_degree + 1, : own_degree + 1] @ diagonal[: own_degree + 1]


def _degree(sizes, error: float) -> int:
    """The lowest degree beyond which the coefficients of that size add up to less than `error`; as many as there are, if none is."""
    beyond = np.cumsum(np.asarray(sizes)[::-1])[::-1]
    enough = np.flatnonzero(beyond < error)
    return max(1, int(enough[0]) - 1) if len(enough) else len(beyond)


@functools.lru_cache
def _larger(count: int) -> np.ndarray:
    """(n * n,): the larger of the two degrees that each coefficient belongs to."""
    return np.maximum(*np.indices((count, count))).ravel()


def _directions(normalize: str):
    """The functions of the two directions."""
    return (_attend, _attend_backward) if normalize == "keys" else (_attend_masked, _attend_masked_backward)


class _Step(torch.autograd.Function):
    """For the backward pass it keeps its input, its output, and sums."""

    @staticmethod
    def forward(ctx, features, keep, kernel, own, reach, normalize, loops):
        attend, derive = _directions(normalize)
        ctx.more = reach, loops, derive
        out, sums = attend(features, keep, kernel, own, reach, loops, False)
        ctx.save_for_backward(features, keep, kernel, own, out, *sums)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        reach, loops, derive = ctx.more
        with torch.autocast(grad.device.type, enabled=False):
            d_features, d_kernel, d_own = derive(
                grad.contiguous(), reach, loops, ctx.needs_input_grad[0], *ctx.saved_tensors
            )
        return d_features, None, d_kernel, d_own, None, None, None


def _attend(features, keep, kernel, own, reach, loops, in_place):
    """F~, and the power sums of rows and columns."""
    out = features if in_place else torch.empty_like(features)
    (above, less), (below, other) = _fraction(kernel, own, reach)
    return out, loops.attend(features, reach, torch.cat([above, below]), torch.cat([less, other]), keep, out)


def _fraction(kernel: Tensor, own: Tensor, reach: float):
    """Of the numerator, and of the denominator: what the power sums x^0 .. x^(P+1) make of a query (Q, P + 2), and what the position
    itself has in it (Q,), which row and column both hold.
    """
    terms = max(len(kernel), len(own) + 1)
    matrices = (pad(m, (0, 0, 0, terms - len(m))) for m in (reach * shift(kernel, 1), shift(kernel, 0)))
    selves = reach * pad(own, (1, terms - len(own) - 1)), pad(own, (0, terms - len(own)))
    return tuple(zip(matrices, selves))


def _attend_backward(grad, reach, loops, wanted, features, keep, kernel, own, out, rows, columns):
    above, below = _fraction(kernel, own, reach)
    matrix, less = (torch.cat([slope(part), other]) for part, other in zip(above, below))
    n, most = len(kernel), len(below[0])
    more = most - n
    times_y, alone = pad(kernel.T, (0, more, 1, more)), pad(kernel.T, (0, more, 0, 1 + more))
    key = slope(torch.cat([reach * times_y, alone], 1))  # y s (..) + (..)
    both = Term(None, matrix, rows, columns, less)
    d_features, met = loops.backward(features, reach, out, grad, both, key, keep, wanted)
    d_kernel = reach * met[:n, 1 : n + 1] + met[most : most + n, :n]
    d_own = -(reach * met[1 : len(own) + 1, -1] + met[most : most + len(own), -1])
    return d_features, d_kernel, d_own


def _attend_masked(features, keep, kernel, own, reach, loops, in_place):
    """F~, and each key's normalizer with the power sums of the queries and of the values F / Z."""
    ones = loops.gather(features, reach, len(kernel), (None,), keep)
    ones = tuple(side[0] for side in ones)
    normalizer = loops.combine(features, reach, (Term(None, kernel.T, *ones),), (Own(None, -own),), keep)
    if keep is not None:
        normalizer.masked_fill_(keep == 0, 1)
    value = features / normalizer
    values = tuple(side[0] for side in loops.gather(features, reach, len(kernel), (value,), keep))
    attention = loops.combine(features, reach, (Term(None, kernel, *values),), (Own(value, -own),), keep)
    return attention.add_(features), (normalizer, *ones, *values)


def _attend_masked_backward(
    grad, reach, loops, wanted, features, keep, kernel, own, out, normalizer, rows, columns, value_rows, value_columns
):
    value, n = features / normalizer, len(kernel)
    most = max(n, len(own))
    given = loops.gather(features, reach, most, (grad, grad * value), keep)
    to_values = tuple(side[0, :n] for side in given)
    d_value = loops.combine(features, reach, (Term(None, kernel.T, *to_values),), (Own(grad, -own),), keep)
    d_value /= normalizer
    d_normalizer = -d_value * value
    back = loops.gather(features, reach, most, (d_normalizer,), keep)
    to_queries = tuple(side[0, :n] for side in back)
    d_kernel = sum(
        products(g, v) + products(s, z)
        for g, v, s, z in zip(to_values, (value_rows, value_columns), (rows, columns), to_queries)
    )
    d_own = -(given[0][1, : len(own)].sum((1, 2)) + back[0][0, : len(own)].sum((1, 2)))
    if not wanted:
        return None, d_kernel, d_own
    first = (Term(grad, slope(kernel), value_rows, value_columns), Term(value, slope(kernel.T), *to_values))
    second = (Term(d_normalizer, slope(kernel.T), rows, columns), Term(None, slope(kernel), *to_queries))
    d_features = loops.combine(features, reach, first, (Own(grad * value, -slope(own)),), keep)
    d_features += loops.combine(features, reach, second, (Own(d_normalizer, -slope(own)),), keep)
    d_features.div_(reach).add_(grad)
    return d_features.add_(d_value), d_kernel, d_own


def shift(kernel: Tensor, by: int) -> Tensor:
    """The kernel for sums of x^0 .. x^(P+1), of which it meets those from x^by on."""
    return pad(kernel, (by, 1 - by))


@functools.lru_cache
def _chebyshev(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes (n,), the transform (n, n) of values there to Chebyshev coefficients, and (n, n) from these to coefficients of powers."""
    angles = np.pi * (np.arange(count) + 0.5) / count
    transform = np.cos(np.outer(np.arange(count), angles)) * 2 / count
    transform[0] /= 2
    powers = np.zeros((count, count))
    for degree in range(count):
        of_degree = np.polynomial.chebyshev.cheb2poly(np.eye(count)[degree])
        powers[: len(of_degree), degree] = of_degree
    return np.cos(angles), transform, powers
