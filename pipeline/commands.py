"""The three stages as commands: each says what it read and what it wrote."""

import re
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from data.catalogue import Video, in_frames, read_labels, write_labels
from data.errors import UserError, few
from data.layouts import label, read_catalogue
from data.settings import record
from data.store import Store
from evaluate.settings import EvaluateSettings, ScoringSettings
from extract.settings import ExtractSettings
from pipeline.settings import CommonSettings
from pipeline.work import DEFAULT_PRESET, IMPORTED, Work
from train.settings import TrainSettings

SOME_LEFT_OUT = 3  # exit code: the rest is done


def extract(videos_folder: str, weights: str | None, common: CommonSettings, settings: ExtractSettings) -> int:
    """Stage one. Returns the exit code."""
    from extract.cluster import run_on_cluster
    from extract.presets import PRESETS
    from extract.run import QUARANTINE, Extraction, shard_of
    from pipeline.progress import Shown

    name = common.preset or DEFAULT_PRESET
    if name not in PRESETS:
        raise UserError("--preset", f"{name!r} is not known", f"known are {', '.join(PRESETS)}")
    videos, source = read_catalogue(Path(videos_folder), Path(common.labels) if common.labels else None)
    if settings.ray and common.device != "auto":
        raise UserError("--device", "is not for a Ray cluster, which uses what its nodes have", "leave it out")
    work, device = Work(common.work), choose_device("cpu" if settings.ray else common.device)
    store = work.store(name)
    print(f"{len(videos)} videos in {videos_folder}, {source}: {counts(videos)}")
    tell_unlabelled(videos)
    weights_file = Path(weights) if weights else None
    extraction = Extraction(PRESETS[name](), store, settings, device, weights_file)
    store.root.mkdir(parents=True, exist_ok=True)
    work.remember(videos)
    where = f"the Ray cluster {settings.ray}" if settings.ray else device
    print(f"preset {name} on {where}, features of {extraction.preset.width} dimensions to {store.root}", flush=True)
    progress = Shown()
    try:
        chosen = shard_of(videos, settings.shard)
        if settings.ray:
            outcome = run_on_cluster(extraction, chosen, weights_file, progress)
        else:
            outcome = extraction.run(chosen, progress)
    finally:
        progress.close()
    print(
        f"{len(outcome.done)} videos extracted ({outcome.clips} clips, {outcome.frames} frames), {len(outcome.present)} were there before"
    )
    for id, loss in outcome.damaged.items():
        print(f"note: {id} is damaged: {loss}; its frames are those that could be decoded")
    for id, reason in outcome.failed.items():
        print(f"left out: {id}: {reason}")
    if outcome.failed:
        print(
            f"{len(outcome.failed)} videos left out; mend them, give another --decoder or --time-limit, or remove {store.root / QUARANTINE}"
        )
    if strangers := sorted(set(store.ids()) - {video.id for video in videos}):
        print(
            f"note: {store.root} also holds {few(strangers)}, not in {videos_folder}; remove the files to leave them out"
        )
    if not outcome.done and not outcome.present:
        raise UserError(videos_folder, "gave no features at all", "see the reasons above")
    return SOME_LEFT_OUT if outcome.failed else 0


def import_features(path: str, common: CommonSettings) -> int:
    """Published features instead of stage one. Returns the exit code."""
    from data.imports import add_to_store, find_features

    files = find_features(Path(path))
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    videos, source = label([Video(f.id) for f in files], folder, Path(common.labels) if common.labels else None)
    work = Work(common.work)
    store = work.store(common.preset or IMPORTED)
    print(f"{len(files)} videos' features in {path}, {source}: {counts(videos)}")
    tell_unlabelled(videos)
    failed, here = [], store.ids()
    alike = store.attributes(here[0])["fingerprint"] if here else None
    for video, of_video in zip(videos, tqdm(files, unit="video", disable=None)):
        try:
            alike = add_to_store(store, of_video, video.frames, alike)
        except UserError as error:
            failed.append(error)
    work.remember(videos)
    print(f"{len(files) - len(failed)} videos imported to {store.root}")
    for error in failed:
        print(f"left out: {error}")
    if len(failed) == len(files):
        raise UserError(path, "gave no features at all", "see the reasons above")
    return SOME_LEFT_OUT if failed else 0


