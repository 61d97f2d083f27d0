"""E(x, y) = exp(cos(q(s x), k(s y))) as a polynomial, and the gradient of its coefficients.

A few hundred numbers: made in float64 on the host, whichever device the map lies on. E is interpolated on a Chebyshev grid between the least and the
greatest number of the map, where the coefficients tell which degrees are enough. Both are among the nodes: queries and keys turn one way only as F grows, so a turn that is
too fast for the nodes still shows.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import torch

NODES = 27  # of the Chebyshev grid on which E is looked at
DEGREE = {torch.float32: 24, torch.float64: 22}  # the highest that leaves enough coefficients to tell what is left out
OWN_DEGREE = 25
ERROR = {torch.float32: 1e-7, torch.float64: 1e-14}  # of E, by the powers left out of each of its variables
NOISE = 1.5e-15  # of a coefficient, by rounding
GROWTH = {torch.float32: 30.0, torch.float64: 1e3}  # of the sum of the |c_ab|, by which rounding grows


class Unbounded(Exception):
    """The range of the map is too wide for a polynomial of a useful degree."""


class Polynomial(NamedTuple):
    """E(x, y), and e(x) = E(x, x), what a position gives itself, which may be less exact and of a degree of its own."""

    kernel: np.ndarray  # c (P + 1, R + 1) of x^a y^b
    own: np.ndarray  # of x^a
    low: float  # 0 at the most,
    high: float  # 0 at the least: between these numbers of the map it is exact

    @property
    def reach(self) -> float:
        """s."""
        return max(-self.low, self.high)


def fit(vectors: np.ndarray, low: float, high: float, dtype: torch.dtype, width: int) -> Polynomial:
    """Between the numbers of the map and 0, as they mostly lie further to one side of it, or, if coefficients became too large there, as far to both sides.

    Args:
        vectors: w_q, b_q, w_k, b_k (4, D), float64, such that no q and no k is zero.
        low, high: the least and the greatest of the map, or of a range that holds it.
        dtype: of the map, whose rounding says how exact E has to be.
        width: e may be off by sqrt(width) times more than E, being one of at least `width` terms of a sum.

    Raises:
        Unbounded: a degree would be too high, or coefficients too large.
    """
    low, high = min(low, 0.0), max(high, torch.finfo(dtype).tiny)
    reach = max(-low, high)
    for ends in ((low, high), (-reach, reach)):
        found = _between(vectors, *ends, dtype, width)
        if np.abs(found.kernel).sum() <= GROWTH[dtype]:
            return found
    raise Unbounded


def _between(vectors: np.ndarray, low: float, high: float, dtype: torch.dtype, width: int) -> Polynomial:
    _, _, values = _grid(vectors, low, high)
    transform, error = _transform(), ERROR[dtype]
    series, diagonal = transform @ values @ transform.T, transform @ values.diagonal()
    sizes = np.abs(np.vstack([series, diagonal]))
    sizes[sizes < NOISE] = 0
    queries, keys = (_terms(sizes[:-1].sum(axis), error) for axis in (1, 0))
    own = _terms(sizes[-1], error * width**0.5)
    if max(queries, keys) > DEGREE[dtype] + 1 or own > OWN_DEGREE + 1:
        raise Unbounded
    powers = _powers(max(queries, keys, own), low, high)
    kernel = powers[:queries, :queries] @ series[:queries, :keys] @ powers[:keys, :keys].T
    return Polynomial(kernel, powers[:own, :own] @ diagonal[:own], low, high)


def gradient(vectors: np.ndarray, found: Polynomial, d_kernel: np.ndarray, d_own: np.ndarray) -> np.ndarray:
    """Of the vectors (4, D), from those of the polynomial that `fit` made of them."""
    units, lengths, values = _grid(vectors, found.low, found.high)
    query, key = units
    (queries, keys), own = d_kernel.shape, len(d_own)
    powers, transform = _powers(max(queries, keys, own), found.low, found.high), _transform()
    d_series = powers[:queries, :queries].T @ d_kernel @ powers[:keys, :keys]
    d_diagonal = powers[:own, :own].T @ d_own
    d_scores = values * (transform[:queries].T @ d_series @ transform[:keys] + np.diag(transform[:own].T @ d_diagonal))
    d_units = np.stack([d_scores @ key, d_scores.T @ query])
    d_raw = (d_units - units * (units * d_units).sum(-1, keepdims=True)) / lengths
    numbers = _numbers(found.low, found.high)
    return np.stack([np.einsum("n,vnd->vd", numbers, d_raw), d_raw.sum(1)], 1).reshape(vectors.shape)


def _grid(vectors: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries and keys at the nodes: of length 1 (2, NODES, D), the lengths they had, and E between them."""
    with np.errstate(all="ignore"):  # weights that have diverged: no number comes of them, and the caller hears of it
        raw = _numbers(low, high)[:, None] * vectors[::2, None] + vectors[1::2, None]
        lengths = np.linalg.norm(raw, axis=-1, keepdims=True)
        query, key = units = raw / lengths
        return units, lengths, np.exp(query @ key.T)


def _terms(sizes: np.ndarray, error: float) -> int:
    """How many coefficients of that size have to stay so that the others add up to less than `error`: all, if they are no numbers."""
    return max(2, int(np.count_nonzero(~(sizes[::-1].cumsum() < error))))


def _numbers(low: float, high: float) -> np.ndarray:
    """Of the map, at the nodes."""
    return (low + high) / 2 + (high - low) / 2 * _nodes()


@functools.cache
def _nodes() -> np.ndarray:
    return np.cos(_angles())


def _angles() -> np.ndarray:
    return np.pi * np.arange(NODES) / (NODES - 1)


@functools.cache
def _transform() -> np.ndarray:
    """(NODES, NODES): from values at the nodes to Chebyshev coefficients."""
    transform = np.cos(np.outer(np.arange(NODES), _angles())) * 2 / (NODES - 1)
    transform[[0, -1]] /= 2
    transform[:, [0, -1]] /= 2
    return transform


def _powers(terms: int, low: float, high: float) -> np.ndarray:
    """(terms, terms): from Chebyshev coefficients between `low` and `high`, of t = (F - middle) / half, to coefficients of powers of x = F / reach."""
    monomials, binomials, rest = (table[:terms, :terms] for table in _tables())
    reach, middle, half = max(-low, high), (low + high) / 2, (high - low) / 2
    order = np.arange(terms)
    # t^k = (reach / half x - middle / half)^k
    return binomials * ((reach / half) ** order)[:, None] * ((-middle / half) ** order)[rest] @ monomials


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(NODES, NODES) each: from Chebyshev coefficients to those of powers; k over j; and k - j, where that is above 0."""
    order, (monomials, binomials) = np.arange(NODES), np.zeros((2, NODES, NODES))
    for degree in range(NODES):
        of_degree = np.polynomial.chebyshev.cheb2poly(np.eye(NODES)[degree])
        monomials[: len(of_degree), degree] = of_degree
        binomials[: degree + 1, degree] = [math.comb(degree, j) for j in range(degree + 1)]
    return monomials, binomials, np.maximum(order - order[:, None], 0)
