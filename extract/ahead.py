"""What decoding processes tell, and the queue in which it waits for the backbone."""

import collections
import threading
from dataclasses import dataclass

import numpy as np

from stavad.data.timing import Clock

AHEAD = 8  # clips decoded ahead of the backbone, unless it takes more at once,
AHEAD_BYTES = 2**27  # but no more bytes than these, or one clip
LOOK_EVERY = 0.2  # seconds between two looks whether the run has ended


@dataclass(frozen=True)
class Begin:
    """A video is opened. A second one for the same video means: forget its clips, another decoder starts over."""

    index: int
    decoder: str
    announced: int
    fps: float
    stamp: str  # as of `data.identity.stamp_of`, before it was read


@dataclass(frozen=True)
class Clip:
    index: int
    frames: np.ndarray  # (n, H, W, 3) uint8: those that the network is shown
    numbers: np.ndarray  # features that were made already
    own: int  # frames that are not filling


@dataclass(frozen=True)
class End:
    index: int
    digest: str  # as of `data.identity.digest_of`
    lost: int  # frames that are missing or damaged,
    loss: str  # the same in words
    clock: Clock
    about: dict  # as of `decode.Source`


@dataclass(frozen=True)
class Failed:
    index: int
    reason: str
    lasting: bool = True  # the file's fault; else of circumstances, such as a permission or a disk that is gone


@dataclass(frozen=True)
class Alive:
    """Nothing to show yet, but the decoder is at work."""


class Ahead:
    """A queue that holds at most `events` events and `AHEAD_BYTES` of pictures, but always one event."""

    def __init__(self, events: int = AHEAD):
        self.events = events
        self.waiting: collections.deque = collections.deque()
        self.bytes = 0
        self.changed = threading.Condition()

    def put(self, event, stop: threading.Event) -> None:
        """Waits for room, or for the end of the run."""
        size = event.frames.nbytes if isinstance(event, Clip) else 0
        with self.changed:
            while (
                not stop.is_set()
                and self.waiting
                and (len(self.waiting) >= self.events or self.bytes + size > AHEAD_BYTES)
            ):
                self.changed.wait(LOOK_EVERY)
            if not stop.is_set():
                self.waiting.append(event)
                self.bytes += size
                self.changed.notify_all()

    def get(self):
        with self.changed:
            self.changed.wait_for(lambda: self.waiting)
            event = self.waiting.popleft()
            self.bytes -= event.frames.nbytes if isinstance(event, Clip) else 0
            self.changed.notify_all()
            return event
