"""Which videos lie in a folder: video files, and folders of images. What is none, or cannot be looked at, is named."""

import errno
import os
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from stavad.data.catalogue import VIDEO_SUFFIXES, Video
from stavad.data.errors import UserError, few

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"}
NO_NEWS = {".csv", ".txt", ".json", ".mat", ".m", ".npy", ".npz", ".h5", ".md", ".html", ".db", ".ini", ".log", ".pdf", ".py", ".sh", ".zip", ".xml", ".srt", ".yaml"}  # fmt: skip
RUBBISH = {  # folders that recorders, disk stations, systems and archivers keep for themselves
    "$recycle.bin", "recycler", "recycled", "#recycle", "@recycle", "@recently-snapshot", "#snapshot", "@eadir", "@tmp", "@sharebin",
    "@sharesnap", "@__thumb", "lost+found", "lost.dir", "__macosx", "system volume information", "network trash folder",
    "temporary items", "found.000", "thumbnails", "__pycache__", "node_modules",
}  # fmt: skip
MASKS = re.compile(r"(?i)(?:^|/)(?:[^/]*_gt|gt|masks?|ground[-_ ]?truth)(?:/|$)")  # folders of masks
TIME = re.compile(
    r"(?<!\d)(?:\d{1,2}[-_.:h]\d{2}[-_.:m]\d{2}|(?:19|20)\d{6}[-_T]?\d{4,6})(?!\d)"
)  # in a picture's name
COUNTED = re.compile(
    r"\d{4,}\D+\d+\D*$"
)  # 00001_0: the number before the last is padded, and counts pictures or seconds
FEWEST = 2  # pictures of a series


@dataclass
class Found:
    """What a folder holds."""

    videos: list[Video]
    left_out: dict[str, str] = field(default_factory=dict)  # what may be a video, and why it is not taken
    skipped: Counter = field(default_factory=Counter)  # suffixes of the files that were taken for no videos
    beside: list[str] = field(default_factory=list)  # folders whose pictures are not taken, as a video lies there

    def notes(self) -> list[str]:
        """Lines on what was skipped that a user may have meant."""
        pictures = [f"note: pictures beside videos are not taken, in {few(self.beside)}"] if self.beside else []
        return pictures + [f"note: {n} files {suffix or 'without suffix'} skipped, not known as videos" for suffix, n in sorted(self.skipped.items()) if suffix not in NO_NEWS]  # fmt: skip


def find_videos(root: Path) -> list[Video]:
    """The videos of `search`."""
    return search(root).videos


def search(root: Path, besides: Path | None = None) -> Found:
    """All video files and series of images below `root`, or the one file `root`, in order of their ids.

    A folder whose pictures are numbered is a video, unless it holds a video: then they are covers and the like. So are pictures that are each
    named like a video. Not looked at are hidden files and folders, those that systems keep for themselves, folders of masks (`*_gt`), and work folders.

    Args:
        besides: a folder not to look into: the work folder.

    Raises:
        UserError: no such folder, no video in it, or two of the same id.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(root, "does not exist", "give a folder of videos, or a video")
    walk = _Walk(root, besides.resolve() if besides else None)
    found = Found([], walk.left_out, walk.skipped, walk.beside)
    paths: dict[str, Path] = {}
    videos = [path for path in walk.files if path.suffix.lower() in VIDEO_SUFFIXES]
    for path in [*videos, *_series(walk, videos, root, found.left_out)]:
        name = path.relative_to(root if root.is_dir() else root.parent)
        id = as_text((name.with_suffix("") if path in walk.all_files else name).as_posix())
        if reason := _unwritable(id):
            found.left_out[ascii(id)] = reason
        elif id in paths:
            raise UserError(path, f"has the same id as {paths[id]}", "rename or move one of the two")
        else:
            paths[id] = path
    found.videos = [Video(id, path) for id, path in sorted(paths.items())]
    if not found.videos and not found.left_out:
        raise UserError(root, f"has no video ({_seen(walk)})", _mend(walk))
    return found


def as_text(name: str) -> str:
    """A file's name as text, also where the locale is not of UTF-8."""
    try:
        return os.fsencode(name).decode()
    except UnicodeError:
        return name


def printable(name: str) -> str:
    """A file's name as text that can be written, whatever its bytes are."""
    return as_text(name).encode(errors="backslashreplace").decode()


def pattern(name: str) -> tuple[str, tuple[int, ...]]:
    """A picture's name without its numbers, and these: front_0001.jpg -> front_#.jpg, (1,)."""
    stem, suffix = os.path.splitext(name)
    numbers = tuple(int(n) for n in re.findall(r"[0-9]+", stem))
    return re.sub(r"[0-9]+", "#", stem) + suffix.lower(), numbers


