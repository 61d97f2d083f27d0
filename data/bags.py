"""MIL bags: a video is a bag of a fixed number of instances, each the mean of a stretch of clips."""

import numpy as np

CLIP = 16  # frames of a clip, and from one clip to the next


def clips_of(frames: int) -> int:
    """Clips that cover so many frames, the last one not full."""
    return -(-frames // CLIP)


def are_clips_of(rows: int, frames: int) -> bool:
    """Whether so many rows can be the clips of so many frames; one more or less is, as the field rounds both ways."""
    return abs(rows - clips_of(frames)) <= 1


def segment_bounds(clips: int, segments: int) -> np.ndarray:
    """First clip of every segment, and one past the last: `segments + 1` whole numbers from 0 to `clips`."""
    return np.linspace(0, clips, segments + 1).round().astype(int)


def to_segments(features: np.ndarray, segments: int) -> np.ndarray:
    """Clip features (clips, C) -> (segments, C), as Sultani et al., 2018.

    A segment is the mean of its clips. Where there are fewer clips than segments, some segments hold no clip of their
    own and repeat the one they begin at.
    """
    bounds = segment_bounds(len(features), segments)
    starts = np.minimum(bounds[:-1], len(features) - 1)
    return np.stack([features[a : max(a + 1, b)].mean(0) for a, b in zip(starts, bounds[1:])])


def segment_of_clip(clips: int, segments: int) -> np.ndarray:
    """For every clip, the segment of `to_segments` that holds it; where several repeat it, the middle one of them."""
    starts = np.minimum(segment_bounds(clips, segments)[:-1], clips - 1)
    last = np.searchsorted(starts, np.arange(clips), side="right") - 1
    first = np.searchsorted(starts, starts[last], side="left")
    return (first + last) // 2
