"""Which of a file's streams is the video: never a cover, never a single picture beside a longer stream, and of several the largest."""

from collections.abc import Iterator
from pathlib import Path

import av

from stavad.extract.decode.source import Undecodable

PICTURES = ("attached_pic", "still_image", "timed_thumbnails")  # dispositions of what is no video
LOOKED_THROUGH = 2000  # packets, to tell a single picture from a stream
SEGMENT, SEARCHED = b"\x18\x53\x80\x67", 4096  # the element that holds all others, and the bytes in which it begins
FASTEST = 1000  # frames a second; what a file tells beyond is the tick of its clock
RAW = ("h264", "hevc", "m4v", "mpegvideo", "obu", "vvc")  # without time stamps: the rate is in the stream itself


def open_container(path: Path):
    """
    Raises:
        Undecodable: no video that can be opened.
        OSError: it may not be read, or its disk is gone.
    """
    with open(path, "rb") as file:  # what stands in the way of reading is no fault of the content
        file.read(1)
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise Undecodable(f"it is not a video that can be opened ({error.strerror})") from None
    except UnicodeError:
        raise Undecodable("its name is no UTF-8; rename it") from None
    if not _candidates(container):
        container.close()
        raise Undecodable("it has no video stream")
    return container


def video_stream(container, path: Path):
    """The stream to decode."""
    found = _candidates(container)
    if len(found) > 1:
        packets = _packets(path, [stream.index for stream in found])
        found = [stream for stream in found if packets[stream.index] > 1] or found
    return max(found, key=lambda stream: (stream.width * stream.height, -stream.index))


def _candidates(container) -> list:
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    films = [stream for stream in streams if not any(name in _dispositions(stream) for name in PICTURES)]
    return films or streams


def _dispositions(stream) -> str:
    return str(stream.disposition).lower()


def _packets(path: Path, indices: list[int]) -> dict[int, int]:
    """Of each stream, as far as it takes to tell them apart."""
    count = dict.fromkeys(indices, 0)
    with av.open(str(path)) as container:
        wanted = [stream for stream in container.streams.video if stream.index in count]
        for seen, packet in enumerate(demux(container, wanted)):
            count[packet.stream.index] += packet.size > 0
            if min(count.values()) > 1 or seen > LOOKED_THROUGH:
                break
    return count


def demux(container, streams) -> Iterator:
    """Packets; a broken end of the file ends them."""
    packets = container.demux(streams)
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.FFmpegError):
            return


def rate_of(container, stream) -> float:
    """Mean frame rate, 0.0 if unknown; of raw streams the one that their parameter sets tell."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    rate = next((rate for rate in rates if rate and rate < FASTEST), 0)
    if container.format.name in RAW and stream.codec_context.framerate:
        rate = stream.codec_context.framerate
    return float(rate or 0)


def announced_by(container, stream, path: Path) -> int:
    """Frames according to the header, 0 if it does not tell; of a Matroska file that was cut off by the duration that its header tells."""
    if stream.frames or "matroska" not in container.format.name or not container.duration or not _is_cut(path):
        return stream.frames
    lasts = (container.duration - max(0, container.start_time or 0)) / av.time_base
    return round(lasts * rate_of(container, stream))


def _is_cut(path: Path) -> bool:
    """Whether a Matroska file ends before its segment does (RFC 8794: an element's ID, then its size, in the first byte of which the highest bit tells its length)."""
    with open(path, "rb") as file:
        head = file.read(SEARCHED)
        end = file.seek(0, 2)
    at = head.find(SEGMENT) + len(SEGMENT)
    if at < len(SEGMENT) or at >= len(head) or not head[at]:
        return False
    length = 9 - head[at].bit_length()
    size = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    unknown = size == (1 << 7 * length) - 1
    return not unknown and at + length + size > end


def start_of(container, stream) -> float | None:
    """The time stamp in seconds at which the file begins, as `ffmpeg -ss` counts; None if unknown."""
    if container.start_time is not None:
        return container.start_time / av.time_base
    return float(stream.start_time * stream.time_base) if stream.start_time is not None else None


def about(container, stream) -> dict:
    """What tells recordings apart without a look at the picture."""
    tags = {key.lower(): value for key, value in {**container.metadata, **stream.metadata}.items()}
    recorder = next(
        (tags[key] for key in ("com.apple.quicktime.model", "model", "make", "encoder") if tags.get(key)), ""
    )
    return {
        "width": stream.width,
        "height": stream.height,
        "codec": stream.codec_context.name,
        "recorder": recorder[:80],
    }
