"""How recipes were chosen: cross-fitting inside training parts, as `pipeline train` does it, of one candidate after the other.

    python -m benchmarks.recipes DATASET [--work DIR] [--labels CSV] [--draws N] [--candidates NAME ..] [settings of `pipeline train`]

DATASET is a name of `pipeline reproduce`, whose features the work folder holds. For each number of steps that cross-fitting looks at, the mean
over the draws of what held-out training videos say: video AUC, AUC of planted events and of planted normal videos, video AUC on the videos
trained on; and where the training videos have intervals, frame AUC, abnormal only, and within each abnormal video. `*` marks the numbers of
steps that were kept. No test video of a training part is looked at; but where a protocol draws its splits, a test video of one draw is in the
training part of another, so its figures are those of a development set.
"""

import argparse
import dataclasses
import math
import tempfile
from pathlib import Path

import numpy as np
import torch

from stavad.data.settings import add_flags, build
from stavad.data.work import Work
from stavad.evaluate.counted import Counted
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.reproduction.protocols import MODEL, OTHERS, PROTOCOLS
from stavad.train.crossfit import cross_fit
from stavad.train.estimate import held_out
from stavad.train.recipes import RECIPES
from stavad.train.run import gather
from stavad.train.settings import TrainSettings

BARE, K_MAX = {"attention": False, "mce": False}, {"bag_loss": "k-max"}
CANDIDATES = {
    "paper": MODEL,
    "paper, recurrence as printed": MODEL | {"memory": math.inf},
    "paper, no memory": MODEL | {"memory": 0.0},
    "bd-RNN": MODEL | BARE,
    "bd-RNN as printed": MODEL | BARE | {"memory": math.inf},
    "bd-RNN, no memory": MODEL | BARE | {"memory": 0.0},
    "FC": MODEL | BARE | {"head": "fc"},
    "bd-RNN, k-max": MODEL | BARE | K_MAX,
    "FC, k-max": MODEL | BARE | K_MAX | {"head": "fc"},
    "STA + bd-RNN, k-max": MODEL | K_MAX | {"mce": False},
    "recipe best": MODEL | RECIPES["best"],
    "HL-Net-like": OTHERS["HL-Net-like (Wu et al., 2020)"],
    "logistic regression on means": MODEL | {"model": "logistic", "steps": 1},
}
FRAMES = {"auc": "frame AUC", "auc_abnormal": "abnormal only", "auc_within": "within"}
CURVES = {"held_out": "video AUC", "planted": "planted", "control": "planted normal", "trained": "on its own videos"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=PROTOCOLS)
    parser.add_argument("--work", default="work")
    parser.add_argument("--labels", default="")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--candidates", nargs="*", default=list(CANDIDATES))
    add_flags(parser, TrainSettings)
    flags = vars(parser.parse_args())
    settings, work = build(TrainSettings, flags), Work(flags["work"])
    store = work.store(work.extracted_preset(""))
    videos = work.videos(store, flags["labels"])
    stored = dict(store.read_all([video.id for video in videos]))
    cases = list(PROTOCOLS[flags["dataset"]].cases(videos, flags["draws"]))
    for name in flags["candidates"]:
        shown(name, [crossed(part, stored, dataclasses.replace(settings, seed=seed, **CANDIDATES[name])) for seed, part in cases], stored)  # fmt: skip


def crossed(videos, stored, settings: TrainSettings):
    with tempfile.TemporaryDirectory() as keep:
        return cross_fit(gather(videos, stored, settings), {}, settings, torch.device("cpu"), Path(keep))


def shown(name: str, found: list, stored) -> None:
    looks, kept = found[0].looks, {one.steps for one in found}
    print(f"\n{name:24}" + "".join(f"{f'{step}*' if step in kept else step:>9}" for step in looks) + f"{'kept':>9}")
    rows = {title: np.array([getattr(one, curve) for one in found]) for curve, title in CURVES.items()}
    frames = np.array([of_frames(one, stored) for one in found], float)
    rows |= {title: frames[:, :, place] for place, title in enumerate(FRAMES.values())}
    for title, values in rows.items():
        if not np.isnan(values).all():
            at_kept = np.mean([row[one.chosen] for row, one in zip(values, found)])
            print(f"  {title:22}" + "".join(f"{v:>9.3f}" for v in [*values.mean(0), at_kept]), flush=True)


def of_frames(one, stored) -> list[list[float | None]]:
    """Of each look the metrics of `FRAMES`."""
    found = [Counted(held_out(dataclasses.replace(one, chosen=place), stored)) for place in range(len(one.looks))]
    return [[METRICS[name][1](scored) for name in FRAMES] for scored in found]


if __name__ == "__main__":
    main()
