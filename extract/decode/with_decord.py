"""decord, the decoder of the paper's time: quick, and right on most files."""

from pathlib import Path

import numpy as np

from stavad.extract.decode.source import CHUNK, Source, Undecodable, first_line

try:
    import decord
except ImportError:  # no wheels for this platform, such as aarch64
    decord = None


def open_decord(path: Path, expected: int | None = None) -> Source:
    if decord is None:
        raise Undecodable("decord is not installed here; use --decoder av")
    try:
        reader = decord.VideoReader(str(path))
        stamps = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    except Exception as error:  # decord raises its own classes, and plain RuntimeError
        raise Undecodable(f"decord does not open it ({first_line(error)})") from None
    if expected is not None and len(reader) != expected:
        raise Undecodable(f"decord sees {len(reader)} of {expected} frames")
    if expected is not None and (np.diff(stamps) <= 0).any():
        raise Undecodable("decord repeats time stamps")

    def frames():
        for start in range(0, len(reader), CHUNK):
            try:
                yield reader.get_batch(range(start, min(start + CHUNK, len(reader)))).asnumpy()
            except Exception as error:
                raise Undecodable(f"decord stops after {start} frames ({first_line(error)})") from None

    return Source(f"decord {decord.__version__}", len(reader), float(reader.get_avg_fps()), frames())