class _Walk:
    """Every file below a folder that may be of interest; through links to folders last, and only to those not seen without."""

    def __init__(self, root: Path, besides: Path | None):
        self.left_out: dict[str, str] = {}
        self.skipped: Counter = Counter()
        self.beside: list[str] = []
        self.files: list[Path] = []
        self.links: list[Path] = []
        seen = {root.resolve()}
        if root.is_file():
            self.files = [root]
        else:
            self._look(root, root, besides, seen)
            while self.links:
                link = self.links.pop(0)
                if link.resolve() not in seen:
                    seen.add(link.resolve())
                    self._look(link, root, besides, seen)
        self.all_files = set(self.files)

    def _look(self, folder: Path, root: Path, besides: Path | None, seen: set[Path]) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            name = printable(folder.relative_to(root).as_posix())
            self.left_out[name] = f"the folder cannot be listed ({error.strerror})"
            return
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    real = path.resolve()
                    if entry.name.lower() in RUBBISH or real == besides or real in seen or is_work(path):
                        continue
                    if entry.is_symlink():
                        self.links.append(path)
                        continue
                    seen.add(real)
                    self._look(path, root, besides, seen)
                    continue
                path.stat()
            except OSError as error:
                self._lost(path, root, error)
                continue
            self.files.append(path)
            suffix = path.suffix.lower()
            if suffix not in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
                self.skipped[suffix] += 1

    def _lost(self, path: Path, root: Path, error: OSError) -> None:
        """A link that leads nowhere, or the like; without a suffix it may be one to a folder of videos."""
        if path.suffix.lower() in VIDEO_SUFFIXES | {""} | IMAGE_SUFFIXES:
            what = "a link that leads nowhere" if error.errno in (errno.ENOENT, errno.ELOOP) else error.strerror
            self.left_out[printable(path.relative_to(root).as_posix())] = f"it is {what}" if "link" in what else what


def is_work(folder: Path) -> bool:
    """Whether a folder is a work folder of ours, or a run's."""
    try:
        inside = {entry.name for entry in os.scandir(folder)}
    except OSError:
        return False
    return {"catalogue.csv", "features"} <= inside or {"settings.json", "videos.csv"} <= inside


def _series(walk: _Walk, videos: list[Path], root: Path, left_out: dict[str, str]) -> list[Path]:
    """The folders that are videos, their pictures being one series."""
    by_folder = defaultdict(list)
    for path in walk.files:
        if path.suffix.lower() in IMAGE_SUFFIXES and path.parent not in (root, root.parent):
            by_folder[path.parent].append(path.name)
    with_video = {path.parent for path in videos}
    stems = {path.stem for path in videos}
    found = []
    for folder, names in sorted(by_folder.items()):
        if MASKS.search(folder.relative_to(root).as_posix()) or _are_previews(names, stems):
            continue
        if folder in with_video:
            walk.beside.append(as_text(folder.relative_to(root).as_posix()))
            continue
        series = series_of(names)
        if len(series) > 1:
            of = few([f"{name} ({len(members)})" for name, members in series.items()])
            left_out[as_text(folder.relative_to(root).as_posix())] = f"it holds pictures of {len(series)} series: {of}; give each a folder of its own"  # fmt: skip
        elif series:
            found.append(folder)
        else:
            walk.skipped.update(Path(name).suffix.lower() for name in names)
    return found


def series_of(names: list[str]) -> dict[str, list[str]]:
    """The series among the pictures of a folder, each in the order of its numbers. What stands alone, such as `folder.jpg`, is of none."""
    series = defaultdict(list)
    for name in names:
        series[pattern(name)[0]].append(name)
    found: dict[str, list[str]] = {}
    for text, members in series.items():
        members.sort(key=lambda name: (pattern(name)[1], name))
        if len(members) < FEWEST or "#" not in text:
            continue
        found |= _by_camera(text, members)
    return found


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder's series in their order; empty if it has none, or several."""
    names = [e.name for e in os.scandir(folder) if not e.name.startswith(".") and Path(e.name).suffix.lower() in IMAGE_SUFFIXES]  # fmt: skip
    series = list(series_of(names).values())
    return [folder / name for name in series[0]] if len(series) == 1 else []


def _by_camera(text: str, members: list[str]) -> dict[str, list[str]]:
    """cam1_0001 .., cam2_0001 .. are two series: of few cameras the many pictures have the same numbers. A time of day is no camera, nor a second with decimals."""
    groups = defaultdict(list)
    for name in members:
        groups[pattern(name)[1][:-1]].append(name)
    ranges = sorted((pattern(group[0])[1][-1], pattern(group[-1])[1][-1]) for group in groups.values())
    again = any(after[0] <= before[1] for before, after in pairwise(ranges))
    few_cameras = len(groups) <= min(map(len, groups.values())) and not re.search(r"#\.#\.[a-z]+$", text)
    if again and few_cameras and not any(TIME.search(name) for name in members[:2]) and not COUNTED.search(members[0]):
        return {f"{text} of {'-'.join(map(str, key))}": group for key, group in groups.items()}
    return {text: members}


def _are_previews(names: list[str], stems: set[str]) -> bool:
    """Whether each picture is named for a video of its own, as thumbnails are."""
    named = []
    for name in names:
        stem = Path(name).stem
        fits = [s for s in stems if stem.startswith(s) and not stem[len(s) :][:1].isdigit()]
        if not fits:
            return False
        named.append(max(fits, key=len))
    return len(set(named)) == len(named)


def _unwritable(id: str) -> str:
    """Why a name cannot stand in a line of text; empty if it can."""
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in id):
        return "its name holds a line break or another control character; rename it"
    if any("\ud800" <= letter <= "\udfff" for letter in id):
        return "its name is no UTF-8; rename it"
    return ""


def _seen(walk: _Walk) -> str:
    other = sorted({path.suffix or path.name for path in walk.files})
    return f"only {few(other)}" if other else "it is empty"


def _mend(walk: _Walk) -> str:
    if any(path.suffix.lower() in IMAGE_SUFFIXES for path in walk.files):
        return "a folder of numbered images counts as one: give the folder above it"
    return "give a folder of video files, or of folders of images"
