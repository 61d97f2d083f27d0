"""What the project is held against: the attention written out, and networks with weights that anyone can make."""

import zlib

import numpy as np
import torch
from torch import Tensor

from stavad.train.attention import SpatialTemporalAttention


def written_out(module: SpatialTemporalAttention, features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Every pair of positions of every cross, as the paper has it: what `module` should give, in the dtype of `features`; memory O(N C (N + C))."""
    bags, clips, _ = features.shape
    vectors = (module.query.weight, module.query.bias, module.key.weight, module.key.bias)
    w_q, b_q, w_k, b_k = (vector.flatten().to(features.dtype) for vector in vectors)
    keep = features.new_ones(bags, clips) if mask is None else mask.to(features.dtype)
    others = 1 - torch.eye(clips, dtype=features.dtype, device=features.device)
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


def seeded(network: torch.nn.Module) -> torch.nn.Module:
    """The network with weights that depend on nothing but their names and shapes."""
    state = {}
    for name, tensor in network.state_dict().items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if not tensor.is_floating_point():
            state[name] = tensor
        elif tensor.dim() > 1:
            state[name] = rng.normal(0, tensor[0].numel() ** -0.5, tensor.shape)
        elif name.endswith(("running_var", "weight")):
            state[name] = rng.uniform(0.8, 1.2, tensor.shape)
        else:
            state[name] = rng.uniform(-0.1, 0.1, tensor.shape)
    network.load_state_dict({name: torch.as_tensor(value, dtype=network.state_dict()[name].dtype) for name, value in state.items()})  # fmt: skip
    return network.eval()
