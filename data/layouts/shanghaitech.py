"""ShanghaiTech with the weakly supervised split: `SH_Train.txt`, `SH_Test.txt`, and `test_frame_mask/<video>.npy`."""

import re
from pathlib import Path

import numpy as np

from stavad.data.annotations import beside, intervals_of, read_lines
from stavad.data.catalogue import Video
from stavad.data.errors import UserError

NAME = "ShanghaiTech"
PLACE = 2
FILES = ("SH_Train.txt", "SH_Test.txt")
KNOWN = {  # what the complete annotation adds up to
    "training videos": 238,
    "test videos": 199,
    "abnormal test videos": 44,
    "positive test frames": 7_962,
}
TEST_FRAMES = 141_870


def entries(root: Path) -> list[Video] | None:
    """Every video that the lists name; None: there is no list.

    The videos are files (`training/videos/01_001.avi`) or image folders (`testing/frames/01_0014/`). A video with a mask is abnormal;
    so is one whose second number has four digits, as all of the original test part.
    """
    lists = {part: beside(root, f"SH_{part.capitalize()}.txt") for part in ("train", "test")}
    if not any(lists.values()):
        return None
    masks = beside(root, "test_frame_mask") or next(root.glob("*/test_frame_mask"), None)
    labelled = []
    for part, path in lists.items():
        for number, line in read_lines(path) if path else ():
            id = line.split(",")[0].strip()
            if not re.fullmatch(r"\d\d_\d{3,4}", id):
                raise UserError(f"{path}, line {number}", f"reads {line!r}", "expected a name such as 01_0014")
            mask = masks / f"{id}.npy" if masks else None
            if mask and mask.exists():
                truth = read_mask(mask)
                labelled.append(Video(id, None, 1, part, intervals_of(truth), "", len(truth), counts="pictures"))
            elif len(id) == len("01_0014"):
                labelled.append(Video(id, None, 1, part))
            else:
                labelled.append(Video(id, None, 0, part, ()))
    return labelled


def read_mask(path: Path) -> np.ndarray:
    """(frames,) bool from a `.npy` of one number per frame, 0 where nothing happens.

    Raises:
        UserError: unreadable, or of another form.
    """
    try:
        mask = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(path, f"cannot be read ({error})", "download the data set's masks again") from None
    if mask.ndim != 1 or mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise UserError(path, f"holds {mask.dtype} of shape {mask.shape}", "expected a 0 or 1 for each frame")
    return mask.astype(bool)
