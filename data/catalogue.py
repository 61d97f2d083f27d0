"""The catalogue: what is known of each video. They go by their id, never by position; `data.search` finds them, `data.labels` says more."""

import difflib
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from stavad.data.errors import UserError, few

VIDEO_SUFFIXES = {
    ".mp4", ".avi", ".mkv", ".mov", ".m4v", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".webm", ".wmv", ".flv", ".3gp", ".ogv",
    ".264", ".h264", ".avc", ".265", ".h265", ".hevc", ".asf", ".vob", ".mxf", ".dav", ".3g2", ".m1v", ".m2v", ".mjpg", ".mjpeg",
    ".f4v", ".qt", ".divx", ".dv", ".ivf", ".y4m", ".obu", ".tp", ".trp", ".nut", ".rmvb", ".ogm",
}  # fmt: skip
FEATURE_SUFFIXES = {".npy", ".npz", ".txt", ".mat", ".h5", ".hdf5"}


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
    # abnormal stretches of time, where the labels give these instead of frames
    seconds: tuple[tuple[float, float], ...] = ()
    group: str = ""  # recording, camera or scene: videos of one group are never in different parts of a drawn split
    counts: str = ""  # of image folders: what `intervals` count, "pictures", or the "numbers" in their names
    by_whole_id: bool = False  # labels mean it by its whole id only, not by the last part: a scored video beside those of the work folder


class Names:
    """Finds the id that a name from an annotation means: the id itself, or the one id that ends in the name's parts.

    Blanks around it, a suffix of videos or of features, and the spelling of its letters (composed or not) make no difference,
    unless ids differ by them.
    """

    def __init__(self, videos: Iterable[Video]):
        videos = list(videos)
        self._ids = {video.id for video in videos}
        self._by_last = defaultdict(list)
        for id in sorted(video.id for video in videos if not video.by_whole_id):
            for last in {_spelt(part) for part in (id.split("/")[-1], id.split("/")[-1].strip())}:
                self._by_last[last].append(id)

    def find(self, name: str) -> str | None:
        """The id, or None if there is none.

        Raises:
            UserError: the name fits several ids.
        """
        if name in self._ids:
            return name
        fits: list[str] = []
        for parts in _readings(name):
            fits = [id for id in self._by_last[parts[-1]] if _ends_alike(_parts(id), parts)]
            exact = [id for id in fits if _parts(id) == parts]
            if len(fits) > 1 and not exact:
                raise UserError(name, f"means several videos: {few(fits)}", "name the folder too")
            if fits:
                return (exact or fits)[0]
        if _is_absolute(name):  # on its author's machine; here the last part has to do
            fits = next((self._by_last[parts[-1]] for parts in _readings(name) if self._by_last[parts[-1]]), [])
        return fits[0] if len(fits) == 1 else None

    def nearest(self, name: str) -> str | None:
        """For official lists: of several ids with the name's last part, the one whose folder is spelt most like the name's."""
        for parts in _readings(name):
            if fits := self._by_last[parts[-1]]:
                return max(fits, key=lambda id: _alike("/".join(_parts(id)[:-1]), "/".join(parts[:-1])))
        return None


def _spelt(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _parts(id: str) -> tuple[str, ...]:
    return tuple(_spelt(part.strip()) for part in id.split("/"))


def _readings(name: str) -> list[tuple[str, ...]]:
    """The parts of a name as it stands, then without its suffix; of a Windows path too."""
    found = []
    for text in (name, name.replace("\\", "/")):
        parts = tuple(_spelt(part.strip()) for part in text.split("/") if part.strip() not in ("", "."))
        stem, suffix = os.path.splitext(parts[-1]) if parts else ("", "")
        if parts:
            found.append(parts)
        if stem and suffix.lower() in VIDEO_SUFFIXES | FEATURE_SUFFIXES:
            found.append((*parts[:-1], stem.strip()))
            if suffix in FEATURE_SUFFIXES and (video := re.fullmatch(r"(.+)_(i3d|c3d|rgb|flow|clip)", stem)):
                found.append((*parts[:-1], video[1]))
    return list(dict.fromkeys(found))


def _is_absolute(name: str) -> bool:
    return name.startswith("/") or PureWindowsPath(name).is_absolute()


def _alike(one: str, other: str) -> float:
    mine, theirs = (re.sub(r"[^a-z]", "", text.lower()) for text in (one, other))
    return difflib.SequenceMatcher(None, mine, theirs).ratio()


def _ends_alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]


def counts(videos: list[Video]) -> str:
    """How many are normal and abnormal, in words."""
    normal, abnormal = (sum(video.label == label for video in videos) for label in (0, 1))
    unknown = len(videos) - normal - abnormal
    return f"{normal} normal, {abnormal} abnormal" + (f", {unknown} without label" if unknown else "")


def tell_unlabelled(videos: list[Video], note: Callable[[str], None]) -> None:
    """Names the videos that the labels leave out, where they name any."""
    unknown = [video.id for video in videos if video.label is None]
    if unknown and len(unknown) < len(videos):
        note(f"note: no label for {few(unknown)}; left out here: add them to the labels")
