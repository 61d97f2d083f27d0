"""Published features into the store: one file per video, or one per crop, of clips or of 32 segments."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from stavad.data.bags import CLIP, are_clips_of, clips_of
from stavad.data.catalogue import Video, counts, tell_unlabelled
from stavad.data.errors import UserError
from stavad.data.layouts import label
from stavad.data.store import Store, refuse_mixture
from stavad.data.work import IMPORTED, Work

SUFFIXES = {".npy", ".npz", ".txt", ".mat", ".h5", ".hdf5"}
SEGMENTS = 32  # of the features published with Sultani et al., 2018
CROP = re.compile(r"(.+)__(\d+)")  # name__0.npy .. name__9.npy


@dataclass
class Imported:
    """What became of each video's features."""

    done: list[str] = field(default_factory=list)
    failed: list[UserError] = field(default_factory=list)


def import_features(
    path: str | Path,
    work: str | Path = "work",
    labels: str | Path = "",
    name: str = "",
    watch: Callable[[list], Iterable] = lambda files: files,
    note: Callable[[str], None] = print,
) -> Imported:
    """Features of a folder, or of one file, into `work/features/<name>/`, in the place of `extract_features`.

    Args:
        work: the folder that `train_model` and `evaluate_run` read.
        labels: a CSV, or a folder with a data set's annotation; empty: from the layout of `path`.
        name: stands in the place of a preset's; empty: `imported`.
        watch: passes the files on, one after the other, and may show how far it is.
        note: told, line by line, what was found and what the user should know.

    Raises:
        UserError: no feature files, labels that do not fit them, or none that could be read.
    """
    files = find_features(Path(path))
    beside = Path(path) if Path(path).is_dir() else Path(path).parent
    videos, source = label([Video(f.id) for f in files], beside, Path(labels) if labels else None)
    folder = Work(work)
    store = folder.store(name or IMPORTED)
    note(f"{len(files)} videos' features in {path}, {source}: {counts(videos)}")
    tell_unlabelled(videos, note)
    outcome, here = Imported(), store.ids()
    alike = store.attributes(here[0])["fingerprint"] if here else None
    for video, of_video in zip(videos, watch(files)):
        try:
            alike = add_to_store(store, of_video, video.frames, alike)
            outcome.done.append(video.id)
        except UserError as error:
            outcome.failed.append(error)
    folder.remember(videos)
    note(f"{len(outcome.done)} videos imported to {store.root}")
    for why in outcome.failed:
        note(f"left out: {why}")
    if not outcome.done:
        raise UserError(path, "gave no features at all", "see the reasons above")
    return outcome


@dataclass(frozen=True)
class FeatureFiles:
    """The file, or the files of the crops, of one video."""

    id: str
    paths: tuple[Path, ...]


def add_to_store(store: Store, files: FeatureFiles, frames: int | None, alike: dict | None) -> dict:
    """Read, check and store the features of one video.

    Args:
        frames: of the video, where the labels tell.
        alike: fingerprint of the store's other videos.

    Returns:
        The fingerprint.

    Raises:
        UserError: as `read_features` and `stretch`, or the store holds features of another shape.
    """
    features = read_features(files)
    frames, segments = stretch(files, len(features), frames)
    fingerprint = {"preset": store.root.name, "imported": True, "crops": features.shape[1], "width": features.shape[2]}
    if alike:
        refuse_mixture(files.paths[0], fingerprint, alike, f"the features in {store.root}")
    store.write(files.id, features, frames, fingerprint, segments=segments or 0, source=str(files.paths[0].resolve()))
    return fingerprint


