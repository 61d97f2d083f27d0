"""UCF-Crime: `Anomaly_Train.txt` names the training videos, `Temporal_Anomaly_Annotation*.txt` the test videos."""

import re
from pathlib import Path, PurePosixPath

from stavad.data.annotations import beside, interval, read_lines
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "UCF-Crime"
PLACE = 1
FILES = ("Anomaly_Train.txt", "Temporal_Anomaly_Annotation*.txt")
KNOWN = {  # what the complete annotation adds up to
    "training videos": 1610,
    "test videos": 290,
    "abnormal test videos": 140,
    "test videos with two intervals": 16,
    "positive test frames": 84_345,
}


def entries(root: Path) -> list[Video] | None:
    """Every video that the lists name; None: there is no list."""
    train, test = beside(root, "Anomaly_Train.txt"), beside(root, "Temporal_Anomaly_Annotation*.txt")
    if not train and not test:
        return None
    return (read_ucf_train(train) if train else []) + (read_ucf_test(test) if test else [])


def read_file(path: Path) -> list[Video] | None:
    """A list of test videos under any name, known by its first line; None: it is none."""
    if path.suffix.lower() != ".txt":
        return None
    first = next((line for _, line in read_lines(path)), "")
    return read_ucf_test(path) if re.match(r"\S+(\s+\d+)?\s+[A-Za-z]\w*(\s+-?\d+){2}", first) else None


def read_ucf_train(path: Path) -> list[Video]:
    """Lines such as `Abuse/Abuse001_x264.mp4` and `Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4`."""
    return [_by_name(name, f"{path}, line {number}") for number, name in read_lines(path)]


def read_ucf_test(path: Path) -> list[Video]:
    """Lines `name class start1 end1 start2 end2`, frames, -1 where there is no (second) interval.

    A widespread version has the number of frames before the class: `name frames class start1 end1 ..`.

    Raises:
        UserError: a line of another form; with its number.
    """
    videos = []
    for number, line in read_lines(path):
        where = f"{path}, line {number}"
        try:
            name, *rest = line.split()
            length = int(rest.pop(0)) if rest and rest[0].isdigit() else None
            bounds = list(map(int, rest[1:]))
            pairs = list(zip(bounds[::2], bounds[1::2], strict=True))
            if not pairs or not rest[0][:1].isalpha():
                raise ValueError
        except ValueError:
            raise UserError(where, f"reads {line!r}", "expected: name class start1 end1 start2 end2") from None
        intervals = tuple(interval(*pair, where) for pair in pairs if pair != (-1, -1))
        if "/" not in name:  # the folders of the official archives, which decide where copies of a video are about
            name = f"Testing_Normal_Videos_Anomaly/{name}" if name.startswith("Normal") else f"{rest[0]}/{name}"
        kind = "" if rest[0].lower().startswith("normal") else rest[0]
        videos.append(Video(_ucf_id(name), None, int(bool(kind)), "test", intervals if kind else (), kind, length))
    return videos


def _ucf_id(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).with_suffix("").as_posix()


def _by_name(name: str, where: str) -> Video:
    """A training video, whose class is in its name alone."""
    id = _ucf_id(name)
    if PurePosixPath(id).name.startswith("Normal"):
        return Video(id, None, 0, "train", ())
    kind = re.match("[A-Za-z]+", PurePosixPath(id).name)
    if not kind:
        raise UserError(where, f"names {name!r}", "expected the class first, as in Abuse001_x264")
    return Video(id, None, 1, "train", None, kind[0])
