"""Folders of images, in the order of the numbers in their names."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from stavad.data.search import pattern, pictures_of
from stavad.extract.decode.source import Source, Undecodable, chunk_of, first_line

LARGEST = 2**31  # a longer number in a name is a date, and counts nothing


def open_images(path: Path) -> Source:
    """
    Raises:
        Undecodable: its pictures are no series, or the first cannot be read.
    """
    files = pictures_of(path)
    if not files:
        raise Undecodable("its pictures are no series, or several")
    scale = _Scale(files)
    size = next(_pictures(files[0], scale)).shape[1::-1]
    numbers = _counted([pattern(file.name)[1] for file in files])

    def frames():
        chunk, shown = [], 0
        for file in files:
            for picture in _pictures(file, scale):
                if picture.shape[1::-1] != size:
                    raise Undecodable(
                        f"{file.name} is {picture.shape[1]}x{picture.shape[0]}, the images before it {size[0]}x{size[1]}"
                    )
                shown += 1
                chunk.append(picture)
                if len(chunk) == chunk_of(*size):
                    yield np.stack(chunk)
                    chunk = []
        if chunk:
            yield np.stack(chunk)
        source.numbers = numbers if shown == len(files) else []  # pages have no numbers of their own

    about = {"width": size[0], "height": size[1], "codec": files[0].suffix.lower()[1:], "recorder": ""}
    source = Source("images", len(files), 0.0, frames(), about=about)
    return source


def _counted(names: list[tuple[int, ...]]) -> list[int]:
    """Of the numbers in each picture's name the one that counts: all others are the same everywhere. Empty where there is no such, as in dates."""
    places = [place for place, values in enumerate(zip(*names)) if len(set(values)) > 1]
    if len(places) != 1 or len({len(numbers) for numbers in names}) > 1:
        return []
    found = [numbers[places[0]] for numbers in names]
    return found if max(found) < LARGEST else []


class _Scale:
    """Deep pictures, of 16 bits or of floats, to 8 bits: the lowest to the highest value of the whole folder as 0 to 255."""

    def __init__(self, files: list[Path]):
        self.files = files

    @functools.cached_property
    def range(self) -> tuple[float, float]:
        low, high = np.inf, -np.inf
        for file in self.files:
            for page in _pages(file):
                values = np.asarray(page, np.float64)
                if (finite := values[np.isfinite(values)]).size:
                    low, high = min(low, finite.min()), max(high, finite.max())
        low = low if np.isfinite(low) else 0.0
        return low, max(low + 1e-12, high)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        low, high = self.range
        scaled = (np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low) - low) * (
            255 / (high - low)
        )
        return np.clip(scaled.round(), 0, 255).astype(np.uint8)


def _pages(file: Path) -> Iterator[Image.Image]:
    """Upright; a TIFF may have several, anything else has one."""
    try:
        with Image.open(file) as image:
            for page in ImageSequence.Iterator(image):
                yield ImageOps.exif_transpose(page)
                if image.format != "TIFF":
                    break
    except (UnidentifiedImageError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise Undecodable(f"{file.name} cannot be read ({first_line(error)})") from None


def _pictures(file: Path, scale: _Scale) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8."""
    for page in _pages(file):
        if page.mode.startswith("I") or page.mode == "F":
            yield np.repeat(scale(np.asarray(page))[..., None], 3, 2)
        else:
            yield np.asarray(page.convert("RGB"))
