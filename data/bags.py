"""MIL bags: a video is a bag of a fixed number of instances, each the mean of a stretch of clips."""

import contextlib
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stavad.data.errors import UserError
from stavad.data.files import written

CLIP = 16  # frames of a clip, and from one clip to the next
WORTH = 4  # times that features are larger than the bag that is kept of them
BLOCK = 2**24  # bytes looked through at a time


def clips_of(frames: int, stride: int = CLIP) -> int:
    """Clips that cover so many frames, one every `stride`, the last one not full."""
    return -(-frames // stride)


def are_clips_of(rows: int, frames: int, stride: int = CLIP) -> bool:
    """Whether so many rows can be the clips of so many frames; one more or less is, as the field rounds both ways."""
    return abs(rows - clips_of(frames, stride)) <= 1


def segment_bounds(clips: int, segments: int) -> np.ndarray:
    """First clip of every segment, and one past the last: `segments + 1` whole numbers from 0 to `clips`."""
    return np.linspace(0, clips, segments + 1).round().astype(int)


def to_segments(features: np.ndarray, segments: int) -> np.ndarray:
    """Clip features (clips, .., C) -> (segments, .., C), as Sultani et al., 2018.

    A segment is the mean of its clips. Where there are fewer clips than segments, some segments hold no clip of their
    own and repeat the one they begin at.
    """
    bounds = segment_bounds(len(features), segments)
    starts = np.minimum(bounds[:-1], len(features) - 1)
    return np.stack([features[a : max(a + 1, b)].mean(0) for a, b in zip(starts, bounds[1:])])


def segment_of_clip(clips: int, segments: int) -> np.ndarray:
    """For every clip, the segment of `to_segments` that holds it; where several repeat it, the middle one of them."""
    starts = np.minimum(segment_bounds(clips, segments)[:-1], clips - 1)
    last = np.searchsorted(starts, np.arange(clips), side="right") - 1
    first = np.searchsorted(starts, starts[last], side="left")
    return (first + last) // 2


@dataclass(frozen=True)
class Bag:
    """A video as segments, and what else training and the search for copies need of its clips."""

    segments: np.ndarray  # (segments, crops, C) float32
    clips: int
    sum: np.ndarray  # (C,) float64, over the clips, each the mean of its crops
    squares: np.ndarray  # (C,) float64, of the same
    digest: str  # SHA-256 of the features

    @classmethod
    def of(cls, features: np.ndarray, segments: int) -> "Bag":
        """From (clips, crops, C) float32."""
        means = features.mean(1) if features.shape[1] > 1 else features[:, 0]
        total, squares = np.zeros((2, features.shape[2]))
        for part in np.array_split(means, max(1, means.nbytes // BLOCK)):
            total += part.sum(0, dtype=np.float64)
            squares += np.square(part, dtype=np.float64).sum(0)
        digest = hashlib.sha256(np.ascontiguousarray(features).data)
        return cls(to_segments(features, segments), len(features), total, squares, digest.hexdigest())


class KeptBags:
    """The bags of one video on the disk, beside the store's files, as long as the video's features are the same.

    Args:
        path: the file of the features.
        folder: where its bags are kept.
    """

    def __init__(self, path: Path, folder: Path):
        self.path, self.folder = path, folder

    def get(self, segments: int) -> Bag | None:
        """None: not kept, or of features that were there before."""
        try:
            with np.load(self.folder / f"{segments}.npz", allow_pickle=False) as kept:
                if kept["key"].tolist() != self._key():
                    return None
                return Bag(kept["segments"], int(kept["clips"]), kept["sum"], kept["squares"], str(kept["digest"]))
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, bag: Bag, size: int) -> None:
        """Keeps it where that saves reading: `size` is that of the features, in bytes. A disk that is full or read-only does without."""
        if size < WORTH * bag.segments.nbytes:
            return
        with contextlib.suppress(UserError, OSError), written(self.folder / f"{len(bag.segments)}.npz", "wb") as file:
            np.savez(file, key=np.array(self._key()), **vars(bag))

    def _key(self) -> list[int]:
        seen = self.path.stat()
        return [seen.st_size, seen.st_mtime_ns]


def windows(clips: int, longest: int) -> int:
    """Into how many bags a video is divided, so that its segments are about as long as those of a bag of `longest` clips; 0: no limit."""
    return max(1, round(clips / longest)) if longest else 1
