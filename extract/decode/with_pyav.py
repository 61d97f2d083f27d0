"""PyAV, which reads what FFmpeg reads and goes on after a broken packet."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from stavad.extract.decode.source import CHUNK, Source, Undecodable


def open_pyav(path: Path) -> Source:
    container = open_container(path)
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"

    def frames():
        to_rgb = VideoReformatter()  # one for all frames: making one takes longer than a small frame
        with container:
            chunk, size = [], None
            for packet in demux(container):
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


def open_container(path: Path):
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise Undecodable(f"it is not a video that can be opened ({error.strerror})") from None
    if not container.streams.video or container.streams.video[0].codec_context is None:
        container.close()
        raise Undecodable("it has no video stream")
    return container


def demux(container) -> Iterator:
    """Packets of the first video stream; a broken end of the file ends them."""
    packets = container.demux(container.streams.video[0])
    while True:
        try:
            yield next(packets)
        except (StopIteration, av.FFmpegError):
            return
