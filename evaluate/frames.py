"""Frames are the truth: intervals to a label per frame."""

import numpy as np

from data.errors import UserError


def frame_truth(intervals: tuple[tuple[int, int], ...], frames: int, video: str) -> np.ndarray:
    """1-based inclusive intervals -> (frames,) bool, on the decoded frames of this very video.

    Raises:
        UserError: an interval begins after the video's last frame. One that ends after it, as some published ones do by
            a few frames, ends with the video.
    """
    truth = np.zeros(frames, bool)
    for start, end in intervals:
        if start > frames:
            raise UserError(video, f"has {frames} frames, but an interval {start} to {end}", "correct its labels")
        truth[start - 1 : end] = True
    return truth
