"""Which arrays of a file are features, and of which video: a file may hold those of one, its streams, or a whole data set."""

import os
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from stavad.data.catalogue import VIDEO_SUFFIXES

STREAMS = ("rgb", "flow")


def arrays_in(path: Path) -> dict[str, str]:
    """Name -> key of each array, where a file holds several that are features; empty where it holds one, which `arrays.read_array` finds.

    A name that begins with `_` goes on the file's own, as `_rgb`; another is that of a video. Groups may hold streams (VIDEO/rgb), crops (VIDEO/0), or
    the features beside what belongs to them (VIDEO/features).
    """
    matrices = {key: shape for key, shape in _shapes(path).items() if len(shape) in (2, 3) and 0 not in shape}
    streams = [key for key in matrices if key.rpartition("/")[2].lower() in STREAMS]
    if len({key.rpartition("/")[2].lower() for key in streams}) == 2:
        return {f"{key.rpartition('/')[0]}_{key.rpartition('/')[2].lower()}": key for key in sorted(streams)}
    widths = Counter(shape[-1] for shape in matrices.values())
    alike = sorted(key for key, shape in matrices.items() if widths[shape[-1]] == max(widths.values()) > 1)
    below = {key.rpartition("/")[2] for key in alike}
    if all("/" in key for key in alike) and len(below) == 1:
        return {_video(key.rpartition("/")[0]): key for key in alike}
    if all("/" in key for key in alike) and all(name.isdigit() for name in below):
        return {f"{_video(key.rpartition('/')[0])}__{key.rpartition('/')[2]}": key for key in alike}
    return {_video(key): key for key in alike}


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
