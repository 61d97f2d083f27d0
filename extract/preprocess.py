"""From decoded frames to what a backbone was trained on: exactly the resize, crop, colours and scale of the literature."""

import functools
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor
from torch.nn.functional import interpolate


class Scale(TypedDict):
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


SIGNED: Scale = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}  # to [-1, 1]
KINETICS: Scale = {"mean": (114.75, 114.75, 114.75), "std": (57.375, 57.375, 57.375)}  # 0.45 and 0.225 of 255
IMAGENET: Scale = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}  # 0.485 .. and 0.229 .. of 255


PIXELS = 2**23  # of frames that are in memory as floats together: pictures of 4K one by one, small ones a clip at once


@functools.cache
def constant(values: tuple[float, float, float], device: torch.device) -> Tensor:
    """(1, 3, 1, 1): a number for each colour."""
    return torch.tensor(values, device=device).view(1, 3, 1, 1)


@dataclass(frozen=True)
class View:
    """How frames are shown to a backbone. `mean` and `std` are on the scale of 0-255, in the order of `colour`."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int | tuple[int, int]  # short side, aspect kept; or (height, width)
    crop: int | None = None  # side of the centre square; None: the whole frame
    ten_crop: bool = False  # four corners and centre, then the same mirrored, instead of the centre alone
    colour: str = "RGB"
    antialias: bool = False  # bilinear filter widened when shrinking, as PIL does; plain bilinear otherwise
    rounded: bool = False  # whole numbers again after the resize, as by a library that resizes uint8

    @property
    def crops(self) -> int:
        return 10 if self.ten_crop else 1

    def __call__(self, frames: Tensor) -> Tensor:
        """One clip (T, H, W, 3) uint8 RGB at native size -> (crops, 3, T, h, w) float32, on the device it is on."""
        together = max(1, PIXELS // (frames.shape[1] * frames.shape[2]))
        return self.finished(torch.cat([self.resized(self.planes(part)) for part in frames.split(together)]))

    def planes(self, frames: Tensor) -> Tensor:
        """(t, H, W, 3) uint8 -> (t, 3, H, W) float32, 0 to 255."""
        x = frames.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)  # colours last are slow
        return x.flip(1) if self.colour == "BGR" else x

    def resized(self, planes: Tensor) -> Tensor:
        """(t, 3, H, W) -> (t, 3, h', w'), before the crop."""
        size = self.size(*planes.shape[2:])
        x = interpolate(planes, size, mode="bilinear", align_corners=False, antialias=self.antialias)
        return x.round() if self.rounded else x

    def finished(self, x: Tensor) -> Tensor:
        """(T, 3, h', w'), which is changed -> (crops, 3, T, h, w)."""
        x = x.sub_(constant(self.mean, x.device)).div_(constant(self.std, x.device))
        sides = (x, x.flip(-1)) if self.ten_crop else (x,)
        crops = [
            side[..., top : top + height, left : left + width]
            for side in sides
            for top, left, height, width in self.boxes(*x.shape[2:])
        ]
        return torch.stack(crops).transpose(1, 2)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the resize; of the long side, the fraction of a pixel is cut off, as torchvision does."""
        if not isinstance(self.resize, int):
            return self.resize
        short = min(height, width)
        return int(self.resize * height / short), int(self.resize * width / short)

    def boxes(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """(top, left, height, width) of the crops before mirroring."""
        if self.crop is None:
            return [(0, 0, height, width)]
        low, right = height - self.crop, width - self.crop
        centre = (round(low / 2), round(right / 2), self.crop, self.crop)
        if not self.ten_crop:
            return [centre]
        return [(top, left, self.crop, self.crop) for top in (0, low) for left in (0, right)] + [centre]
