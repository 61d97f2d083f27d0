"""The presets without a download against each other: differences in pairs of the same training.

    python -m benchmarks.presets ped2|fights --work DIR [--draws N] [--seeds N] [--presets NAME ..] [--recipes NAME ..]

DIR holds the features of every preset. `ped2`: the draws of the paper's protocol. `fights`: halves of each class to train on. Cross-fitting inside
each training part gives the figures that may choose; the test part, read beside them, is chosen by nothing here. Of each recipe and preset the mean
over the draws, each the mean of its seeds; after it the difference to the first preset on the same draws and seeds, and its standard error over
the draws (they overlap, so it is somewhat too small). As many trainings at a time as there are cores; each is kept in DIR/presets, so that a
run that is broken off goes on.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import torch

from benchmarks.recipes import FRAMES, crossed, of_frames
from stavad.data.files import written
from stavad.data.groups import draw
from stavad.data.work import Work
from stavad.evaluate.counted import Counted
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.reproduction.measure import tested
from stavad.evaluate.reproduction.protocols import MODEL, PROTOCOLS
from stavad.evaluate.settings import ScoringSettings
from stavad.train.recipes import RECIPES
from stavad.train.settings import TrainSettings

SEGMENTS = {"ped2": 32, "fights": 8}  # of a bag; the videos of cctv-fights hold four clips
PRESETS = ("efficientnet-lite0", "motion-lite0", "motion")
HELD_OUT = {**FRAMES, "video_auc": "video AUC", "planted": "planted"}  # of cross-fitting
TESTED = {**FRAMES, "video_auc": "video AUC"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=("ped2", "fights"))
    parser.add_argument("--work", required=True)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    flags = parser.parse_args()
    keep = Path(flags.work) / "presets"
    keep.mkdir(exist_ok=True)
    trainings = [
        (flags.dataset, flags.work, keep, recipe, preset, number, seed)
        for number in range(flags.draws)
        for seed in range(flags.seeds)
        for recipe in flags.recipes
        for preset in flags.presets
    ]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        found = {key[3:]: result for key, result in zip(trainings, pool.imap(trained, trainings))}
    for recipe in flags.recipes:
        for part, names in (("held out", HELD_OUT), ("test part", TESTED)):
            if flags.dataset == "fights":  # its labels know no moments
                names = {name: shown for name, shown in names.items() if name not in FRAMES}
            print(f"\n{recipe}, {part:20}" + "".join(f"{name:>28}" for name in names.values()))
            values = {
                preset: np.array([[[found[recipe, preset, number, seed][part].get(name) for name in names] for seed in range(flags.seeds)] for number in range(flags.draws)], float).mean(1)
                for preset in flags.presets
            }  # fmt: skip
            for preset, of_preset in values.items():
                apart = of_preset - values[flags.presets[0]]
                error = apart.std(0, ddof=1) / len(apart) ** 0.5
                cells = [f"{m:.3f}" + (f" ({d:+.3f} ± {e:.3f})" if preset != flags.presets[0] else "") for m, d, e in zip(of_preset.mean(0), apart.mean(0), error)]  # fmt: skip
                print(f"  {preset:26}" + "".join(f"{cell:>28}" for cell in cells), flush=True)


def trained(training) -> dict:
    """Metrics of what was held out in cross-fitting, and of the test part."""
    dataset, work, keep, recipe, preset, number, seed = training
    kept = keep / f"{dataset} {recipe} {preset} {number} {seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    torch.set_num_threads(1)
    store = Work(work).store(preset)
    videos = Work(work).videos(store)
    split = cases(dataset, videos, number)
    stored = dict(store.read_all([video.id for video in videos]))
    settings = dataclasses.replace(
        TrainSettings(), **MODEL | {"recipe": recipe, "segments": SEGMENTS[dataset]} | RECIPES[recipe], seed=seed
    )
    held = crossed(split, stored, settings)
    scored = Counted(tested(split, stored, dataclasses.replace(settings, steps=held.steps), ScoringSettings(), torch.device("cpu")))  # fmt: skip
    at = held.chosen
    found = {
        "held out": dict(zip(FRAMES, of_frames(held, stored)[at])) | {"video_auc": held.held_out[at], "planted": held.planted[at]},
        "test part": {name: METRICS[name][1](scored) for name in TESTED},
    }  # fmt: skip
    with written(kept) as file:
        json.dump(found, file, default=float)
    return found


def cases(dataset: str, videos: list, number: int) -> list:
    """The videos, split for one draw."""
    if dataset == "ped2":
        ((_, split),) = PROTOCOLS["ped2"].cases(videos, 1, first=number)
        return split
    halves = {label: sum(v.label == label for v in videos) // 2 for label in (0, 1)}
    train = draw(videos, halves, {v.id: v.id for v in videos}, np.random.default_rng(number))
    return [dataclasses.replace(v, split="train" if v.id in train else "test") for v in videos]


if __name__ == "__main__":
    main()
