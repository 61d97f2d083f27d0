"""What an annotation counts, seconds or the numbers in pictures' names, as frames: the n-th decoded one is frame n."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stavad.data.catalogue import Video
from stavad.data.errors import UserError, few

HAIR = 1e-6  # seconds by which two times may differ and be the same
ANEW = 1.0  # seconds back, from which on time stamps have started again
EVEN = (
    2e-3  # seconds by which time stamps may miss an even rate and still count as even: containers round to milliseconds
)


@dataclass(frozen=True)
class Clock:
    """When the decoded frames of a video are shown, and what they are called."""

    fps: float = 0.0  # mean frame rate, 0 if unknown
    times: np.ndarray | None = None  # (frames,) seconds from the file's start; None where they are even, from 0
    numbers: np.ndarray | None = None  # (frames,) of an image folder; None where they run from 0 or 1 without a gap

    def seconds(self, frame: int) -> float:
        """When frame `frame`, from 1, begins to be shown; 0 where nothing is known."""
        if self.times is not None:
            return float(
                self.times[min(frame, len(self.times)) - 1]
            )  # frames that fill up the last clip are shown with it
        return (frame - 1) / self.fps if self.fps > 0 else 0.0


def uneven(times: np.ndarray, fps: float) -> np.ndarray | None:
    """`times` (frames,), or None where they are those of the rate `fps`, from 0."""
    if not len(times) or not np.isfinite(times).all():
        return None
    even = np.arange(len(times)) / fps if fps > 0 else np.zeros(len(times))
    return None if np.abs(times - even).max() <= EVEN else times


def running_on(times: np.ndarray, fps: float) -> np.ndarray:
    """`times` (frames,) of a file whose time stamps start again, as where recordings were joined: each part goes on after the one before it."""
    steps = np.diff(times)
    again = np.flatnonzero(steps < -ANEW)
    if not len(again):
        return times
    usual = 1 / fps if fps > 0 else float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    steps[again] = usual
    return times[0] + np.concatenate([[0.0], np.cumsum(steps)])


def irregular(numbers: list[int]) -> np.ndarray | None:
    """`numbers` (frames,), or None where they run from 0 or 1 without a gap."""
    found = np.asarray(numbers, np.int64)
    return None if len(found) and found[0] in (0, 1) and (np.diff(found) == 1).all() else found


def on_frames(video: Video, clock: Clock, note: Callable[[str], None] = lambda line: None) -> Video:
    """The video with intervals of decoded frames, by which its `frames` are counted too.

    Raises:
        UserError: the frame rate that seconds need is not known, or it is not clear what an annotation of pictures counts.
    """
    if video.seconds and video.intervals is None:
        return replace(video, intervals=_shown(video, clock), counts="pictures")
    if clock.numbers is None or not video.intervals or video.counts == "pictures":
        return video
    numbers = clock.numbers
    named = f"{numbers[0]} to {numbers[-1]}"
    if numbers[0] > 1 and not video.counts and max(end for _, end in video.intervals) <= len(numbers):
        raise UserError(
            video.id,
            f"has {len(numbers)} pictures numbered {named}, and it is not clear which its intervals mean",
            "give a column 'counts' in --labels: 'numbers' of the pictures, or 'pictures' from the first on",
        )
    numbers = numbers + (numbers[0] == 0)
    places = [np.flatnonzero((numbers >= start) & (numbers <= end)) + 1 for start, end in video.intervals]
    if nowhere := [f"{a} to {b}" for (a, b), place in zip(video.intervals, places) if not len(place)]:
        if len(nowhere) == len(places):
            raise UserError(video.id, f"has pictures numbered {named}, of which its interval {few(nowhere)} holds none", "correct it, or say by a column 'counts' in --labels that it means 'pictures' from the first on")  # fmt: skip
        note(f"note: {video.id} has no picture in its interval {few(nowhere)}, which is left out")
    intervals = tuple((int(place[0]), int(place[-1])) for place in places if len(place))
    note(f"note: the pictures of {video.id} are numbered {named}, {len(numbers)} of them; its intervals are taken by these numbers")  # fmt: skip
    return replace(video, intervals=intervals, frames=None, counts="pictures")


def _shown(video: Video, clock: Clock) -> tuple[tuple[int, int], ...]:
    """Every frame that is shown during one of the video's stretches of time."""
    if clock.times is not None:
        times = clock.times
        end = times[-1] + (1 / clock.fps if clock.fps > 0 else 0.0)
        found = []
        for a, b in video.seconds:
            first = int(np.searchsorted(times, a + HAIR, side="right")) if a < end - HAIR else len(times) + 1
            last = int(np.searchsorted(times, b - HAIR, side="left"))
            if last:
                found.append((max(first, 1), max(last, first)))
        return tuple(found)
    if not clock.fps > 0:
        raise UserError(video.id, "has intervals in seconds, but no known frame rate", "give start and end in frames")
    ends = [(a * clock.fps + HAIR, b * clock.fps - HAIR) for a, b in video.seconds]
    return tuple((int(np.floor(a)) + 1, int(np.ceil(b))) for a, b in ends)
