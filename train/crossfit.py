"""Cross-fitting: every training video is scored by a model that has not seen it, which says how many steps to train, what the model is
worth, and how high normal videos score that it does not know."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from stavad.data.errors import UserError
from stavad.data.files import written
from stavad.data.groups import cut
from stavad.train.planted import SHARE, Planted
from stavad.train.run import TrainingSet, TrainingVideo, fit_set, steps_of
from stavad.train.settings import TrainSettings

FORM = 1  # of what is kept of a fold; a change of training or of planting raises it
LOOKS = 8  # numbers of steps to choose from, each the root of two times the one before it
CHUNK = 64  # bags scored at a time
RESAMPLES = 500  # of the recordings, for what is uncertain


@dataclass(frozen=True)
class Fold:
    """What the model of one fold said of the videos that it had not seen, after each number of steps that is looked at."""

    scores: list[np.ndarray]  # of each held-out video (looks, parts * segments)
    planted: np.ndarray  # (looks, abnormal held-out videos): AUC of each, planted into normal ones
    control: np.ndarray  # (looks, normal held-out videos): the same of normal ones; of bags too short there is neither
    trained: np.ndarray  # (looks,): video AUC on the videos that it was trained on


@dataclass(frozen=True)
class CrossFit:
    """Cross-fitting, summed up over its folds."""

    looks: list[int]  # numbers of steps
    chosen: int  # place of the number that is kept
    videos: list[TrainingVideo]
    scores: list[np.ndarray]  # of each video (looks, parts * segments), by the model that had not seen it
    held_out: np.ndarray  # (looks,): video AUC over all folds
    planted: np.ndarray  # (looks,): mean AUC of planted abnormal videos; nan where bags are too short
    control: np.ndarray  # (looks,): of planted normal ones
    trained: np.ndarray  # (looks,): video AUC on the videos trained on, mean over the folds
    spread: dict[str, tuple[float, float]]  # 95 % intervals at the chosen number, by name
    uncertain: float  # standard error of what the last look is behind the chosen one

    @property
    def steps(self) -> int:
        """How many to train."""
        return self.looks[self.chosen]

    def clips(self, video: int) -> np.ndarray:
        """Held-out scores of the video's segments after the steps that are kept."""
        return self.scores[video][self.chosen]


def looks_of(most: int) -> list[int]:
    """Numbers of steps to choose from, the last one `most`."""
    return sorted({max(1, round(most * 2 ** (-place / 2))) for place in range(LOOKS)})


def cross_fit(
    gathered: list[TrainingVideo],
    groups: Mapping[str, str],
    settings: TrainSettings,
    device,
    keep: Path,
    on_step: Callable = lambda step, loss, terms: None,
    note: Callable[[str], None] = lambda line: None,
) -> CrossFit | None:
    """Train on all folds but one, in turn, and look at the one left out.

    Args:
        gathered: the training part.
        groups: id -> recording; none is torn apart.
        settings: `folds`, `seed`, and how to train.
        keep: a folder of this very training (`key_of`) for folds that are done, so that one that is broken off goes on there; to be
            removed when all is done.
        on_step: counts through the folds.
        note: told why there is none.

    Returns:
        None where there are too few videos, or `settings.folds` is 0.

    Raises:
        UserError: the training of a fold diverges.
    """
    if not settings.folds:
        return None
    folds = cut([one.video for one in gathered], groups, settings.folds, settings.seed)
    if folds is None:
        note(
            f"note: the training part is too small for {settings.folds} folds with two recordings of each class: all steps are trained, "
            "and there is neither an estimate nor an alarm threshold; add videos"
        )
        return None
    most = steps_of(gathered, settings)
    looks = looks_of(most)
    found: dict[int, np.ndarray] = {}
    parts = []
    for number, held_out in enumerate(folds):
        before = keep / f"{number}.npz"
        fold = _read(before)
        if fold is None:
            own = replace(settings, steps=most, epochs=0)
            offset = number * settings.ensemble * most
            try:
                fold = _fold(gathered, held_out, own, device, looks, partial(_later, on_step, offset))
            except UserError as error:
                raise UserError(
                    f"fold {number + 1} of {len(folds)}, {error.subject}", error.problem, error.mend
                ) from None
            _write(before, fold)
        else:
            note(f"fold {number + 1} of {len(folds)} was done before")
        parts.append(fold)
        found |= dict(zip(held_out, fold.scores))
    return _sum_up(gathered, groups, looks, folds, parts, [found[place] for place in range(len(gathered))])


def _later(on_step: Callable, offset: int, step: int, *rest) -> None:
    on_step(offset + step, *rest)


