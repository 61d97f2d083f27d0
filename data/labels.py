"""The labels CSV, the general form of what is known of videos: read, written, and joined to the videos that are there."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from stavad.data.catalogue import Names, Video
from stavad.data.errors import UserError, few
from stavad.data.files import written

COLUMNS = ("video", "label", "split", "class", "frames", "start", "end", "start_s", "end_s", "group", "counts")
FORM = "the first line is " + ",".join(COLUMNS[:7])
SPLITS = ("train", "test")
WORDS = {1: ("1", "abnormal", "anomaly", "anomalous", "positive", "true", "yes"), 0: ("0", "normal", "negative", "false", "no")}  # fmt: skip
LABELS = {"": None} | {word: label for label, words in WORDS.items() for word in words}
COUNTS = ("pictures", "numbers")
NO_INTERVAL = (("0", "0"), ("-1", "-1"))  # as annotations write that there is none
NOTHING = ("nan", "na", "n/a", "none", "null", "<na>")  # as programs write a value that is not there


def read_labels(path: Path) -> list[Video]:
    """The general form: a CSV `video,label,split,start,end`, optionally `class`, `frames`, `group`; several rows for several intervals.

    Frames count from 1 and `end` is included; `start_s` and `end_s` are in seconds instead. `label` is 1 or 0 (or abnormal, normal), or empty
    where not known; `split` is train, test or empty; `group` names a recording, camera or scene that no drawn split tears apart. A normal video has
    no intervals; an abnormal one without any has unknown ones. Columns may be separated by commas, semicolons or tabs.

    Raises:
        UserError: unreadable, a missing column, a wrong or contradictory value; with the line.
    """
    rows = _rows(path)
    if not rows or not {"video", "label"} <= set(rows[0][1]):
        raise UserError(path, "has no columns 'video' and 'label', or no row", FORM)
    videos: dict[str, Video] = {}
    for line, row in rows:
        video = _read_row(f"{path}, line {line}", row)
        before = videos.get(video.id)
        if before:
            video = replace(video, kind=video.kind or before.kind, frames=video.frames or before.frames)
            alike = all(getattr(before, name) in (getattr(video, name), None, "") for name in ("kind", "frames"))
            same = ("label", "split", "group", "counts")
            alike = alike and all(getattr(before, name) == getattr(video, name) for name in same)
            more = (before.intervals and video.intervals) or (before.seconds and video.seconds)
            if not (alike and more):
                raise UserError(f"{path}, line {line}", f"{video.id} stands there twice", "several rows are for several intervals of one video")  # fmt: skip
            if video.intervals:
                video = replace(video, intervals=before.intervals + video.intervals)
            video = replace(video, seconds=before.seconds + video.seconds)
        videos[video.id] = video
    return list(videos.values())


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and values of each row, by the names of the columns; what stands for nothing is empty."""
    text = read_text(path)
    skip = 0
    delimiter = ","
    first = text.split("\n", 1)[0]
    if first.lower().startswith("sep="):
        delimiter, skip = first[4:5] or ",", 1
        text = text.split("\n", 1)[1] if "\n" in text else ""
    else:
        delimiter = max(",;\t", key=first.count)
    try:
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        rows = [(reader.line_num + skip, row) for row in reader]
    except csv.Error as error:
        raise UserError(path, f"cannot be read ({error})", FORM) from None
    columns = [name.strip().lower() for name in reader.fieldnames or () if name]
    if twice := [name for name in COLUMNS if columns.count(name) > 1]:
        raise UserError(path, f"has the column {few(twice)} twice", "keep one of the two")
    for line, row in rows:
        if any(text.strip() for text in row.get(None) or ()):
            raise UserError(f"{path}, line {line}", "has more values than the first line has columns", "give several intervals in several rows, and quote a value that holds a comma")  # fmt: skip
    return [(line, _cleaned(row, delimiter)) for line, row in rows if any(row.values())]


def _cleaned(row: dict, delimiter: str) -> dict[str, str]:
    values = {}
    for key, value in row.items():
        name, text = (key or "").strip().lower(), value if isinstance(value, str) else ""
        if name == "video":
            values[name] = text  # a file's name may begin or end in a blank
        elif name:
            text = text.strip()
            text = text.replace(",", ".") if delimiter != "," and name in ("start_s", "end_s") else text
            values[name] = "" if text.lower() in NOTHING else text
    return values


