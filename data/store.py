"""The feature store: one HDF5 file per video, complete or absent, each with the full record of how it was made."""

import json
import shutil
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path

import h5py
import numpy as np

from stavad.data.bags import CLIP, Bag, KeptBags, are_clips_of, clips_of, segment_of_clip
from stavad.data.errors import UserError
from stavad.data.files import short, written
from stavad.data.timing import Clock

ROWS = 2**24  # bytes of features written or looked through at a time


class Stored:
    """What the store holds of one video; its features are read when they are first asked for.

    Args:
        features: (clips, crops, C) float32, or a function that reads them.
        frames: decoded frames, which the truth is made from; 0 where features of others came without their number.
        made: every attribute: `fingerprint` (dict), decoder, source, fps, ..
        bags: where the means of segments are kept, None: nowhere.
    """

    def __init__(self, features, frames: int, made: dict, bags: "KeptBags | None" = None):
        self._features, self.frames, self.made, self._bags = features, frames, made, bags

    @cached_property
    def features(self) -> np.ndarray:
        """(clips, crops, C) float32."""
        return self._features() if callable(self._features) else self._features

    def bag(self, segments: int) -> Bag:
        """The video as so many segments; of a large one kept beside its features, so that these are read once."""
        if self._bags and (known := self._bags.get(segments)):
            return known
        made = Bag.of(self.features, segments)
        if self._bags:
            self._bags.keep(made, self.features.nbytes)
        return made

    def over(self, frames: int) -> "Stored":
        """The same over so many frames, where the features came without their number."""
        return Stored(self._features, frames, self.made, self._bags)

    @property
    def stride(self) -> int:
        """Frames from one clip to the next."""
        return int(self.made.get("stride", CLIP))

    @property
    def seconds(self) -> float:
        """How long the video lasts; 0 where its frames or their rate are not known."""
        fps = float(self.made.get("fps", 0.0))
        return self.frames / fps if fps > 0 else 0.0

    @property
    def cover(self) -> np.ndarray:
        """(frames,): the row of `features` that covers each frame, its clip or, where rows are segments, its segment."""
        if not self.frames:
            return np.arange(int(self.made["segments"]))  # each row counts once
        clip = np.arange(self.frames) // self.stride
        if self.made.get("segments"):
            return segment_of_clip(clips_of(self.frames, self.stride), len(self.features))[clip]
        return np.minimum(clip, len(self.features) - 1)

    def require_frames(self, id: str, labelled: int | None) -> None:
        """Raise a UserError unless the labels of the video, where they tell, were made for as many frames."""
        if labelled not in (None, self.frames) and self.frames:
            raise UserError(
                id, f"has {self.frames} frames, its labels were made for {labelled}", "correct the labels or the mask"
            )


class Store:
    """The features of one preset: `root/<video id>.h5`, all with the same fingerprint.

    Args:
        behind: another store's root, in which videos are looked for that are not in this one; None: nowhere.
    """

    def __init__(self, root: Path, behind: Path | None = None):
        self.root, self.behind = Path(root), behind

    def path(self, id: str) -> Path:
        own = self.root / f"{id}.h5"
        other = self.behind / f"{id}.h5" if self.behind else own
        return other if not own.exists() and other.exists() else own

    def ids_behind(self) -> list[str]:
        return Store(self.behind).ids() if self.behind else []

    def ids(self) -> list[str]:
        paths = (path.relative_to(self.root) for path in self.root.rglob("*.h5"))
        return sorted(
            path.as_posix()[: -len(".h5")] for path in paths if not any(p.startswith(".") for p in path.parts[:-1])
        )

    def write(self, id: str, features: np.ndarray, frames: int, fingerprint: dict, clock: Clock | None = None, **made):
        """Add a video: written beside its place, flushed to the disk, then renamed into it.

        Args:
            features: (clips, crops, C), stored in the dtype given; may be a `numpy.memmap`, of which little is in memory at a time.
            frames: frames decoded; 0 where they are not known.
            fingerprint: everything that the features depend on, besides the video and the decoder.
            clock: the times or numbers of the frames, where they are no even ones.
            made: further attributes, such as `decoder`, `fps`, `source`, `source_size`.

        Raises:
            UserError: the disk is full, or the folder cannot be written.
        """
        features, clock = np.asanyarray(features), clock or Clock()
        step = max(1, ROWS // max(1, features[:1].nbytes))
        with written(self.root / f"{id}.h5", "w+b") as raw:
            with h5py.File(raw, "w", track_order=False) as file:
                data = file.create_dataset("features", features.shape, features.dtype, track_times=False)
                for begin in range(0, len(features), step):
                    data[begin : begin + step] = features[begin : begin + step]
                for name in ("times", "numbers"):
                    if (values := getattr(clock, name)) is not None:
                        file.create_dataset(name, data=values, track_times=False)
                for name, value in {"frames": frames, "fingerprint": _text(fingerprint), **made}.items():
                    file.attrs[name] = value
            raw.seek(0, 2)

    def amend(self, id: str, **made) -> None:
        """Change attributes of a video; the file is replaced as a whole.

        Raises:
            UserError: it cannot be written.
        """
        with written(self.path(id), "w+b") as raw:
            with open(self.path(id), "rb") as before:
                shutil.copyfileobj(before, raw)
            with h5py.File(raw, "r+") as file:
                for name, value in made.items():
                    file.attrs[name] = value
            raw.seek(0, 2)

    def attributes(self, id: str) -> dict:
        """Everything but the features.

        Raises:
            UserError: the file is not one of a store.
        """
        return self._open(id, lambda file: None)[1]

    def clock(self, id: str) -> Clock:
        """When the video's frames are shown, and what the pictures of an image folder are called.

        Raises:
            UserError: the file is not one of a store.
        """
        kept, made = self._open(id, lambda file: [file[n][:] if n in file else None for n in ("times", "numbers")])
        return Clock(float(made.get("fps", 0.0)), *kept)

    def read(self, id: str) -> Stored:
        """Features and record of one video.

        Raises:
            UserError: no such video, or not a file of a store; and when its features are read, if they are not finite, or not those
                that its record tells of.
        """
        made = self.attributes(id)
        return Stored(
            partial(self._features, id), int(made.get("frames", 0)), made, KeptBags(self.path(id), self._kept(id))
        )

    def _features(self, id: str) -> np.ndarray:
        features, made = self._open(id, lambda file: file["features"].astype(np.float32)[:])
        if features.ndim != 3 or not len(features) or not _finite(features):
            raise UserError(
                self.path(id), "holds no features, or some that are not finite", "remove it and extract it again"
            )
        stored = Stored(features, int(made.get("frames", 0)), made)
        width = made["fingerprint"].get("width", features.shape[2])
        fits = made.get("segments") or are_clips_of(len(features), stored.frames, stored.stride)
        counted = stored.frames >= 1 or made.get("segments")
        if features.shape[2] != width or not counted or not fits:
            raise UserError(
                self.path(id),
                f"holds {features.shape} features, its record tells of {stored.frames} frames and {width} dimensions",
                "remove it and extract it again",
            )
        return features

    def _kept(self, id: str) -> Path:
        return self.root / ".bags" / short(id)

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


def _finite(features: np.ndarray) -> bool:
    """Without a map of the same size."""
    step = max(1, ROWS // max(1, features[:1].nbytes))
    return all(np.isfinite(features[begin : begin + step]).all() for begin in range(0, len(features), step))


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
