"""What cross-fitting leaves with a model: normal videos' scores for alarm thresholds, and an honest estimate of what the model is worth."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from stavad.data.bags import segment_of_clip
from stavad.data.errors import UserError
from stavad.data.store import Stored
from stavad.evaluate.bootstrap import measure
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.score import ScoredVideo, frames_of, over_frames
from stavad.evaluate.settings import ScoringSettings
from stavad.train.checkpoint import Unseen
from stavad.train.crossfit import CrossFit
from stavad.train.telling import ends

SHOWN = (
    "auc",
    "auc_abnormal",
    "auc_within",
)  # where the labels of the training part hold intervals; the video AUC stands beside planted events


def held_out(found: CrossFit, stored: Mapping[str, Stored]) -> list[ScoredVideo]:
    """The training videos, each scored by the model that had not seen it, after the steps that are kept."""
    scored = []
    for place, one in enumerate(found.videos):
        segments = found.clips(place)
        clips = segments[segment_of_clip(one.bag.clips, len(segments))]
        try:
            scored.append(over_frames(one.video, frames_of(one.video, stored[one.video.id]), clips, ScoringSettings()))
        except UserError:  # intervals that do not fit its frames: training needs none
            plain = replace(one.video, intervals=None, frames=None)
            scored.append(over_frames(plain, stored[one.video.id], clips, ScoringSettings()))
    return scored


def unseen_normal(scored: list[ScoredVideo]) -> list[Unseen]:
    """Those that tell how high normal videos score."""
    return [Unseen(s.clips, s.frames, s.frames / s.fps if s.fps > 0 else 0.0) for s in scored if s.video.label == 0]


def estimate(found: CrossFit, scored: list[ScoredVideo], note: Callable[[str], None]) -> dict:
    """As it is kept in `crossfit.json`: the curves over steps, the number kept, and the metrics of the videos held out."""
    metrics = measure(scored)
    told = [f"{METRICS[name][0]} {m['value']:.3f} [{m['low']:.3f}, {m['high']:.3f}]" for name in SHOWN if (m := metrics[name])["value"] is not None and m["low"] is not None]  # fmt: skip
    if told:
        note(f"on the same videos: {'; '.join(told)}")
    at_ends, videos, chance, p = ends(found)
    return {
        "steps": found.steps,
        "curves": {
            "steps": found.looks,
            "video_auc_held_out": found.held_out.tolist(),
            "video_auc_trained_on": found.trained.tolist(),
            "planted": numbers(found.planted),
            "planted_normal": numbers(found.control),
        },
        "intervals": found.spread,
        "at_ends": {"videos": videos, "found": at_ends, "by_chance": chance, "p": p},
        "metrics": metrics,
    }


def numbers(values) -> list[float | None]:
    """As JSON has them: what is not defined is null."""
    return [None if value != value else float(value) for value in values]