def read_text(path: Path) -> str:
    """A text file, whatever mark of byte order or line ends it has.

    Raises:
        UserError: not there, or no text.
    """
    try:
        raw = Path(path).read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except FileNotFoundError:
        raise UserError(path, "does not exist", "give a CSV of labels") from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", "") or "it is no UTF-8 text"
        raise UserError(path, f"cannot be read ({reason})", f"give a CSV in UTF-8: {FORM}") from None
    if "\0" in text:
        raise UserError(path, "is no text file", f"give a CSV: {FORM}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read_row(where: str, row: dict[str, str]) -> Video:
    label, split = re.sub(r"(?<=^[01])\.0+$", "", row["label"]).lower(), row.get("split", "").lower() or None
    if not row["video"].strip():
        raise UserError(where, "names no video", "fill the column 'video'")
    if label not in LABELS:
        raise UserError(where, f"label {row['label']!r}", "give 1 (abnormal), 0 (normal) or nothing")
    if split not in (None, *SPLITS):
        raise UserError(where, f"split {split!r}", "give train, test or nothing")
    if (counts := row.get("counts", "").lower()) not in ("", *COUNTS):
        raise UserError(where, f"counts {counts!r}", f"give {', '.join(COUNTS)} or nothing")
    abnormal = LABELS[label]
    frames = _whole(row.get("frames", ""))
    if frames and not (_is_whole(frames) and int(frames) > 0):
        raise UserError(
            where, f"frames {frames!r}", "give the number of the video's frames in plain digits, or nothing"
        )
    start, end = _whole(row.get("start", "")), _whole(row.get("end", ""))
    if (start, end) in NO_INTERVAL:
        start = end = ""
    intervals: tuple[tuple[int, int], ...] | None = () if abnormal == 0 else None
    if start or end:
        if not (_is_whole(start) and _is_whole(end) and 1 <= int(start) <= int(end)):
            raise UserError(where, f"interval {start!r} to {end!r}", "give first and last abnormal frame, from 1")
        if abnormal != 1:
            raise UserError(where, "has an interval but is not labelled abnormal", "set label 1 or leave it out")
        intervals = ((int(start), int(end)),)
    seconds = _read_seconds(where, row.get("start_s", ""), row.get("end_s", ""))
    if seconds and (intervals is not None or abnormal != 1):
        raise UserError(
            where, "has seconds beside frames, or is not labelled abnormal", "give one of them, and label 1"
        )
    number = int(frames) if frames else None
    kind, group = row.get("class", ""), row.get("group", "")
    return Video(row["video"], None, abnormal, split, intervals, kind, number, seconds, group, counts)


def _whole(text: str) -> str:
    """33.0, as pandas writes 33 in a column with gaps, is 33; anything else stays as it is, such as 33.000, which may be thousands."""
    whole, _, rest = text.partition(".")
    return whole if whole.lstrip("-").isdigit() and rest and not rest.strip("0") and len(rest) != 3 else text


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _read_seconds(where: str, start: str, end: str) -> tuple[tuple[float, float], ...]:
    if not (start or end):
        return ()
    try:
        stretch = float(start), float(end)
    except ValueError:
        stretch = -1.0, -1.0
    if not 0 <= stretch[0] < stretch[1] < math.inf:
        raise UserError(where, f"stretch {start!r} to {end!r}", "give begin and end of the abnormal time in seconds")
    return (stretch,)


def write_labels(path: Path, videos: Iterable[Video]) -> None:
    """Write what `read_labels` reads.

    Raises:
        UserError: it cannot be written.
    """
    with written(path) as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for video in videos:
            label = "" if video.label is None else video.label
            known = (video.id, label, video.split or "", video.kind, video.frames or "")
            rows: list[tuple] = [(*interval, "", "") for interval in video.intervals or ()]
            rows = rows or [("", "", *stretch) for stretch in video.seconds] or [("",) * 4]
            out.writerows((*known, *row, video.group, video.counts) for row in rows)


def with_labels(videos: list[Video], labelled: list[Video], source, note: Callable[[str], None]) -> list[Video]:
    """`videos` with what `labelled` says of them; a video it does not name keeps its unknowns, one that is not there is named by `note`.

    Raises:
        UserError: none of the labelled videos is among `videos`, or two labels mean the same one.
    """
    names, known, missing = Names(videos), {}, []
    for entry in labelled:
        id = names.find(entry.id)
        if id is None:
            missing.append(entry.id)
        elif id in known:
            raise UserError(source, f"labels {id} twice", "keep one of the two")
        else:
            known[id] = entry
    if missing and not known:
        raise UserError(source, f"names videos that are not there: {few(missing)}", "name the videos by their path below the folder, without suffix")  # fmt: skip
    if missing:
        note(f"note: {source} names {len(missing)} of {len(labelled)} videos that are not there: {few(missing)}")
    return [replace(known[v.id], id=v.id, path=v.path) if v.id in known else v for v in videos]
