"""One step of eq. 1-3 by angles: exact to rounding for every map and all weights.

1. q lies in the plane of w_q and b_q, so q/|q| is a point (cos t, sin t) of a circle; so is k/|k| = (cos p, sin p).
2. score = (cos t, sin t) B (cos p, sin p)^T, with B the 2 x 2 products of the two planes' axes, |B| <= 1.
3. exp(score) is an entire function on two circles. To rounding it is m(t)^T K m(p), with m(t) the 2P + 1 monomials
   1, cos t, .., cos^P t, sin t, sin t cos t, .., sin t cos^(P-1) t: all trigonometric polynomials of degree P.
4. So a row (or column) enters every query only by its moments, sum m(p) and sum m(p) F. What they make of a query is a
   polynomial in (cos t, sin t), evaluated by Horner's rule. Row plus column, less the position itself, which both hold.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stavad.train.circle import derivative, grid
from stavad.train.kernels import angles as fused
from stavad.train.kernels.angles import DEGREE
from stavad.train.kernels.eager import parts


def step(features: Tensor, keep: Tensor | None, vectors: Tensor, normalize: str, in_c: bool) -> Tensor:
    """F -> F~ (B, N, C).

    Args:
        keep: (B, N, 1), 1 for real clips and 0 for padding.
        vectors: w_q, b_q, w_k, b_k (4, D) in float64, of which none is zero and no two are parallel.
        in_c: by the loops of angles.c.
    """
    kernel = _kernel(vectors, DEGREE[features.dtype])
    return _Step.apply(features, keep, *(part.to(features.dtype) for part in kernel), normalize, in_c)


def _kernel(vectors: Tensor, degree: int) -> tuple[Tensor, Tensor, Tensor]:
    """The circles of q and k (2, 3), B (2, 2), and the coefficients K (2P + 1, 2P + 1) of exp(score).

    A circle is (|w|, b.e1, |b - (b.e1) e1|): the vector w f + b is (|w| f + b.e1, |..|) on the axes e1 = w/|w|, e2.
    """
    w_q, b_q, w_k, b_k = vectors
    circle_q, axes_q = _circle(w_q, b_q)
    circle_k, axes_k = _circle(w_k, b_k)
    points, project = (torch.from_numpy(a).to(w_q.device) for a in grid(degree))
    axes = axes_q @ axes_k.T
    kernel = project @ (points @ axes @ points.T).exp() @ project.T
    return torch.stack([circle_q, circle_k]), axes, kernel


class _Step(torch.autograd.Function):
    """One step of eq. 1-3. For the backward pass it keeps its input, its output, and what it divided by."""

    @staticmethod
    def forward(ctx, features, keep, circles, axes, kernel, normalize, in_c):
        ctx.literal, ctx.in_c = normalize == "queries", in_c
        attend = _attend_literally if ctx.literal else _attend
        out, divisor = attend(features, _Cross(keep, circles, axes, kernel, in_c))
        ctx.save_for_backward(features, keep, circles, axes, kernel, out, divisor)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        features, keep, circles, axes, kernel, out, divisor = ctx.saved_tensors
        derive = _attend_literally_backward if ctx.literal else _attend_backward
        cross = _Cross(keep, circles, axes, kernel, ctx.in_c)
        with torch.autocast(grad.device.type, enabled=False):
            d_features, d_cross = derive(features, out, divisor, grad, cross)
        return d_features, None, *d_cross, None, None


def _attend(features: Tensor, cross: _Cross) -> tuple[Tensor, Tensor]:
    """F~, and each query's denominator."""
    attention, denominator = cross.sums(features, (features, None))
    attention /= _keep_finite(denominator, cross.keep)
    if cross.keep is not None:
        attention *= cross.keep
    return attention.add_(features), denominator


def _attend_backward(features: Tensor, out: Tensor, denominator: Tensor, grad: Tensor, cross: _Cross):
    given = grad / denominator
    if cross.keep is not None:
        given *= cross.keep
    slope = (features - out).mul_(given)  # out - features is the quotient of the two sums
    d_features, (d_value, _), d_cross = cross.backward(features, (features, None), (given, slope))
    return d_features.add_(d_value).add_(grad), d_cross


def _attend_literally(features: Tensor, cross: _Cross) -> tuple[Tensor, Tensor]:
    """F~, and each key's normalizer."""
    (normalizer,) = cross.transposed().sums(features, (None,))
    (attention,) = cross.sums(features, (features / _keep_finite(normalizer, cross.keep),))
    if cross.keep is not None:
        attention *= cross.keep
    return attention.add_(features), normalizer


