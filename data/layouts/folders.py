"""Plain folders: `normal/` beside one or more named for what happens in their videos (`abnormal/`, `fight/`, ..)."""

from dataclasses import replace
from pathlib import Path

from stavad.data.catalogue import Video

NAME = "normal/ and abnormal folders"
PLACE = 99  # what a data set's own annotation says goes before the names of folders


def label(root: Path, videos: list[Video]) -> list[Video] | None:
    """The videos with their labels; None: no folder is called normal."""
    if not any(video.id.lower().startswith("normal/") for video in videos):
        return None
    labelled = []
    for video in videos:
        folder, _, rest = video.id.partition("/")
        if rest and folder.lower() == "normal":
            video = replace(video, label=0, intervals=())
        elif rest:
            video = replace(video, label=1, kind=folder)
        labelled.append(video)
    return labelled