def _fold(gathered, held_out: list[int], settings, device, looks, on_step) -> Fold:
    inside, outside = set(held_out), [gathered[place] for place in held_out]
    bags = TrainingSet.of([one for place, one in enumerate(gathered) if place not in inside], settings, device)
    rng = np.random.default_rng(settings.seed)
    sides = {label: [bag for one in outside if one.video.label == label for bag in one.bags[:1]] for label in (0, 1)}
    short = settings.segments < SHARE
    planted = None if short else Planted.of(sides[1], sides[0], rng)
    control = None if short else Planted.of(sides[0], sides[0], rng, itself=True)
    own = np.concatenate([one.bags for one in outside])
    first = np.cumsum([0, *(one.parts for one in outside)])
    shown = [own, *(p.bags for p in (planted, control) if p)]
    scores = [np.zeros((len(looks), *part.shape[:2]), np.float32) for part in shown]
    peaks = np.zeros((len(looks), len(bags.abnormal) + len(bags.normal)), np.float32)

    def look(step: int, model) -> None:
        place = looks.index(step)
        for sums, part in zip(scores, shown):
            found = _scored(model, part, lambda some: bags.scaling(torch.from_numpy(some).to(device)))
            sums[place] += found / settings.ensemble
        trained = [_scored(model, side).max(1) for side in (bags.abnormal, bags.normal)]
        peaks[place] += np.concatenate(trained) / settings.ensemble

    fit_set(bags, settings, on_step, looks=looks, on_look=look)
    labels = np.repeat([1, 0], [len(bags.abnormal), len(bags.normal)])
    rest = iter(scores[1:])
    nothing = np.zeros((len(looks), 0))
    return Fold(
        [scores[0][:, a:b].reshape(len(looks), -1) for a, b in pairwise(first)],
        np.stack([planted.found(of_look) for of_look in next(rest)]) if planted else nothing,
        np.stack([control.found(of_look) for of_look in next(rest)]) if control else nothing,
        np.array([roc_auc_score(labels, of_look) for of_look in peaks]),
    )


@torch.inference_mode()
def _scored(model, bags, prepared: Callable = lambda some: some) -> np.ndarray:
    """(bags, segments), a few bags at a time."""
    parts = (prepared(bags[begin : begin + CHUNK]) for begin in range(0, len(bags), CHUNK))
    return np.concatenate([model(part).scores.cpu().numpy() for part in parts])


def _sum_up(gathered, groups, looks, folds, parts: list[Fold], scores) -> CrossFit:
    labels = np.array([one.video.label for one in gathered])
    peaks = np.stack([of_video.max(1) for of_video in scores], 1)  # (looks, videos)
    grounds, events = ([place for fold in folds for place in fold if labels[place] == label] for label in (0, 1))
    planted, control = (np.concatenate([getattr(f, name) for f in parts], 1) for name in ("planted", "control"))
    names = [groups.get(one.video.id, one.video.id) for one in gathered]
    _, recording = np.unique(names, return_inverse=True)
    rng = np.random.default_rng(0)
    times = np.stack([np.bincount(rng.integers(recording.max() + 1, size=recording.max() + 1), minlength=recording.max() + 1) for _ in range(RESAMPLES)])[:, recording]  # fmt: skip
    times = times[(times @ (labels == 1) > 0) & (times @ (labels == 0) > 0)]
    every = np.vstack([np.ones(len(labels), int), times])  # the first: as it is
    aucs = np.stack([_video_aucs(of_look, labels, every) for of_look in peaks])  # (looks, resamples)
    places = _means(planted, every[:, events])
    judged = (aucs + places) / 2 if planted.size else aucs
    spread = {}
    chosen = int(judged[:, 0].argmax())
    uncertain = (judged[chosen] - judged)[:, 1:].std(1)  # the standard error of how far each look is behind
    for name, values in (("held_out", aucs), ("planted", places)):
        if np.isfinite(values[chosen]).all():
            low, high = np.percentile(values[chosen, 1:], [2.5, 97.5])
            spread[name] = float(low), float(high)
    return CrossFit(
        looks, chosen, gathered, scores, aucs[:, 0], places[:, 0],
        _means(control, every[:1, grounds])[:, 0],
        np.mean([fold.trained for fold in parts], 0), spread, float(uncertain[-1]),
    )  # fmt: skip


def _video_aucs(peaks: np.ndarray, labels: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Video AUC for each row of `times` (resamples, videos): how often each video counts."""
    order = np.argsort(peaks, kind="stable")
    starts = np.flatnonzero(np.diff(peaks[order], prepend=-1) != 0)
    normal, abnormal = (np.add.reduceat(times[:, order] * (labels[order] == kind), starts, axis=1) for kind in (0, 1))
    below = np.cumsum(normal, 1) - normal / 2
    return (abnormal * below).sum(1) / (abnormal.sum(1) * normal.sum(1))


def _means(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(looks, resamples): mean of values (looks, videos) for each row of `times`; nan where there are none."""
    if not values.size:
        return np.full((len(values), len(times)), np.nan)
    return values @ times.T / np.maximum(times.sum(1), 1)


def key_of(gathered: list[TrainingVideo], groups: Mapping[str, str], settings: TrainSettings, device) -> str:
    """Of everything that the folds of a training depend on."""
    rows = [(one.video.id, one.video.label, groups.get(one.video.id), one.bag.digest, one.parts) for one in gathered]
    content = json.dumps([FORM, LOOKS, rows, asdict(settings), torch.device(device).type])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _write(path: Path, fold: Fold) -> None:
    arrays: dict[str, Any] = {f"scores{place}": scores for place, scores in enumerate(fold.scores)}
    with written(path, "wb") as file:
        np.savez(file, planted=fold.planted, control=fold.control, trained=fold.trained, **arrays)


def _read(path: Path) -> Fold | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            scores = [kept[f"scores{place}"] for place in range(len(kept.files) - 3)]
            return Fold(scores, kept["planted"], kept["control"], kept["trained"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
