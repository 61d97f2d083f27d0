"""What a run leaves to read: scores.csv, metrics.json, events.csv and .json, labels.csv, and the report."""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from stavad.data.catalogue import Video
from stavad.data.files import fitting, written
from stavad.data.labels import read_labels, write_labels
from stavad.evaluate.annotate import annotate
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.page import Content, write_page
from stavad.evaluate.page.media import address
from stavad.evaluate.plots import plot_curve, plot_learning, plot_roc
from stavad.evaluate.run import Evaluation
from stavad.evaluate.score import ScoredVideo
from stavad.evaluate.scoring import Scoring
from stavad.evaluate.settings import EvaluateSettings, ScoreSettings
from stavad.evaluate.timeline import Timeline

FEW = 10  # recordings in the test part below which its intervals are a rough guide
CLASS = {"auc": "AUC beside all normal videos", "auc_abnormal": "within its videos"}
EVENT = ("video", "kind", "start", "end", "start_s", "end_s", "peak", "peak_s", "peak_score")


def write_evaluation(found: Evaluation, settings: EvaluateSettings, note: Callable[[str], None]) -> Path:
    """All of it into the run's folder. Returns the report's path."""
    folder, scored, pictures = found.run, found.scored, []
    write_scores(scored, folder / "scores.csv")
    write_metrics(found.metrics, found.extra, scored, folder / "metrics.json")
    write_events(found.timelines, folder, "none" not in found.extra["alarm"])
    if settings.plot:
        for s in scored:
            path = folder / "curves" / fitting(s.video.id, ".png")
            plot_curve(s, path)
            pictures.append(_picture(path, folder, settings.embed, s.video.id))
        if found.metrics["auc"]["value"] is not None:
            plot_roc(scored, folder / "roc.png")
            pictures.append(_picture(folder / "roc.png", folder, settings.embed, "ROC over frames"))
        if (kept := folder / "crossfit.json").exists():
            learnt = json.loads(kept.read_text(encoding="utf-8"))
            plot_learning(learnt["curves"], learnt["steps"], folder / "learning.png")
            pictures.append(_picture(folder / "learning.png", folder, settings.embed, "What training learnt, by cross-fitting"))  # fmt: skip
    alarm, trained = found.extra["alarm"], found.trained
    content = Content(
        title=f"Run {folder.name}",
        subtitle=_subtitle(trained, len(scored), found.metrics["auc"]),
        id=folder.name,
        threshold=alarm.get("threshold"),
        why=f"No events: {alarm['none']}; the highest moments are marked instead." if "none" in alarm else "",
        rows=[{"title": METRICS[name][0], "value": f"{m['value']:.3f}", "interval": _interval(m)} for name, m in found.metrics.items() if m["value"] is not None],
        lines=[*_few(found.extra), *_alarm(alarm), *_attributes(found.extra)],
        class_heads=list(CLASS.values()),
        classes=[[kind, str(of["videos"]), *("" if of[name] is None else f"{of[name]:.3f}" for name in CLASS)] for kind, of in found.extra["classes"].items()],
        settings=_settings(trained, settings),
        pictures=pictures,
        known=list(({v.id: v for v in read_labels(folder / "videos.csv")} | {s.video.id: s.video for s in scored}).values()),
    )  # fmt: skip
    write_page(content, found.timelines, folder / "report.html", settings.embed, note)
    return folder / "report.html"


def write_scoring(found: Scoring, settings: ScoreSettings, note: Callable[[str], None]) -> Path:
    """All of it into the scoring's folder. Returns the report's path."""
    folder, scored = found.folder, [one.scored for one in found.timelines]
    write_scores(scored, folder / "scores.csv")
    write_events(found.timelines, folder, not found.none)
    content = Content(
        title=f"Scored {folder.name}",
        subtitle=_subtitle(found.trained, len(scored), None),
        id=f"scored {folder.name}",
        threshold=found.threshold,
        why=f"No alarms: {found.none}; the highest moments are marked instead." if found.none else "",
        lines=[_alarm_words(found, settings), *(f"left out: {id}: {reason}" for id, reason in found.left_out.items())],
        settings=_settings(found.trained, settings),
        known=read_labels(found.run / "videos.csv"),
    )
    write_page(content, found.timelines, folder / "report.html", settings.embed, note)
    for one in found.timelines if settings.annotate else ():
        annotate(one, found.threshold, folder / "annotated" / fitting(one.scored.video.id, ".mp4"), note)
    return folder / "report.html"


