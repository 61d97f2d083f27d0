"""Which files are the features of which video: crops, streams and suffixes in the names of published features."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stavad.data.archives import arrays_in
from stavad.data.errors import UserError, few
from stavad.data.layouts import LAYOUTS
from stavad.data.search import RUBBISH

SUFFIXES = (".npy", ".npz", ".txt", ".mat", ".h5", ".hdf5")
CROP = re.compile(r"(.+)__(\d+)")  # name__0.npy .. name__9.npy
NAMED_CROP = re.compile(r"(?i)(.+)[-_.]crop[-_]?(\d+)")  # name_crop0.npy
CROP_FOLDER = re.compile(r"(?i)crops?[-_]?(\d+)")  # crop0/name.npy
LAST_NUMBER = re.compile(r"(.*[^_])_(\d{1,2})")  # name_0.npy .. name_9.npy, where most videos have them
CROPS = {tuple(range(first, first + number)) for number in (5, 10) for first in (0, 1)}
STREAM = re.compile(r"(?i)(?:(?P<before>.*)[-_])?(?P<stream>rgb|flow)(?P<part>test|train)?(?:[-_](?P<after>.*))?")
ENDING = re.compile(r"(?i)(.+?)(_(?:i3d|c3d|x3d|clip|vit|swin|videoswin|features?))")  # after the video's name
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
        raise UserError(root, "has no feature file", f"known are {' '.join(SUFFIXES)}")
    arrays = _crops_marked(arrays, named)
    videos = _by_video(_without_ending(arrays, named, found), named)
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
        known = path.stem in named
        if not known and not _may_be_features(path):
            passed += [path.name] if path.suffix.lower() in SUFFIXES else []
            continue
        if not known and (rate := BESIDE.fullmatch(name)):
            if rate[2].lower() == "fps":
                rates[rate[1]] = path
            continue
        inside = arrays_in(path)
        if any(not own.startswith("_") for own in inside):
            found.notes.append(f"note: {path} holds {len(inside)} arrays, each taken for a video's")
        for own, key in inside.items() or [("", "")]:
            array_name = f"{name}{own}" if not own or own.startswith("_") else own if path == root else f"{name}/{own}"
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
    """Whether a file is of a kind for features, and not known to be something else: a data set's annotation, truth, a text."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or path.name.startswith(".") or NOT_FEATURES.fullmatch(path.stem):
        return False
    if any(path.match(name) for layout in LAYOUTS for name in getattr(layout, "FILES", ())):
        return False
    return suffix != ".txt" or _starts_with_numbers(path)


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


def _crops_marked(arrays: dict[str, Part], named: Collection[str]) -> dict[str, Part]:
    """Names whose crops are told in another way, as `NAME__0` and so on; where two names would then be the same, none is changed."""
    free = [name for name in arrays if name.rpartition("/")[2] not in named]
    plain = {name: _crop_marked(name) for name in free}
    if all(plain[name] == name for name in free):
        plain = _by_last_number({name: arrays[name] for name in free})
    marked = {plain.get(name, name): part for name, part in arrays.items()}
    return marked if len(marked) == len(arrays) else arrays


def _by_last_number(arrays: dict[str, Part]) -> dict[str, str]:
    """NAME_0 .. NAME_9 of most of the names are crops, if the arrays of a name are of one length, and those of different names are not."""
    found = {name: match for name in arrays if (match := LAST_NUMBER.fullmatch(name))}
    members: dict[str, dict[int, str]] = defaultdict(dict)
    for name, match in found.items():
        members[match[1]][int(match[2])] = name
    usual, of_these = (
        Counter(tuple(sorted(crops)) for crops in members.values()).most_common(1)[0] if members else ((), 0)
    )
    if usual not in CROPS or 2 * of_these <= len(members) or len(found) < len(arrays) / 2:
        return {}
    lengths = [{_length(arrays[name]) for name in crops.values()} for crops in members.values()]
    if any(len(of_name) > 1 or None in of_name for of_name in lengths) or len(set.union(*lengths)) == 1:
        return {}
    return {name: f"{match[1]}__{match[2]}" for name, match in found.items()}


def _length(part: Part) -> int | None:
    """Rows of a `.npy` file; None where that would mean to read it all."""
    try:
        return len(np.load(part.path, mmap_mode="r", allow_pickle=False)) if part.path.suffix == ".npy" else None
    except (OSError, ValueError, TypeError):
        return None


def _crop_marked(name: str) -> str:
    *folders, last = name.split("/")
    if match := NAMED_CROP.fullmatch(last):
        return "/".join([*folders, f"{match[1]}__{match[2]}"])
    for place, folder in enumerate(folders):
        if match := CROP_FOLDER.fullmatch(folder):
            return "/".join([*folders[:place], *folders[place + 1 :], f"{last}__{match[1]}"])
    return name


def _without_ending(arrays: dict[str, Part], named: Collection[str], found: FoundFeatures) -> dict[str, Part]:
    """Names without what all of them end in, such as `_i3d`, unless the labels name them with it."""
    endings: Counter[str] = Counter()
    for name in arrays:
        crop = CROP.fullmatch(name)
        match = ENDING.fullmatch(crop[1] if crop else name)
        endings[match[2] if match and name.rpartition("/")[2] not in named else ""] += 1
    ending, number = endings.most_common(1)[0]
    if not ending or number < len(arrays):
        return arrays
    found.notes.append(f"note: the files' names end in {ending}, which is taken off")
    return {re.sub(re.escape(ending) + r"(__\d+)?$", r"\1", name): part for name, part in arrays.items()}


def _by_video(arrays: dict[str, Part], named: Collection[str]) -> dict[str, dict[str, dict[int | None, Part]]]:
    """id -> stream -> number of the crop -> array."""
    videos: dict = defaultdict(lambda: defaultdict(dict))
    streams = _streams([name for name in arrays if name.rpartition("/")[2] not in named])
    for name, part in arrays.items():
        stream, plain = streams.get(name, ("", name))
        crop = None if plain.rpartition("/")[2] in named else CROP.fullmatch(plain)
        id, number = (crop[1], int(crop[2])) if crop else (plain, None)
        before = videos[id][stream].setdefault(number, part)
        if before != part:
            raise UserError(part, f"is of the same video as {before}", "keep one of the two")
    return videos


def _streams(names: list[str]) -> dict[str, tuple[str, str]]:
    """Stream and name without it, where most names are of both rgb and flow, or all of the same one; else nothing."""
    found = {}
    for name in names:
        *folders, last = name.split("/")
        crop = CROP.fullmatch(last)
        for place, text in [*enumerate(folders), (len(folders), crop[1] if crop else last)]:
            match = STREAM.fullmatch(text)
            if not match or (place == len(folders) and not match["before"]):
                continue
            rest = "-".join(filter(None, (match["before"], match["part"], match["after"])))
            parts = [*folders, last]
            parts[place] = rest + (last[len(crop[1]) :] if crop and place == len(folders) else "")
            found[name] = match["stream"].lower(), "/".join(filter(None, parts))
            break
    of_name: dict[str, set[str]] = defaultdict(set)
    for stream, plain in found.values():
        of_name[plain].add(stream)
    both = sum(len(streams) == 2 for streams in of_name.values())
    kinds = {stream for stream, _ in found.values()}
    return found if 2 * both > len(of_name) or (len(kinds) == 1 and len(found) == len(names) > 1) else {}
