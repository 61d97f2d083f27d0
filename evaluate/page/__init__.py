"""The report: one HTML file that shows every video beside its scores, offline, and takes verdicts that become labels."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.files import written
from stavad.data.labels import COLUMNS
from stavad.evaluate.counted import Counted
from stavad.evaluate.events import highest_place
from stavad.evaluate.page.media import show
from stavad.evaluate.timeline import Timeline

HERE = Path(__file__).parent
SPARKS = 48  # columns of a video's small curve
POINTS = 200  # of a ROC or precision-recall curve
WITHOUT_LIMIT = "'self' file: data: blob:"  # pictures and videos beside the page, or inside it


@dataclass(frozen=True)
class Content:
    """What a page tells, besides the videos."""

    title: str
    subtitle: str
    id: str  # of the run or of the scoring, under which the browser keeps verdicts
    threshold: float | None
    why: str = ""  # there is no threshold
    rows: list[dict] = field(default_factory=list)  # title, value, interval of each metric
    lines: list[str] = field(default_factory=list)  # below them
    class_heads: list[str] = field(default_factory=list)
    classes: list[list[str]] = field(default_factory=list)
    settings: str = ""
    pictures: list[dict] = field(default_factory=list)  # address, caption
    known: list[Video] = field(default_factory=list)  # labels that saved verdicts are added to


def write_page(
    content: Content, timelines: list[Timeline], path: Path, embed: bool, note: Callable[[str], None]
) -> None:
    """Write the page, and pictures and previews beside it.

    Args:
        timelines: every video.
        embed: pictures and videos go into the page.
        note: told what could not be made; the page then says so in its place.

    Raises:
        UserError: the page itself cannot be written.
    """
    data = {
        "id": content.id,
        "threshold": content.threshold,
        "why": content.why,
        "videos": [_video(one, path.parent, embed, note) for one in timelines],
        "columns": COLUMNS,
        "known": [_labels(video) for video in content.known if video.label is not None],
    }
    script = (HERE / "vendor/uPlot.iife.min.js").read_text(encoding="utf-8") + (HERE / "report.js").read_text(
        encoding="utf-8"
    )
    style = (HERE / "vendor/uPlot.min.css").read_text(encoding="utf-8") + (HERE / "report.css").read_text(
        encoding="utf-8"
    )
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        f"img-src {WITHOUT_LIMIT}; media-src {WITHOUT_LIMIT}; base-uri 'none'; form-action 'none'"
    )
    template = jinja2.Environment(autoescape=True).from_string((HERE / "report.html").read_text(encoding="utf-8"))
    page = template.render(
        vars(content)
        | {
            "policy": policy,
            "style": jinja2.utils.markupsafe.Markup(style),
            "script": jinja2.utils.markupsafe.Markup(script),
            "data": jinja2.utils.htmlsafe_json_dumps(data, ensure_ascii=True, separators=(",", ":")),
            "videos": len(timelines),
            "curves": curves(Counted(one.scored for one in timelines)),
        }
    )
    with written(path) as file:
        file.write(page)


def _video(one: Timeline, folder: Path, embed: bool, note: Callable[[str], None]) -> dict:
    scored = one.scored
    starts = np.flatnonzero(np.append(True, np.diff(scored.cover) != 0))
    clips = scored.clips[scored.cover[starts]]
    peak = max(one.events, key=lambda e: e.peak_score).peak if one.events else highest_place(scored.scores) + 1
    try:
        shown = show(scored.video.id, scored.source, one.clock, peak, folder, embed)
    except (UserError, OSError) as error:
        note(f"note: no picture or preview of {scored.video.id}: {error}")
        shown = {"src": "", "thumb": "", "missing": f"no preview could be made: {error}"}
    stride = int(starts[1]) if len(starts) > 1 else max(1, len(scored.scores))
    even = np.array_equal(starts, np.arange(len(starts)) * stride)
    return shown | {
        "id": scored.video.id,
        "label": scored.video.label,
        "split": scored.video.split or "",
        "counts": one.counts,
        "frames": len(scored.scores),
        "fps": one.clock.fps or scored.fps,
        "scores": _packed(np.round(clips * 65535).astype("<u2")),
        "stride": stride,
        "first": "" if even else _packed(starts.astype("<u4")),
        "clock": "" if one.clock.times is None else _packed(_steps(one.clock.times)),
        "truth": None
        if scored.video.intervals is None
        else [[a, min(b, len(scored.scores))] for a, b in scored.video.intervals],
        "events": [[e.start, e.end, e.peak, round(e.peak_score, 4)] for e in one.events],
        "peak": [peak, float(scored.scores.max())],
        "spark": base64.b64encode(_spark(scored.scores)).decode(),
    }


def _labels(video: Video) -> dict:
    """What is known of a video, by the columns of the labels CSV."""
    return {
        "video": video.id, "label": video.label, "split": video.split or "", "class": video.kind, "frames": video.frames or "",
        "group": video.group, "counts": video.counts, "intervals": video.intervals,
    }  # fmt: skip


def _spark(scores: np.ndarray) -> bytes:
    """The highest score of each of `SPARKS` stretches, of 255."""
    bounds = np.linspace(0, len(scores), min(SPARKS, len(scores)) + 1).astype(int)
    return np.round(np.maximum.reduceat(scores, bounds[:-1]) * 255).astype(np.uint8).tobytes()


def _steps(times: np.ndarray) -> np.ndarray:
    """Milliseconds from each frame to the next, the first from 0."""
    return np.diff(np.maximum.accumulate(np.round(np.nan_to_num(times) * 1000)), prepend=0).clip(0).astype("<u4")


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 6)).decode()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def curves(scored: Counted) -> list[dict]:
    """ROC and precision-recall over frames, of all videos and of the abnormal ones, beside the oracle of video labels; none without truth."""
    if not scored or scored.frames is None:
        return []
    times = scored.times(None)
    roc, recall = [], []
    for kind, name, ranked in (("all", "all videos", scored.frames), ("abnormal", "abnormal only", scored.abnormal_frames), ("oracle", "oracle of video labels", scored.oracle)):  # fmt: skip
        levels = ranked.at_levels(times) if ranked else None
        if levels is None:
            continue
        false, true = (np.append(0, np.cumsum(side[::-1]) / side.sum()) for side in levels)
        roc.append({"kind": kind, "name": name, "points": _points(false, true)})
        recall.append({"kind": kind, "name": name, "points": _points(*ranked.precision_recall(times))})
    if not roc:
        return []
    return [
        {"title": "ROC over frames", "x": "false positive rate", "y": "true positive rate", "parts": roc},
        {"title": "Precision and recall over frames", "x": "recall", "y": "precision", "parts": recall},
    ]


def _points(x: np.ndarray, y: np.ndarray) -> str:
    """For an SVG polyline in a square of 200."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(POINTS, len(x))).astype(int))
    return " ".join(f"{200 * x[i]:.1f},{200 - 200 * y[i]:.1f}" for i in chosen)
