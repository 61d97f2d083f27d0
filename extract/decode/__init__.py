"""From a file to RGB frames at native size: decord and PyAV behind one interface, and folders of images.

decord is silently wrong on some files (frames lost and repeated in MPEG-TS and under edit lists) and stops at the first corrupt packet.
The packets' time stamps are read first; `auto` leaves such files to PyAV, which is right on all that we tested, and `decord` refuses them. So it is with pixels
that decord converts otherwise, of more than 8 bits or with a palette. Long files go to PyAV too, since decord's memory grows with their length (a minute of
1080p took 6.7 GB, PyAV 0.4 GB).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stavad.extract.decode.images import open_images
from stavad.extract.decode.source import CHUNK, Source, Undecodable
from stavad.extract.decode.survey import LONG, survey
from stavad.extract.decode.with_decord import decord, open_decord
from stavad.extract.decode.with_pyav import open_pyav

__all__ = ["CHUNK", "DECODERS", "Source", "Undecodable", "decord", "open_video", "or_with_pyav"]

T = TypeVar("T")
DECODERS = ("auto", "decord", "av")


def open_video(
    path: Path, decoder: str = "auto", alive: Callable[[], None] = lambda: None, luma: bool = False
) -> Source:
    """Open a file or a folder of images.

    Args:
        decoder: "decord", "av", or "auto", which takes decord for files that it decodes rightly.
        alive: called now and then while a long file is looked through.
        luma: whether luma is enough: frames (H, W, 1) where PyAV decodes, which `auto` then takes.

    Raises:
        Undecodable: not a video, or not one that this decoder opens. Reading `frames` may raise it too.
    """
    path = Path(path)
    if path.is_dir():
        return open_images(path)
    if path.stat().st_size == 0:
        raise Undecodable("the file is empty")
    if decoder == "av" or (luma and decoder == "auto"):
        return open_pyav(path, luma)
    found = survey(path, alive)
    doubt = found.doubt
    if decoder == "decord" and doubt not in ("", LONG):
        raise Undecodable(f"decord may be wrong on it ({doubt}); use --decoder auto")
    if decoder == "decord" or not doubt:
        try:
            return open_decord(path, found)
        except Undecodable as error:
            if decoder == "decord":
                raise
            doubt = str(error)
    source = open_pyav(path)
    source.decoder += f" ({doubt})"
    return source


def or_with_pyav(decoder: str, decode: Callable[[str], T]) -> T:
    """`decode(decoder)`; under auto, where decord stops half-way, PyAV starts over.

    Raises:
        Undecodable: as `decode`, of the last decoder.
    """
    try:
        return decode(decoder)
    except Undecodable:
        if decoder != "auto":
            raise
        return decode("av")