def write_scores(scored: list[ScoredVideo], path: Path) -> None:
    """`video,frame,score,truth`: every decoded frame, from 1; truth empty where it is not known."""
    with written(path) as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("video", "frame", "score", "truth"))
        for s in scored:
            truth = [""] * len(s.scores) if s.truth is None else s.truth.astype(int)
            out.writerows((s.video.id, i, f"{x:.6f}", t) for i, (x, t) in enumerate(zip(s.scores, truth), 1))


def write_metrics(metrics: dict, extra: dict, scored: list[ScoredVideo], path: Path) -> None:
    """Each metric's value by name, the 95 % intervals under `intervals`, `alarm` and `classes`, and what was counted."""
    content = {name: metric["value"] for name, metric in metrics.items()}
    content["intervals"] = {name: [m["low"], m["high"]] for name, m in metrics.items() if m["value"] is not None}
    content |= extra
    content["videos"] = len(scored)
    content["frames"] = sum(len(s.scores) for s in scored)
    content["positive_frames"] = sum(int(s.truth.sum()) for s in scored if s.truth is not None)
    with written(path) as file:
        file.write(json.dumps(content, indent=2) + "\n")


def write_events(timelines: list[Timeline], folder: Path, alarms: bool) -> None:
    """`events.csv` and `events.json`, frames from 1 and seconds of the file; `labels.csv`, the same intervals in the form of labels.

    Args:
        alarms: whether the events are above a threshold; else they are the highest moments, and no labels.
    """
    kind = "event" if alarms else "moment"
    rows = [(one.scored, event) for one in timelines for event in one.events]
    with written(folder / "events.csv") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(EVENT)
        out.writerows((s.video.id, kind, e.start, e.end, f"{e.since:.3f}", f"{e.until:.3f}", e.peak, f"{e.peak_time:.3f}", f"{e.peak_score:.6f}") for s, e in rows)  # fmt: skip
    listed = [
        dict(zip(EVENT, (s.video.id, kind, e.start, e.end, e.since, e.until, e.peak, e.peak_time, e.peak_score)), source=s.source)
        for s, e in rows
    ]  # fmt: skip
    with written(folder / "events.json") as file:
        file.write(json.dumps(listed, indent=1) + "\n")
    (folder / "labels.csv").unlink(missing_ok=True)
    if alarms:
        write_labels(folder / "labels.csv", [_as_labels(one) for one in timelines])


def _as_labels(one: Timeline) -> Video:
    intervals = tuple((e.start, e.end) for e in one.events) or None
    return Video(one.scored.video.id, None, 1 if intervals else None, None, intervals, counts=one.counts)


def timeline_table(found: Scoring) -> str:
    """The events, one a line, or why there are none."""
    lines = [f"no alarms: {found.none}; the highest moments instead:"] if found.none else []
    for one in found.timelines:
        s = one.scored
        lines.append(
            f"{s.video.id}: highest score {s.scores.max():.3f}, {len(one.events)} {'moments' if found.none else 'events'}"
        )
        lines += [f"  {_clock(e.since)} to {_clock(e.until)}, frames {e.start} to {e.end}, highest {e.peak_score:.3f} at {_clock(e.peak_time)}" for e in one.events]  # fmt: skip
    if found.threshold is not None and not any(one.events for one in found.timelines):
        lines.append(f"nothing reached the alarm threshold, {found.threshold:.3f}: --alarm-rate or --alarms-per-hour lower it")  # fmt: skip
    return "\n".join(lines)


