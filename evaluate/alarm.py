"""The threshold above which a score is an alarm, from normal training videos scored by models that had not seen them."""

from collections.abc import Callable

import numpy as np

from stavad.data.errors import UserError
from stavad.evaluate.events import Threshold, find_events
from stavad.evaluate.metrics.false_alarms import false_alarm_rate
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.settings import AlarmSettings, EvaluateSettings, ScoringSettings
from stavad.train.checkpoint import Trained, Unseen

STEPS = 400  # scores that are tried as thresholds of alarms an hour


def why_none(trained: Trained, settings: ScoringSettings) -> str:
    """Why there is no threshold, or nothing where there is one."""
    if not trained.unseen:
        return "the model was trained without cross-fitting, so that nothing tells how high unknown normal videos score"
    if settings.native or settings.smooth > 1 or settings.crops != "features":
        return "cross-fitting scored by segments, as without --native, --smooth and --crops scores"
    return ""


def level(trained: Trained, settings: AlarmSettings) -> Threshold:
    """The threshold that the settings ask for.

    Raises:
        UserError: alarms an hour of videos that last nobody knows how long.
    """
    if settings.alarms_per_hour:
        return threshold_per_hour(trained.unseen, settings)
    return Threshold(
        threshold(trained.unseen, settings.alarm_rate),
        threshold(trained.unseen, min(1.0, settings.hysteresis * settings.alarm_rate)),
    )


def threshold(unseen: list[Unseen], rate: float) -> float:
    """The lowest score that no more than a share `rate` of the frames exceed."""
    scores = np.concatenate([one.clips for one in unseen])
    weights = np.repeat([one.weight for one in unseen], [len(one.clips) for one in unseen])
    levels, place = np.unique(scores, return_inverse=True)
    frames = np.bincount(place, weights)
    above = np.cumsum(frames[::-1])[::-1] - frames  # frames above each score
    return float(levels[np.flatnonzero(above <= rate * frames.sum())[0]])


def threshold_per_hour(unseen: list[Unseen], settings: AlarmSettings) -> Threshold:
    """The lowest score above which the videos hold no more events an hour than wanted, and no higher one does."""
    timed = [one for one in unseen if one.seconds > 0]
    if not timed:
        raise UserError(
            "--alarms-per-hour", "needs normal training videos whose frame rate is known", "give --alarm-rate instead"
        )
    allowed = settings.alarms_per_hour * hours(timed)
    levels = np.unique(np.concatenate([one.clips for one in timed]))[::-1]
    kept = Threshold(float(levels[0]), float(levels[0]))
    for rank in np.unique(np.geomspace(1, len(levels), STEPS).astype(int)) - 1:  # dense at the top
        high = float(levels[rank])
        above = sum((one.clips > high).sum() * one.weight for one in timed) / sum(
            one.frames or len(one.clips) for one in timed
        )
        tried = Threshold(high, min(high, threshold(timed, min(1.0, settings.hysteresis * float(above)))))
        if sum(len(find_events(v.clips, tried, settings, len(v.clips) / v.seconds)) for v in timed) > allowed:
            break
        kept = tried
    return kept


def hours(unseen: list[Unseen]) -> float:
    """How long they last together."""
    return sum(one.seconds for one in unseen) / 3600


def tell_reach(trained: Trained, settings: AlarmSettings, note: Callable[[str], None]) -> None:
    """A line where the normal videos are too few for what is promised."""
    if not trained.unseen:
        return
    lasted = hours(trained.unseen)
    if settings.alarms_per_hour and settings.alarms_per_hour * lasted < 1:
        note(f"note: {settings.alarms_per_hour:g} false alarms an hour are promised from {lasted:.2g} hours of normal video, in which there is none above the threshold; how many there will be is not known")  # fmt: skip
    clips = sum(len(one.clips) for one in trained.unseen)
    if not settings.alarms_per_hour and settings.alarm_rate * clips < 1:
        note(f"note: {settings.alarm_rate:.2%} of normal frames are promised from {clips} clips of normal video, of which that is less than one: the threshold is the highest of them")  # fmt: skip


def alarm(trained: Trained, scored: list[ScoredVideo], settings: EvaluateSettings) -> tuple[dict, Threshold | None]:
    """The threshold from unseen normal training videos, and what it gives.

    Returns:
        `threshold`, `wanted`, and on `scored` (None where not defined): `false_alarm_rate` over the frames of normal videos,
        `frames_found` of the abnormal frames, `videos_found` of the abnormal videos; or `none`: why there is no threshold. And
        the threshold itself.
    """
    if reason := why_none(trained, settings):
        return {"none": reason}, None
    limits = level(trained, settings)
    found = [(s.scores > limits.high).any() for s in scored if s.video.label == 1]
    frames = None
    if all(s.truth is not None for s in scored) and any(s.truth.any() for s in scored):
        frames = float((np.concatenate([s.scores[s.truth] for s in scored]) > limits.high).mean())
    return {
        "wanted": settings.alarm_rate,
        "wanted_per_hour": settings.alarms_per_hour or None,
        "threshold": limits.high,
        "low": limits.low,
        "videos": len(trained.unseen),
        "false_alarm_rate": false_alarm_rate(scored, threshold=limits.high),
        "frames_found": frames,
        "videos_found": float(np.mean(found)) if found else None,
    }, limits
