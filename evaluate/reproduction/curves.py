"""How each model of a protocol learns: cross-fitting inside the training part of its first training."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from stavad.data.errors import UserError
from stavad.data.files import short, written
from stavad.evaluate.plots import CURVES, plot_learning_of_rows
from stavad.evaluate.reproduction.measure import Reproduction, code
from stavad.train.crossfit import CrossFit, cross_fit, key_of
from stavad.train.estimate import numbers
from stavad.train.run import TrainingVideo, gather
from stavad.train.settings import TrainSettings


def require_folds(settings: TrainSettings) -> None:
    """Raise a UserError unless something is to be held out."""
    if settings.folds < 2:
        raise UserError("--curves", f"needs videos held out, and --folds is {settings.folds}", "give --folds 3, or leave --curves out")  # fmt: skip


def learning_curves(
    measured: Reproduction,
    device,
    on_row: Callable[[str], None] = lambda row: None,
) -> dict[str, dict]:
    """Of each row what cross-fitting found after each number of steps: {row: {"steps", "kept", "held_out", "planted", "trained", "loss"}}.

    Kept in `<dataset>-curves.json` as they come.

    Raises:
        UserError: the training part is too small for folds, or a training diverges.
    """
    seed, videos = measured.cases[0]
    file = measured.folder / f"{measured.dataset}-curves.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    gathered = gather(videos, measured.stored, measured.training)  # the same for all rows
    curves = {}
    for row in measured.rows:
        settings = measured.settings(row, seed)
        key = short(f"{code()} {key_of(gathered, measured.groups, settings, device)}")
        if key not in known:
            known[key] = {"row": row} | _learned(gathered, measured.groups, settings, device)
            with written(file) as kept:
                json.dump(known, kept, indent=1)
        curves[row] = known[key]
        on_row(row)
    return curves


def _learned(gathered: list[TrainingVideo], groups: Mapping[str, str], settings: TrainSettings, device) -> dict:
    losses: list[torch.Tensor] = []
    with tempfile.TemporaryDirectory() as keep:
        found = cross_fit(gathered, groups, settings, device, Path(keep), lambda step, loss, terms: losses.append(loss))
    if found is None:
        raise UserError("--curves", f"the training part is too small for {settings.folds} folds with two recordings of each class", "leave it out, or add videos")  # fmt: skip
    return curves_of(found, losses)


def curves_of(found: CrossFit, losses: list[torch.Tensor]) -> dict:
    """As it is kept.

    Args:
        losses: of every step, fold after fold; of each look the mean since the one before it is kept.
    """
    since = np.split(torch.stack(losses).cpu().numpy().reshape(-1, found.looks[-1]), found.looks[:-1], 1) if losses else []  # fmt: skip
    return {
        "steps": found.looks,
        "kept": found.steps,
        "loss": [float(part.mean()) for part in since],
        **{name: numbers(getattr(found, name)) for name in CURVES},
    }


def write_curves(measured: Reproduction, curves: dict[str, dict]) -> list[Path]:
    """A table as Markdown, and the picture, beside the measurements. Returns their paths."""
    text, picture = (measured.folder / f"{measured.dataset}-curves{suffix}" for suffix in (".md", ".png"))
    text.write_text(table(measured, curves), encoding="utf-8")
    tested = {row: {name: float(measured.values(row, name)[0]) for name in ("auc", "video_auc")} for row in curves}
    plot_learning_of_rows(f"{measured.protocol.title}, seed {measured.cases[0][0]}", curves, tested, picture)
    return [text, picture]


def table(measured: Reproduction, curves: dict[str, dict]) -> str:
    """Markdown: of each row held-out video AUC and planted events after each number of steps, and the number that cross-fitting keeps."""
    steps = next(iter(curves.values()))["steps"]
    lines = [
        f"# {measured.protocol.title}: learning curves", "",
        f"Cross-fitting inside the training part of seed {measured.cases[0][0]}: video AUC of videos held out / AUC of planted events after so many steps.", "",
        f"| steps | {' | '.join(map(str, steps))} | kept |", "|---" * (len(steps) + 2) + "|",
    ]  # fmt: skip
    for row, found in curves.items():
        pairs = zip(found["held_out"], found["planted"], strict=True)
        cells = [f"{video:.3f}" + (f" / {planted:.3f}" if planted is not None else "") for video, planted in pairs]
        lines.append(f"| {row} | {' | '.join(cells)} | {found['kept']} |")
    return "\n".join(lines) + "\n"
