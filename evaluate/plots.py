"""Pictures: the score curve of a video as in Fig. 3 of the paper, and the ROC."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from sklearn.metrics import roc_curve

from stavad.data.files import written
from stavad.evaluate.score import ScoredVideo

matplotlib.use("Agg")
import matplotlib.pyplot as plt

plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})


def plot_curve(scored: ScoredVideo, path: Path) -> None:
    """Anomaly score over frames, the abnormal intervals shaded."""
    frames = np.arange(1, len(scored.scores) + 1)
    figure, axes = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
    for start, end in scored.video.intervals or ():
        axes.axvspan(start - 0.5, min(end, len(frames)) + 0.5, color="tab:red", alpha=0.2, linewidth=0)
    axes.step(frames, scored.scores, where="mid", color="tab:blue")
    axes.set(xlim=(1, max(2, len(frames))), ylim=(0, 1.02), xlabel="frame", ylabel="anomaly score")
    axes.set_title(scored.video.id, parse_math=False)
    _save(figure, path)


def plot_roc(scored: list[ScoredVideo], path: Path) -> None:
    """ROC over frames: all videos, and the abnormal ones alone. The truth of all must be known."""
    figure, axes = plt.subplots(figsize=(3.6, 3.4), layout="constrained")
    for name, videos in (("all videos", scored), ("abnormal only", [s for s in scored if s.video.label == 1])):
        truth, scores = (np.concatenate([getattr(s, part) for s in videos]) for part in ("truth", "scores"))
        if truth.any() and not truth.all():
            axes.plot(*roc_curve(truth, scores)[:2], label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right", frameon=False)
    _save(figure, path)


LEARNING = {
    "video_auc_trained_on": "video AUC, videos trained on",
    "video_auc_held_out": "video AUC, videos held out",
    "planted": "planted events, held out",
    "planted_normal": "planted normal ones",
}


def plot_learning(curves: dict, kept: int, path: Path) -> None:
    """What cross-fitting found after each number of steps that it looked at, and the number that was kept."""
    figure, axes = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
    for (name, title), style in zip(LEARNING.items(), ("--", "-", "-", ":")):
        axes.plot(curves["steps"], np.array(curves[name], float), style, marker="o", markersize=3, label=title)
    axes.axvline(kept, color="grey", linewidth=0.8, label=f"{kept} steps kept")
    axes.set(xscale="log", xlabel="training steps", ylabel="AUC", ylim=(None, 1.01))
    axes.set_xticks(curves["steps"], curves["steps"], minor=False)
    axes.minorticks_off()
    figure.legend(loc="outside right center", frameon=False)
    _save(figure, path)


def plot_reproduction(
    title: str, aucs: dict[str, np.ndarray], oracle: np.ndarray, paper: dict[str, float], path: Path
) -> None:
    """Frame AUC of every training (dots) and their mean (bars), model by model, beside the oracle and the paper's figures."""
    figure, axes = plt.subplots(figsize=(6.4, 0.9 + 0.36 * len(aucs)), layout="constrained")
    for place, values in enumerate(aucs.values()):
        axes.barh(place, values.mean(), color="tab:blue", alpha=0.35)
        axes.scatter(values, np.full(len(values), place), s=8, color="tab:blue")
    axes.axvline(oracle.mean(), color="grey", linestyle=":", label="oracle of video labels")
    for (kind, value), colour in zip(paper.items(), ("tab:orange", "tab:red")):
        axes.axvline(value, color=colour, linestyle="--", label=f"paper, {kind}")
    lowest = min(map(np.min, [*aucs.values(), oracle]))
    axes.set(xlim=(max(0.0, lowest - 0.05), 1.0), xlabel="frame AUC", title=title)
    axes.set_yticks(range(len(aucs)), list(aucs))
    axes.invert_yaxis()
    figure.legend(loc="outside lower right", ncols=3, frameon=False)
    _save(figure, path)


# of `train.crossfit.CrossFit`: title, colour, line
CURVES = {"held_out": ("video AUC, held out", "tab:blue", "-"), "planted": ("planted events, held out", "tab:orange", "-"), "trained": ("video AUC, videos trained on", "tab:blue", "--")}  # fmt: skip
TESTED = {"video_auc": ("video AUC, test part", "tab:blue"), "auc": ("frame AUC, test part", "tab:green")}


def plot_learning_of_rows(title: str, curves: dict[str, dict], tested: dict[str, dict[str, float]], path: Path) -> None:
    """A panel for each row: curves of cross-fitting, the number of steps that it keeps and, on a scale of its own, the training loss.

    Level lines are what the test part says of the model of the whole training part after all steps.
    """
    wide = 3
    tall = -(-len(curves) // wide)
    lowest = min(v for of_row in curves.values() for name in CURVES for v in of_row[name] if v is not None)
    figure, axes = plt.subplots(tall, wide, figsize=(10.5, 0.9 + 2.0 * tall), layout="constrained", squeeze=False, sharey=True)  # fmt: skip
    named: dict[str, Artist] = {}
    for panel, (row, of_row) in zip(axes.flat, curves.items()):
        steps = of_row["steps"]
        for name, (label, colour, style) in CURVES.items():
            values = np.array(of_row[name], float)
            if np.isfinite(values).any():
                (named[label],) = panel.plot(steps, values, style, color=colour, marker="o", markersize=2)
        for name, (label, colour) in TESTED.items():
            named[label] = panel.axhline(tested[row][name], color=colour, linewidth=0.8, linestyle=":")
        named["steps kept"] = panel.axvline(of_row["kept"], color="grey", linewidth=0.8)
        panel.set(xscale="log")
        panel.set_title(row, fontsize=8)
        panel.set_xticks(steps[::-2], steps[::-2], minor=False)
        panel.minorticks_off()
        if of_row["loss"]:
            beside = panel.twinx()
            (named["training loss"],) = beside.plot(steps, of_row["loss"], color="tab:red", linewidth=0.8, alpha=0.6)
            beside.set(ylim=(0, None), yticks=[])
    axes[0, 0].set_ylim(lowest - 0.02, 1.01)
    for panel in axes.flat[len(curves) :]:
        panel.remove()
    figure.suptitle(f"{title}: AUC over training steps")
    figure.legend(named.values(), named, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    _save(figure, path)


def _save(figure, path: Path) -> None:
    try:
        with written(path, "wb") as file:
            figure.savefig(file, dpi=120, format="png")
    finally:
        plt.close(figure)
