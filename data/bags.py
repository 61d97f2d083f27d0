"""MIL bags: a video is a bag of a fixed number of instances, each the mean of a stretch of clips."""

import numpy as np


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
    """For every clip, the segment that it is scored by: the one whose stretch holds the clip's middle."""
    return ((np.arange(clips) + 0.5) * segments / clips).astype(int)


def unit_length(features: np.ndarray) -> np.ndarray:
    """Rows of (.., C) scaled to length 1; a row of zeros stays zero."""
    norm = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.where(norm > 0, norm, 1)
