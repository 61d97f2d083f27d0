"""The feature store: one HDF5 file per video, complete or absent, each with the full record of how it was made."""

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from stavad.data.bags import CLIP, are_clips_of, clips_of, segment_of_clip
from stavad.data.errors import UserError


@dataclass(frozen=True)
class Stored:
    """What the store holds of one video."""

    features: np.ndarray  # (clips, crops, C) float32
    frames: int  # decoded frames, which the truth is made from
    made: dict  # every attribute: `fingerprint` (dict), decoder, source, fps, ..

    @property
    def cover(self) -> np.ndarray:
        """(frames,): the row of `features` that covers each frame, its clip or, where rows are segments, its segment."""
        clip = np.arange(self.frames) // CLIP
        if self.made.get("segments"):
            return segment_of_clip(clips_of(self.frames), len(self.features))[clip]
        return np.minimum(clip, len(self.features) - 1)

    def require_frames(self, id: str, labelled: int | None) -> None:
        """Raise a UserError unless the labels of the video, where they tell, were made for as many frames."""
        if labelled not in (None, self.frames):
            raise UserError(
                id, f"has {self.frames} frames, its labels were made for {labelled}", "correct the labels or the mask"
            )


class Store:
    """The features of one preset: `root/<video id>.h5`, all with the same fingerprint."""

    def __init__(self, root: Path):
        self.root = Path(root)

    def path(self, id: str) -> Path:
        return self.root / f"{id}.h5"

    def ids(self) -> list[str]:
        return sorted(path.relative_to(self.root).with_suffix("").as_posix() for path in self.root.rglob("*.h5"))

    def write(self, id: str, features: np.ndarray, frames: int, fingerprint: dict, **made) -> None:
        """Add a video: written beside its place, flushed to the disk, then renamed into it.

        Args:
            features: (clips, crops, C), stored in the dtype given.
            frames: frames decoded.
            fingerprint: everything that the features depend on, besides the video and the decoder.
            made: further attributes, such as `decoder`, `fps`, `source`, `source_size`.

        Raises:
            UserError: the disk is full, or the folder cannot be written.
        """
        path = self.path(id)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "w+b") as raw:
                with h5py.File(raw, "w", track_order=False) as file:
                    file.create_dataset("features", data=features, track_times=False)
                    for name, value in {"frames": frames, "fingerprint": _text(fingerprint), **made}.items():
                        file.attrs[name] = value
                raw.flush()
                os.fsync(raw.fileno())
            os.replace(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            mend = "free some space and run the same command again" if full else "check the folder given with --work"
            raise UserError(path, f"cannot be written ({os.strerror(error.errno or errno.EIO)})", mend) from None

    def attributes(self, id: str) -> dict:
        """Everything but the features.

        Raises:
            UserError: the file is not one of a store.
        """
        return self._open(id, lambda file: None)[1]

    def read(self, id: str) -> Stored:
        """Features and record of one video.

        Raises:
            UserError: no such video, not a file of a store, features that are not finite, or not those that its record tells of.
        """
        features, made = self._open(id, lambda file: file["features"][:].astype(np.float32))
        if features.ndim != 3 or not len(features) or not np.isfinite(features).all():
            raise UserError(
                self.path(id), "holds no features, or some that are not finite", "remove it and extract it again"
            )
        stored = Stored(features, int(made.get("frames", 0)), made)
        width = made["fingerprint"].get("width", features.shape[2])
        fits = made.get("segments") or are_clips_of(len(features), stored.frames)
        if features.shape[2] != width or stored.frames < 1 or not fits:
            raise UserError(
                self.path(id),
                f"holds {features.shape} features, its record tells of {stored.frames} frames and {width} dimensions",
                "remove it and extract it again",
            )
        return stored

    def read_all(self, ids: list[str]) -> Mapping[str, Stored]:
        """`read` for each of `ids`, each time it is asked for: the features of a data set may not fit the memory.

        Raises:
            UserError: as `attributes`, or the files were not all made alike.
        """
        made = [self.attributes(id)["fingerprint"] for id in ids]
        for id, mine in zip(ids, made):
            refuse_mixture(self.path(id), mine, made[0], self.path(ids[0]))
        return _ReadWhenAsked(self, ids)

    def _open(self, id: str, take):
        path = self.path(id)
        if not path.exists():
            raise UserError(path, "is not in the store", "run `pipeline extract` for this video")
        try:
            with h5py.File(path, "r") as file:
                made = {name: value.item() if hasattr(value, "item") else value for name, value in file.attrs.items()}
                made["fingerprint"] = json.loads(made["fingerprint"])
                return take(file), made
        except (OSError, KeyError, ValueError) as error:
            raise UserError(path, f"is not a feature file ({error})", "remove it and extract it again") from None


class _ReadWhenAsked(Mapping):
    def __init__(self, store: Store, ids: list[str]):
        self.store, self.ids = store, ids

    def __getitem__(self, id: str) -> Stored:
        return self.store.read(id)

    def __iter__(self):
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)


def refuse_mixture(path, fingerprint: dict, expected: dict, other) -> None:
    """Raise a UserError that names the differences, if there are any."""
    fingerprint, expected = (json.loads(_text(made)) for made in (fingerprint, expected))
    names = sorted(n for n in fingerprint.keys() | expected.keys() if fingerprint.get(n) != expected.get(n))
    if names:
        differ = ", ".join(f"{n} {fingerprint.get(n)!r} against {expected.get(n)!r}" for n in names[:3])
        raise UserError(
            path, f"was made otherwise than {other} ({differ})", "extract both alike, or use another --work"
        )


def _text(fingerprint: dict) -> str:
    return json.dumps(fingerprint, sort_keys=True)
