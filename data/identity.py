"""Whether a video is still the one that its features, or the reason against it, are of."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from stavad.data.search import pictures_of

BLOCK = 2**24  # bytes read at a time


def size_of(path: Path) -> int:
    """Bytes of a file, or of all images of a folder; 0 if it cannot be looked at."""
    try:
        return sum(file.stat().st_size for file in _files(path))
    except OSError:
        return 0


def stamp_of(path: Path) -> str:
    """Names, sizes, times and places on the disk: as long as it is the same, the content is. Nothing is read.

    Raises:
        OSError: it cannot be looked at.
    """
    seen = hashlib.sha256()
    for file in _files(path):
        s = file.stat()
        seen.update(f"{file.name}\0{s.st_size}\0{s.st_mtime_ns}\0{s.st_ctime_ns}\0{s.st_ino}\0{s.st_mode}\n".encode(errors="surrogateescape"))  # fmt: skip
    return seen.hexdigest()[:32]


def digest_of(path: Path, alive: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of the content, read through to its end.

    Args:
        alive: called now and then.

    Raises:
        OSError: it cannot be read.
    """
    read = hashlib.sha256()
    for file in _files(path):
        if path.is_dir():
            read.update(f"{file.name}\0".encode(errors="surrogateescape"))
        with open(file, "rb", buffering=0) as opened:
            while block := opened.read(BLOCK):
                read.update(block)
                alive()
    return read.hexdigest()[:32]


def _files(path: Path) -> list[Path]:
    return (pictures_of(path) or sorted(path.iterdir())) if os.path.isdir(path) else [Path(path)]
