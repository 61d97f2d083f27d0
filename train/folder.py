"""Stage two for a work folder: its features and labels -> a run with model, settings and split."""

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from stavad.data.catalogue import counts, tell_unlabelled
from stavad.data.errors import UserError, few
from stavad.data.files import reserve, written
from stavad.data.groups import groups_of, tell_groups
from stavad.data.labels import write_labels
from stavad.data.leaks import attributes, copies, tell_attributes, tell_copies
from stavad.data.settings import record
from stavad.data.work import Work, point_at
from stavad.extract.device import choose_device
from stavad.train.checkpoint import Trained, Unseen
from stavad.train.crossfit import cross_fit, key_of
from stavad.train.estimate import estimate, held_out, unseen_normal
from stavad.train.run import TrainingSet, fit_set, gather, require_classes, steps_of, with_split
from stavad.train.settings import TrainSettings
from stavad.train.telling import tell


class Watch:
    """What a training tells of itself; the command line shows it and keeps it for TensorBoard."""

    def begin(self, title: str, total: int, run: Path | None = None) -> None:
        """A training of so many steps begins, the run's own in its folder."""

    def step(self, step: int, loss, terms: dict) -> None:
        """After each step: its number from 1, the loss, and its terms (tensors, not yet synchronised)."""

    def end(self) -> None:
        """It is over, or was broken off."""


@dataclass(frozen=True)
class TrainedRun:
    """A run that `evaluate_run` takes."""

    folder: Path  # model.pt, settings.json, videos.csv, crossfit.json
    trained: Trained


def train_model(
    work: str | Path = "work",
    labels: str | Path = "",
    preset: str = "",
    settings: TrainSettings | None = None,
    device: str = "auto",
    watch: Watch | None = None,
    note: Callable[[str], None] = print,
) -> TrainedRun:
    """Train on the videos of a work folder whose split is train, and keep the model as the folder's latest run.

    Args:
        work: the folder that `extract_features` filled.
        labels: a CSV, or a folder with a data set's annotation, in the place of what `extract_features` found.
        preset: whose features; may be empty where the folder holds those of one.
        settings: everything that decides what the model becomes; the default is the paper's recipe.
        device: auto, cpu, cuda or cuda:NUMBER.
        watch: told of every step.
        note: told, line by line, what was found and what the user should know.

    Raises:
        UserError: no features, labels of one class only, or a training that diverges.
    """
    settings, watch, folder = settings or TrainSettings(), watch or Watch(), Work(work)
    chosen_device = choose_device(device)
    store = folder.store(folder.extracted_preset(preset), scored=True)
    found = folder.videos(store, str(labels), note)
    known = [video for video in found if video.label is not None]
    features = store.read_all([video.id for video in known])
    same = copies(known, features, settings.segments)
    groups = groups_of(known, settings.group_names, same)
    found = [replace(v, group=groups[v.id]) if groups.get(v.id, v.id) != v.id else v for v in found]
    videos, drawn = with_split(found, settings.seed, groups)
    chosen = [video for video in videos if video.split == "train"]
    split = f"; split drawn with seed {settings.seed}" if drawn else ""
    note(f"training on {counts(chosen)}, features from {store.root}{split}")
    tell_unlabelled(videos, note)
    tell_groups(videos, drawn, settings.group_names, note)
    for label in (0, 1) if drawn else ():
        if not any(video.label == label and video.split == "test" for video in videos):
            note(
                f"note: the split drawn leaves no {('normal', 'abnormal')[label]} video to test on: add videos, or give a split with --labels"
            )
    tell_copies(same, videos, note)
    if adrift := [video.id for video in videos if video.label is not None and video.split is None]:
        note(f"note: no split for {few(adrift)}; in neither part")
    require_classes(chosen, "the training part")
    tell_attributes(attributes(chosen, features), note)
    gathered = gather(videos, features, settings, note)
    clips = sum(one.bag.clips for one in gathered)
    run = folder.new_run()
    try:
        # no training is lost for want of it
        room = reserve(run / "model.pt", Trained.room(gathered[0].bags.shape[-1], settings, clips))
        asked = {"work": str(work), "preset": store.root.name, "labels": str(labels), "device": device}
        record(run / "settings.json", asked, settings)
        write_labels(run / "videos.csv", videos)
    except UserError:
        shutil.rmtree(run, ignore_errors=True)
        raise
    try:
        keep = folder.crossfit / key_of(gathered, groups, settings, chosen_device)
        unseen, number = _cross_fitted(keep, run, gathered, groups, features, settings, chosen_device, watch, note)
        bags = TrainingSet.of(gathered, settings, chosen_device)
        kept = replace(settings, steps=number, epochs=0) if number else settings
        watch.begin("training", bags.steps(kept), run)
        model = fit_set(bags, kept, watch.step, note)
        fingerprint = features[gathered[0].video.id].made["fingerprint"]
        trained = Trained(model, settings, fingerprint, bags.clips, unseen, bags.steps(kept) // settings.ensemble)
        trained.save(run / "model.pt", room)
    finally:
        watch.end()
        room.unlink(missing_ok=True)
    shutil.rmtree(keep, ignore_errors=True)
    with contextlib.suppress(OSError):  # of another training that is at work
        keep.parent.rmdir()
    point_at(run)
    return TrainedRun(run, trained)


def _cross_fitted(keep, run, gathered, groups, features, settings, device, watch, note) -> tuple[list[Unseen], int]:
    """Scores of normal videos by models that had not seen them, and the steps to train; nothing and 0 without cross-fitting."""
    total = settings.folds * settings.ensemble * steps_of(gathered, settings)
    if total:
        watch.begin("cross-fitting", total)
    found = cross_fit(gathered, groups, settings, device, keep, watch.step, note)
    watch.end()
    if found is None:
        return [], 0
    tell(found, note)
    scored = held_out(found, features)
    with written(run / "crossfit.json") as file:
        file.write(json.dumps(estimate(found, scored, note), indent=1) + "\n")
    return unseen_normal(scored), found.steps
