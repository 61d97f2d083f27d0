"""What other pictures do to the presets without a download: UCSD Ped2 encoded, sampled, and spoilt otherwise.

    python -m benchmarks.stress DATA --work DIR [--draws N] [--presets NAME ..]

DATA is the folder with Ped2's videos and annotation. Of each condition and preset frame AUC / abnormal only of the test part, the mean over the draws
of the paper's protocol (the paper's recipe, 480 steps): trained on the videos as they are and tested on the spoilt ones, and trained and tested
on spoilt ones. Nothing is chosen by these figures. Videos, features and results are kept in DIR, so that a run that is broken off goes on.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from benchmarks.presets import PRESETS, cases
from stavad.data.files import written
from stavad.data.layouts import read_catalogue
from stavad.data.store import Store
from stavad.evaluate.counted import Counted
from stavad.evaluate.metrics.frame_auc import auc, auc_abnormal
from stavad.evaluate.reproduction.measure import tested
from stavad.evaluate.settings import ScoringSettings
from stavad.extract.decode import open_video
from stavad.extract.folder import extract_features
from stavad.train.settings import TrainSettings

RATE = 10  # frames a second of Ped2
PLAIN = "as they are"
Frames = Iterator[np.ndarray]  # (H, W, 3) uint8


@dataclasses.dataclass(frozen=True)
class Condition:
    """A video is shown otherwise."""

    spoil: Callable[[Frames, np.random.Generator], Frames] = lambda frames, rng: frames
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (("crf", "8"), ("preset", "veryfast"))  # nearly without loss
    every: int = 1  # so many frames one is kept


def noise(frames: Frames, rng) -> Frames:
    """Night: half the light, and Gaussian noise of 12 grey levels."""
    for frame in frames:
        yield np.clip(frame * 0.5 + rng.normal(0, 12, (*frame.shape[:2], 1)), 0, 255).astype(np.uint8)


def shake(pixels: int) -> Callable[[Frames, np.random.Generator], Frames]:
    """Each frame is moved by up to so many pixels either way."""

    def moved(frames: Frames, rng) -> Frames:
        for frame in frames:
            by = np.float32([[1, 0, rng.uniform(-pixels, pixels)], [0, 1, rng.uniform(-pixels, pixels)]])
            yield cv2.warpAffine(frame, by, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    return moved


def light(frames: Frames, rng) -> Frames:
    """From some frame on six tenths of the light, and after a while all of it again."""
    begin, length = rng.integers(20, 60), rng.integers(20, 60)
    for number, frame in enumerate(frames):
        yield (frame * 0.6).astype(np.uint8) if begin <= number < begin + length else frame


def rain(frames: Frames, rng) -> Frames:
    """Three hundred streaks, elsewhere in each frame."""
    for frame in frames:
        drawn = frame.copy()
        for x, y, length in zip(rng.integers(0, frame.shape[1], 300), rng.integers(0, frame.shape[0], 300), rng.integers(6, 16, 300)):  # fmt: skip
            cv2.line(drawn, (int(x), int(y)), (int(x) + 2, int(y + length)), (200, 200, 200), 1)
        yield cv2.addWeighted(frame, 0.6, drawn, 0.4, 0)


CONDITIONS = {
    PLAIN: Condition(),
    "H.264, crf 23": Condition(options=(("crf", "23"), ("preset", "veryfast"))),
    "H.264, crf 28": Condition(options=(("crf", "28"), ("preset", "veryfast"))),
    "H.264, crf 35": Condition(options=(("crf", "35"), ("preset", "veryfast"))),
    "MPEG-4 Part 2": Condition(codec="mpeg4", options=(("qmin", "8"), ("qmax", "8"))),
    "half the frames": Condition(every=2),
    "a third of the frames": Condition(every=3),
    "night": Condition(noise),
    "shaken by 1 pixel": Condition(shake(1)),
    "shaken by 3 pixels": Condition(shake(3)),
    "light changes": Condition(light),
    "rain": Condition(rain),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    flags = parser.parse_args()
    videos, _ = read_catalogue(flags.data / "videos")
    for name, condition in CONDITIONS.items():
        folder = flags.work / name
        for number, video in enumerate(videos):
            spoilt(video.path, folder / "videos" / f"{video.id}.mkv", condition, np.random.default_rng(number))
        for preset in flags.presets:
            extract_features(folder / "videos", folder, preset, note=lambda line: None)
    every = [(flags.work, videos, name, preset, number) for name in CONDITIONS for preset in flags.presets for number in range(flags.draws)]  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        results = dict(zip([one[2:] for one in every], pool.imap(measured, every)))
    for place, how in enumerate(("trained on the videos as they are", "trained on spoilt ones")):
        print(f"\n{how:36}" + "".join(f"{preset:>22}" for preset in flags.presets))
        for name in CONDITIONS:
            means = [np.mean([results[name, preset, n][place] for n in range(flags.draws)], 0) for preset in flags.presets]  # fmt: skip
            print(f"  {name:34}" + "".join(f"{f'{a:.3f} / {b:.3f}':>22}" for a, b in means), flush=True)


def spoilt(source: Path, path: Path, condition: Condition, rng) -> None:
    if path.exists():
        return
    every = (frame for chunk in open_video(source, "av").frames for frame in chunk)
    with written(path, "w+b") as file, av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(condition.codec, rate=RATE, options=dict(condition.options))
        for number, frame in enumerate(condition.spoil(every, rng)):
            if number % condition.every == 0:
                if not number:
                    stream.width, stream.height, stream.pix_fmt = frame.shape[1], frame.shape[0], "yuv420p"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def measured(one) -> list[list[float]]:
    """Frame AUC and abnormal only, trained on the videos as they are and on spoilt ones."""
    work, videos, name, preset, number = one
    kept = work / name / f"{preset} {number}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    torch.set_num_threads(1)
    split = cases("ped2", videos, number)
    ids = [video.id for video in videos]
    plain, other = (dict(Store(work / of / "features" / preset).read_all(ids)) for of in (PLAIN, name))
    every = CONDITIONS[name].every
    sampled = [dataclasses.replace(v, intervals=tuple((-(-(a - 1) // every) + 1, (b - 1) // every + 1) for a, b in v.intervals), frames=None) for v in split]  # fmt: skip
    settings = TrainSettings(seed=number)
    found = []
    for train in (plain, other):
        stored = {v.id: (train if v.split == "train" else other)[v.id] for v in split}
        scored = Counted(tested(sampled, stored, settings, ScoringSettings(), torch.device("cpu")))
        found.append([auc(scored), auc_abnormal(scored)])
    with written(kept) as file:
        json.dump(found, file)
    return found


if __name__ == "__main__":
    main()
