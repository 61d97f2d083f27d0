"""Published features into the store, in the place of stage one: found, read, and laid over the frames of their videos."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stavad.data.arrays import AXES, SEGMENTS, STRIDES, Axes, read_video, shape_of, stride_of
from stavad.data.bags import CLIP, are_clips_of, clips_of
from stavad.data.catalogue import Video, counts, tell_unlabelled
from stavad.data.errors import UserError
from stavad.data.featurefiles import FeatureFiles, find_features
from stavad.data.labels import read_labels
from stavad.data.layouts import label
from stavad.data.store import refuse_mixture
from stavad.data.work import IMPORTED, Work


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
    stride: int = 0,
    axes: str = "",
    stream: str = "",
    watch: Callable[[list], Iterable] = lambda files: files,
    note: Callable[[str], None] = print,
) -> Imported:
    """Features of a folder, or of one file, into `work/features/<name>/`, in the place of `extract_features`.

    Args:
        work: the folder that `train_model` and `evaluate_run` read.
        labels: a CSV, or a folder with a data set's annotation; empty: from the layout of `path`.
        name: stands in the place of a preset's; empty: `imported`.
        stride: frames from one row to the next; 0: found from the lengths of the videos, else 16.
        axes: order of the arrays' axes, such as KTC (T time, K crops, C dimensions); empty: found from all files.
        stream: rgb or flow, of features that have both; empty: side by side.
        watch: passes the files on, one after the other, and may show how far it is.
        note: told, line by line, what was found and what the user should know.

    Raises:
        UserError: no feature files, labels that do not fit them, or none that could be read.
    """
    if axes and axes not in AXES:
        raise UserError("--axes", f"{axes!r} is not known", f"give one of {', '.join(AXES)}")
    found = find_features(Path(path), _named(labels), stream)
    beside = Path(path) if Path(path).is_dir() else Path(path).parent
    ids = [Video(f.id) for f in found.files]
    videos, source = label(ids, beside, Path(labels) if labels else None, note)
    folder = Work(work)
    store = folder.store(name or IMPORTED)
    note(f"{len(ids)} videos' features in {path}, {source}: {counts(videos)}")
    for line in found.notes:
        note(line)
    tell_unlabelled(videos, note)
    outcome = Imported(failed=list(found.left_out))
    reading = _Reading(list(zip(found.files, videos)), axes, stride, note)
    here = store.ids()
    alike = store.attributes(here[0])["fingerprint"] if here else reading.usual(name or IMPORTED)
    for files, video in watch(reading.files):
        try:
            features = read_video(files, reading.axes, video.frames)
            frames, segments = reading.stretch(files, len(features), video.frames)
            made = _fingerprint(name or IMPORTED, features.shape)
            refuse_mixture(files.path, made, alike, f"most of the features in {path if not here else store.root}")
            more: dict = {"segments": segments, "stride": reading.stride, "source": str(files.path.resolve())}
            store.write(files.id, features, frames, made, fps=_rate(files), **more)
            outcome.done.append(video.id)
        except UserError as error:
            outcome.failed.append(error)
    done = set(outcome.done)
    folder.remember([video for video in videos if video.id in done])
    note(f"{len(outcome.done)} videos imported to {store.root}")
    for why in outcome.failed:
        note(f"left out: {why}")
    if not outcome.done:
        raise UserError(path, "gave no features at all", "see the reasons above")
    return outcome


class _Reading:
    """How the arrays of a folder are to be read, seen from all of them together."""

    def __init__(self, files: list[tuple[FeatureFiles, Video]], axes: str, stride: int, note: Callable[[str], None]):
        self.files = files
        shapes = [shape_of(next(iter(f.streams.values()))[0]) for f, _ in files]
        self.axes = Axes(shapes, axes)
        read = [self._as_read(f, video, raw) for (f, video), raw in zip(files, shapes)]
        self.shapes = [shape for shape in read if shape]
        known = [(shape[0], video.frames) for (_, video), shape in zip(files, read) if shape]
        segments = sum(rows == SEGMENTS and not _are_clips(rows, frames) for rows, frames in known)
        self.segments = not stride and len(known) > 1 and 2 * segments > len(known)
        self.stride = CLIP
        if not self.segments:
            self.stride = stride_of(known, stride)
            note(f"note: a row is taken for {self.stride} frames; --stride says otherwise")

    def _as_read(self, files: FeatureFiles, video: Video, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(T, crops, C) of all crops and streams together; () where it cannot be told."""
        try:
            t, k, c = self.axes(np.broadcast_to(np.float32(0), shape), video.frames, files.path).shape
        except UserError:
            return ()
        streams = list(files.streams.values())
        return t, k * len(streams[0]), c * len(streams)

    def usual(self, name: str) -> dict | None:
        """The fingerprint that most files have: a stray one is not to set it for the rest."""
        kinds = Counter(shape[1:] for shape in self.shapes)
        return _fingerprint(name, (0, *kinds.most_common(1)[0][0])) if kinds else None

    def stretch(self, files: FeatureFiles, rows: int, frames: int | None) -> tuple[int, int]:
        """How a video's rows lie over its frames: the number of frames, 0 if not known, and of segments, 0 where rows are clips.

        Raises:
            UserError: neither clips nor segments fit.
        """
        if frames is None and self.segments and rows != SEGMENTS:
            raise UserError(files.path, f"has {rows} rows, most others {SEGMENTS} segments", "give the column 'frames' in --labels, or mend the file")  # fmt: skip
        if frames is None:
            return (0, SEGMENTS) if self.segments else (rows * self.stride, 0)
        if are_clips_of(rows, frames, self.stride):
            return frames, 0
        if rows == SEGMENTS:
            return frames, SEGMENTS
        raise UserError(
            files.path,
            f"has {rows} rows; {frames} frames are {clips_of(frames, self.stride)} clips of {self.stride} frames, or {SEGMENTS} segments",
            "correct the column 'frames' of --labels, give --stride, or mend the file",
        )


def _are_clips(rows: int, frames: int | None) -> bool:
    return bool(frames) and any(are_clips_of(rows, frames, stride) for stride in STRIDES[:5])


def _fingerprint(name: str, shape: tuple[int, ...]) -> dict:
    return {"preset": name, "imported": True, "crops": shape[1], "width": shape[2]}


def _rate(files: FeatureFiles) -> float:
    """Frames a second, of a file beside the features; 0.0 where there is none."""
    try:
        return float(np.load(files.fps, allow_pickle=False)) if files.fps else 0.0
    except (OSError, ValueError, TypeError):
        return 0.0


def _named(labels: str | Path) -> set[str]:
    """Last parts of the names in a CSV of labels."""
    if not labels or not Path(labels).is_file() or Path(labels).suffix.lower() not in (".csv", ".tsv"):
        return set()
    return {video.id.replace("\\", "/").rpartition("/")[2].removesuffix(".npy") for video in read_labels(Path(labels))}
