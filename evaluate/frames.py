"""Frames are the truth: intervals to a label per frame, and which frames count."""

import numpy as np

from stavad.data.bags import CLIP
from stavad.data.errors import UserError

CONVENTIONS = ("exact", "drop-tail", "pad-up")


def frame_truth(intervals: tuple[tuple[int, int], ...], frames: int, video: str) -> np.ndarray:
    """1-based inclusive intervals -> (frames,) bool, on the decoded frames of this very video.

    Raises:
        UserError: an interval is reversed, or begins before the video's first frame or after its last. One that ends
            after the last, as some published ones do by a few frames, ends with the video.
    """
    truth = np.zeros(frames, bool)
    for start, end in intervals:
        if not 1 <= start <= min(end, frames):
            raise UserError(video, f"has {frames} frames, but an interval {start} to {end}", "correct its labels")
        truth[start - 1 : end] = True
    return truth


def counted(of_frames: np.ndarray, convention: str) -> np.ndarray:
    """Values of the decoded frames -> values of the frames that count.

    "exact" counts each decoded frame once, and no other. Published tables also rest on "drop-tail", which leaves out the
    frames after the last whole clip (all stay if there is none), and on "pad-up", which repeats the last frame to a whole clip.
    """
    frames = len(of_frames)
    if convention == "drop-tail":
        return of_frames[: frames // CLIP * CLIP or frames]
    if convention == "pad-up":
        return np.pad(of_frames, (0, -frames % CLIP), mode="edge")
    return of_frames
