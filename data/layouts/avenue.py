"""CUHK Avenue: `training_videos/` are normal, `testing_videos/01` .. have pixel masks `testing_label_mask/1_label.mat`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io

from stavad.data.annotations import beside, intervals_of
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "CUHK Avenue"
PLACE = 4


def label(root: Path, videos: list[Video]) -> list[Video] | None:
    """The videos with their labels; None: there are no masks.

    The official training part has one class, so no split is given here, as with UCSD Ped.
    """
    masks = beside(root, "testing_label_mask")
    if not masks:
        return None
    labelled = []
    for video in videos:
        *folders, name = video.id.lower().split("/")
        if any(folder.startswith("training") for folder in folders):
            video = replace(video, label=0, intervals=())
        elif name.isdigit() and any(folder.startswith("testing") for folder in folders):
            truth = read_avenue_mask(masks / f"{int(name)}_label.mat")
            video = replace(video, label=1, intervals=intervals_of(truth), frames=len(truth), counts="pictures")
        labelled.append(video)
    return labelled


def read_avenue_mask(path: Path) -> np.ndarray:
    """(frames,) bool: a frame is abnormal where any pixel of its mask in the cell array `volLabel` is.

    Raises:
        UserError: not such a file.
    """
    try:
        return np.array([bool(np.any(mask)) for mask in scipy.io.loadmat(path)["volLabel"].ravel()])
    except Exception as error:  # scipy raises its own classes, and TypeError and others for broken files
        raise UserError(path, f"is not a file of masks ({error})", "expected a cell array 'volLabel'") from None
