"""Folders of images, in the order of the numbers in their names."""

import re
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from stavad.data.catalogue import IMAGE_SUFFIXES
from stavad.extract.decode.source import CHUNK, Source, Undecodable, first_line


def open_images(path: Path) -> Source:
    files = sorted((file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES), key=_by_number)

    def frames():
        for start in range(0, len(files), CHUNK):
            yield np.stack([_read_image(file, size) for file in files[start : start + CHUNK]])

    size = _read_image(files[0], None).shape[1::-1]
    return Source("images", len(files), 0.0, frames())


def _by_number(path: Path) -> list:
    """Sorts 2.png before 10.png."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def _read_image(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if size and image.size != size:
                raise Undecodable(
                    f"{path.name} is {image.size[0]}x{image.size[1]}, the images before it {size[0]}x{size[1]}"
                )
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise Undecodable(f"{path.name} cannot be read ({first_line(error)})") from None