def find_features(root: Path) -> list[FeatureFiles]:
    """All feature files below `root`, or the one file `root`, by video.

    Raises:
        UserError: none, two of the same video, or a crop missing.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(root, "does not exist", "give a folder of feature files")
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    found: dict[str, dict[int | None, Path]] = {}
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            continue
        name = (Path(path.name) if path == root else path.relative_to(root)).with_suffix("").as_posix()
        crop = CROP.fullmatch(name)
        id, number = (crop[1], int(crop[2])) if crop else (name, None)
        before = found.setdefault(id, {}).setdefault(number, path)
        if before != path:
            raise UserError(path, f"is of the same video as {before}", "keep one of the two")
    for id, paths in found.items():
        if list(sorted(paths, key=lambda n: -1 if n is None else n)) not in ([None], list(range(len(paths)))):
            raise UserError(root / id, f"has crops {sorted(map(str, paths))}", "add the missing one, from __0 on")
    if not found:
        raise UserError(root, "has no feature file", f"known are {' '.join(sorted(SUFFIXES))}")
    return [FeatureFiles(id, tuple(paths[n] for n in sorted(paths, key=lambda n: n or 0))) for id, paths in sorted(found.items())]  # fmt: skip


def read_features(files: FeatureFiles) -> np.ndarray:
    """(T, crops, C) float32, from (T, C) or (T, crops, C) in a file, or (T, C) in each crop's.

    Raises:
        UserError: unreadable, of another shape, empty, or not finite.
    """
    parts: list[np.ndarray] = []
    for path in files.paths:
        array = _read(path)
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise UserError(path, f"holds an array of shape {array.shape}", "give (T, C) or (T, crops, C)")
        if array.ndim == 2:
            array = array[:, None]
        if not np.isfinite(array).all():
            raise UserError(path, "holds NaN or infinity", "extract or download this video's features again")
        if parts and array.shape != parts[0].shape:
            raise UserError(path, f"is {array.shape}, crop 0 is {parts[0].shape}", "make all crops alike")
        parts.append(array)
    return np.concatenate(parts, axis=1).astype(np.float32)


def stretch(files: FeatureFiles, rows: int, frames: int | None) -> tuple[int, int | None]:
    """How a video's rows lie over its frames: the number of frames, and of segments (None: rows are clips of 16 frames).

    Args:
        rows: T of the features.
        frames: of the video, where the labels tell.

    Raises:
        UserError: neither clips nor segments fit, or the frames of segments are not known.
    """
    if frames is None:
        if rows == SEGMENTS:
            raise UserError(
                files.paths[0], f"has {SEGMENTS} rows, as segments do, and its video's length is not known",
                "give it in the column 'frames' of --labels",
            )  # fmt: skip
        return rows * CLIP, None
    if are_clips_of(rows, frames):
        return frames, None
    if rows == SEGMENTS:
        return frames, SEGMENTS
    raise UserError(
        files.paths[0],
        f"has {rows} rows; {frames} frames are {clips_of(frames)} clips of {CLIP}, or {SEGMENTS} segments",
        "correct the column 'frames' of --labels, or the file",
    )


def _read(path: Path) -> np.ndarray:
    """The one array of numbers in a file."""
    try:
        match path.suffix.lower():
            case ".npy":
                return _numbers(np.load(path, allow_pickle=False))
            case ".txt":
                return _numbers(np.loadtxt(path, ndmin=2, dtype=np.float32))
            case ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    return _only({name: arrays[name] for name in arrays.files})
            case ".mat":
                return _only({k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")})
            case _:
                with h5py.File(path, "r") as file:
                    return _only({name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)})
    except Exception as error:  # numpy, scipy and h5py raise many kinds for broken files
        reason = " ".join(str(error).split())[:120]
        raise UserError(path, f"cannot be read as features ({reason})", "download or extract it again") from None


def _only(arrays: dict[str, np.ndarray]) -> np.ndarray:
    if len(arrays) != 1:
        raise ValueError(f"it holds {len(arrays)} arrays: {', '.join(arrays) or 'none'}")
    return _numbers(*arrays.values())


def _numbers(array) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"it holds {array.dtype}, not numbers")
    return array
