"""A scored video over time: its events, in frames and in seconds of the file."""

from dataclasses import dataclass, replace

from stavad.data.store import Store
from stavad.data.timing import Clock
from stavad.evaluate.events import FPS, Event, Threshold, find_events, highest_moments
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.settings import AlarmSettings

MOMENTS = 10  # the highest, where there is no threshold


@dataclass(frozen=True)
class Timeline:
    """What is said of one video over time."""

    scored: ScoredVideo
    clock: Clock
    events: list[Event]  # above the threshold; where there is none, the highest moments

    @property
    def counts(self) -> str:
        """What its frame numbers count, as in the column of labels: of pictures with numbers of their own the pictures."""
        return "" if self.clock.numbers is None else "pictures"


def timeline(scored: ScoredVideo, store: Store, threshold: Threshold | None, settings: AlarmSettings) -> Timeline:
    """Scores of a video -> its events, in frames and seconds of the file."""
    clock = store.clock(scored.video.id)
    fps = clock.fps or scored.fps
    if threshold is None:
        events = sorted(highest_moments(scored.scores, MOMENTS, round(settings.least_gap * (fps or FPS))), key=lambda e: e.start)  # fmt: skip
    else:
        events = find_events(scored.scores, threshold, settings, fps)
    return Timeline(scored, clock, [_timed(event, clock, scored.frames) for event in events])


def _timed(event: Event, clock: Clock, frames: int) -> Event:
    after = event.end + 1
    until = (
        clock.seconds(after)
        if after <= frames
        else clock.seconds(event.end) + (1 / clock.fps if clock.fps > 0 else 0.0)
    )
    return replace(event, since=clock.seconds(event.start), until=until, peak_time=clock.seconds(event.peak))
