"""From a file to RGB frames at native size: decord and PyAV behind one interface, and folders of images.

decord is silently wrong on some files (frames lost and repeated in MPEG-TS and under edit lists) and stops at the first corrupt packet.
`auto` reads the packets' time stamps first and leaves such files to PyAV, which is right on all that we tested; so it does with long
ones, since decord's memory grows with their length (a minute of 1080p took 6.7 GB, PyAV 0.4 GB).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image, UnidentifiedImageError

from data.catalogue import IMAGE_SUFFIXES

try:
    import decord
except ImportError:  # no wheels for this platform, such as aarch64
    decord = None

DECODERS = ("auto", "decord", "av")
CHUNK = 16  # frames handed on at a time
SIGN_OF_LIFE = 5000  # packets
DECORD_HOLDS = 2**29  # bytes of frames that a file given to decord may have: it reads ahead without bound


class Undecodable(Exception):
    """The reason, in words, why a file gives no (further) frames."""


@dataclass
class Source:
    """An opened video."""

    decoder: str  # name and version, or why `auto` chose it
    announced: int  # frames according to the header: a hint, 0 if unknown
    fps: float  # 0.0 if unknown
    frames: Iterator[np.ndarray]  # (up to CHUNK, H, W, 3) uint8 RGB; all of one size
    skipped: int = 0  # packets that could not be decoded, known at the end


def open_video(path: Path, decoder: str = "auto", alive: Callable[[], None] = lambda: None) -> Source:
    """Open a file or a folder of images.

    Args:
        decoder: "decord", "av", or "auto", which takes decord for files that it decodes rightly.
        alive: called now and then while a long file is looked through.

    Raises:
        Undecodable: not a video, or not one that this decoder opens. Reading `frames` may raise it too.
    """
    path = Path(path)
    if path.is_dir():
        return _open_images(path)
    if path.stat().st_size == 0:
        raise Undecodable("the file is empty")
    if decoder == "av":
        return _open_av(path)
    if decoder == "decord":
        return _open_decord(path)
    doubt, packets = _survey(path, alive)
    if not doubt:
        try:
            return _open_decord(path, expected=packets)
        except Undecodable as error:
            doubt = str(error)
    source = _open_av(path)
    source.decoder += f" ({doubt})"
    return source


def _survey(path: Path, alive: Callable[[], None]) -> tuple[str, int]:
    """Why decord may be wrong on this file (empty if there is no reason to think so), and its number of packets."""
    if decord is None:
        return "no decord on this platform", 0
    with _container(path) as container:
        if container.format.name == "mpegts":
            return "MPEG-TS", 0
        size = 3 * container.streams.video[0].width * container.streams.video[0].height
        stamps = []
        for packet in _demux(container):
            if not packet.size:
                continue
            if packet.is_corrupt:
                return "corrupt packets", 0
            if packet.is_discard:
                return "edit list", 0
            stamps.append(packet.pts)
            if len(stamps) * size > DECORD_HOLDS:
                return "too long for the memory that decord takes", 0
            if len(stamps) % SIGN_OF_LIFE == 0:
                alive()
        if None in stamps or len(set(stamps)) < len(stamps):
            return "time stamps missing or repeated", 0
        return "", len(stamps)


def _open_decord(path: Path, expected: int | None = None) -> Source:
    if decord is None:
        raise Undecodable("decord is not installed here; use --decoder av")
    try:
        reader = decord.VideoReader(str(path))
        stamps = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    except Exception as error:  # decord raises its own classes, and plain RuntimeError
        raise Undecodable(f"decord does not open it ({_first_line(error)})") from None
    if expected is not None and len(reader) != expected:
        raise Undecodable(f"decord sees {len(reader)} of {expected} frames")
    if expected is not None and (np.diff(stamps) <= 0).any():
        raise Undecodable("decord repeats time stamps")

    def frames():
        for start in range(0, len(reader), CHUNK):
            try:
                yield reader.get_batch(range(start, min(start + CHUNK, len(reader)))).asnumpy()
            except Exception as error:
                raise Undecodable(f"decord stops after {start} frames ({_first_line(error)})") from None

    return Source(f"decord {decord.__version__}", len(reader), float(reader.get_avg_fps()), frames())


def _open_av(path: Path) -> Source:
    container = _container(path)
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"

    def frames():
        to_rgb = VideoReformatter()  # one for all frames: making one takes longer than a small frame
        with container:
            chunk, size = [], None
            for packet in _demux(container):
                try:
                    decoded = packet.decode()
                except av.FFmpegError:
                    source.skipped += 1
                    continue
                for frame in decoded:
                    size = size or (frame.width, frame.height)  # a later change of size is scaled back to the first
                    image = to_rgb.reformat(frame, *size, format="rgb24").to_ndarray()
                    chunk.append(np.rot90(image, frame.rotation // 90) if frame.rotation else image)
                    if len(chunk) == CHUNK:
                        yield np.stack(chunk)
                        chunk = []
            if chunk:
                yield np.stack(chunk)

    fps = float(stream.average_rate or 0)
    source = Source(f"av {av.__version__}", stream.frames, fps, frames())
    return source


def _container(path: Path):
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise Undecodable(f"it is not a video that can be opened ({error.strerror})") from None
    if not container.streams.video or container.streams.video[0].codec_context is None:
        container.close()
        raise Undecodable("it has no video stream")
    return container


def _demux(container) -> Iterator:
    """Packets of the first video stream; a broken end of the file ends them."""
    packets = container.demux(container.streams.video[0])
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.FFmpegError):
            return


def _open_images(path: Path) -> Source:
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
        raise Undecodable(f"{path.name} cannot be read ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:120]
