"""The presets without a download, and how many live cameras they keep up with.

    python -m benchmarks.embedded [--before FOLDER] [--presets NAME ..]

Extraction into a store of rendered videos, decoding included, from the moment the first one is opened: clips of 16 frames a second, how many times
those of the first row in this run, and cameras of 30 frames a second. As many videos as there are cores, so that each has one to decode; at
two sizes, by torch and by ONNX Runtime, beside the decoder alone (luma, one process a core). With --before the first row is `efficientnet-lite0` by the
code of commit 8fe596e.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.before import module
from stavad.extract.clips import to_clips
from stavad.extract.decode import open_video
from stavad.pipeline.street import scene

SIZES = ((320, 240), (1280, 720))
CLIPS = {"efficientnet-lite0": 18, "motion-lite0": 180, "motion": 600}  # of a video of 320 x 240; fewer of larger ones
OURS = lambda name: import_module(f"stavad.{name}")  # noqa: E731
RATE = 30  # frames a second of a camera


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="FOLDER", default="", help="of commit 8fe596e")
    parser.add_argument("--presets", nargs="*", default=list(CLIPS), choices=list(CLIPS))
    flags = parser.parse_args()
    rows = [(name, "torch", OURS, {}) for name in flags.presets]
    if "motion-lite0" in flags.presets:
        quick = {"runtime": "onnxruntime"}
        rows.insert(flags.presets.index("motion-lite0") + 1, ("motion-lite0", "onnxruntime", OURS, quick))
    if flags.before:
        rows.insert(0, ("efficientnet-lite0", "8fe596e", partial(module, flags.before), {}))
    cores = torch.get_num_threads()
    print(f"torch {torch.__version__}, {cores} threads")
    print(f"{'':44}{'clips/s':>10}{'times':>8}{'cameras':>10}")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            first = 0.0
            for name, how, package, settings in rows:
                frames = 16 * CLIPS[name] * SIZES[0][1] // size[1]
                paths = [rendered(Path(folder), size, frames, number) for number in range(cores)]
                speed = extraction(name, paths, Path(folder, name, how), package, settings)
                first = first or speed
                shown(name, how, size, speed, first)
            shown("decoder alone", "", size, decoding(paths), first)


def shown(name: str, how: str, size: tuple[int, int], speed: float, first: float) -> None:
    print(f"{name:20}{how:12}{size[0]:>6} x {size[1]:<4}{speed:>8.1f}{speed / first:>8.1f}{16 * speed / RATE:>10.1f}", flush=True)  # fmt: skip


def extraction(name: str, paths: list[Path], folder: Path, package: Callable, settings: dict) -> float:
    """Clips a second, by the modules that `package` gives, with `settings` of its extraction."""
    run, store, catalogue = package("extract.run"), package("data.store").Store(folder), package("data.catalogue")
    asked = package("extract.settings").ExtractSettings(**settings)
    begun = []

    class Opened(run.Progress):
        def video(self, *arguments):
            begun.append(time.perf_counter())

    made = run.Extraction(package("extract.presets").PRESETS[name](), store, asked, torch.device("cpu"))
    outcome = made.run([catalogue.Video(f"{number}", path) for number, path in enumerate(paths)], Opened())
    return outcome.clips / (time.perf_counter() - begun[0])


def decoding(paths: list[Path]) -> float:
    """Clips a second of processes that do nothing else."""
    with multiprocessing.get_context("spawn").Pool(len(paths)) as pool:
        pool.map(decoded, paths)  # imports
        begun = time.perf_counter()
        clips = sum(pool.map(decoded, paths))
        return clips / (time.perf_counter() - begun)


def decoded(path: Path) -> int:
    return sum(1 for _ in to_clips(open_video(path, luma=True).frames))


def rendered(folder: Path, size: tuple[int, int], frames: int, seed: int) -> Path:
    """A street-camera video: 160 frames rendered, shown over and over, scaled to the size."""
    path = folder / f"{size[0]}-{frames}-{seed}.mp4"
    pictures = [np.asarray(image.resize(size)) for image in scene(160, "", (), np.random.default_rng(seed))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pictures[number % len(pictures)], format="rgb24")))
        container.mux(stream.encode())
    return path


if __name__ == "__main__":
    main()
