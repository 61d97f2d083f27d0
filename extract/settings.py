"""Settings of stage one."""

from dataclasses import dataclass
from typing import ClassVar

from stavad.data.settings import setting
from stavad.extract.decode import DECODERS


@dataclass(frozen=True)
class DecodeSettings:
    TITLE: ClassVar = "decoding"

    decoder: str = setting("auto", "decord, av (PyAV), or whichever of them decodes a file rightly", DECODERS)
    time_limit: float = setting(
        60.0, "seconds without a decoded clip after which a video is given up", low=1.0, shown="SECONDS"
    )
    at_once: int = setting(32, "clips, times their crops, that a GPU works on at once; halved where its memory is too small", low=1)  # fmt: skip
    runtime: str = setting("torch", "what computes the backbone; onnxruntime, an extra, is faster on a CPU", ("torch", "onnxruntime"))  # fmt: skip


@dataclass(frozen=True)
class ExtractSettings(DecodeSettings):
    TITLE: ClassVar = "extraction"

    precision: str = setting("fp32", "of the backbone; bf16 is refused where it changes the features", ("fp32", "bf16"))
    shard: str = setting(
        "", "i/n: every n-th video from the i-th on, for n jobs that share the work (default: all)", shown="I/N"
    )
    ray: str = setting(
        "",
        "address of a Ray cluster to share the work: auto, or HOST:PORT (default: this machine alone)",
        shown="ADDRESS",
    )
