"""Frames to clips of fixed length, in order; the last is filled up by repeating its last frame, so no frame is lost."""

from collections.abc import Iterable, Iterator

import numpy as np

CLIP = 16  # frames of a clip, and from one clip to the next


def to_clips(chunks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
    """Chunks of frames (any, H, W, 3) -> clips (CLIP, H, W, 3), each with the number of frames that are its own."""
    waiting: list[np.ndarray] = []
    for chunk in chunks:
        waiting.extend(chunk)
        while len(waiting) >= CLIP:
            yield np.stack(waiting[:CLIP]), CLIP
            del waiting[:CLIP]
    if waiting:
        yield np.stack(waiting + [waiting[-1]] * (CLIP - len(waiting))), len(waiting)
