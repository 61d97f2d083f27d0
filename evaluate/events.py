"""Events: stretches of a video above the alarm threshold."""

from dataclasses import dataclass

import numpy as np

from stavad.evaluate.settings import AlarmSettings

FPS = 25.0  # taken for a video whose own is not known


@dataclass(frozen=True)
class Event:
    """Frames count from 1, `end` is included; times are those of the file, in seconds, and `until` is when the last frame is over."""

    start: int
    end: int
    peak: int
    peak_score: float
    since: float = 0.0
    until: float = 0.0
    peak_time: float = 0.0


@dataclass(frozen=True)
class Threshold:
    """Of alarms."""

    high: float  # above it an event is one
    low: float  # and lasts as long as it is above this


def find_events(scores: np.ndarray, threshold: Threshold, settings: AlarmSettings, fps: float) -> list[Event]:
    """Stretches above the lower threshold that are above the higher one somewhere, in order of time.

    Those nearer than `least_gap` seconds are one; what is then shorter than `least_event` is none.

    Args:
        scores: (n,) of frames, or of clips: events count what is given.
        fps: of what is given; 0: unknown, taken as 25.
    """
    rate = fps if fps > 0 else FPS
    starts, ends = _runs(scores > threshold.low)
    if not len(starts):
        return []
    kept = np.maximum.reduceat(np.append(scores, 0), np.stack([starts, ends], 1).ravel())[::2] > threshold.high
    starts, ends = starts[kept], ends[kept]
    if len(starts) > 1:
        apart = starts[1:] - ends[:-1] >= settings.least_gap * rate
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    long = ends - starts >= settings.least_event * rate
    return [_event(scores, a, b) for a, b in zip(starts[long].tolist(), ends[long].tolist())]


def highest_moments(scores: np.ndarray, number: int, apart: int) -> list[Event]:
    """Where there is no threshold: up to `number` stretches of equal score, the highest first, none within `apart` of another."""
    places = np.flatnonzero(np.append(True, np.diff(scores) != 0))
    bounds = np.append(places, len(scores))
    found: list[Event] = []
    for place in np.argsort(-scores[places], kind="stable"):
        a, b = int(bounds[place]), int(bounds[place + 1])
        if all(b + apart <= e.start - 1 or a >= e.end + apart for e in found):
            found.append(_event(scores, a, b))
        if len(found) == number:
            break
    return found


def highest_place(scores: np.ndarray) -> int:
    """Place of the highest score, the middle one of equal ones."""
    highest = np.flatnonzero(scores == scores.max())
    return int(highest[(len(highest) - 1) // 2])


def _event(scores: np.ndarray, a: int, b: int) -> Event:
    peak = a + highest_place(scores[a:b])
    return Event(a + 1, b, peak + 1, float(scores[peak]))


def _runs(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First places of stretches that are true, and the places after them."""
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    return edges[::2], edges[1::2]
