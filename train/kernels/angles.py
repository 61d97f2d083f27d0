"""The loops of angles.c, called on tensors."""

import torch
from torch import Tensor

from stavad.train.kernels.compiled import call, library

DEGREE = {torch.float32: 7, torch.float64: 13}  # first omitted Bessel coefficient I_(P+1)(1): 1e-7 and 7e-16


def moments(features: Tensor, circle: Tensor, values: tuple, keep: Tensor | None, degree: int):
    """Sums of m(angle) v over each row (V, M, B, N, 1) and each column (V, M, B, 1, C)."""
    bags, clips, width = features.shape
    rows = features.new_empty(len(values), 2 * degree + 1, bags, clips, 1)
    columns = features.new_empty(len(values), 2 * degree + 1, bags, 1, width)
    _call("moments", features, degree, circle, values, keep, rows, columns)
    return rows, columns


def sums(features: Tensor, circles: Tensor, axes: Tensor, values: tuple, kernel: Tensor, moments: tuple, degree: int):
    """S[v], each (B, N, C), from the kernel (M, M) and the moments of the keys."""
    out = tuple(torch.empty_like(features) for _ in values)
    _call("sums", features, degree, circles, axes, values, *_coefficients(kernel, moments), out)
    return list(out)


def slopes(features, circles, axes, values: tuple, grads: tuple, keep, to_queries: tuple, to_keys: tuple, degree: int):
    """Gradients of the features, of each v (None where v is None), of the circles (2, 3) and of the axes (2, 2).

    Args:
        to_queries, to_keys: a kernel (M, M), (2 M, M) and the moments that it meets.
    """
    bags, _, width = features.shape
    d_features = torch.empty_like(features)
    d_values = tuple(None if v is None else torch.empty_like(features) for v in values)
    totals = torch.zeros(bags * width, 10, dtype=torch.float64)  # room for a block of columns or more in a row
    met = (*_coefficients(*to_queries), *_coefficients(*to_keys))
    _call("slopes", features, degree, circles, axes, values, grads, keep, *met, d_features, d_values, totals)
    totals = totals.sum(0).to(features.dtype)
    return d_features, list(d_values), totals[:6].view(2, 3), totals[6:].view(2, 2)


def _coefficients(kernel: Tensor, moments: tuple) -> tuple[Tensor, Tensor, Tensor]:
    """The kernel, its product with the rows' moments, and the columns' moments, whose product is made block by block."""
    rows, columns = moments
    return kernel, torch.einsum("am,vm...->va...", kernel, rows), columns


def _call(name: str, features: Tensor, degree: int, *arguments) -> None:
    """The C function, with the number of values after the features."""
    place = next(place for place, argument in enumerate(arguments) if isinstance(argument, tuple))
    counted = (*arguments[:place], len(arguments[place]), *arguments[place:])
    call(library("angles.c", features.dtype, degree), name, *features.shape, features, *counted)
