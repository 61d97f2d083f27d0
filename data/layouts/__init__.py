"""Labels from the way a known data set, or a plain folder, is laid out. Annotation files are the user's, none is shipped.

A data set is a module here: its `NAME`, its `PLACE` in the order in which they are tried, and `entries(root)`, where its lists name every video, or `label(root, videos)`; both give
None where its annotation is not there. `KNOWN` and `TEST_FRAMES`, where it has them, are for `data.verify`.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from stavad.data.catalogue import Names, Video, find_videos
from stavad.data.errors import UserError
from stavad.data.labels import read_labels, with_labels
from stavad.data.registry import modules_of


def read_catalogue(root: Path, labels: Path | None = None) -> tuple[list[Video], str]:
    """The videos below `root` with their labels, and in words where the labels come from.

    The labels are those of `labels`, a CSV or a folder with a data set's annotation; else of the first layout below that `root`
    has; else unknown.

    Raises:
        UserError: no videos, no annotation in the folder `labels`, or one that does not fit the videos.
    """
    return label(find_videos(root), Path(root), labels)


def label(videos: list[Video], root: Path, labels: Path | None = None) -> tuple[list[Video], str]:
    """`read_catalogue` for videos that are known already."""
    if labels and not labels.is_dir():
        return with_labels(videos, read_labels(labels), labels), f"labels from {labels}"
    for layout in LAYOUTS:
        labelled = _labelled(layout, labels or root, videos)
        if labelled is not None:
            return labelled, f"laid out as {layout.NAME}"
    if labels:
        raise UserError(labels, "has no annotation that is known", "give a CSV of labels, or the data set's folder")
    return videos, "no labels"


def _labelled(layout, root: Path, videos: list[Video]) -> list[Video] | None:
    if not is_listed(layout):
        return layout.label(root, videos)
    entries = layout.entries(root)
    return None if entries is None else _known(videos, entries)


def is_listed(layout) -> bool:
    """Whether the data set's lists name every video of it."""
    return hasattr(layout, "entries")


def _known(videos: list[Video], labelled: Iterable[Video]) -> list[Video]:
    """Labels for those videos that are there; an official list names many that are not."""
    names = Names(video.id for video in videos)
    found = {names.find(entry.id): entry for entry in labelled}
    return [replace(found[v.id], id=v.id, path=v.path) if v.id in found else v for v in videos]


LAYOUTS = modules_of(__name__)  # lists know most of the videos, the names of folders least
