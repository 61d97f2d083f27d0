"""What a run leaves to read: scores.csv, metrics.json, and report.html with the pictures."""

import csv
import html
import json
from pathlib import Path
from urllib.parse import quote

from stavad.data.files import fitting, written
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.plots import plot_curve, plot_roc
from stavad.evaluate.run import Evaluation
from stavad.evaluate.score import ScoredVideo

FEW = 10  # recordings in the test part below which its intervals are a rough guide
CLASS = {"auc": "AUC beside all normal videos", "auc_abnormal": "within its videos"}


def write_evaluation(found: Evaluation, plot: bool) -> None:
    """All of it into the run's folder: `scores.csv`, `metrics.json`, `report.html`, and with `plot` the pictures."""
    folder, scored, pictures = found.run, found.scored, {}
    write_scores(scored, folder / "scores.csv")
    write_metrics(found.metrics, found.extra, scored, folder / "metrics.json")
    if plot:
        for s in scored:
            pictures[s.video.id] = folder / "curves" / fitting(s.video.id, ".png")
            plot_curve(s, pictures[s.video.id])
        if found.metrics["auc"]["value"] is not None:
            pictures[""] = folder / "roc.png"
            plot_roc(scored, pictures[""])
    write_report(found.metrics, found.extra, scored, pictures, folder / "report.html", f"Run {folder.name}")


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
    wanted = (
        f"{alarm['wanted_per_hour']:g} alarms an hour"
        if alarm["wanted_per_hour"]
        else f"{alarm['wanted']:.1%} of the frames"
    )
    return [
        f"alarm above {alarm['threshold']:.3f} ({wanted} of {alarm['videos']} normal training videos, each scored by a model "
        f"that had not seen it); here {', '.join(shares) or 'not defined'}"
    ]


def write_report(
    metrics: dict, extra: dict, scored: list[ScoredVideo], pictures: dict[str, Path], path: Path, title: str
) -> None:
    """One page: the table, the ROC, and every video's curve, abnormal videos first, the highest score first.

    Args:
        metrics, extra: as of an `Evaluation`.
        pictures: by video id, and under "" the ROC; below the folder of `path`.
    """
    order = sorted(scored, key=lambda s: (-(s.video.label or 0), -s.scores.max()))
    rows = "".join(
        f"<tr><td>{html.escape(METRICS[name][0])}</td><td>{m['value']:.3f}</td><td>{_interval(m)}</td></tr>"
        for name, m in metrics.items()
        if m["value"] is not None
    )
    said = {0: "labelled normal", 1: "labelled abnormal", None: "no label"}
    images = "".join(
        _image(pictures[s.video.id], path, f"{s.video.id}, {said[s.video.label]}, highest score {s.scores.max():.3f}")
        for s in order
        if s.video.id in pictures
    )
    roc = _image(pictures[""], path, "ROC over frames") if "" in pictures else ""
    classes = "".join(
        f"<tr><td>{html.escape(kind)}</td><td>{of_kind['videos']}</td>"
        + "".join(f"<td>{'' if of_kind[name] is None else format(of_kind[name], '.3f')}</td>" for name in CLASS)
        + "</tr>"
        for kind, of_kind in extra["classes"].items()
    )
    if classes:
        head = "".join(f"<th>{text}</th>" for text in CLASS.values())
        classes = f"<table><tr><th>class</th><th>videos</th>{head}</tr>{classes}</table>"
    shaded = "<p>Abnormal intervals are shaded.</p>" if any(s.video.intervals for s in scored) else ""
    more = [*_few(extra), *_alarm(extra["alarm"]), *_attributes(extra)]
    alarms = "".join(f"<p>{html.escape(line)}</p>" for line in more)
    numbers = (
        f"<table><tr><th></th><th>value</th><th>95 % interval</th></tr>{rows}</table>"
        if rows
        else "<p>The labels at hand define no metric: scores only.</p>"
    )
    page_text = (
        "<!doctype html><meta charset=utf-8><title>" + html.escape(title) + "</title>"
        "<style>body{font:15px system-ui;margin:2rem auto;max-width:60rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left}"
        "img{max-width:100%}</style>"
        f"<h1>{html.escape(title)}</h1>{numbers}{classes}{alarms}{roc}"
        "<h2>Anomaly score over frames</h2>" + shaded + images
    )
    with written(path) as file:
        file.write(page_text)


def _interval(metric: dict) -> str:
    return "" if metric["low"] is None else f"{metric['low']:.3f} to {metric['high']:.3f}"


def _image(picture: Path, page: Path, caption: str) -> str:
    address, caption = quote(picture.relative_to(page.parent).as_posix()), html.escape(caption)
    return f'<figure><img src="{address}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
