"""The labels CSV, the general form of what is known of videos: read, written, and joined to the videos that are there."""

import csv
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from stavad.data.catalogue import Names, Video
from stavad.data.errors import UserError, few

COLUMNS = ("video", "label", "split", "class", "frames", "start", "end", "start_s", "end_s")
SPLITS = ("train", "test")


def read_labels(path: Path) -> list[Video]:
    """The general form: a CSV `video,label,split,start,end`, optionally `class` and `frames`; several rows for several intervals.

    Frames count from 1 and `end` is included; `start_s` and `end_s` are in seconds instead. `label` is 1 or 0 (or abnormal, normal), or empty where not known; `split` is train,
    test or empty. A normal video has no intervals; an abnormal one without any has unknown ones.

    Raises:
        UserError: unreadable, a missing column, a wrong or contradictory value; with the line.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise UserError(path, "does not exist", "give a CSV of labels") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            path, f"cannot be read ({error})", f"give a CSV file with columns {','.join(COLUMNS)}"
        ) from None
    if not rows or not {"video", "label"} <= set(rows[0][1]):
        raise UserError(path, "has no columns 'video' and 'label', or no row", f"the first line is {','.join(COLUMNS)}")
    videos: dict[str, Video] = {}
    for line, row in rows:
        video = _read_row(f"{path}, line {line}", {key: (value or "").strip() for key, value in row.items() if key})
        before = videos.get(video.id)
        if before:
            video = replace(video, kind=video.kind or before.kind, frames=video.frames or before.frames)
            alike = all(getattr(before, name) in (getattr(video, name), None, "") for name in ("kind", "frames"))
            alike = alike and (before.label, before.split) == (video.label, video.split)
            more = (before.intervals and video.intervals) or (before.seconds and video.seconds)
            if not (alike and more):
                raise UserError(f"{path}, line {line}", f"{video.id} stands there twice", "several rows are for several intervals of one video")  # fmt: skip
            if video.intervals:
                video = replace(video, intervals=before.intervals + video.intervals)
            video = replace(video, seconds=before.seconds + video.seconds)
        videos[video.id] = video
    return list(videos.values())


def _read_row(where: str, row: dict[str, str]) -> Video:
    label = {"1": 1, "abnormal": 1, "0": 0, "normal": 0, "": None}.get(row["label"].lower(), row["label"])
    split = row.get("split", "").lower() or None
    if not row["video"]:
        raise UserError(where, "names no video", "fill the column 'video'")
    if isinstance(label, str):
        raise UserError(where, f"label {label!r}", "give 1 (abnormal), 0 (normal) or nothing")
    if split not in (None, *SPLITS):
        raise UserError(where, f"split {split!r}", "give train, test or nothing")
    frames = row.get("frames", "")
    if frames and not (frames.isdigit() and int(frames) > 0):
        raise UserError(where, f"frames {frames!r}", "give the number of the video's frames, or nothing")
    start, end = row.get("start", ""), row.get("end", "")
    intervals: tuple[tuple[int, int], ...] | None = () if label == 0 else None
    if start or end:
        if not (start.isdigit() and end.isdigit() and 1 <= int(start) <= int(end)):
            raise UserError(where, f"interval {start!r} to {end!r}", "give first and last abnormal frame, from 1")
        if label != 1:
            raise UserError(where, "has an interval but is not labelled abnormal", "set label 1 or leave it out")
        intervals = ((int(start), int(end)),)
    seconds = _read_seconds(where, row.get("start_s", ""), row.get("end_s", ""))
    if seconds and (intervals is not None or label != 1):
        raise UserError(
            where, "has seconds beside frames, or is not labelled abnormal", "give one of them, and label 1"
        )
    number = int(frames) if frames else None
    return Video(row["video"], None, label, split, intervals, row.get("class", ""), number, seconds)


def _read_seconds(where: str, start: str, end: str) -> tuple[tuple[float, float], ...]:
    if not (start or end):
        return ()
    try:
        stretch = float(start), float(end)
    except ValueError:
        stretch = -1.0, -1.0
    if not 0 <= stretch[0] < stretch[1] < float("inf"):
        raise UserError(where, f"stretch {start!r} to {end!r}", "give begin and end of the abnormal time in seconds")
    return (stretch,)


def in_frames(video: Video, fps: float) -> Video:
    """The video with its stretches of time as intervals: every frame that is shown during one of them.

    Raises:
        UserError: the frame rate is not known.
    """
    if not video.seconds or video.intervals is not None:
        return video
    if not fps > 0:
        raise UserError(video.id, "has intervals in seconds, but no known frame rate", "give start and end in frames")
    places = [(round(a * fps, 6), round(b * fps, 6)) for a, b in video.seconds]  # 16.6 s at 15 fps: 249, no hair more
    intervals = tuple((math.floor(a) + 1, math.ceil(b)) for a, b in places)
    return replace(video, intervals=intervals)


def write_labels(path: Path, videos: Iterable[Video]) -> None:
    """Write what `read_labels` reads."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for video in videos:
            label = "" if video.label is None else video.label
            known = (video.id, label, video.split or "", video.kind, video.frames or "")
            rows: list[tuple] = [(*interval, "", "") for interval in video.intervals or ()]
            rows = rows or [("", "", *stretch) for stretch in video.seconds] or [("",) * 4]
            out.writerows((*known, *row) for row in rows)


def with_labels(videos: list[Video], labelled: list[Video], source) -> list[Video]:
    """`videos` with what `labelled` says of them; a video it does not name keeps its unknowns.

    Raises:
        UserError: a labelled video is not among `videos`, or two labels mean the same one.
    """
    names, known, missing = Names(video.id for video in videos), {}, []
    for entry in labelled:
        id = names.find(entry.id)
        if id is None:
            missing.append(entry.id)
        elif id in known:
            raise UserError(source, f"labels {id} twice", "keep one of the two")
        else:
            known[id] = entry
    if missing:
        raise UserError(source, f"names videos that are not there: {few(missing)}", "remove the rows or add the files")  # fmt: skip
    return [replace(known[v.id], id=v.id, path=v.path) if v.id in known else v for v in videos]
