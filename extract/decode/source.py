"""What every decoder gives, and how it says that it cannot."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK = 16  # frames handed on at a time


class Undecodable(Exception):
    """The reason, in words, why a file gives no (further) frames."""


@dataclass
class Source:
    """An opened video."""

    decoder: str  # name and version, or why `auto` chose it
    announced: int  # frames according to the header: a hint, 0 if unknown
    fps: float  # 0.0 if unknown
    frames: Iterator[np.ndarray]  # (up to CHUNK, H, W, 3) uint8 RGB; all of one size
    skipped: int = 0  # packets that could not be decoded, known at the end


def first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:120]
