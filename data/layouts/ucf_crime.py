"""UCF-Crime: `Anomaly_Train.txt` names the training videos, `Temporal_Anomaly_Annotation*.txt` the test videos."""

import re
from pathlib import Path

from stavad.data.annotations import beside, interval, read_lines
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "UCF-Crime"
PLACE = 1
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


def read_ucf_train(path: Path) -> list[Video]:
    """Lines such as `Abuse/Abuse001_x264.mp4` and `Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4`."""
    return [_ucf_video(Path(name).stem, "train", None, f"{path}, line {number}") for number, name in read_lines(path)]


def read_ucf_test(path: Path) -> list[Video]:
    """Lines `name class start1 end1 start2 end2`, frames, -1 where there is no (second) interval.

    Raises:
        UserError: a line of another form; with its number.
    """
    videos = []
    for number, line in read_lines(path):
        try:
            name, _, *frames = line.split()
            start1, end1, start2, end2 = map(int, frames)
        except ValueError:
            raise UserError(
                f"{path}, line {number}", f"reads {line!r}", "expected: name class start1 end1 start2 end2"
            ) from None
        pairs = [pair for pair in ((start1, end1), (start2, end2)) if pair != (-1, -1)]
        intervals = tuple(interval(*pair, f"{path}, line {number}") for pair in pairs)
        videos.append(_ucf_video(Path(name).stem, "test", intervals, f"{path}, line {number}"))
    return videos


def _ucf_video(id: str, split: str, intervals, where: str) -> Video:
    if id.startswith("Normal"):
        return Video(id, None, 0, split, (), "")
    kind = re.match("[A-Za-z]+", id)
    if not kind:
        raise UserError(where, f"names {id!r}", "expected the class first, as in Abuse001_x264")
    return Video(id, None, 1, split, intervals, kind[0])
