"""A look at a file's packets before it is decoded: is decord right on it, and when are its frames shown?"""

import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stavad.extract.decode.streams import (
    RAW,
    about,
    announced_by,
    demux,
    open_container,
    rate_of,
    start_of,
    video_stream,
)
from stavad.extract.decode.with_decord import decord

SIGN_OF_LIFE = 5000  # packets
DECORD_HOLDS = 2**29  # bytes of frames that a file given to decord may have: it reads ahead without bound
LONG = "too long for the memory that decord takes"
ALIKE = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray"}  # pixels that both convert alike


@dataclass
class Survey:
    """What a file's packets tell."""

    doubt: str = ""  # why decord may be wrong on it; empty if there is no reason to think so
    packets: int = 0
    fps: float = 0.0
    stream: int = 0
    about: dict = field(default_factory=dict)
    times: array.array = field(default_factory=lambda: array.array("d"))  # of the frames, in the order they are shown


def survey(path: Path, alive: Callable[[], None]) -> Survey:
    """Looks through the file until there is a doubt, or to its end.

    Raises:
        Undecodable, OSError: as `open_container`.
    """
    if decord is None:
        return Survey("no decord on this platform")
    with open_container(path) as container:
        stream = video_stream(container, path)
        found = Survey("", 0, rate_of(container, stream), stream.index, about(container, stream))
        if container.format.name == "mpegts":
            found.doubt = "MPEG-TS"
        elif container.format.name in RAW:
            found.doubt = "no time stamps"
        elif len(container.streams.video) > 1:
            found.doubt = "several video streams"
        elif stream.codec_context.pix_fmt not in ALIKE:
            found.doubt = f"pixels of {stream.codec_context.pix_fmt}"
        else:
            _look_through(found, container, stream, path, alive)
        return found


def _look_through(found: Survey, container, stream, path: Path, alive: Callable[[], None]) -> None:
    size, key = 3 * stream.width * stream.height, None
    stamps: list[int] = []
    for packet in demux(container, stream):
        if not packet.size:
            continue
        if packet.is_corrupt:
            found.doubt = "corrupt packets"
        elif packet.is_discard:
            found.doubt = "edit list"
        elif packet.pts is None:
            found.doubt = "time stamps missing or repeated"
        elif key is None and not packet.is_keyframe:
            found.doubt = "it begins inside a group of pictures"
        elif key is not None and packet.pts < key:
            found.doubt = "it begins with pictures whose reference is missing"
        elif (len(stamps) + 1) * size > DECORD_HOLDS:
            found.doubt = LONG
        if found.doubt:
            return
        key = packet.pts if key is None else key
        stamps.append(packet.pts)
        if len(stamps) % SIGN_OF_LIFE == 0:
            alive()
    if len(set(stamps)) < len(stamps):
        found.doubt = "time stamps missing or repeated"
    elif stream.frames and len(stamps) != stream.frames:
        found.doubt = f"{len(stamps)} packets for {stream.frames} frames"
    elif len(stamps) < announced_by(container, stream, path):
        found.doubt = "it ends before its header says so"
    found.packets = len(stamps)
    start = start_of(container, stream) or 0.0
    found.times.extend(stamp * float(stream.time_base) - start for stamp in sorted(stamps))
