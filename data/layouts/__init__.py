"""Labels from the way a known data set, or a plain folder, is laid out. Annotation files are the user's, none is shipped.

A data set is a module here: its `NAME`, its `PLACE` in the order in which they are tried, and `entries(root)`, where its lists name every video, or `label(root, videos)`; both give
None where its annotation is not there. `FILES` are the names of its annotation, so that a file may be given itself; `read_file(path)` reads one under another name, None: it is of another form. `KNOWN` and `TEST_FRAMES`, where it has them, are for `data.verify`.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from stavad.data.catalogue import Names, Video
from stavad.data.errors import UserError, few
from stavad.data.labels import read_labels, with_labels
from stavad.data.layouts import folders
from stavad.data.registry import modules_of
from stavad.data.search import find_videos

Note = Callable[[str], None]


def quiet(line: str) -> None:
    """Tells nobody."""


def read_catalogue(root: Path, labels: Path | None = None, note: Note = quiet) -> tuple[list[Video], str]:
    """The videos below `root` with their labels, and in words where the labels come from.

    The labels are those of `labels`, a CSV, an annotation file, or a folder with one; else of the first layout below that names
    videos of `root`; else unknown.

    Args:
        note: told of what the user should know.

    Raises:
        UserError: no videos, no annotation in the folder `labels`, or one that does not fit the videos.
    """
    return label(find_videos(root), Path(root), labels, note)


def label(videos: list[Video], root: Path, labels: Path | None = None, note: Note = quiet) -> tuple[list[Video], str]:
    """`read_catalogue` for videos that are known already."""
    labelled, source = _label(videos, root, labels, note)
    by_folder = {v.id: v.label for v in folders.label(root, videos) or ()} if labels or "folders" not in source else {}
    if against := [v.id for v in labelled if None not in (v.label, by_folder.get(v.id)) and v.label != by_folder[v.id]]:
        note(f"note: {source} say otherwise than the names of the folders for {len(against)} of {len(videos)} videos: {few(against)}")  # fmt: skip
    return labelled, source


def _label(videos: list[Video], root: Path, labels: Path | None, note: Note) -> tuple[list[Video], str]:
    if labels and not labels.is_dir():
        return _by_file(videos, labels, note), f"labels from {labels}"
    for layout in LAYOUTS:
        labelled = _labelled(layout, labels or root, videos)
        if labelled is not None and any(video.label is not None for video in labelled):
            return labelled, f"laid out as {layout.NAME}"
        if labelled is not None and labels:
            raise UserError(labels, f"has the annotation of {layout.NAME}, which names none of these videos", "give the labels of these videos")  # fmt: skip
    if labels:
        raise UserError(labels, "has no annotation that is known", "give a CSV of labels, or the data set's folder")
    return videos, "no labels"


def _by_file(videos: list[Video], path: Path, note: Note) -> list[Video]:
    """Labels of a CSV, or of a data set's annotation file."""
    for layout in LAYOUTS:
        labelled, read = None, getattr(layout, "read_file", None)
        if path.exists() and any(path.match(name) for name in getattr(layout, "FILES", ())):
            labelled = _labelled(layout, path.parent, videos)
        elif read and path.exists() and (entries := read(path)) is not None:
            labelled = _known(videos, entries)
        if labelled is not None:
            if not any(video.label is not None for video in labelled):
                raise UserError(path, f"is of {layout.NAME} and names none of these videos", "give their labels")
            return labelled
    return with_labels(videos, read_labels(path), path, note)


def _labelled(layout, root: Path, videos: list[Video]) -> list[Video] | None:
    if not is_listed(layout):
        return layout.label(root, videos)
    entries = layout.entries(root)
    return None if entries is None else _known(videos, entries)


def is_listed(layout) -> bool:
    """Whether the data set's lists name every video of it."""
    return hasattr(layout, "entries")


def _known(videos: list[Video], labelled: Iterable[Video]) -> list[Video]:
    """Labels for those videos that are there; an official list names many that are not, and of copies the one in its own folder."""
    names = Names(videos)
    found = {names.nearest(entry.id): entry for entry in labelled}
    return [replace(found[v.id], id=v.id, path=v.path) if v.id in found else v for v in videos]


LAYOUTS = modules_of(__name__)  # lists know most of the videos, the names of folders least
