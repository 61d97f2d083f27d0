"""The catalogue: which videos there are. They go by their id, never by position; `data.labels` says what is known of each."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stavad.data.errors import UserError, few

VIDEO_SUFFIXES = {".mp4", ".avi", ".mkv", ".mov", ".m4v", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".webm", ".wmv", ".flv", ".3gp", ".ogv"}  # fmt: skip
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp"}


@dataclass(frozen=True)
class Video:
    """One video. `None` stands for what is not known."""

    id: str  # path below the folder of videos, without suffix
    path: Path | None = None  # a file, or a folder of images
    label: int | None = None  # 1 abnormal, 0 normal
    split: str | None = None  # "train" or "test"
    intervals: tuple[tuple[int, int], ...] | None = None  # abnormal frames, 1-based, inclusive
    kind: str = ""  # class of the anomaly
    frames: int | None = None  # according to the labels
    seconds: tuple[
        tuple[float, float], ...
    ] = ()  # abnormal stretches of time, where the labels give these instead of frames


def find_videos(root: Path) -> list[Video]:
    """All video files and folders of images below `root`, or the one file `root`, in order of their ids.

    A folder that holds a video is none of images: its pictures are covers and the like. Masks, in folders `*_gt`, are not videos.

    Raises:
        UserError: no such folder, no video in it, or two of the same id.
    """
    root = Path(root)
    if not root.exists():
        raise UserError(root, "does not exist", "give a folder of videos with --videos")
    files = [root] if root.is_file() else _files(root)
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    images = [
        path.parent
        for path in files
        if path.suffix.lower() in IMAGE_SUFFIXES and path.parent not in (root, root.parent)
    ]
    with_video = {path.parent for path in videos}
    folders = {path for path in images if path not in with_video and not path.name.endswith("_gt")}
    other = {path.suffix or path.name for path in files}
    found: dict[str, Path] = {}
    for path in videos + sorted(folders):
        name = path.relative_to(root if root.is_dir() else root.parent)
        id = (name.with_suffix("") if path not in folders else name).as_posix()
        if not id.isprintable() or id != id.encode(errors="replace").decode():
            raise UserError(root, f"holds a file name that cannot be written down: {id!a}", "rename it")
        if id in found:
            raise UserError(path, f"has the same id as {found[id]}", "rename or move one of the two")
        found[id] = path
    if not found:
        seen = f"only {', '.join(sorted(other))}" if other else "it is empty"
        if any(path.suffix.lower() in IMAGE_SUFFIXES for path in files):
            raise UserError(
                root, f"has no video ({seen})", "a folder of images counts as one: give the folder above it"
            )
        raise UserError(
            root, f"has no video ({seen})", f"known are {' '.join(sorted(VIDEO_SUFFIXES))} and image folders"
        )
    return [Video(id, path) for id, path in sorted(found.items())]


def _files(root: Path) -> list[Path]:
    """All files below `root` that are there, also through links to folders."""
    seen, files = {root.resolve()}, []
    for folder, below, names in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in below if not _seen(Path(folder, name), seen))
        files += [path for name in sorted(names) if (path := Path(folder, name)).exists()]
    return files


def _seen(folder: Path, seen: set[Path]) -> bool:
    """Whether a link leads to a folder again; `seen` grows."""
    real = folder.resolve()
    if real in seen:
        return True
    seen.add(real)
    return False


class Names:
    """Finds the id that a name from an annotation means: the id itself, or the one id that ends in the name's parts."""

    def __init__(self, ids: Iterable[str]):
        self._by_last = defaultdict(list)
        for id in ids:
            self._by_last[id.split("/")[-1]].append(id)

    def find(self, name: str) -> str | None:
        """The id, or None if there is none. A suffix known for videos may be given or left out.

        Raises:
            UserError: the name fits several ids.
        """
        path = Path(name.strip())
        fits = self._fits(path.parts)
        if not fits and path.suffix.lower() in VIDEO_SUFFIXES:
            fits = self._fits(path.with_suffix("").parts)
        exact = [id for id in fits if id == path.as_posix() or id == path.with_suffix("").as_posix()]
        if len(fits) > 1 and not exact:
            raise UserError(name, f"means several videos: {', '.join(fits)}", "name the folder too")
        return (exact or fits or [None])[0]

    def _fits(self, parts: tuple[str, ...]) -> list[str]:
        return [id for id in self._by_last[parts[-1]] if _ends_alike(id.split("/"), parts)] if parts else []


def _ends_alike(one, other) -> bool:
    shorter = min(len(one), len(other))
    return tuple(one[-shorter:]) == tuple(other[-shorter:])


def counts(videos: list[Video]) -> str:
    """How many are normal and abnormal, in words."""
    normal, abnormal = (sum(video.label == label for video in videos) for label in (0, 1))
    unknown = len(videos) - normal - abnormal
    return f"{normal} normal, {abnormal} abnormal" + (f", {unknown} without label" if unknown else "")


def tell_unlabelled(videos: list[Video], note: Callable[[str], None]) -> None:
    """Names the videos that the labels leave out, where they name any."""
    unknown = [video.id for video in videos if video.label is None]
    if unknown and len(unknown) < len(videos):
        note(f"note: no label for {few(unknown)}; neither trained nor tested on: add them to the labels")