def _attend_literally_backward(features: Tensor, out: Tensor, normalizer: Tensor, grad: Tensor, cross: _Cross):
    given = grad if cross.keep is None else grad * cross.keep
    value = features / normalizer
    d_features, (d_value,), d_cross = cross.backward(features, (value,), (given,))
    d_value /= normalizer
    d_through, _, d_back = cross.transposed().backward(features, (None,), (-d_value * value,))
    d_cross = [a + b for a, b in zip(d_cross, (d_back[0].flip(0), d_back[1].T, d_back[2].T))]
    return d_features.add_(d_through).add_(d_value).add_(grad), d_cross


def _keep_finite(denominator: Tensor, keep: Tensor | None) -> Tensor:
    """A padded position may have nothing in its cross; what it is divided by is not used."""
    return denominator if keep is None else denominator.masked_fill_(keep == 0, 1)


class _Cross(NamedTuple):
    """The sums S[v]_ij = sum over (m, n) in the cross of (i, j) of exp(score(q_ij, k_mn)) v_mn, and their gradients."""

    keep: Tensor | None
    circles: Tensor
    axes: Tensor
    kernel: Tensor
    in_c: bool

    def transposed(self) -> _Cross:
        """The same with the roles of query and key exchanged."""
        return _Cross(self.keep, self.circles.flip(0), self.axes.T, self.kernel.T, self.in_c)

    @property
    def degree(self) -> int:
        return len(self.kernel) // 2

    def moments(self, features: Tensor, values: tuple) -> tuple[Tensor, Tensor]:
        """Of the keys of every row (V, 2P + 1, B, N, 1) and of every column (V, 2P + 1, B, 1, C); v None stands for 1 everywhere."""
        circle = self.circles[1]
        if self.in_c:
            return fused.moments(features, circle, values, self.keep, self.degree)
        bags, clips, width = features.shape
        rows = features.new_empty(len(values), len(self.kernel), bags, clips, 1)
        columns = features.new_zeros(len(values), len(self.kernel), bags, 1, width)
        for part in parts(features):
            keep = None if self.keep is None else self.keep[part]
            of_rows, of_columns = _moments(features[part], circle, _cut(values, part), keep, self.degree)
            rows[:, :, *part] = of_rows
            columns[:, :, part[0]] += of_columns
        return rows, columns

    def sums(self, features: Tensor, values: tuple) -> list[Tensor]:
        """S[v], each (B, N, C), for each v of `values`."""
        moments = self.moments(features, values)
        if self.in_c:
            return fused.sums(features, self.circles, self.axes, values, self.kernel, moments, self.degree)
        moments = _apply(self.kernel, moments)
        sums = [torch.empty_like(features) for _ in values]
        for part in parts(features):
            query, key = (_point(features[part], circle) for circle in self.circles)
            own = _own(self.axes, query, key)
            for whole, v, rows, columns in zip(sums, _cut(values, part), *_near(moments, part)):
                whole[part] = _evaluate(rows, columns, query) - _times(own, v)
        return sums

    def backward(self, features: Tensor, values: tuple, grads: tuple):
        """From the gradients of S[v]: that of the features (through both angles), of each v, and of (circles, B, K)."""
        of_keys = self.moments(features, values)
        of_queries = self.transposed()._replace(keep=None).moments(features, grads)
        pairs = zip((m for side in of_queries for m in side), (m for side in of_keys for m in side))
        d_kernel = sum(q.flatten(1) @ k.flatten(1).T for q, k in pairs)
        derive = derivative(self.degree, self.kernel)
        to_queries = derive @ self.kernel, of_keys
        to_keys = torch.cat([self.kernel.T, derive @ self.kernel.T]), of_queries
        if self.in_c:
            *found, d_circles, d_axes = fused.slopes(
                features, self.circles, self.axes, values, grads, self.keep, to_queries, to_keys, self.degree
            )
            return *found, (d_circles, d_axes, d_kernel)
        to_queries, to_keys = _apply(*to_queries), _apply(*to_keys)
        d_features = torch.empty_like(features)
        d_values = [None if v is None else torch.empty_like(features) for v in values]
        d_circles, d_axes = torch.zeros_like(self.circles), torch.zeros_like(self.axes)
        for part in parts(features):
            local = _slopes(
                features[part], self.circles, self.axes, _cut(values, part), _cut(grads, part),
                None if self.keep is None else self.keep[part], *_near(to_queries, part), *_near(to_keys, part),
            )  # fmt: skip
            d_features[part] = local[0]
            for whole, piece in zip(d_values, local[1]):
                if whole is not None:
                    whole[part] = piece
            d_circles += local[2]
            d_axes += local[3]
        return d_features, d_values, (d_circles, d_axes, d_kernel)


