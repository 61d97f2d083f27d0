"""One step of eq. 1-3 by power sums, for maps on a bounded range.

With s the largest |F| of the map and x = F / s in [-1, 1], E(x, y) = exp(cos(q(s x), k(s y))) is an analytic function of two numbers, so to
rounding it is a polynomial, sum over a <= P, b <= R of c_ab x^a y^b. Then a row or column enters a query only by its power sums S_b = sum of x^b:

    denominator  sum_a x^a sum_b c_ab S_b               numerator  sum_a x^a sum_b c_ab s S_(b+1)

row's plus column's, less the position's own E(x, x), which both hold and which is a polynomial e(x) of its own. The backward pass is the same
two readings of the map, with the sums G_a of u x^a and H_a of w x^a, u and w the gradients of a position's numerator and denominator. The degrees
are chosen for each call; where one would have to be too high, `Unbounded` sends the call to the angles.
"""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stavad.train import polynomial
from stavad.train.kernels.powers import Own, Term, products


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
    # here a GPU is waited for
    low, high, *numbers = torch.cat([torch.stack(real.aminmax()), vectors.detach().flatten()]).tolist()
    on_host = np.reshape(numbers, vectors.shape)
    found = polynomial.fit(on_host, low, high, features.dtype, features.shape[2])
    if not torch.is_grad_enabled():
        attend, _ = _directions(normalize)
        return attend(features, keep, found, loops, in_place)[0]
    return _Step.apply(features, keep, vectors, on_host, found, normalize, loops)


def _directions(normalize: str):
    """The functions of the two directions."""
    return (_attend, _attend_backward) if normalize == "keys" else (_attend_masked, _attend_masked_backward)


class _Step(torch.autograd.Function):
    """For the backward pass it keeps its input, its output, and sums."""

    @staticmethod
    def forward(ctx, features, keep, vectors, on_host, found, normalize, loops):
        attend, derive = _directions(normalize)
        ctx.more = on_host, found, loops, derive
        out, sums = attend(features, keep, found, loops, False)
        ctx.save_for_backward(features, keep, out, *sums)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        on_host, found, loops, derive = ctx.more
        features, keep, *kept = ctx.saved_tensors
        with torch.autocast(grad.device.type, enabled=False):
            d_features, d_kernel, d_own = derive(
                grad.contiguous(), features, keep, found, loops, ctx.needs_input_grad[0], *kept
            )
        d_vectors = torch.from_numpy(polynomial.gradient(on_host, found, d_kernel, d_own))
        return d_features, None, d_vectors.to(grad.device, non_blocking=True), None, None, None, None


def _attend(features, keep, found, loops, in_place):
    """F~, and the power sums of rows and columns."""
    out = features if in_place else torch.empty_like(features)
    (above, less), (below, other) = _fraction(found, max(len(found.kernel), len(found.own) + 1))
    matrix, both = _tensors(features, np.concatenate([above, below]), np.concatenate([less, other]))
    return out, loops.attend(features, found.reach, matrix, both, keep, out)


def _fraction(found: polynomial.Polynomial, terms: int):
    """Of the numerator, and of the denominator: what the power sums x^0 .. x^(R+1) make of a query (Q, R + 2), and what the position
    itself has in it (Q,), which row and column both hold; Q is `terms`.
    """
    kernel, own, reach = found.kernel, found.own, found.reach
    queries, keys = kernel.shape
    above, below = np.zeros((2, terms, keys + 1))
    above[:queries, 1:], below[:queries, :keys] = reach * kernel, kernel
    less, other = np.zeros((2, terms))
    less[1 : len(own) + 1], other[: len(own)] = reach * own, own
    return (above, less), (below, other)


