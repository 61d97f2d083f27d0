"""How each model of a protocol learns: cross-fitting inside the training part of its first training."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stavad.data.errors import UserError
from stavad.data.files import written
from stavad.evaluate.reproduction.measure import Reproduction
from stavad.train.crossfit import CrossFit, cross_fit
from stavad.train.run import gather


def learning_curves(
    measured: Reproduction,
    device,
    on_row: Callable[[str], None] = lambda row: None,
    note: Callable[[str], None] = print,
) -> dict[str, dict]:
    """Of each row what cross-fitting found after each number of steps: {row: {"steps", "kept", "held_out", "planted", "trained", "loss"}}.

    Kept in `<dataset>-curves.json` as they come; empty, with a note, where the training part is too small for folds.

    Raises:
        UserError: the settings ask for no folds, or a training diverges.
    """
    if not measured.training.folds:
        raise UserError("--curves", "needs videos held out, and --folds is 0", "give --folds 3, or leave --curves out")
    seed, videos = measured.cases[0]
    file = measured.folder / f"{measured.dataset}-curves.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for row in measured.rows:
        key = measured.keys[row, seed]
        if key not in known:
            settings = measured.settings(row, seed)
            losses: list[torch.Tensor] = []
            with tempfile.TemporaryDirectory() as keep:
                found = cross_fit(
                    gather(videos, measured.stored, settings), measured.groups, settings, device, Path(keep),
                    lambda step, loss, terms, losses=losses: losses.append(loss), note,
                )  # fmt: skip
            if found is None:
                return {}
            known[key] = {"row": row} | _curves(found, losses)
            with written(file) as kept:
                json.dump(known, kept, indent=1)
        on_row(row)
    return {row: known[measured.keys[row, seed]] for row in measured.rows}


def _curves(found: CrossFit, losses: list[torch.Tensor]) -> dict:
    """`losses` of every step, fold after fold; of each look the mean since the one before it."""
    per_fold = torch.stack(losses).cpu().numpy().reshape(-1, found.looks[-1]) if losses else np.empty((0, 0))
    since = np.split(per_fold, found.looks[:-1], axis=1) if losses else []
    return {
        "steps": found.looks,
        "kept": found.steps,
        "loss": [float(part.mean()) for part in since],
        **{name: np.round(getattr(found, name), 6).tolist() for name in ("held_out", "planted", "trained")},
    }
