"""UCSD Ped1 and Ped2: `TrainNNN` are normal, `TestNNN` have the intervals of `ped2.mat`, or of its authors' own `UCSDped2.m`."""

import re
from dataclasses import replace
from pathlib import Path

import scipy.io

from stavad.data.annotations import beside, interval, read_lines
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "UCSD Ped"
PLACE = 3
FILES = ("ped[12].mat", "UCSDped[12].m")


def label(root: Path, videos: list[Video]) -> list[Video] | None:
    """The videos with their labels; None: there is no such annotation.

    The official training part has one class; the paper draws its own splits, so none is given here.
    """
    inside = (path for name in FILES for path in sorted(root.glob(f"*/{name}")))  # Test/UCSDped2.m, as downloaded
    path = next((found for name in FILES if (found := beside(root, name))), None) or next(inside, None)
    if not path:
        return None
    intervals = read_ped_mat(path) if path.suffix == ".mat" else read_ped_m(path)
    labelled = []
    for video in videos:
        part = re.fullmatch(r"(Train|Test)(\d{3})", Path(video.id).name)
        if part and part[1] == "Train":
            video = replace(video, label=0, intervals=())
        elif part:
            number = int(part[2])
            if number > len(intervals):
                raise UserError(
                    path, f"has {len(intervals)} entries, none for {video.id}", "use the file of this data set"
                )
            video = replace(video, label=1, intervals=intervals[number - 1])
        labelled.append(video)
    return labelled


def read_ped_m(path: Path) -> list[tuple[tuple[int, int], ...]]:
    """The same from lines `TestVideoFile{end+1}.gt_frame = [60:152, 170:180];`.

    Raises:
        UserError: not such a file.
    """
    text = "\n".join(re.sub("%.*", "", line) for _, line in read_lines(path))
    entries = re.findall(r"gt_frame\s*=\s*\[([^\]]*)\]", text)
    if not entries or not all(re.fullmatch(r"[\d:,;\s.]*", entry) for entry in entries):
        raise UserError(path, "has no lines `gt_frame = [first:last]`", "give the data set's own file")
    parts = [re.findall(r"(\d+)\s*(?::\s*(\d+))?", entry) for entry in entries]
    return [
        tuple(interval(int(a), int(b or a), f"{path}, entry {n}") for a, b in pairs) for n, pairs in enumerate(parts, 1)
    ]


def read_ped_mat(path: Path) -> list[tuple[tuple[int, int], ...]]:
    """Abnormal intervals (1-based, inclusive) of Test001, Test002, ..: cell array `gt`, each 2 x intervals.

    Raises:
        UserError: not such a file.
    """
    try:
        cells = [cell.reshape(2, -1).T.astype(int).tolist() for cell in scipy.io.loadmat(path)["gt"].ravel()]
    except Exception as error:  # scipy raises its own classes, and TypeError and others for broken files
        raise UserError(path, f"is not a file of intervals ({error})", "expected a cell array 'gt'") from None
    return [tuple(interval(a, b, f"{path}, entry {n}") for a, b in pairs) for n, pairs in enumerate(cells, 1)]