def train(common: CommonSettings, settings: TrainSettings) -> int:
    """Stage two. Returns the exit code."""
    from torch.utils.tensorboard import SummaryWriter

    from train.run import require_classes, train, with_split
    from train.settings import steps

    work, device = Work(common.work), choose_device(common.device)
    store = work.store(work.extracted_preset(common.preset))
    videos, drawn = with_split(catalogue(work, store, common.labels), settings.seed)
    chosen = [video for video in videos if video.split == "train"]
    print(
        f"training on {counts(chosen)}, features from {store.root}"
        + (f"; split drawn with seed {settings.seed}" if drawn else "")
    )
    tell_unlabelled(videos)
    if adrift := [video.id for video in videos if video.label is not None and video.split is None]:
        print(f"note: no split for {few(adrift)}; in neither part")
    require_classes(chosen, "the training part")
    stored = store.read_all([video.id for video in chosen])
    total = settings.ensemble * steps(settings, *(sum(video.label == label for video in chosen) for label in (1, 0)))
    run = work.new_run()
    record(run / "settings.json", replace(common, preset=store.root.name), settings)
    write_labels(run / "videos.csv", videos)
    with SummaryWriter(str(run)) as board, tqdm(total=total, unit="step", disable=None) as bar:

        def on_step(step, loss, terms):
            bar.update()
            if step % max(1, total // 100) == 0 or step == total:
                shown = {"loss": float(loss)} | {name: float(term) for name, term in terms.items()}
                for name, value in shown.items():
                    board.add_scalar(f"train/{name}", value, step)
                text = " ".join(f"{name} {value:.4f}" for name, value in shown.items())
                bar.set_postfix_str(text)
                if bar.disable and step % max(1, total // 10) == 0:
                    print(f"step {step} of {total}: {text}", flush=True)

        trained = train(videos, stored, settings, device, on_step, on_note=bar.write)
    trained.save(run / "model.pt")
    work.point_at(run)
    print(f"model and settings in {run}")
    return 0


def evaluate(common: CommonSettings, settings: EvaluateSettings) -> int:
    """Stage three. Returns the exit code."""
    from evaluate.metrics import alarm, by_class, evaluate
    from evaluate.plots import plot_curve, plot_roc
    from evaluate.report import table, write_metrics, write_report, write_scores
    from evaluate.score import score_video
    from train.checkpoint import Trained

    work, device = Work(common.work), choose_device(common.device)
    run = work.run(settings.run)
    trained = Trained.load(run / "model.pt", device)
    store = work.store(common.preset or trained.fingerprint["preset"])
    ran = {video.id: video for video in read_labels(run / "videos.csv")}
    chosen = test_part(work, run, ran, store, common.labels)
    stored = store.read_all([video.id for video in chosen])
    trained.require_features(store.path(chosen[0].id), stored[chosen[0].id])
    scored = [score_video(trained, video, stored[video.id], settings) for video in chosen]
    normal = [replace(v, intervals=None, frames=None) for v in ran.values() if v.split == "train" and v.label == 0]
    seen = [score_video(trained, v, store.read(v.id), settings) for v in normal if store.path(v.id).exists()]
    print(f"{counts(chosen)} scored with {run / 'model.pt'}")
    for s in scored:
        if s.truth is not None and any(end > s.frames for _, end in s.video.intervals):
            print(f"note: an interval of {s.video.id} ends after its last frame; it was cut there")
    write_scores(scored, run / "scores.csv")
    metrics, pictures = evaluate(scored), {}
    extra = {"alarm": alarm(seen, scored, settings.alarm_rate), "classes": by_class(scored)}
    write_metrics(metrics, extra, scored, run / "metrics.json")
    if settings.plot:
        for s in scored:
            pictures[s.video.id] = run / "curves" / f"{s.video.id}.png"
            plot_curve(s, pictures[s.video.id])
        if metrics["auc"]["value"] is not None:
            pictures[""] = run / "roc.png"
            plot_roc(scored, pictures[""])
    write_report(metrics, extra, scored, pictures, run / "report.html", f"Run {run.name}")
    print(table(metrics, extra))
    if metrics["auc"]["value"] is None:
        print(
            "no frame metrics: they need start,end of the anomaly in every abnormal test video, by --labels, and frames of both kinds"
        )
    print(
        f"scores of every frame in {run / 'scores.csv'}, numbers in {run / 'metrics.json'}, report in {run / 'report.html'}"
    )
    return 0


def reproduce(
    dataset: str, draws: int, common: CommonSettings, training: TrainSettings, scoring: ScoringSettings
) -> int:
    """The paper's tables on the features of the work folder. Returns the exit code."""
    from evaluate.protocols import PROTOCOLS
    from evaluate.reproduce import Reproduction

    if dataset not in PROTOCOLS:
        raise UserError(dataset, "has no protocol here", f"known are {', '.join(PROTOCOLS)}")
    if draws < 0:
        raise UserError("--draws", f"{draws} is too low", "give at least 1")
    work, device = Work(common.work), choose_device(common.device)
    store = work.store(work.extracted_preset(common.preset))
    videos = catalogue(work, store, common.labels)
    stored = store.read_all([video.id for video in videos])
    reproduction = Reproduction(dataset, videos, stored, training, scoring, draws, work.root / "reproduce")
    done, todo = len(reproduction.cases) * len(reproduction.rows), len(reproduction.todo)
    print(
        f"{reproduction.protocol.title}: {counts(videos)}; {todo} trainings to do, {done - todo} done before",
        flush=True,
    )
    with tqdm(total=todo, unit="training", disable=None) as bar:

        def on_result(row, seed, metrics):
            bar.update()
            bar.write(f"{row}, seed {seed}: frame AUC {metrics['auc']['value']:.3f}")

        reproduction.run(device, on_result)
    text, picture = reproduction.write()
    print(text.read_text())
    print(f"tables in {text}, picture in {picture}")
    return 0


def catalogue(work: Work, store: Store, labels: str) -> list[Video]:
    """The videos of the store, with the labels given, or those that `extract` or `import` found."""
    videos = [Video(id) for id in store.ids()]
    if labels:
        return labelled(work, store, labels)
    if not work.catalogue.exists():
        raise UserError(work.catalogue, "does not exist", "run `pipeline extract` again, or give --labels")
    known = {video.id: video for video in read_labels(work.catalogue)}
    return on_frames([known.get(video.id, video) for video in videos], store)


def labelled(work: Work, store: Store, labels: str) -> list[Video]:
    """The videos of the store by the labels given; those that `extract` or `import` left out are named, and left out."""
    ids = store.ids()
    known = {video.id for video in read_labels(work.catalogue)} if work.catalogue.exists() else set()
    videos, _ = label([Video(id) for id in [*ids, *sorted(known - set(ids))]], Path(labels), Path(labels))
    if lost := [video.id for video in videos[len(ids) :] if video.label is not None]:
        print(f"note: no features of {few(lost)}; left out")
    return on_frames(videos[: len(ids)], store)


def on_frames(videos: list[Video], store: Store) -> list[Video]:
    """Intervals in seconds as frames, by the frame rate of the features' video."""
    return [in_frames(v, store.attributes(v.id).get("fps", 0.0)) if v.seconds else v for v in videos]


def test_part(work: Work, run: Path, ran: dict[str, Video], store: Store, labels: str) -> list[Video]:
    """The videos to evaluate a run on: the test part of its split, or that of the labels, where they have one.

    Args:
        ran: the videos that the run knew, by id.

    Raises:
        UserError: there is none, the model was trained on one of them, or its features are not there.
    """
    videos = list(ran.values())
    if labels:
        videos = labelled(work, store, labels)
        if not any(video.split for video in videos):
            tell_unlabelled(videos)
            videos = [video for video in videos if video.label is not None]
            if strangers := [video.id for video in videos if video.id not in ran]:
                print(f"note: {few(strangers)} not known to {run}, and without a split; left out")
            videos = [replace(video, split=ran[video.id].split) for video in videos if video.id in ran]
    chosen = [video for video in videos if video.split == "test"]
    if not chosen:
        raise UserError(labels or run / "videos.csv", "has no test video", "give labels with split test, by --labels")
    chosen = on_frames(chosen, store)
    for video in chosen:
        if video.id in ran and ran[video.id].split == "train":
            raise UserError(labels, f"tests on {video.id}, which {run} was trained on", "leave it to the training part")
    return chosen


def tell_unlabelled(videos: list[Video]) -> None:
    """Names the videos that the labels leave out, where they name any."""
    unknown = [video.id for video in videos if video.label is None]
    if unknown and len(unknown) < len(videos):
        print(f"note: no label for {few(unknown)}; neither trained nor tested on: add them to the labels")


def verify(folder: str) -> int:
    """What is there of a data set. Returns the exit code."""
    from data.verify import verify

    lines, complete = verify(Path(folder))
    print("\n".join(lines))
    return 0 if complete else SOME_LEFT_OUT


def counts(videos: list[Video]) -> str:
    normal, abnormal = (sum(video.label == label for video in videos) for label in (0, 1))
    unknown = len(videos) - normal - abnormal
    return f"{normal} normal, {abnormal} abnormal" + (f", {unknown} without label" if unknown else "")


def choose_device(name: str):
    """
    Raises:
        UserError: a GPU was asked for, and there is none.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError("--device", f"{name!r} is not a device", "give auto, cpu, cuda or cuda:NUMBER")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError("--device", f"{name}: this GPU cannot be used here", "leave it out, or give --device cpu")
    return device
