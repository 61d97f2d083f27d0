"""Which files are the features of which video: crops, streams and suffixes in the names of published features."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stavad.data.archives import STREAMS, arrays_in
from stavad.data.catalogue import FEATURE_SUFFIXES
from stavad.data.errors import UserError, few
from stavad.data.featurenames import CROP, crops_marked, last_of, streams_of, without_ending
from stavad.data.layouts import LAYOUTS
from stavad.data.search import RUBBISH

BESIDE = re.compile(r"(?i)(.+)_(fps|timestamps_ms)")  # what an extractor writes beside features
NOT_FEATURES = re.compile(
    r"(?i)(gt|label|list|split|readme|requirements)([-_ .].*)?|.*[-_](gt|labels?|list)"
)  # truth and lists


@dataclass(frozen=True)
class Part:
    """One array: a file, or an array of that name in it."""

    path: Path
    key: str = ""

    def __str__(self) -> str:
        return f"{self.path}, {self.key}" if self.key else str(self.path)


@dataclass(frozen=True)
class FeatureFiles:
    """The array, or the arrays of crops and streams, of one video."""

    id: str
    streams: dict[str, tuple[Part, ...]]  # by name of the stream, "" where there is one only; in the order of the crops
    fps: Path | None = None  # a file that holds its frame rate

    @property
    def path(self) -> Path:
        return next(iter(self.streams.values()))[0].path


@dataclass
class FoundFeatures:
    """What a folder holds."""

    files: list[FeatureFiles]
    left_out: list[UserError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was taken for what


def find_features(root: Path, named: Collection[str] = (), stream: str = "") -> FoundFeatures:
    """All features below `root`, or in the one file `root`, by video.

    Args:
        named: last parts of the names in the labels: what they name is a video, whatever its name looks like.
        stream: rgb or flow, where both are there and one is wanted; else they are put side by side.

    Raises:
        UserError: there are none, or two of the same video.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(root, "does not exist", "give a folder of feature files")
    found = FoundFeatures([])
    arrays, rates = _arrays(root, named, found)
    if not arrays:
        raise UserError(root, "has no feature file", f"known are {' '.join(sorted(FEATURE_SUFFIXES))}")
    videos = _by_video(arrays, named, found)
    if stream and not any(name == stream for streams in videos.values() for name in streams):
        raise UserError("--stream", f"no file of {root} is of {stream}", "leave it out")
    several = len({name for streams in videos.values() for name in streams}) > 1
    if several and not stream:
        found.notes.append("note: rgb and flow of each video are put side by side (--stream rgb takes one of them)")
    usual = Counter(tuple(sorted(crops, key=_order)) for streams in videos.values() for crops in streams.values())
    crops = max(usual, key=lambda numbers: (usual[numbers], len(numbers)))
    if len(crops) > 1:
        shown = [f"NAME__{n}" if n is not None else "NAME" for n in crops]
        found.notes.append(f"note: {shown[0]} to {shown[-1]} are taken for {len(crops)} crops of a video; if they are videos, name them in --labels")  # fmt: skip
    for id, streams in sorted(videos.items()):
        try:
            found.files.append(_whole(id, streams, crops, several, stream, rates.get(id)))
        except UserError as error:
            found.left_out.append(error)
    return found


def _whole(id: str, streams: dict, crops: tuple, several: bool, stream: str, fps: Path | None) -> FeatureFiles:
    """The files of a video, unless one is missing."""
    if several and stream:
        streams = {name: parts for name, parts in streams.items() if name == stream}
    if (several and not stream and len(streams) == 1) or not streams:
        absent = {"rgb", "flow"} - set(streams)
        raise UserError(id, f"has no features of {' and '.join(sorted(absent))}", "add the file, or choose --stream")
    for parts in streams.values():
        numbers = sorted(parts, key=_order)
        sound = numbers in ([None], list(range(len(numbers))), [None, *range(1, len(numbers))]) or len(numbers) == 1
        if tuple(numbers) not in (crops, (None,)) and (not sound or len(numbers) < len(crops)):
            lacking = [f"{id.rpartition('/')[2]}__{n}" if n is not None else id for n in crops if n not in parts]
            raise UserError(id, f"has not the crops of the other videos: {few(lacking) or 'some more'}", "add the missing file")  # fmt: skip
    by_name = {name: tuple(parts[n] for n in sorted(parts, key=_order)) for name, parts in sorted(streams.items(), reverse=True)}  # fmt: skip
    return FeatureFiles(id, by_name, fps)


