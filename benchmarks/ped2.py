"""UCSD Ped2 by the paper's protocol: splits of 10 normal + 6 abnormal videos for training, the rest for testing.

    python -m benchmarks.ped2 DATA      the table of docs/results.md: every split, every seed

DATA holds videos/, ped2.mat and splits.csv (split,video,part). Further settings of `pipeline train` may follow, as flags.
Features are extracted with the embedded preset into --work, unless they are there.
"""

import argparse
import csv
import dataclasses
from pathlib import Path

import numpy as np
import torch

from stavad.data.layouts import read_catalogue
from stavad.data.settings import add_flags, build
from stavad.data.work import Work
from stavad.evaluate.metrics.clip_scores import gap
from stavad.evaluate.metrics.frame_auc import auc, auc_abnormal, oracle_auc
from stavad.evaluate.metrics.precision import average_precision
from stavad.evaluate.metrics.video_auc import video_auc
from stavad.evaluate.reproduction.measure import tested
from stavad.evaluate.settings import ScoringSettings
from stavad.extract.folder import extract_features
from stavad.train.settings import TrainSettings

PRESET = "efficientnet-lite0"
REPORTED = {
    "AUC": auc,
    "AUC abnormal": auc_abnormal,
    "oracle": oracle_auc,
    "AP": average_precision,
    "video AUC": video_auc,
    "gap": gap,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", default="work")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each split (default: 3)")
    parser.add_argument("--native", action="store_true", help="score clips, not segments")
    add_flags(parser, TrainSettings)
    flags = vars(parser.parse_args())
    settings, scoring = build(TrainSettings, flags), ScoringSettings(native=flags["native"])

    extract_features(flags["data"] / "videos", flags["work"], PRESET)
    videos, _ = read_catalogue(flags["data"] / "videos")
    stored = dict(Work(flags["work"]).store(PRESET).read_all([video.id for video in videos]))
    with open(flags["data"] / "splits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    splits = [
        {row["video"]: row["part"] for row in rows if row["split"] == name}
        for name in sorted({row["split"] for row in rows})
    ]

    print(f"\n{'':24}" + "".join(f"{name:>20}" for name in REPORTED), flush=True)
    results = []
    for parts in splits:
        split = [dataclasses.replace(v, split=parts[v.id]) for v in videos]
        for seed in range(flags["seeds"]):
            chosen = dataclasses.replace(settings, seed=seed)
            scored = tested(split, stored, chosen, scoring, torch.device("cpu"))
            results.append([metric(scored) for metric in REPORTED.values()])
    found = np.array(results, float)
    cells = [f"{np.nanmean(column):.3f} ± {np.nanstd(column, ddof=1):.3f}" for column in found.T]
    print(f"{'all':24}" + "".join(f"{cell:>20}" for cell in cells), flush=True)
    for number, of_split in enumerate(found.reshape(len(splits), flags["seeds"], -1).mean(1)):
        print(f"split {number:<18}" + "".join(f"{value:>20.3f}" for value in of_split), flush=True)


if __name__ == "__main__":
    main()
