"""PyAV, which reads what FFmpeg reads and goes on after a broken packet; what is missing then is counted."""

import array
import math
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from stavad.extract.decode.source import Source, chunk_of
from stavad.extract.decode.streams import about, announced_by, demux, open_container, rate_of, start_of, video_stream

NO_STAMP = -(2**63)
HIDDEN = ("vp8", "libvpx")  # codecs with packets that are never shown
FIELDS = 1.9  # packets for each frame, from which on they are the fields of interlaced frames


def open_pyav(path: Path, luma: bool = False) -> Source:
    """
    Args:
        luma: frames of luma alone, (H, W, 1).

    Raises:
        Undecodable, OSError: as `open_container`.
    """
    container = open_container(path)
    stream = video_stream(container, path)
    stream.thread_type = "AUTO"
    ledger, announced = _Ledger(), announced_by(container, stream, path)

    def frames():
        to_rgb = VideoReformatter()  # one for all frames: making one takes longer than a small frame
        start = start_of(container, stream)
        with container:
            chunk, size = [], None
            for packet in demux(container, stream):
                ledger.read(packet)
                try:
                    decoded = packet.decode()
                except av.FFmpegError:
                    ledger.broken(max(0, stream.codec_context.thread_count - 1))
                    continue
                for frame in decoded:
                    ledger.show(frame)
                    start = frame.time if start is None else start
                    source.times.append(math.nan if frame.time is None else frame.time - (start or 0.0))
                    size = size or (frame.width, frame.height)  # a later change of size is scaled back to the first
                    image = to_rgb.reformat(frame, *size, format="gray" if luma else "rgb24").to_ndarray()
                    image = image[..., None] if luma else image
                    chunk.append(np.rot90(image, frame.rotation // 90) if frame.rotation else image)
                    if len(chunk) == chunk_of(*size):
                        yield np.stack(chunk)
                        chunk = []
            if chunk:
                yield np.stack(chunk)
            step = 1 / float(stream.average_rate * stream.time_base) if stream.average_rate else 0.0
            source.lost, source.loss = ledger.loss(announced, stream.codec_context.name, step)

    of = about(container, stream)
    source = Source(f"av {av.__version__}", stream.frames, rate_of(container, stream), frames(), stream.index, of)
    return source


class _Ledger:
    """Packets read against frames shown."""

    def __init__(self):
        self.packets, self.shown, self.spoilt = (array.array("q") for _ in range(3))  # time stamps
        self.keys = bytearray()  # of the packets: whether a group of pictures begins
        self.first: int | None = None  # time stamp of the first key frame
        self.left_out = 0  # packets that an edit list leaves out
        self.in_doubt = self.interlaced = False

    def read(self, packet) -> None:
        stamp = NO_STAMP if packet.pts is None else packet.pts
        if not packet.size:
            return
        if self.first is None and packet.is_keyframe:
            self.first = stamp
        leading = self.first is not None and stamp < self.first  # it builds on what was cut off
        if packet.is_discard and not leading:
            self.left_out += 1
            return
        self.packets.append(stamp)
        self.keys.append(packet.is_keyframe)
        self.in_doubt = (self.in_doubt and not packet.is_keyframe) or packet.is_corrupt
        if self.in_doubt:
            self.spoilt.append(stamp)

    def broken(self, delay: int) -> None:
        """A packet is: from it to the next key frame everything is in doubt.

        Args:
            delay: packets by which the decoder tells it too late, as it works on several at once.
        """
        first = max(0, len(self.packets) - 1 - delay)
        for place in range(first, len(self.packets)):
            self.in_doubt = place == first or (self.in_doubt and not self.keys[place])
            if self.in_doubt:
                self.spoilt.append(self.packets[place])

    def show(self, frame) -> None:
        self.shown.append(NO_STAMP if frame.pts is None else frame.pts)
        if frame.is_corrupt:
            self.spoilt.append(self.shown[-1])
        self.interlaced |= bool(frame.interlaced_frame)

    def loss(self, announced: int, codec: str, step: float) -> tuple[int, str]:
        """How many frames are missing or damaged, and the same in words with the place; (0, "") if none is.

        Args:
            announced: frames according to the header.
            step: of time stamps from one frame to the next, 0 if unknown.
        """
        packets, shown, spoilt = (np.frombuffer(a, np.int64) for a in (self.packets, self.shown, self.spoilt))
        hidden = codec.startswith(HIDDEN) or (self.interlaced and len(packets) >= FIELDS * len(shown))
        inside = 0 if hidden else max(0, len(packets) - len(shown))
        absent = np.setdiff1d(packets, shown) if inside else packets[:0]
        lasts = round((int(shown.max()) - int(shown.min())) / step) + 1 if step and len(shown) else 0
        promised = 0 if self.left_out else max(0, announced - max(len(shown) + inside, lasts))
        affected = max(inside, len(np.union1d(absent, spoilt))) + promised
        if not affected:
            return 0, ""
        parts = [f"{affected} of {len(shown) + inside + promised} frames are missing or damaged"]
        if inside + promised:
            parts.append(f"{inside + promised} of them not shown")
        if len(absent):
            before = int(np.searchsorted(np.unique(shown), absent[0]))
            parts.append(f"the first after frame {before}" if before else "from the beginning on")
            parts.append("so that numbers of frames and intervals after it no longer fit")
        elif promised:
            parts.append("its end is missing")
        return affected, ", ".join(parts)