def _order(number: int | None) -> int:
    return -1 if number is None else number


def _arrays(root: Path, named: Collection[str], found: FoundFeatures) -> tuple[dict[str, Part], dict[str, Path]]:
    """Name of each array below `root`, without suffix, and files of frame rates by the name of their video."""
    arrays: dict[str, Part] = {}
    rates: dict[str, Path] = {}
    passed: list[str] = []
    for path in [root] if root.is_file() else _files(root):
        name = (Path(path.name) if path == root else path.relative_to(root)).with_suffix("").as_posix()
        if path.suffix.lower() not in FEATURE_SUFFIXES:
            continue
        if path.stem not in named:
            if rate := BESIDE.fullmatch(name):
                rates |= {rate[1]: path} if rate[2].lower() == "fps" else {}
                continue
            if not _may_be_features(path):
                passed.append(path.name)
                continue
        inside = arrays_in(path, name, "" if path == root else f"{name}/")
        if len(inside) > len(STREAMS):
            found.notes.append(f"note: {path} holds {len(inside)} arrays, taken for those of videos")
        for array_name, key in inside or [(name, "")]:
            if array_name in arrays:
                raise UserError(path, f"is of the same video as {arrays[array_name]}", "keep one of the two")
            arrays[array_name] = Part(path, key)
    if passed:
        found.notes.append(f"note: not taken for features: {few(passed)}; what is, is to be named in --labels")
    return arrays, rates


def _files(root: Path) -> list[Path]:
    found = []
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not name.startswith(".") and name.lower() not in RUBBISH)
        found += [Path(folder, name) for name in sorted(names)]
    return found


def _may_be_features(path: Path) -> bool:
    """Whether a file is not known to be something else: a data set's annotation, truth, a text."""
    if path.name.startswith(".") or NOT_FEATURES.fullmatch(path.stem):
        return False
    if any(path.match(name) for layout in LAYOUTS for name in getattr(layout, "FILES", ())):
        return False
    return path.suffix.lower() != ".txt" or _starts_with_numbers(path)


def _starts_with_numbers(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            first = next((line for line in file if not line.startswith("#")), "")
        return bool(first.split()) and all(_is_number(text) for text in re.split(r"[\s,;]+", first.strip())[:50])
    except (OSError, UnicodeDecodeError):
        return False


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _length(part: Part) -> int | None:
    """Rows of a `.npy` file; None where that would mean to read it all."""
    try:
        return len(np.load(part.path, mmap_mode="r", allow_pickle=False)) if part.path.suffix == ".npy" else None
    except (OSError, ValueError, TypeError):
        return None


def _by_video(arrays: dict[str, Part], named: Collection[str], found: FoundFeatures) -> dict:
    """id -> stream -> number of the crop -> array."""
    marked = crops_marked(arrays, lambda name: _length(arrays[name]), named)
    ending, plain = without_ending(marked.values(), named)
    if ending:
        found.notes.append(f"note: the files' names end in {ending}, which is taken off")
    streams = streams_of(plain.values(), named)
    if len({stream for stream, _ in streams.values()}) == 1:
        found.notes.append(f"note: the names tell of {next(iter(streams.values()))[0]}, which is taken off")
    videos: dict = defaultdict(lambda: defaultdict(dict))
    for name, part in arrays.items():
        own = plain[marked[name]]
        stream, video = streams.get(own, ("", own))
        crop = None if last_of(video) in named else CROP.fullmatch(video)
        id, number = (crop[1], int(crop[2])) if crop else (video, None)
        before = videos[id][stream].setdefault(number, part)
        if before != part:
            raise UserError(part, f"is of the same video as {before}", "keep one of the two")
    return videos
