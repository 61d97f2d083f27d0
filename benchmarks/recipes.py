"""How recipes were chosen: cross-validation inside the training parts of a protocol.

    python -m benchmarks.recipes DATASET [--work DIR] [--labels CSV] [--draws N] [--candidates NAME ..]

DATASET is a name of `pipeline reproduce`, whose features the work folder holds. Each training part is cut into FOLDS;
every candidate is trained on all but one of them and tested on that one. Video AUC needs labels only; frame AUC, over
all and over the abnormal videos, needs intervals and is left out where the training videos have none. Mean ± standard
error over the folds. No test video of a training part is looked at; but where a protocol draws its splits, a test
video of one draw is in the training part of another, so its figures are those of a development set. Further settings
of `pipeline train` may follow, as flags.
"""

import argparse
import dataclasses

import numpy as np
import torch

from stavad.data.catalogue import Video
from stavad.data.settings import add_flags, build
from stavad.data.work import Work
from stavad.evaluate.metrics.frame_auc import auc, auc_abnormal
from stavad.evaluate.metrics.video_auc import video_auc
from stavad.evaluate.reproduction.measure import tested
from stavad.evaluate.reproduction.protocols import ABLATION, MODEL, OTHERS, PROTOCOLS
from stavad.evaluate.settings import ScoringSettings
from stavad.train.recipes import RECIPES
from stavad.train.settings import TrainSettings

FOLDS = 3
BEST, K_MAX = MODEL | RECIPES["best"], {"bag_loss": "k-max"}
CANDIDATES = {
    "paper": MODEL,
    "FC": ABLATION["FC"],
    "FC, k-max": ABLATION["FC"] | K_MAX,
    "STA + FC, k-max": BEST,
    "STA + FC, k-max, whitened": BEST | {"scale": "whiten"},
    "STA + FC, k-max, rows to length 1": BEST | {"scale": "length"},
    "paper, whitened": MODEL | {"scale": "whiten"},
    "STA + FC, k-max, 3 seeds averaged": BEST | {"ensemble": 3},
    "STA + bd-RNN, k-max": MODEL | {"mce": False} | K_MAX,
    "HL-Net-like": OTHERS["HL-Net-like (Wu et al., 2020)"],
}
REPORTED = {"frame AUC": auc, "abnormal only": auc_abnormal, "video AUC": video_auc}


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
    cases = [case for _, part in PROTOCOLS[flags["dataset"]].cases(videos, flags["draws"]) for case in folds(part)]
    print(f"{'':36}" + "".join(f"{name:>20}" for name in REPORTED), flush=True)
    for name in flags["candidates"]:
        chosen = dataclasses.replace(settings, **CANDIDATES[name])
        scored = (tested(case, stored, chosen, ScoringSettings(), torch.device("cpu")) for case in cases)
        found = np.ma.masked_invalid(np.array([[m(of_case) for m in REPORTED.values()] for of_case in scored], float))
        errors = found.std(0, ddof=1) / found.count(0) ** 0.5
        cells = ["-" if m is np.ma.masked else f"{m:.3f} ± {e:.3f}" for m, e in zip(found.mean(0), errors)]
        print(f"{name:36}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def folds(videos: list[Video]) -> list[list[Video]]:
    """The training part alone, each fold in turn as the test part."""
    inside = sorted((v for v in videos if v.split == "train"), key=lambda v: (v.label, v.id))
    return [
        [dataclasses.replace(v, split="test" if place % FOLDS == fold else "train") for place, v in enumerate(inside)]
        for fold in range(FOLDS)
    ]


if __name__ == "__main__":
    main()
