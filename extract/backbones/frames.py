"""A network for images as a backbone for clips: what is seen, and what moves."""

import torch
from torch import Tensor, nn

GAP = 4  # frames between the two whose difference shows motion: chosen on training videos of UCSD Ped2, see the README


class AppearanceAndMotion(nn.Module):
    """(B, 3, T, H, W) -> (B, 2C): an image network's features, averaged over the clip, of its frames and of their differences.

    The difference of frames t and t - GAP, doubled, is shown to the same network; a frame's mean colour drops out of it. The first
    frames of a clip have none. A clip whose frames are all alike shows it zeros.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        motion = 2 * (clips[:, :, GAP:] - clips[:, :, :-GAP])
        return torch.cat([self._average(clips), self._average(motion)], 1)

    def _average(self, clips: Tensor) -> Tensor:
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        at_once = len(frames) if frames.is_cuda else 1  # one frame's layers fit a CPU's cache
        features = torch.cat([self.network(part) for part in frames.split(at_once)])
        return features.unflatten(0, (len(clips), -1)).mean(1)