def _apply(kernel: Tensor, moments: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    return tuple(torch.matmul(kernel, m.flatten(2)).view(len(m), len(kernel), *m.shape[2:]) for m in moments)


def _cut(maps, part) -> tuple:
    return tuple(None if m is None else m[part] for m in maps)


def _near(coefficients: tuple[Tensor, Tensor], part) -> tuple[Tensor, Tensor]:
    rows, columns = coefficients
    return rows[:, :, *part], columns[:, :, part[0]]


def _moments(features, circle, values, keep, degree):
    """The sums of m(angle) v over each row and over each column."""
    cos, sin, _ = _point(features, circle)
    rows, columns = [], []
    for v in values:
        v = torch.ones_like(cos) if v is None else v
        v = v if keep is None else v * keep
        for term, count in ((v * 1, degree + 1), (v * sin, degree)):
            for a in range(count):
                term = term.mul_(cos) if a else term
                rows.append(term.sum(2, keepdim=True))
                columns.append(term.sum(1, keepdim=True))
    shape = (len(values), 2 * degree + 1)
    return torch.stack(rows).unflatten(0, shape), torch.stack(columns).unflatten(0, shape)


def _slopes(features, circles, axes, values, grads, keep, query_rows, query_columns, key_rows, key_columns):
    query, key = _point(features, circles[0]), _point(features, circles[1])
    own = _own(axes, query, key)
    d_own = -sum(_times(g, v) for v, g in zip(values, grads)) * own
    d_query = d_own * (query[0] * _turn(axes[1], key) - query[1] * _turn(axes[0], key))
    d_key = d_own * (key[0] * _turn(axes[:, 1], query) - key[1] * _turn(axes[:, 0], query))
    d_axes = torch.stack([torch.stack([(d_own * query[a] * key[b]).sum() for b in (0, 1)]) for a in (0, 1)])
    d_values: list[Tensor | None] = []
    for i, (v, g) in enumerate(zip(values, grads)):
        size = key_rows.shape[1] // 2
        d_query = d_query + g * _evaluate(query_rows[i], query_columns[i], query)
        push = _times(_evaluate(key_rows[i, size:], key_columns[i, size:], key), v)
        d_key = d_key + (push if keep is None else push * keep)
        if v is None:
            d_values.append(None)
        else:
            d_value = _evaluate(key_rows[i, :size], key_columns[i, :size], key) - own * g
            d_values.append(d_value if keep is None else d_value * keep)
    d_features, d_circles = 0, []
    for d_angle, (cos, sin, inverse), circle in zip((d_query, d_key), (query, key), circles):
        d_along = -d_angle * sin * inverse
        d_circles.append(torch.stack([(d_along * features).sum(), d_along.sum(), (d_angle * cos * inverse).sum()]))
        d_features = d_features + d_along * circle[0]
    return d_features, d_values, torch.stack(d_circles), d_axes


def _point(features, circle):
    """cos and sin of each position's angle, and 1/|q|."""
    along = features * circle[0] + circle[1]
    inverse = torch.rsqrt(along * along + circle[2] * circle[2])
    return along * inverse, circle[2] * inverse, inverse


def _own(axes, query, key):
    """exp(score) of each position with itself, which its row and its column both hold."""
    return torch.exp(query[0] * _turn(axes[0], key) + query[1] * _turn(axes[1], key))


def _turn(row, point):
    return row[0] * point[0] + row[1] * point[1]


def _times(a, v):
    return a if v is None else a * v


def _evaluate(rows, columns, point):
    """m(angle)^T (the row's coefficients + the column's) at each position, by Horner's rule."""
    cos, sin, _ = point
    degree = len(rows) // 2
    even, odd = rows[degree] + columns[degree], rows[2 * degree] + columns[2 * degree]
    for a in reversed(range(degree)):
        even.mul_(cos).add_(rows[a]).add_(columns[a])
    for a in reversed(range(degree + 1, 2 * degree)):
        odd.mul_(cos).add_(rows[a]).add_(columns[a])
    return even.addcmul_(odd, sin)


def _circle(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    e1 = w / w.norm()
    along = b @ e1
    across = b - along * e1
    return torch.stack([w.norm(), along, across.norm()]), torch.stack([e1, across / across.norm()])