def table(metrics: dict, extra: dict) -> str:
    """The metrics that are defined, one a line, with their intervals; then the classes and the alarm threshold."""
    width = max(len(title) for title, _ in METRICS.values())
    lines = [f"{'':{width}}  value   95 % interval (bootstrap over videos)"]
    for name, m in metrics.items():
        if m["value"] is not None:
            lines.append(f"{METRICS[name][0]:{width}}  {m['value']:.3f}   {_interval(m)}")
    for kind, of_kind in extra["classes"].items():
        aucs = [f"{text} {of_kind[name]:.3f}" for name, text in CLASS.items() if of_kind[name] is not None]
        if aucs:
            lines.append(f"  {kind} ({of_kind['videos']}): {', '.join(aucs)}")
    return "\n".join([*lines, *_few(extra), *_alarm(extra["alarm"]), *_attributes(extra)])


def _clock(seconds: float) -> str:
    tenths = round(10 * max(0.0, seconds))
    hours, minutes, rest = tenths // 36000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _few(extra: dict) -> list[str]:
    number = extra["recordings"]
    if number >= FEW:
        return []
    return ["one recording: no intervals" if number == 1 else f"{number} recordings: the intervals are a rough guide"]


def _attributes(extra: dict) -> list[str]:
    found = extra["attributes"]
    if not found:
        return []
    differ = f", most by {found['differ']}" if found["differ"] else ""
    return [
        f"without a look at the picture, by frame rate, size, codec, length and recorder alone, a logistic regression tells the classes apart "
        f"with a video AUC of {found['auc']:.3f} [{found['low']:.3f}, {found['high']:.3f}] in cross-validation{differ}"
    ]


def _alarm(alarm: dict) -> list[str]:
    if "none" in alarm:
        return [f"no alarm threshold: {alarm['none']}"]
    found = {"false_alarm_rate": "of the normal videos' frames", "frames_found": "of the abnormal frames", "videos_found": "of the abnormal videos"}  # fmt: skip
    shares = [f"{alarm[name]:.1%} {text}" for name, text in found.items() if alarm[name] is not None]
    wanted = _wanted(alarm["wanted_per_hour"], alarm["wanted"])
    return [
        f"alarm above {alarm['threshold']:.3f} ({wanted} of {alarm['videos']} normal training videos, each scored by a model "
        f"that had not seen it); here {', '.join(shares) or 'not defined'}"
    ]


def _wanted(per_hour: float | None, rate: float) -> str:
    return f"{per_hour:g} alarms an hour" if per_hour else f"{rate:.1%} of the frames"


def _alarm_words(found: Scoring, settings: ScoreSettings) -> str:
    if found.none:
        return f"No alarms: {found.none}."
    wanted = _wanted(settings.alarms_per_hour, settings.alarm_rate)
    return f"Alarm above {found.threshold:.3f}: {wanted} of {len(found.trained.unseen)} normal training videos, each scored by a model that had not seen it."


def _interval(metric: dict) -> str:
    return "" if metric["low"] is None else f"{metric['low']:.3f} to {metric['high']:.3f}"


def _subtitle(trained, videos: int, auc: dict | None) -> str:
    words = [trained.fingerprint.get("preset", ""), f"recipe {trained.settings.recipe}", f"{videos} videos"]
    if auc and auc["value"] is not None:
        words.append(
            f"frame AUC {auc['value']:.3f}"
            + (f" [{auc['low']:.3f}, {auc['high']:.3f}]" if auc["low"] is not None else "")
        )
    return " · ".join(words)


def _settings(trained, settings) -> str:
    told = {"training": asdict(trained.settings) | {"steps trained": trained.steps}, "evaluation": asdict(settings), "features": trained.fingerprint}  # fmt: skip
    return json.dumps(told, indent=1)


def _picture(path: Path, folder: Path, embed: bool, caption: str) -> dict:
    return {"address": address(path, folder, embed), "caption": caption}
