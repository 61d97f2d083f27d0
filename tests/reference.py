"""Spatial-temporal attention written out, as the paper has it: every pair of positions of every cross."""

import torch
from torch import Tensor

from train.attention import SpatialTemporalAttention


def written_out(module: SpatialTemporalAttention, features: Tensor, mask: Tensor | None = None) -> Tensor:
    """What `module` should give, in the dtype of `features`; memory O(N C (N + C))."""
    bags, clips, _ = features.shape
    vectors = (module.query.weight, module.query.bias, module.key.weight, module.key.bias)
    w_q, b_q, w_k, b_k = (vector.flatten().to(features.dtype) for vector in vectors)
    keep = torch.ones(bags, clips, dtype=features.dtype) if mask is None else mask.to(features.dtype)
    others = 1 - torch.eye(clips, dtype=features.dtype)
    for _ in range(module.passes):
        query, key = (_unit(features[..., None] * w + b) for w, b in ((w_q, b_q), (w_k, b_k)))
        row = torch.einsum("bicd,bied->bice", query, key).exp()
        column = torch.einsum("bicd,bjcd->bicj", query, key).exp() * keep[:, None, None] * others[:, None]
        if module.normalize == "keys":
            value, normalizer = features, row.sum(-1) + column.sum(-1)
        else:
            column = column * keep[..., None, None]
            sums = row.sum(2) + column.sum(1).transpose(1, 2)
            value, normalizer = features / sums, 1.0
        attended = torch.einsum("bice,bie->bic", row, value) + torch.einsum("bicj,bjc->bic", column, value)
        features = features + attended / normalizer * keep[..., None]
    return features


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)
