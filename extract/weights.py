"""Pretrained weights: where they are published, fetched once, checked against what is known of them, loaded without pickle."""

import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stavad.data.errors import UserError

OTHERWISE = "give the file with --weights FILE, or use --preset motion-lite0, which needs none"


@dataclass(frozen=True)
class Weights:
    """A published file. Of the digests, those that are known beforehand are checked; the SHA-256 of what is loaded is recorded."""

    url: str = ""
    file: Path | None = None  # lies in an installed package instead
    sha256: str = ""  # all of it, or how it begins
    git_blob: str = ""  # sha1 of "blob <length>\0" + content, which a git repository publishes


def cache_folder() -> Path:
    """Where fetched weights are kept: `$XDG_CACHE_HOME/pipeline-weights`, by default below `~/.cache`."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipeline-weights"
    except RuntimeError:  # no home and no entry of the user
        return Path(tempfile.gettempdir()) / "pipeline-weights"


def fetch(weights: Weights) -> Path:
    """The file, downloaded into the cache unless it is there.

    Raises:
        UserError: it cannot be had, or is not the file that was published.
    """
    if weights.file:
        check(weights.file, weights)
        return weights.file
    if not weights.url:
        raise UserError("the weights", "are not published in PyTorch's form", OTHERWISE)
    path = cache_folder() / weights.url.rsplit("/", 1)[-1]
    if not path.exists():
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(weights.url, timeout=30) as answer, open(part, "wb") as file:
                shutil.copyfileobj(answer, file)
            announced = answer.headers.get("Content-Length")
            if announced and part.stat().st_size != int(announced):
                raise OSError(f"{part.stat().st_size} of {announced} bytes came")
            check(part, weights)
            os.replace(part, path)
        except (urllib.error.URLError, OSError) as error:
            raise UserError(weights.url, f"cannot be fetched ({getattr(error, 'reason', error)})", OTHERWISE) from None
        finally:
            part.unlink(missing_ok=True)
    check(path, weights)
    return path


def check(path: Path, weights: Weights) -> None:
    """Raise a UserError unless the file has the digests that are known."""
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    for known, found in ((weights.sha256, sha256), (weights.git_blob, blob)):
        if not found.startswith(known):
            raise UserError(
                path,
                f"is not the published file: digest {found[:16]}.. instead of {known[:16]}..",
                f"remove it; {OTHERWISE}",
            )


def load(path: Path) -> tuple[dict[str, Tensor], str]:
    """The state dict of a checkpoint file (itself, or its entry `state_dict` or `model_state`), and the file's SHA-256.

    Raises:
        UserError: no such file, or not a checkpoint that holds nothing but tensors.
    """
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(path, "does not exist", OTHERWISE) from None
    except Exception as error:  # torch.load raises many kinds for files that are none of its own
        raise UserError(
            path,
            f"is not a checkpoint of tensors ({' '.join(str(error).split())[:100] or type(error).__name__})",
            OTHERWISE,
        ) from None
    for key in ("state_dict", "model_state"):
        state = state.get(key, state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(path, "holds something else than a state dict", OTHERWISE)
    return {key.removeprefix("module."): value for key, value in state.items()}, sha256
