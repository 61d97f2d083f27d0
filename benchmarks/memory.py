"""How far a segment's score hangs on other segments: the recurrence as printed, bounded, and without memory.

    python -m benchmarks.memory --work DIR --picture FILE [--attention --mce] [--steps N]

Trains the bidirectional RNN, without attention unless it is asked for, on the training part in the work folder, three times. For the abnormal training
videos: the length of the gradient of the middle segment's score by every segment's input, as a share of all, the mean over videos (but for those whose
score is 0 or 1 to rounding, which have none); how many of them have their highest score at the first or last segment, and how many segments share it;
the norms of the recurrent matrices. Before training, and after.
"""

import argparse
import dataclasses
import math
from pathlib import Path

import matplotlib
import numpy as np
import torch

from stavad.data.settings import add_flags, build
from stavad.data.work import Work
from stavad.train.loop import fit
from stavad.train.run import TrainingSet, gather
from stavad.train.settings import TrainSettings

matplotlib.use("Agg")
import matplotlib.pyplot as plt

BOUNDS = {"as printed": math.inf, "bounded by 0.3": 0.3, "no memory": 0.0}
FIRST = 1  # step at which the model is as good as new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True)
    parser.add_argument("--picture", type=Path, required=True)
    add_flags(parser, TrainSettings)
    flags = vars(parser.parse_args())
    settings = build(TrainSettings, {"attention": False, "mce": False}, flags)
    work = Work(flags["work"])
    store = work.store(work.extracted_preset(""))
    videos = [video for video in work.videos(store) if video.split == "train" and video.label is not None]
    bags = TrainingSet.of(gather(videos, store.read_all([v.id for v in videos]), settings), settings, "cpu")
    figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True, layout="constrained")
    print(
        f"{'':18}{'step':>6}{'half of the gradient within':>30}{'highest at an end':>20}{'segments that share it':>24}{'norms':>28}"
    )
    for name, bound in BOUNDS.items():
        chosen = dataclasses.replace(settings, memory=bound)
        for panel, step in zip(panels, (FIRST, settings.steps)):
            model = fit(bags.abnormal, bags.normal, dataclasses.replace(chosen, steps=step))
            shares = gradient(model, bags.abnormal)
            panel.semilogy(np.arange(len(shares)) - len(shares) // 2, np.maximum(shares, 1e-9), label=name)
            panel.set(title="before training" if step == FIRST else f"after {step} steps", xlabel="segments away")
            with torch.no_grad():
                scores = model(bags.abnormal).scores
            highest = (scores == scores.amax(1, keepdim=True)).double()
            at_ends = (highest[:, [0, -1]].sum(1) / highest.sum(1)).sum().item()  # ties share
            norms = [torch.linalg.matrix_norm(m, ord=2).item() for n, m in model.head.rnn.named_parameters() if "weight_hh" in n]  # fmt: skip
            cells = f"{reach(shares):>22} segments{at_ends:>12.0f} of {len(highest)}{highest.sum(1).mean():>24.1f}{' '.join(f'{n:.2f}' for n in norms):>28}"
            print(f"{name:18}{step:>6}{cells}", flush=True)
    panels[0].set(ylabel="share of the gradient", ylim=(1e-7, 1.5))
    panels[1].legend(frameon=False, fontsize=8)
    figure.savefig(flags["picture"], dpi=150)


def gradient(model, bags: torch.Tensor) -> np.ndarray:
    """(segments,): mean share of each segment's input in the gradient of the middle segment's score."""
    inputs = bags.clone().requires_grad_()
    model(inputs).scores[:, bags.shape[1] // 2].sum().backward()
    lengths = inputs.grad.norm(dim=2)
    lengths = lengths[lengths.sum(1) > 0]
    return (lengths / lengths.sum(1, keepdim=True)).mean(0).numpy()


def reach(shares: np.ndarray) -> int:
    """How many segments to either side hold half of the gradient."""
    middle = len(shares) // 2
    return next(n for n in range(middle + 1) if shares[middle - n : middle + n + 1].sum() >= 0.5)


if __name__ == "__main__":
    main()
