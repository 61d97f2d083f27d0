"""XD-Violence: `annotations.txt` has a line `name start end start end ..` for each violent test video."""

import re
from dataclasses import replace
from pathlib import Path

from stavad.data.annotations import beside, interval, read_lines
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "XD-Violence"
PLACE = 5
FILES = ("annotations.txt",)


def label(root: Path, videos: list[Video]) -> list[Video] | None:
    """The videos with their labels; None: there is no such annotation.

    A name ends in its classes: `.._label_A` is normal, `.._label_B1-0-0` and the like are not. Test videos lie in the folder of those
    that the annotation names.
    """
    path = beside(root, "annotations.txt")
    if not path:
        return None
    found = [re.fullmatch(r"(.+)_label_([A-Z0-9]+(?:-[A-Z0-9]+)*)", Path(video.id).name) for video in videos]
    if not any(found):
        return None
    annotated = {video.id: video for video in read_xd_test(path)}
    tests = {Path(video.id).parent for video in videos if Path(video.id).name in annotated}
    labelled = []
    for video, name in zip(videos, found):
        if name:
            split, kind = ("test" if Path(video.id).parent in tests else "train"), name[2].split("-")[0]
            intervals = () if kind == "A" else getattr(annotated.get(name[0]), "intervals", None)
            video = replace(
                video, label=int(kind != "A"), split=split, intervals=intervals, kind="" if kind == "A" else kind
            )
        labelled.append(video)
    return labelled


def read_xd_test(path: Path) -> list[Video]:
    """The violent test videos with their intervals.

    Raises:
        UserError: a line of another form; with its number.
    """
    videos = []
    for number, line in read_lines(path):
        name, *frames = line.split()
        if not frames or len(frames) % 2 or not all(frame.isdigit() for frame in frames):
            raise UserError(f"{path}, line {number}", f"reads {line!r}", "expected: name start end start end ..")
        numbers = list(map(int, frames))
        intervals = tuple(interval(*p, f"{path}, line {number}") for p in zip(numbers[::2], numbers[1::2]))
        videos.append(Video(name.removesuffix(".mp4"), None, 1, "test", intervals))
    return videos
