"""UCSD Ped1 and Ped2: `TrainNNN` are normal, `TestNNN` have the intervals of `ped1.mat` or `ped2.mat`."""

import re
from dataclasses import replace
from pathlib import Path

import scipy.io

from stavad.data.annotations import beside, interval
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "UCSD Ped"
PLACE = 3


def label(root: Path, videos: list[Video]) -> list[Video] | None:
    """The videos with their labels; None: there is no such annotation.

    The official training part has one class; the paper draws its own splits, so none is given here.
    """
    path = beside(root, "ped[12].mat")
    if not path:
        return None
    intervals = read_ped_mat(path)
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
