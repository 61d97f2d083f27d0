"""What annotation files of all data sets have in common: where they lie, their lines, their intervals."""

from pathlib import Path

import numpy as np

from stavad.data.errors import UserError


def beside(root: Path, pattern: str) -> Path | None:
    """The annotation in the folder of videos or in the one above it."""
    found = [*sorted(root.glob(pattern)), *sorted(root.resolve().parent.glob(pattern))]
    return found[0] if found else None


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, with their numbers.

    Raises:
        UserError: unreadable, or not text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(path, f"cannot be read ({error})", "give the data set's own annotation file, a text") from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def interval(start: int, end: int, where: str) -> tuple[int, int]:
    """First and last abnormal frame, from 1; annotations that count from 0 have 0 as the first.

    Raises:
        UserError: reversed, or before the video.
    """
    if not 0 <= start <= end or end == 0:
        raise UserError(where, f"has an interval {start} to {end}", "correct it: first and last abnormal frame")
    return max(start, 1), end


def intervals_of(truth: np.ndarray) -> tuple[tuple[int, int], ...]:
    """(frames,) bool -> 1-based inclusive intervals."""
    edges = np.flatnonzero(np.diff(np.r_[False, truth, False]))
    return tuple((int(start) + 1, int(end)) for start, end in edges.reshape(-1, 2))
