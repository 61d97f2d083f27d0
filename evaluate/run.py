"""Stage three, whole: the test part of a run, scored and measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from stavad.data.bags import windows
from stavad.data.catalogue import Video, tell_unlabelled
from stavad.data.errors import UserError, few
from stavad.data.labels import read_labels
from stavad.data.leaks import attributes, copies, tell_copies
from stavad.data.work import Work
from stavad.evaluate.alarm import alarm, tell_reach
from stavad.evaluate.bootstrap import by_class, measure, recordings
from stavad.evaluate.score import ScoredVideo, score_video
from stavad.evaluate.settings import EvaluateSettings, ScoringSettings
from stavad.evaluate.timeline import Timeline, timeline
from stavad.extract.device import choose_device
from stavad.train.checkpoint import Trained
from stavad.train.run import LONG


@dataclass(frozen=True)
class Evaluation:
    """What came of a run's test part."""

    run: Path  # the run's folder
    trained: Trained
    scored: list[ScoredVideo]
    timelines: list[Timeline]  # the same, with events
    metrics: dict[str, dict]  # name -> value, low, high, as of `evaluate.bootstrap.measure`
    extra: dict  # `alarm`, `classes`, and `attributes`: how well these alone tell the classes apart


def evaluate_run(
    work: str | Path = "work",
    run: str | Path = "",
    labels: str = "",
    preset: str = "",
    settings: EvaluateSettings | None = None,
    device: str = "auto",
    note: Callable[[str], None] = print,
) -> Evaluation:
    """Score and measure the test part of a run of `train_model`, or of `pipeline train`.

    Args:
        work: the folder of features and runs.
        run: the run's folder; empty: that of `settings`, or the latest in `work`.
        labels: a CSV, or a folder with a data set's annotation, in the place of what the run knows.
        preset: whose features; empty: those the model was trained on.
        settings: how clips are scored and frames counted.
        device: auto, cpu, cuda or cuda:NUMBER.
        note: told of what the user should know.

    Raises:
        UserError: no such run, no test video, one that was trained on, or features of another kind.
    """
    settings, folder = settings or EvaluateSettings(), Work(work)
    run = folder.run(str(run) or settings.run)
    trained = Trained.load(run / "model.pt", choose_device(device))
    store = folder.store(preset or trained.fingerprint["preset"], scored=True)
    ran = {video.id: video for video in read_labels(run / "videos.csv")}
    chosen = videos_to_test(folder, run, ran, store, labels, note)
    chosen = [replace(v, group=v.group or (ran[v.id].group if v.id in ran else "")) for v in chosen]
    stored = store.read_all([video.id for video in chosen])
    trained.require_features(store.path(chosen[0].id), stored[chosen[0].id])
    scored = [score_video(trained, video, stored[video.id], settings) for video in chosen]
    for s in scored:
        if s.truth is not None and any(end > s.frames for _, end in s.video.intervals):
            note(f"note: an interval of {s.video.id} ends after its last frame; it was cut there")
    tell_coarse(trained, scored, settings, note)
    tell_reach(trained, settings, note)
    trained_on = [v for v in ran.values() if v.split == "train" and store.path(v.id).exists()]
    both = [*trained_on, *chosen]
    features = store.read_all([v.id for v in both])
    tell_copies(copies(both, features, trained.settings.segments), both, note)
    of_alarm, limits = alarm(trained, scored, settings)
    extra = {
        "alarm": of_alarm,
        "classes": by_class(scored),
        "attributes": attributes(both, features),
        "recordings": len(recordings(scored)),
    }
    timelines = [timeline(s, store, limits, settings) for s in scored]
    return Evaluation(run, trained, scored, timelines, measure(scored), extra)


def tell_coarse(trained: Trained, scored: list[ScoredVideo], settings: ScoringSettings, note: Callable) -> None:
    """Names the videos whose segments are too long for what lasts some seconds."""
    coarse = [
        s.video.id
        for s in scored
        if s.fps > 0
        and not settings.native
        and s.frames / s.fps / trained.settings.segments / windows(len(s.clips), trained.clips) > LONG
    ]
    if coarse:
        note(f"note: a segment of {few(coarse)} is longer than {LONG:g} s: what lasts some seconds may be averaged away; try --native")  # fmt: skip


def videos_to_test(work: Work, run: Path, ran: dict[str, Video], store, labels: str, note: Callable) -> list[Video]:
    """The videos to evaluate a run on: the test part of its split, or that of the labels, where they have one.

    Args:
        ran: the videos that the run knew, by id.

    Raises:
        UserError: there is none, the model was trained on one of them, or its features are not there.
    """
    videos = list(ran.values())
    if labels:
        videos = work.videos(store, labels, note)
        if not any(video.split for video in videos):
            tell_unlabelled(videos, note)
            videos = [video for video in videos if video.label is not None]
            if strangers := [video.id for video in videos if video.id not in ran]:
                note(f"note: {few(strangers)} not known to {run}, and without a split; left out")
            videos = [replace(video, split=ran[video.id].split) for video in videos if video.id in ran]
    chosen = [video for video in videos if video.split == "test"]
    if not chosen:
        raise UserError(labels or run / "videos.csv", "has no test video", "give labels with split test, by --labels")
    for video in chosen:
        if video.id in ran and ran[video.id].split == "train":
            raise UserError(labels, f"tests on {video.id}, which {run} was trained on", "leave it to the training part")
    return chosen
