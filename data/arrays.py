"""Arrays of published features, whatever file and order of axes they come in, as (T, crops, C)."""

import contextlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from stavad.data.archives import FEATURES
from stavad.data.bags import CLIP, are_clips_of
from stavad.data.errors import UserError
from stavad.data.featurefiles import FeatureFiles, Part

SEGMENTS = 32  # of the features published with Sultani et al., 2018
WIDTHS = (256, 400, 512, 768, 1024, 1280, 1536, 2048, 4096)  # C of networks in use
LEAST_WIDTH = 64
STRIDES = (16, 8, 12, 32, 64, 4, 24, 10, 20, 1, 2, 5, 15, 25, 30)  # in use, the most usual first
LONGEST_STRIDE = 64  # that is tried where none of these fits
CROPS = (1, 5, 10)  # in use
AXES = ("TC", "CT", "TKC", "KTC", "KCT", "CTK", "CKT", "TCK")  # T time, K crops, C dimensions


class Axes:
    """What the axes of a folder's arrays mean, found from the shapes of all of them together.

    Args:
        shapes: of each array.
        given: `AXES` entry that settles it.
    """

    def __init__(self, shapes: Iterable[tuple[int, ...]], given: str = ""):
        self.given = given
        self.known = list(shapes)

    def __call__(self, array: np.ndarray, frames: int | None, where) -> np.ndarray:
        """(T, crops, C).

        Raises:
            UserError: of another number of axes, or it cannot be known what they are.
        """
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise UserError(where, f"holds an array of shape {array.shape}", "give (T, C) or (T, crops, C)")
        order = self.given if len(self.given) == array.ndim else self._order(array.shape, frames)
        if not order:
            raise UserError(where, f"holds an array of shape {array.shape}, whose axes cannot be told apart", f"say them by --axes, one of {', '.join(AXES)}: T time, K crops, C dimensions")  # fmt: skip
        if array.ndim == 2:
            return array[:, None] if order == "TC" else array.T[:, None]
        return array.transpose([order.index(axis) for axis in "TKC"])

    def _order(self, shape: tuple[int, ...], frames: int | None) -> str:
        return self._of_two(shape, frames) if len(shape) == 2 else self._of_three(shape, frames)

    def _of_two(self, shape, frames) -> str:
        if self._varies(2, 0) != self._varies(2, 1):  # all files are of one width
            return "TC" if self._varies(2, 0) else "CT" if shape[0] >= LEAST_WIDTH else "TC"
        rows_first, rows_last = (_fits(rows, frames) for rows in shape)
        if rows_first != rows_last:
            return "TC" if rows_first else "CT"
        if shape[0] in WIDTHS and shape[1] not in WIDTHS and (shape[1] == SEGMENTS or shape[0] > 4 * shape[1]):
            return "CT"
        return "TC"

    def _of_three(self, shape, frames) -> str:
        if shape[2] == 1 and shape[1] >= LEAST_WIDTH and not self._varies(3, 1):
            return "TCK"  # (T, C, 1), as networks leave it
        likely = []
        for order in ("TKC", "KTC"):
            rows, crops = shape[order.index("T")], shape[order.index("K")]
            fixed = not self._varies(3, order.index("K"))
            likely.append((fixed, _fits(rows, frames), self._varies(3, order.index("T")), crops in CROPS, rows == SEGMENTS))  # fmt: skip
        middle, first = likely
        if middle[0] != first[0]:  # the same number of crops in all files
            return "TKC" if middle[0] else "KTC"
        for one, other in zip(middle[1:], first[1:]):
            if one != other:
                return "TKC" if one else "KTC"
        return "TKC" if shape[0] == shape[1] == 1 else ""

    def _varies(self, axes: int, axis: int) -> bool:
        """Whether no length is that of most arrays; a stray one changes nothing."""
        lengths = Counter(shape[axis] for shape in self.known if len(shape) == axes)
        return bool(lengths) and max(lengths.values()) <= lengths.total() / 2


def _fits(rows: int, frames: int | None) -> bool:
    return bool(frames) and (rows == SEGMENTS or any(are_clips_of(rows, frames, stride) for stride in (16, 8, 32)))


