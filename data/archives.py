"""Which arrays of a file are features, and of which video: a file may hold those of one, its streams, or a whole data set."""

import os
from collections import Counter, defaultdict
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from stavad.data.catalogue import VIDEO_SUFFIXES

STREAMS = ("rgb", "flow")
FEATURES = ("features", "feature", "feats", "feat")  # what the array of features is called beside others
NUMBERINGS = {tuple(range(first, first + number)) for number in (5, 10) for first in (0, 1)}  # of the crops of a video


def arrays_in(path: Path, own: str, below: str) -> list[tuple[str, str]]:
    """Name and key of each array, where a file holds several that are features; empty where it holds one, which `arrays.read_array` finds.

    Groups may hold streams (VIDEO/rgb becomes VIDEO_rgb), crops (VIDEO/0 becomes VIDEO__0), or the features beside what belongs to them (VIDEO/features).

    Args:
        own: name of the file's video, if it is of one.
        below: what stands before the names of videos, if it is of many.
    """
    matrices = {key: shape for key, shape in _shapes(path).items() if len(shape) in (2, 3) and min(shape[0], shape[-1] - 1) > 0}  # fmt: skip
    streams = [key for key in matrices if _last(key) in STREAMS]
    if {_last(key) for key in streams} == set(STREAMS):
        return [(f"{below + _video(_group(key)) if _group(key) else own}_{_last(key)}", key) for key in sorted(streams)]
    if grouped := [key for key in matrices if _group(key) and _last(key) in FEATURES]:
        return [(below + _video(_group(key)), key) for key in sorted(grouped)]
    if any(key.lower() in FEATURES for key in matrices):
        return []
    widths = Counter(shape[-1] for shape in matrices.values())
    alike = sorted(key for key, shape in matrices.items() if widths[shape[-1]] == max(widths.values()) > 1)
    if _are_crops({key: matrices[key] for key in alike}):
        return [(f"{below}{_video(_group(key))}__{int(_last(key))}", key) for key in alike]
    if all(_group(key) for key in alike) and len({_last(key) for key in alike}) == 1:
        return [(below + _video(_group(key)), key) for key in alike]
    return [(below + _video(key), key) for key in alike]


def _are_crops(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether each group holds the numbers of its crops, all of one shape."""
    groups: dict[str, dict[str, tuple]] = defaultdict(dict)
    for key, shape in shapes.items():
        groups[_group(key)][_last(key)] = shape
    return bool(groups) and all(
        group and all(number.isdigit() for number in crops) and tuple(sorted(map(int, crops))) in NUMBERINGS and len(set(crops.values())) == 1
        for group, crops in groups.items()
    )  # fmt: skip


def _group(key: str) -> str:
    return key.rpartition("/")[0]


def _last(key: str) -> str:
    return key.rpartition("/")[2].lower()


def _video(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple] = {}
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                shapes = {key: file[key].shape for key in file.files}
        elif path.suffix.lower() == ".mat" and not h5py.is_hdf5(path):
            shapes = {name: shape for name, shape, kind in scipy.io.whosmat(path) if kind in ("double", "single")}
        elif path.suffix.lower() in (".h5", ".hdf5"):
            with h5py.File(path, "r") as file:
                file.visititems(lambda key, item: shapes.update({key: item.shape}) if isinstance(item, h5py.Dataset) else None)  # fmt: skip
    except Exception:  # broken: told when it is read
        return {}
    return shapes
