"""Settings of stage one."""

from dataclasses import dataclass

from data.settings import setting
from extract.decode import DECODERS


@dataclass(frozen=True)
class ExtractSettings:
    decoder: str = setting("auto", "decord, av (PyAV), or whichever of them decodes a file rightly", DECODERS)
    time_limit: float = setting(60.0, "seconds without a decoded clip after which a video is given up", low=1.0)
