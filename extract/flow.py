"""What moves, and how: statistics of the optical flow between frames of a clip, by OpenCV's DIS (Kroeger et al., 2016)."""

import functools
from collections.abc import Sequence

import numpy as np

SIDE = 240  # short side at which flow is computed; smaller loses far people
CELL = 8  # pixels of a side whose flow is one vector
PAIRS = (1, 5, 9, 13)  # frames, from 0, whose flow to the next one is taken: evenly over a clip of 16
LARGEST = (1, 4, 16, 64)  # cells that the means of the largest are over
BLOCKS = (2, 4, 8)  # cells of a side that move together
ABOVE = (0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8)  # pixels a frame, at a short side of 120
WIDTH = 42


def motion_statistics(clip: Sequence[np.ndarray]) -> np.ndarray:
    """The 42 numbers of a clip: 21 of each pair, log(1 + x), their mean and then their maximum over the pairs.

    Of the lengths m of the cells' vectors: means of the largest, of blocks that move together, of all, and square roots of the shares above
    `ABOVE`; of the differences to the cells beside: means of the largest and of all. In pixels a frame at a short side of 120.

    Args:
        clip: 16 frames (H, W, 3) RGB or (H, W, 1) luma, uint8.

    Returns:
        (42,) float32.
    """
    pairs = np.log1p([_of_pair(_flow(_small(clip[t]), _small(clip[t + 1]))) for t in PAIRS])
    return np.concatenate([pairs.mean(0), pairs.max(0)]).astype(np.float32)


def library() -> str:
    """OpenCV and its version."""
    import cv2

    return f"opencv {cv2.__version__}"


@functools.cache
def _dis():
    import cv2

    cv2.setNumThreads(1)  # a process decodes each video: they share the cores
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)


def _small(frame: np.ndarray) -> np.ndarray:
    """(h, w) uint8 luma with a short side of `SIDE`."""
    import cv2

    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.shape[2] == 3 else frame[..., 0]
    height, width = grey.shape
    short = min(height, width)
    return cv2.resize(grey, (width * SIDE // short, height * SIDE // short), interpolation=cv2.INTER_AREA)


def _flow(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(rows, columns, 2): mean flow of each cell, in pixels at half the side."""
    import cv2

    flow = _dis().calc(one, other, None)
    rows, columns = (n // CELL for n in one.shape)
    return cv2.resize(flow[: rows * CELL, : columns * CELL], (columns, rows), interpolation=cv2.INTER_AREA) / 2


def _of_pair(field: np.ndarray) -> list[float]:
    import cv2

    length = np.linalg.norm(field, axis=2)
    steps = np.zeros_like(length)
    steps[:, :-1] += np.linalg.norm(field[:, 1:] - field[:, :-1], axis=2)
    steps[:-1] += np.linalg.norm(field[1:] - field[:-1], axis=2)
    together = [float(np.linalg.norm(cv2.blur(field, (n, n)), axis=2).max()) for n in BLOCKS]
    return [
        *_largest(length, LARGEST),
        *together,
        float(length.mean()),
        *np.sqrt((length.ravel() > np.array(ABOVE)[:, None]).mean(1)).tolist(),
        *_largest(steps, LARGEST[:3]),
        float(steps.mean()),
    ]


def _largest(values: np.ndarray, numbers: tuple[int, ...]) -> list[float]:
    """Means of so many largest."""
    ordered = np.sort(values, axis=None)
    return [float(ordered[-n:].mean()) for n in numbers]