def stride_of(rows: Iterable[tuple[int, int | None]], given: int = 0) -> int:
    """Frames from one row to the next, from the rows and frames of many videos: the one that fits most of them, 16 where none does."""
    if given:
        return given
    known = [(count, frames) for count, frames in rows if frames]

    def fitting(stride: int) -> int:
        return sum(are_clips_of(count, frames, stride) for count, frames in known)

    usual = max(STRIDES, key=fitting)
    if known and fitting(usual):
        return usual
    other = max(range(1, LONGEST_STRIDE + 1), key=fitting)
    return other if 2 * fitting(other) > len(known) else CLIP


def shape_of(part: Part) -> tuple[int, ...]:
    """Of an array, read no further than has to be; () where it cannot be read."""
    with contextlib.suppress(Exception):
        if part.path.suffix.lower() == ".npy":
            return _plain(np.load(part.path, mmap_mode="r", allow_pickle=False)).shape
        return read_array(part).shape
    return ()


def read_video(files: FeatureFiles, axes: Axes, frames: int | None) -> np.ndarray:
    """(T, crops, C) float32; streams side by side.

    Raises:
        UserError: unreadable, of another shape than the crops before, or not finite.
    """
    streams = []
    for parts in files.streams.values():
        crops: list[np.ndarray] = []
        for part in parts:
            array = axes(read_array(part), frames, part)
            with np.errstate(over="ignore"):
                array = np.ascontiguousarray(array, np.float32)
            if not np.isfinite(array).all():
                raise UserError(part, "holds NaN, infinity, or numbers too large for float32", "extract or download this video's features again")  # fmt: skip
            if crops and array.shape != crops[0].shape:
                raise UserError(part, f"is {array.shape}, crop 0 is {crops[0].shape}", "make all crops alike")
            crops.append(array)
        streams.append(np.concatenate(crops, axis=1) if len(crops) > 1 else crops[0])
    rows, crops_of = min(map(len, streams)), {s.shape[1] for s in streams}
    if max(map(len, streams)) > rows + 1 or len(crops_of) > 1:
        raise UserError(files.path, f"has streams of shapes {[s.shape for s in streams]}", "choose one with --stream")
    return np.concatenate([s[:rows] for s in streams], axis=2) if len(streams) > 1 else streams[0]


def read_array(part: Part) -> np.ndarray:
    """The array, as it lies in the file.

    Raises:
        UserError: unreadable, no numbers, or several arrays of which none is named.
    """
    try:
        return _numbers(_read(part.path, part.key))
    except UserError:
        raise
    except Exception as error:  # numpy, scipy and h5py raise many kinds for broken files
        reason = " ".join(str(error).split())[:120]
        if reason.startswith("Object arrays"):
            raise UserError(part, "holds Python objects, which may run code when they are read", "save its arrays as they are, each under the name of its video") from None  # fmt: skip
        raise UserError(part, f"cannot be read as features ({reason})", "download or extract it again") from None


def _read(path: Path, key: str):
    match path.suffix.lower():
        case ".npy":
            return np.load(path, allow_pickle=False)
        case ".txt":
            text = path.read_text(encoding="utf-8")
            separator = next((mark for mark in ";," if mark in text[:4096]), None)
            return np.loadtxt(text.splitlines(), ndmin=2, dtype=np.float32, delimiter=separator)
        case ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return arrays[key] if key else _only(path, {name: arrays[name] for name in arrays.files})
        case ".mat" if not h5py.is_hdf5(path):
            arrays = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
            return arrays[key] if key else _only(path, arrays)
    with h5py.File(path, "r") as file:
        if key:
            return file[key][()]
        found = _only(path, {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)})
        return found.T if path.suffix.lower() == ".mat" else found  # MATLAB 7.3 has all axes reversed


def _only(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The one array, or the one of several that may be features: those beside it have one axis, or a single row or column."""
    likely = {name: a for name, a in arrays.items() if np.ndim(a) in (2, 3) and min(np.shape(a)[-2:]) > 1} or arrays
    likely = {name: a for name, a in likely.items() if name.lower() in FEATURES} or likely
    if len(likely) != 1:
        raise UserError(path, f"holds {len(arrays)} arrays: {', '.join(arrays) or 'none'}", "keep the one of the features, in a file of its own")  # fmt: skip
    return next(iter(likely.values()))


def _numbers(array) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"it holds {array.dtype}, not numbers")
    return _plain(array)


def _plain(array: np.ndarray) -> np.ndarray:
    """Without the axes of length 1 at the end that networks leave, as in (T, C, 1, 1, 1), down to three."""
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array
