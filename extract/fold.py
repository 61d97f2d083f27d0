"""Batch norm folded into the convolution before it: the same function in evaluation mode, to rounding, with less to compute."""

import functools

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)


def fold(module: nn.Module) -> nn.Module:
    """`module`, changed in place: where a child that is a convolution is followed by a batch norm, one convolution is left.

    It holds for backbones that apply their children in the order of registration; the tests compare every preset.
    """
    before = None, None
    for name, child in list(module.named_children()):
        if isinstance(child, NORMS) and isinstance(before[1], CONVOLUTIONS):
            setattr(module, before[0], fuse_conv_bn_eval(before[1], child))
            rest = [getattr(child, part) for part in ("drop", "act") if hasattr(child, part)]  # of timm's norms
            setattr(module, name, nn.Sequential(*rest) if rest else nn.Identity())
        else:
            fold(child)
        before = name, child
    return module


def channels_last(module: nn.Module) -> nn.Module:
    """Convolution weights in the order that CPUs and tensor cores work in; it changes no value."""
    for conv in module.modules():
        if isinstance(conv, CONVOLUTIONS):
            order = torch.channels_last if conv.weight.dim() == 4 else torch.channels_last_3d
            conv.weight.data = conv.weight.data.contiguous(memory_format=order)
    return module


def by_onednn(module: nn.Module) -> nn.Module:
    """`module`, changed in place: plain float32 convolutions by oneDNN, where it is; on a single thread PyTorch takes a slower way for small ones."""
    if torch.backends.mkldnn.is_available():
        for conv in module.modules():
            if type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
                conv.forward = functools.partial(_onednn, conv)  # type: ignore[method-assign]
    return module


def _onednn(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    return torch.mkldnn_convolution(x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups)
