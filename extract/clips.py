"""Frames to clips of fixed length, in order. No frame is lost: the last clip is filled up, or begins earlier."""

from collections.abc import Iterable, Iterator

import numpy as np

from stavad.data.bags import CLIP

TAILS = {"repeat": "last frame repeated", "overlap": "last clip begins earlier"}


def to_clips(chunks: Iterable[np.ndarray], tail: str = "repeat") -> Iterator[tuple[np.ndarray, int]]:
    """Chunks of frames (any, H, W, 3) -> clips (CLIP, H, W, 3), each with the number of frames that are its own.

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
            yield np.stack(before), CLIP
    if waiting:
        own = len(waiting)
        clip = (before + waiting)[-CLIP:] if tail == "overlap" else waiting
        yield np.stack(clip + [clip[-1]] * (CLIP - len(clip))), own
