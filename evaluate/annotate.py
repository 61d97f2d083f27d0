"""A copy of a video with its score and its events drawn in."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from stavad.data.errors import UserError
from stavad.data.files import written
from stavad.evaluate.page.media import Writer, numbered, seconds_of
from stavad.evaluate.timeline import Timeline
from stavad.extract.decode import Undecodable

BAR = 12  # of a hundred: height of the strip below the picture
SCORE, EVENT, BACK = (0, 114, 178), (213, 94, 0), (20, 23, 27)


def annotate(one: Timeline, threshold: float | None, path: Path, note: Callable[[str], None]) -> None:
    """Write it as H.264, in one pass; sound is copied where MP4 takes it.

    Args:
        note: told where it cannot be written, or the sound is left out.
    """
    source = Path(one.scored.source)
    inside = np.zeros(len(one.scored.scores) + 1, bool)
    for event in one.events:
        inside[event.start - 1 : event.end] = threshold is not None
    try:
        with written(path, "w+b") as file:
            writer = None
            for place, frame in enumerate(numbered(source)):
                height, width = frame.shape[:2]
                strip = max(8, height * BAR // 100)
                if writer is None:
                    writer = Writer(file, (width, height + strip), source if source.is_file() else None, crf=23)
                score = float(one.scored.scores[min(place, len(one.scored.scores) - 1)])
                below = _strip(width, strip, score, threshold, bool(inside[min(place, len(inside) - 1)]))
                shown = frame
                if inside[min(place, len(inside) - 1)]:
                    shown = frame.copy()
                    shown[:4] = shown[-4:] = shown[:, :4] = shown[:, -4:] = EVENT
                writer.add(np.concatenate([shown, below]), seconds_of(one.clock, place + 1))
            if writer is None:
                raise Undecodable("no frame of it can be decoded")
            writer.close()
        if writer.silenced:
            note(f"note: {path.name} has no sound: MP4 does not take {writer.silenced}")
    except (Undecodable, av.FFmpegError, OSError, UserError) as error:
        note(f"note: no annotated copy of {one.scored.video.id}: {error}")


def _strip(width: int, height: int, score: float, threshold: float | None, alarm: bool) -> np.ndarray:
    """(height, width, 3): the score as a bar, the threshold as a line, both as numbers."""
    image = Image.new("RGB", (width, height), BACK)
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 0, round(score * (width - 1)), height - 1], fill=EVENT if alarm else SCORE)
    if threshold is not None:
        at = round(threshold * (width - 1))
        draw.line([at, 0, at, height], fill=(230, 159, 0), width=2)
    draw.text((4, height // 2), f"{score:.2f}{'  event' if alarm else ''}", fill=(255, 255, 255), anchor="lm")
    return np.asarray(image)
