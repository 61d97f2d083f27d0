"""What a browser shows of a video: a small picture of a moment, the file itself, or an H.264 preview where it cannot play the file."""

import base64
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO
from urllib.parse import quote

import av
import numpy as np
from PIL import Image

from stavad.data.files import fitting, short, written
from stavad.data.identity import stamp_of
from stavad.data.timing import Clock
from stavad.evaluate.events import FPS
from stavad.extract.decode import Undecodable, open_video

PLAYS = {".mp4": ("h264", "av1", "vp9"), ".m4v": ("h264",), ".mov": ("h264",), ".webm": ("vp8", "vp9", "av1")}
KINDS = {".jpg": "image/jpeg", ".png": "image/png", ".webm": "video/webm"}  # of what goes into the page; else MP4
PIXELS = ("yuv420p", "yuvj420p")
PICTURE = (160, 90)  # of a list's row
HEIGHT = 360  # of a preview, at the most
SOUNDS = ("aac", "mp3", "mp3float", "ac3")  # that MP4 takes
FORM = 2  # of a preview; another is made where it was an earlier one
TICKS = 1000  # of a preview's time stamps, a second


def plays(path: Path, even: bool = True) -> bool:
    """Whether browsers play this file, and show the frame of a moment that they are asked for.

    Args:
        even: its frames are equally long. MP4 tells how long a frame lasts by the next one stored; where that is not the next one
            shown (B-frames) and times are uneven, Chromium shows the frame before or after.
    """
    codecs = PLAYS.get(path.suffix.lower(), ())
    if not codecs or not path.is_file():
        return False
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context
            in_order = even or not codec.has_b_frames
            return codec.name.removeprefix("lib") in codecs and codec.pix_fmt in PIXELS and in_order
    except (av.FFmpegError, IndexError, OSError):
        return False


def save_picture(image: Image.Image, path: Path) -> None:
    """As a small JPEG."""
    image.thumbnail((2 * PICTURE[0], 2 * PICTURE[1]))
    with written(path, "wb") as file:
        image.convert("RGB").save(file, "JPEG", quality=75)


def frame_at(source: Path, seconds: float) -> Image.Image:
    """The frame that a file shows after so many seconds.

    Raises:
        av.FFmpegError, IndexError: it cannot be decoded.
    """
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        begin = float((stream.start_time or 0) * stream.time_base)
        container.seek(int((begin + seconds) / stream.time_base), stream=stream)
        shown = None
        for frame in container.decode(stream):
            if frame.time is not None and frame.time - begin > seconds + 1e-3 and shown is not None:
                break
            shown = frame
        if shown is None:
            raise IndexError("no frame is shown then")
        image = shown.to_image()
        return image.rotate(shown.rotation, expand=True) if getattr(shown, "rotation", 0) else image


def numbered(source: Path) -> Iterator[np.ndarray]:
    """Every frame (H, W, 3) of a video or a folder of images, by PyAV, which goes on after what it cannot decode."""
    for chunk in open_video(source, "av").frames:
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
        self.stream = self.container.add_stream(
            "libx264", rate=25, options={"crf": str(crf), "preset": "veryfast", "bf": "0"}
        )
        self.stream.width, self.stream.height = size[0] // 2 * 2, size[1] // 2 * 2
        self.stream.pix_fmt, self.stream.gop_size = "yuv420p", 25
        self.stream.time_base = self.stream.codec_context.time_base = Fraction(1, TICKS)
        self.last, self.sound, self.silenced, self.begin = -1, None, "", 0.0
        self.source = av.open(str(sound)) if sound else None
        if self.source and self.source.streams.audio:
            heard = self.source.streams.audio[0]
            seen = self.source.streams.video[0]
            self.begin = float((seen.start_time or 0) * seen.time_base)
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
                    early = round(self.begin / packet.time_base)  # the picture begins at 0
                    packet.pts, packet.dts = packet.pts - early, packet.dts - early
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
        return (frame - 1) / FPS
    found = clock.seconds(frame)
    return found if math.isfinite(found) else 0.0


def show(id: str, source: str, clock: Clock, peak: int, folder: Path, embed: bool) -> dict[str, str]:
    """What the page needs to show a video: `src`, `thumb`, and `missing`, why there is nothing to see.

    Files are made once for each state of the video and peak, in `previews/` and `pictures/` of `folder`.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    path = Path(source)
    if not source:
        return _nothing("its features came without the video")
    if not path.exists():
        return _nothing(f"{path.name} is not where its features were made from it")
    state = stamp_of(path)
    still = folder / "pictures" / fitting(id, f".{short(f'{state} {peak}')}.jpg")
    shown = (
        path
        if plays(path, clock.times is None)
        else folder / "previews" / fitting(id, f".{short(f'{state} {FORM}')}.mp4")
    )
    try:
        if shown is not path and not (shown.exists() and still.exists()):
            preview(path, clock, peak, shown, still)
        elif not still.exists():
            save_picture(frame_at(path, seconds_of(clock, peak)), still)
    except (Undecodable, av.FFmpegError, IndexError) as error:
        if shown is not path:
            return _nothing(f"it cannot be decoded again ({error})")
    return {"src": address(shown, folder, embed), "thumb": address(still, folder, embed) if still.exists() else "", "missing": ""}  # fmt: skip


def _nothing(why: str) -> dict[str, str]:
    return {"src": "", "thumb": "", "missing": f"The video cannot be shown: {why}. The curve stays."}


def address(path: Path, folder: Path, embed: bool) -> str:
    """Where the page finds a file: relative to `folder`, or the file itself."""
    if embed:
        kind = KINDS.get(path.suffix, "video/mp4")
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
    try:
        return quote(Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix())
    except ValueError:  # on another drive
        return path.resolve().as_uri()
