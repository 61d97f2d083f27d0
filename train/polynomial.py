"""E(x, y) = exp(cos(q(s x), k(s y))) on [-1, 1]^2 as a polynomial, and the gradient of its coefficients.

A few hundred numbers: made in float64 on the host, whichever device the map lies on. E is interpolated on a Chebyshev grid, where the coefficients
tell which degree is enough; e(x) = E(x, x), what a position gives itself, is a polynomial of its own.
"""

import functools

import numpy as np
import torch

NODES = 27  # of the Chebyshev grid on which E is looked at
DEGREE = {torch.float32: 24, torch.float64: 22}  # the highest that leaves enough coefficients to tell what is left out
OWN_DEGREE = 25
ERROR = {torch.float32: 1e-7, torch.float64: 1e-14}  # of E, by what is left out
NOISE = 1.5e-15  # of a coefficient, by rounding
GROWTH = {torch.float32: 30.0, torch.float64: 1e3}  # of the sum of the |c_ab|, by which rounding grows


class Unbounded(Exception):
    """The range of the map is too wide for a polynomial of a useful degree."""


def coefficients(vectors: np.ndarray, reach: float, dtype: torch.dtype, width: int) -> tuple[np.ndarray, np.ndarray]:
    """c (P + 1, P + 1) of x^a y^b, and the coefficients of e.

    Args:
        vectors: w_q, b_q, w_k, b_k (4, D), float64, such that no q and no k is zero.
        reach: s, the largest |F|.
        dtype: of the map, whose rounding says how exact E has to be.
        width: e may be off by sqrt(width) times more than E, being one of at least `width` terms of a sum.

    Raises:
        Unbounded: the degree would be too high.
    """
    _, _, values = _grid(vectors, reach)
    transform, powers = _transforms()
    series, diagonal = transform @ values @ transform.T, transform @ values.diagonal()
    sizes, own_sizes = (np.where(np.abs(found) < NOISE, 0, np.abs(found)) for found in (series, diagonal))
    degree = _degree(np.bincount(_larger(), sizes.ravel()), ERROR[dtype])
    own_degree = _degree(own_sizes, ERROR[dtype] * width**0.5)
    if degree > DEGREE[dtype] or own_degree > OWN_DEGREE:
        raise Unbounded
    used, own = slice(degree + 1), slice(own_degree + 1)
    kernel = powers[used, used] @ series[used, used] @ powers[used, used].T
    if np.abs(kernel).sum() > GROWTH[dtype]:
        raise Unbounded
    return kernel, powers[own, own] @ diagonal[own]


def gradient(vectors: np.ndarray, reach: float, d_kernel: np.ndarray, d_own: np.ndarray) -> np.ndarray:
    """Of the vectors (4, D), from those of what `coefficients` made of them."""
    units, lengths, values = _grid(vectors, reach)
    query, key = units
    transform, powers = _transforms()
    used, own = slice(len(d_kernel)), slice(len(d_own))
    d_series = powers[used, used].T @ d_kernel @ powers[used, used]
    d_diagonal = powers[own, own].T @ d_own
    d_scores = values * (transform[used].T @ d_series @ transform[used] + np.diag(transform[own].T @ d_diagonal))
    d_units = np.stack([d_scores @ key, d_scores.T @ query])
    d_raw = (d_units - units * (units * d_units).sum(-1, keepdims=True)) / lengths
    return np.stack([reach * np.einsum("n,vnd->vd", _nodes(), d_raw), d_raw.sum(1)], 1).reshape(vectors.shape)


def _grid(vectors: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries and keys at the nodes: of length 1 (2, NODES, D), the lengths they had, and E between them."""
    with np.errstate(all="ignore"):  # weights that have diverged: no number comes of them, and the caller hears of it
        raw = reach * _nodes()[:, None] * vectors[::2, None] + vectors[1::2, None]
        lengths = np.linalg.norm(raw, axis=-1, keepdims=True)
        query, key = units = raw / lengths
        return units, lengths, np.exp(query @ key.T)


def _degree(sizes: np.ndarray, error: float) -> int:
    """The lowest degree beyond which the coefficients of that size add up to less than `error`; as many as there are, if none is."""
    beyond = np.cumsum(sizes[::-1])[::-1]
    enough = np.flatnonzero(beyond < error)
    return max(1, int(enough[0]) - 1) if len(enough) else len(beyond)


@functools.cache
def _larger() -> np.ndarray:
    """(NODES * NODES,): the larger of the two degrees that each coefficient belongs to."""
    return np.maximum(*np.indices((NODES, NODES))).ravel()


@functools.cache
def _nodes() -> np.ndarray:
    return np.cos(_angles())


def _angles() -> np.ndarray:
    return np.pi * (np.arange(NODES) + 0.5) / NODES


@functools.cache
def _transforms() -> tuple[np.ndarray, np.ndarray]:
    """(NODES, NODES) each: from values at the nodes to Chebyshev coefficients, and from these to coefficients of powers."""
    transform = np.cos(np.outer(np.arange(NODES), _angles())) * 2 / NODES
    transform[0] /= 2
    powers = np.zeros((NODES, NODES))
    for degree in range(NODES):
        of_degree = np.polynomial.chebyshev.cheb2poly(np.eye(NODES)[degree])
        powers[: len(of_degree), degree] = of_degree
    return transform, powers
