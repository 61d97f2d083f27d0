"""A network for images as a backbone for clips: inflated in time by averaging."""

import torch
from torch import Tensor, nn


class FrameAverage(nn.Module):
    """(B, 3, T, H, W) -> (B, C): the image network's features of each frame, averaged over the clip."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        bags, _, time, _, _ = clips.shape
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        at_once = len(frames) if frames.is_cuda else 1  # one frame's layers fit a CPU's cache
        features = torch.cat([self.network(part) for part in frames.split(at_once)])
        return features.unflatten(0, (bags, time)).mean(1)
