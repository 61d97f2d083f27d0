"""Frames to clips of fixed length, in order. No frame is lost: the last clip is filled up, or begins earlier."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stavad.data.bags import CLIP
from stavad.extract.flow import motion_statistics

NOTHING = np.zeros(0, np.float32)
TAILS = {"repeat": "last frame repeated", "overlap": "last clip begins earlier"}


@dataclass(frozen=True)
class Taken:
    """What is taken of each clip where it is decoded, so that nothing else crosses to the network."""

    frames: tuple[int, ...] | None = None  # from 0, that the network is shown; None: all, (): there is no network
    motion: bool = False  # statistics of the optical flow

    @property
    def luma(self) -> bool:
        """Whether luma alone needs to be decoded."""
        return self.frames == ()

    def __call__(self, clip: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """16 frames (H, W, 3) -> those for the network (n, H, W, 3), and numbers (m,) that are features already."""
        shown = self.shown(clip)
        return (np.stack(shown) if shown else np.zeros((0, *clip[0].shape), np.uint8)), self.numbers(clip)

    def shown(self, clip: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The frames for the network."""
        return [clip[t] for t in (range(len(clip)) if self.frames is None else self.frames)]

    def numbers(self, clip: Sequence[np.ndarray]) -> np.ndarray:
        """Features already."""
        return motion_statistics(clip) if self.motion else NOTHING


def to_clips(chunks: Iterable[np.ndarray], tail: str = "repeat") -> Iterator[tuple[list[np.ndarray], int]]:
    """Chunks of frames (any, H, W, 3) -> clips, CLIP frames (H, W, 3), each with the number of frames that are its own.

    Args:
        tail: "repeat" fills the last clip with its last frame, as the literature does; "overlap" lets it begin in the clip
            before, as a still picture is no motion. A video shorter than one clip is filled either way.
    """
    before: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    for chunk in chunks:
        waiting.extend(chunk)
        while len(waiting) >= CLIP:
            before, waiting = waiting[:CLIP], waiting[CLIP:]
            yield before, CLIP
    if waiting:
        own = len(waiting)
        clip = (before + waiting)[-CLIP:] if tail == "overlap" else waiting
        yield clip + [clip[-1]] * (CLIP - len(clip)), own
