"""A network for images as a backbone for clips: what is seen, and what moves."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stavad.extract.preprocess import View, constant

GAP = 4  # frames between the two whose difference shows motion
STAGES = {"seen": (4,), "moving": (1, 2, 3, 4)}  # of the network, whose activations are the features


class OfFrames(nn.Module):
    """An image network, and the strongest activation of each channel after some of its blocks: what matters is small in a surveillance picture."""

    CLIP_A_THREAD = True  # its layers are too small for a CPU's threads to share them

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def _features(self, clips: Tensor, stages: tuple[int, ...]) -> Tensor:
        frames = clips.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        at_once = len(frames) if frames.is_cuda else 1  # one frame's layers fit a CPU's cache
        features = torch.cat([self._strongest(part, stages) for part in frames.split(at_once)])
        return features.unflatten(0, (len(clips), -1)).mean(1)

    def _strongest(self, frames: Tensor, stages: tuple[int, ...]) -> Tensor:
        x = self.network.bn1(self.network.conv_stem(frames))
        found = []
        for stage, block in enumerate(self.network.blocks[: max(stages) + 1]):
            x = block(x)
            if stage in stages:
                found.append(x.amax((2, 3)))
        return torch.cat(found, 1)


class AppearanceAndMotion(OfFrames):
    """(B, 3, T, H, W) -> (B, C): averaged over the clip's frames.

    Channels are those of the network's later blocks on the frames (`seen`), and of all its blocks on doubled differences of frames
    GAP apart (`moving`), from which the background and a frame's mean colour drop out. Chosen on training videos of UCSD Ped2, see
    docs/results.md.
    """

    def forward(self, clips: Tensor) -> Tensor:
        moving = 2 * (clips[:, :, GAP:] - clips[:, :, :-GAP])
        return torch.cat([self._features(clips, STAGES["seen"]), self._features(moving, STAGES["moving"])], 1)


class FramesAndDifferences(OfFrames):
    """(B, 3, 6, H, W), frames `SEEN` of a clip and doubled differences between `MOVING` and GAP later -> (B, C): the same of these alone.

    Scaled by `WEIGHT`, so that flow statistics beside it have an eighth of the variance of all: with a third, moments inside videos are lost (docs/results.md).
    """

    SEEN, MOVING = (5, 11), (1, 4, 7, 10)
    FRAMES = tuple(sorted({*SEEN, *MOVING, *(t + GAP for t in MOVING)}))  # that are needed
    WEIGHT = 0.0226

    def forward(self, pictures: Tensor) -> Tensor:
        seen, moving = pictures.split([len(self.SEEN), len(self.MOVING)], 2)
        return self.WEIGHT * torch.cat([self._features(seen, STAGES["seen"]), self._features(moving, STAGES["moving"])], 1)  # fmt: skip


class FramesAndDifferencesView(View):
    """Frames `FramesAndDifferences.FRAMES` (8, H, W, 3) -> what that network is shown, (1, 3, 6, h, w)."""

    def __call__(self, frames: Tensor) -> Tensor:
        return self.finished(torch.cat([self.resized(picture) for picture in self._pictures(frames)]))

    def _pictures(self, frames: Tensor) -> Iterator[Tensor]:
        """(1, 3, H, W) each, one at a time, as they may be large."""
        of_clip = dict(zip(FramesAndDifferences.FRAMES, frames.split(1), strict=True))
        for t in FramesAndDifferences.SEEN:
            yield self.planes(of_clip[t])
        mean = constant(self.mean, frames.device)  # of which a difference has none
        for t in FramesAndDifferences.MOVING:
            yield 2 * (self.planes(of_clip[t + GAP]) - self.planes(of_clip[t])) + mean
