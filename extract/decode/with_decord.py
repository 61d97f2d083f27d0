"""decord, the decoder of the paper's time: quick, and right on most files."""

from pathlib import Path

import numpy as np

from stavad.extract.decode.source import Source, Undecodable, chunk_of, first_line

try:
    import decord
except ImportError:  # no wheels for this platform, such as aarch64
    decord = None


def open_decord(path: Path, survey) -> Source:
    """
    Args:
        survey: of the file's packets, which the frames are held against.

    Raises:
        Undecodable: it does not open it, or sees other frames than there are packets.
    """
    if decord is None:
        raise Undecodable("decord is not installed here; use --decoder av")
    try:
        reader = decord.VideoReader(str(path))
        stamps = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    except Exception as error:  # decord raises its own classes, and plain RuntimeError
        raise Undecodable(f"decord does not open it ({first_line(error)})") from None
    if survey.packets and len(reader) != survey.packets:
        raise Undecodable(f"decord sees {len(reader)} of {survey.packets} frames")
    if (np.diff(stamps) <= 0).any():
        raise Undecodable("decord repeats time stamps")

    def frames():
        step = chunk_of(survey.about["width"], survey.about["height"])
        for start in range(0, len(reader), step):
            try:
                yield reader.get_batch(range(start, min(start + step, len(reader)))).asnumpy()
            except Exception as error:
                raise Undecodable(f"decord stops after {start} frames ({first_line(error)})") from None

    source = Source(f"decord {decord.__version__}", len(reader), survey.fps, frames(), survey.stream, survey.about)
    source.times = survey.times
    return source
