"""What every decoder gives, and how it says that it cannot."""

import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from stavad.data.timing import Clock, irregular, running_on, uneven

CHUNK = 16  # frames handed on at a time
CHUNK_BYTES = 2**26  # and no more bytes than these, but one frame


class Undecodable(Exception):
    """The reason, in words, why a file gives no (further) frames."""


@dataclass
class Source:
    """An opened video. What it knows at the end only is right once `frames` are read through."""

    decoder: str  # name and version, or why `auto` chose it
    announced: int  # frames according to the header: a hint, 0 if unknown
    fps: float  # mean rate, 0.0 if unknown
    frames: Iterator[np.ndarray]  # (up to CHUNK, H, W, 3) uint8 RGB; all of one size
    stream: int = 0  # index of the stream in the file
    about: dict = field(default_factory=dict)  # width, height, codec, recorder
    times: array.array = field(default_factory=lambda: array.array("d"))  # seconds from the file's start, at the end
    numbers: list[int] = field(default_factory=list)  # in the names of the pictures of a folder
    lost: int = 0  # frames that are missing or damaged, at the end
    loss: str = ""  # the same in words

    @property
    def clock(self) -> Clock:
        """When its frames are shown, and what its pictures are called, so far as they are not even."""
        times = uneven(running_on(np.frombuffer(self.times, np.float64), self.fps), self.fps) if self.times else None
        return Clock(self.fps, times, irregular(self.numbers) if self.numbers else None)


def chunk_of(width: int, height: int) -> int:
    """How many frames of a size to hand on at a time."""
    return max(1, min(CHUNK, CHUNK_BYTES // max(1, 3 * width * height)))


def first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:120]