def _attend_backward(grad, features, keep, found, loops, wanted, out, rows, columns):
    kernel, own, reach = found.kernel, found.own, found.reach
    (queries, keys), terms = kernel.shape, max(*kernel.shape, len(own) + 1)
    above, below = _fraction(found, terms)
    matrix, less = (np.concatenate([_slope(part), other]) for part, other in zip(above, below))
    key = np.zeros((terms + 1, 2 * terms))  # y s (..) + (..)
    key[1 : keys + 1, :queries], key[:keys, terms : terms + queries] = reach * kernel.T, kernel.T
    matrix, less, key = _tensors(features, matrix, less, _slope(key))
    both = Term(None, matrix, rows, columns, less)
    d_features, met = loops.backward(features, reach, out, grad, both, key, keep, wanted)
    met = _on_host(met)
    d_kernel = reach * met[:queries, 1 : keys + 1] + met[terms : terms + queries, :keys]
    d_own = -(reach * met[1 : len(own) + 1, -1] + met[terms : terms + len(own), -1])
    return d_features, d_kernel, d_own


def _attend_masked(features, keep, found, loops, in_place):
    """F~, and each key's normalizer with the power sums of the queries and of the values F / Z."""
    (queries, keys), reach = found.kernel.shape, found.reach
    kernel, own = _tensors(features, found.kernel, found.own)
    ones = loops.gather(features, reach, queries, (None,), keep)
    ones = tuple(side[0] for side in ones)
    normalizer = loops.combine(features, reach, (Term(None, kernel.T, *ones),), (Own(None, -own),), keep)
    if keep is not None:
        normalizer.masked_fill_(keep == 0, 1)
    value = features / normalizer
    values = tuple(side[0] for side in loops.gather(features, reach, keys, (value,), keep))
    attention = loops.combine(features, reach, (Term(None, kernel, *values),), (Own(value, -own),), keep)
    return attention.add_(features), (normalizer, *ones, *values)


def _attend_masked_backward(
    grad, features, keep, found, loops, wanted, out, normalizer, rows, columns, value_rows, value_columns
):
    kernel, own, reach = found.kernel, found.own, found.reach
    (queries, keys), parts = kernel.shape, (kernel, own, _slope(kernel), _slope(kernel.T), _slope(own))
    kernel, own, of_kernel, transposed, of_own = _tensors(features, *parts)
    value = features / normalizer
    given = loops.gather(features, reach, max(queries, len(own)), (grad, grad * value), keep)
    to_values = tuple(side[0, :queries] for side in given)
    d_value = loops.combine(features, reach, (Term(None, kernel.T, *to_values),), (Own(grad, -own),), keep)
    d_value /= normalizer
    d_normalizer = -d_value * value
    back = loops.gather(features, reach, max(keys, len(own)), (d_normalizer,), keep)
    to_queries = tuple(side[0, :keys] for side in back)
    d_kernel = sum(
        products(g, v) + products(s, z)
        for g, v, s, z in zip(to_values, (value_rows, value_columns), (rows, columns), to_queries)
    )
    d_own = -(given[0][1, : len(own)].sum((1, 2)) + back[0][0, : len(own)].sum((1, 2)))
    d_features = None
    if wanted:
        first = (Term(grad, of_kernel, value_rows, value_columns), Term(value, transposed, *to_values))
        second = (Term(d_normalizer, transposed, rows, columns), Term(None, of_kernel, *to_queries))
        d_features = loops.combine(features, reach, first, (Own(grad * value, -of_own),), keep)
        d_features += loops.combine(features, reach, second, (Own(d_normalizer, -of_own),), keep)
        d_features.div_(reach).add_(grad).add_(d_value)
    return d_features, _on_host(d_kernel), _on_host(d_own)


def _slope(coefficients: np.ndarray) -> np.ndarray:
    """Of a polynomial's derivative, from the coefficients (Q, ..) of x^0 .. x^(Q-1) of its own."""
    return (coefficients[1:].T * np.arange(1, len(coefficients))).T


def _tensors(features: Tensor, *arrays: np.ndarray) -> list[Tensor]:
    """Like the features, and where they are: moved there together."""
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays])).to(features.dtype)
    flat = flat.to(features.device, non_blocking=True)
    parts = flat.split([array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays)]


def _on_host(found: Tensor) -> np.ndarray:
    return found.double().cpu().numpy()
