"""Files are written whole or not at all, and what goes wrong names the file."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from stavad.data.errors import UserError

LONGEST = 255  # bytes of a name, on the file systems in use
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NAMES = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)  # what is wrong with the name alone


class BadName(UserError):
    """The file system does not take this name; another file's may be well."""


@contextlib.contextmanager
def written(path: Path, mode: str = "w", reserved: Path | None = None) -> Iterator[IO[Any]]:
    """A file to write into, which takes the place of `path` when the block ends, flushed to the disk; text is UTF-8.

    Args:
        reserved: a file of `reserve`, to write over.

    Raises:
        UserError: the disk is full, the folder cannot be written, or the like; what was at `path` before is still there.
    """
    path = Path(path)
    part = reserved or beside(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "r+b" if reserved else mode, **text) as file:
            yield file
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def reserve(path: Path, size: int) -> Path:
    """Room for `size` bytes that `path` will need: a file beside it, for `written`.

    Raises:
        UserError: there is no such room.
    """
    part = beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            for begin in range(0, size, 2**20):
                file.write(bytes(min(2**20, size - begin)))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise cannot_write(path, error) from None
    return part


def beside(path: Path) -> Path:
    """A temporary name in the same folder, short whatever the name of `path`."""
    return path.with_name(f".{short(path.name)}.{os.getpid()}.part")


def short(name: str) -> str:
    """Twelve hexadecimal digits that stand for a name of any length."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]


def fitting(id: str, suffix: str) -> str:
    """A file's name, or path, for a video: `id` and the suffix; one too long for a file system is cut, with a digest of the whole."""
    folder, _, name = id.rpartition("/")
    encoded, room = name.encode(), LONGEST - len(suffix.encode())
    if len(encoded) > room:
        name = encoded[: room - 13].decode(errors="ignore") + "~" + short(name)
    return f"{folder}/{name}{suffix}" if folder else name + suffix


def cannot_write(path: Path, error: OSError) -> UserError:
    """What to tell of an error while `path` was written."""
    problem = f"cannot be written ({os.strerror(error.errno) if error.errno else error})"
    if error.errno in NAMES:
        return BadName(path, problem, "give the video a shorter or plainer name")
    if error.errno in FULL:
        return UserError(path, problem, "free some space and run the same command again")
    return UserError(path, problem, "see that the folder is there and can be written")
