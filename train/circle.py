"""Trigonometric polynomials of an angle in the monomials cos^a and sin cos^a: interpolation on a grid, and derivatives."""

import functools

import numpy as np
import torch
from torch import Tensor


@functools.lru_cache
def grid(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Equidistant points of the circle (M, 2), and the projection (2P + 1, M) of samples there onto the monomials m."""
    count = 4 * degree
    angle = 2 * np.pi * np.arange(count) / count
    # cos(a t) = T_a(cos t) and sin(a t) = sin t U_(a-1)(cos t), in monomials
    chebyshev = np.zeros((2 * degree + 1,) * 2)
    samples = np.zeros((2 * degree + 1, count))
    for a in range(degree + 1):
        t_a = np.polynomial.chebyshev.cheb2poly(np.eye(degree + 1)[a])
        chebyshev[: len(t_a), a] = t_a
        samples[a] = np.cos(a * angle) * (2 if a else 1) / count
        if a:
            u_a = np.polynomial.polynomial.polyder(t_a) / a
            chebyshev[degree + 1 : degree + 1 + len(u_a), degree + a] = u_a
            samples[degree + a] = np.sin(a * angle) * 2 / count
    return np.stack([np.cos(angle), np.sin(angle)], axis=1), chebyshev @ samples


def derivative(degree: int, like: Tensor) -> Tensor:
    """(2P + 1, 2P + 1): coefficients of a polynomial's derivative by the angle, from its own."""
    matrix = np.zeros((2 * degree + 1,) * 2)
    for a in range(1, degree + 1):
        matrix[degree + a, a] = -a  # (cos^a)' = -a sin cos^(a-1)
    for a in range(degree):
        matrix[a + 1, degree + 1 + a] = a + 1  # (sin cos^a)' = (a + 1) cos^(a+1) - a cos^(a-1)
        if a:
            matrix[a - 1, degree + 1 + a] = -a
    return torch.from_numpy(matrix).to(like)
