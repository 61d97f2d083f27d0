"""What a browser shows of a video: a small picture of a moment, the file itself, or an H.264 preview where it cannot play the file."""

import base64
import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO
from urllib.parse import quote

import av
import numpy as np
from PIL import Image

from stavad.data.files import fitting, written
from stavad.data.timing import Clock
from stavad.extract.decode import Undecodable, open_video

PLAYS = {".mp4": ("h264", "av1", "vp9"), ".m4v": ("h264",), ".mov": ("h264",), ".webm": ("vp8", "vp9", "av1")}
PIXELS = ("yuv420p", "yuvj420p")
PICTURE = (160, 90)  # of a list's row
HEIGHT = 360  # of a preview, at the most
SOUNDS = ("aac", "mp3", "mp3float", "ac3")  # that MP4 takes
TICKS = 1000  # of a preview's time stamps, a second


def plays(path: Path) -> bool:
    """Whether browsers play this file."""
    codecs = PLAYS.get(path.suffix.lower(), ())
    if not codecs or not path.is_file():
        return False
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return stream.codec_context.name.removeprefix("lib") in codecs and stream.codec_context.pix_fmt in PIXELS
    except (av.FFmpegError, IndexError, OSError):
        return False


def picture(source: Path, seconds: float, path: Path) -> bool:
    """Write the frame that the video shows after so many seconds as a small JPEG. Whether it could be done."""
    try:
        image = _at(source, seconds)
    except (av.FFmpegError, Undecodable, OSError, IndexError, StopIteration):
        return False
    return save_picture(image, path)


def save_picture(image: Image.Image, path: Path) -> bool:
    """As a small JPEG."""
    image.thumbnail((2 * PICTURE[0], 2 * PICTURE[1]))
    with written(path, "wb") as file:
        image.convert("RGB").save(file, "JPEG", quality=75)
    return True


def _at(source: Path, seconds: float) -> Image.Image:
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        begin = float((stream.start_time or 0) * stream.time_base)
        container.seek(int((begin + seconds) / stream.time_base), stream=stream)
        shown = None
        for frame in container.decode(stream):
            if frame.time is not None and frame.time - begin > seconds + 1e-3 and shown is not None:
                break
            shown = frame
        image = shown.to_image()
        return image.rotate(shown.rotation, expand=True) if getattr(shown, "rotation", 0) else image


def numbered(source: Path) -> Iterator[np.ndarray]:
    """Every frame (H, W, 3) of a video or a folder of images, by the decoder that stage one takes."""
    for chunk in open_video(source, "auto").frames:
        yield from chunk


class Writer:
    """An H.264 file that every browser plays, of RGB frames with their times.

    Args:
        file: to write into.
        size: width and height of the frames; odd ones lose a row or column.
        sound: a video whose sound is copied along, where MP4 takes it.
    """

    def __init__(self, file: IO[bytes], size: tuple[int, int], sound: Path | None = None, crf: int = 28):
        self.container = av.open(file, "w", format="mp4")
        self.stream = self.container.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        self.stream.width, self.stream.height = size[0] // 2 * 2, size[1] // 2 * 2
        self.stream.pix_fmt, self.stream.gop_size = "yuv420p", 25
        self.stream.time_base = self.stream.codec_context.time_base = Fraction(1, TICKS)
        self.last, self.sound, self.silenced = -1, None, ""
        self.source = av.open(str(sound)) if sound else None
        if self.source and self.source.streams.audio:
            heard = self.source.streams.audio[0]
            if heard.codec_context.name in SOUNDS:
                self.sound = self.container.add_stream_from_template(heard)
            else:
                self.silenced = heard.codec_context.name

    def add(self, image: np.ndarray, seconds: float) -> None:
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(image[: self.stream.height, : self.stream.width]), format="rgb24"
        )
        self.last = max(self.last + 1, round(seconds * TICKS))
        frame.pts, frame.time_base = self.last, Fraction(1, TICKS)
        self.container.mux(self.stream.encode(frame))

    def close(self) -> None:
        self.container.mux(self.stream.encode())
        if self.sound:
            for packet in self.source.demux(self.source.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = self.sound
                    self.container.mux(packet)
        self.container.close()
        if self.source:
            self.source.close()


def preview(source: Path, clock: Clock, peak: int, video: Path, still: Path) -> None:
    """A small H.264 copy of a video or folder of images with the same times, and the picture of frame `peak`.

    Raises:
        Undecodable, OSError, av.FFmpegError: it cannot be read again.
        UserError: it cannot be written.
    """
    with written(video, "w+b") as file:
        writer = None
        for number, frame in enumerate(numbered(source), 1):
            height, width = frame.shape[:2]
            scale = min(1.0, HEIGHT / height)
            size = max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
            image = Image.fromarray(frame)
            if writer is None:
                writer = Writer(file, size)
            writer.add(np.asarray(image.resize(size, Image.Resampling.BOX)), seconds_of(clock, number))
            if number == peak:
                save_picture(image, still)
        if writer is None:
            raise Undecodable("no frame of it can be decoded")
        writer.close()


def seconds_of(clock: Clock, frame: int) -> float:
    """When a frame is shown; of unknown rate as of 25 a second."""
    if clock.times is None and not clock.fps > 0:
        return (frame - 1) / 25
    found = clock.seconds(frame)
    return found if math.isfinite(found) else 0.0


def show(
    id: str, source: Path, clock: Clock, peak: int, folder: Path, embed: bool, note: Callable[[str], None]
) -> dict:
    """What the page needs to show a video: `src`, `thumb`, and `missing`, why there is nothing to see.

    Files are made once, in `previews/` and `pictures/` of `folder`.
    """
    if not str(source) or not source.exists():
        return {"src": "", "thumb": "", "missing": f"{source.name or id} is not where its features were made from it"}
    still = folder / "pictures" / fitting(id, ".jpg")
    shown = source if plays(source) else folder / "previews" / fitting(id, ".mp4")
    try:
        if shown is source:
            still.exists() or picture(source, seconds_of(clock, peak), still)
        elif not shown.exists():
            preview(source, clock, peak, shown, still)
    except (Undecodable, av.FFmpegError) as error:
        return {"src": "", "thumb": "", "missing": f"it cannot be decoded again ({error})"}
    return {"src": _address(shown, folder, embed), "thumb": _address(still, folder, embed) if still.exists() else "", "missing": ""}  # fmt: skip


def _address(path: Path, folder: Path, embed: bool) -> str:
    if embed:
        kind = "image/jpeg" if path.suffix == ".jpg" else "video/webm" if path.suffix == ".webm" else "video/mp4"
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    try:
        return quote(Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix())
    except ValueError:  # on another drive
        return path.resolve().as_uri()
