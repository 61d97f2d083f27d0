"""The three stages as commands: each says what it read and what it wrote."""

from pathlib import Path

from tqdm import tqdm

from data.catalogue import Video, read_labels, with_labels, write_labels
from data.errors import UserError
from data.layouts import read_catalogue
from data.settings import record
from data.store import Store
from extract.settings import ExtractSettings
from pipeline.settings import CommonSettings, EvaluateSettings
from pipeline.work import DEFAULT_PRESET, Work
from train.settings import TrainSettings

SOME_LEFT_OUT = 3  # exit code: the rest is done


def extract(videos_folder: str, weights: str | None, common: CommonSettings, settings: ExtractSettings) -> int:
    """Stage one. Returns the exit code."""
    from extract.presets import PRESETS
    from extract.run import QUARANTINE, Extraction
    from pipeline.progress import Shown

    name = common.preset or DEFAULT_PRESET
    if name not in PRESETS:
        raise UserError("--preset", f"{name!r} is not known", f"known are {', '.join(PRESETS)}")
    videos, source = read_catalogue(Path(videos_folder), Path(common.labels) if common.labels else None)
    work, device = Work(common.work), choose_device(common.device)
    store = work.store(name)
    print(f"{len(videos)} videos in {videos_folder}, {source}: {counts(videos)}")
    extraction = Extraction(PRESETS[name](), store, settings, device, Path(weights) if weights else None)
    print(f"preset {name} on {device}, features of {extraction.preset.width} dimensions to {store.root}", flush=True)
    progress = Shown(videos)
    try:
        outcome = extraction.run(videos, progress)
    finally:
        progress.close()
    write_labels(work.catalogue, videos)
    print(
        f"{len(outcome.done)} videos extracted ({outcome.clips} clips, {outcome.frames} frames), {len(outcome.present)} were there before"
    )
    for id, reason in outcome.failed.items():
        print(f"left out: {id}: {reason}")
    if outcome.failed:
        print(
            f"{len(outcome.failed)} videos left out; to try them again, mend them or remove {store.root / QUARANTINE}"
        )
    if not outcome.done and not outcome.present:
        raise UserError(videos_folder, "gave no features at all", "see the reasons above")
    return SOME_LEFT_OUT if outcome.failed else 0


def train(common: CommonSettings, settings: TrainSettings) -> int:
    """Stage two. Returns the exit code."""
    from torch.utils.tensorboard import SummaryWriter

    from train.run import train, with_split
    from train.settings import steps

    work, device = Work(common.work), choose_device(common.device)
    store = work.store(work.extracted_preset(common.preset))
    videos, drawn = with_split(catalogue(work, store, common.labels), settings.seed)
    chosen = [video for video in videos if video.split == "train"]
    print(
        f"training on {counts(chosen)}, features from {store.root}"
        + (f"; split drawn with seed {settings.seed}" if drawn else "")
    )
    stored = store.read_all([video.id for video in chosen])
    total = steps(settings, *(sum(video.label == label for video in chosen) for label in (1, 0)))
    run = work.new_run()
    record(run / "settings.json", common, settings)
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
    print(f"model and settings in {run}")
    return 0


def evaluate(common: CommonSettings, settings: EvaluateSettings) -> int:
    """Stage three. Returns the exit code."""
    from evaluate.metrics import evaluate
    from evaluate.plots import plot_curve, plot_roc
    from evaluate.report import table, write_metrics, write_report, write_scores
    from evaluate.score import score_video
    from train.checkpoint import Trained

    work, device = Work(common.work), choose_device(common.device)
    run = work.run(settings.run)
    trained = Trained.load(run / "model.pt", device)
    store = work.store(common.preset or trained.fingerprint["preset"])
    videos = catalogue(work, store, common.labels or str(run / "videos.csv"))
    chosen = [video for video in videos if video.split == "test"] or [video for video in videos if video.split is None]
    if not chosen:
        raise UserError(run / "videos.csv", "has no test video", "give labels with split test, by --labels")
    stored = store.read_all([video.id for video in chosen])
    trained.require_features(store.path(chosen[0].id), stored[chosen[0].id])
    scored = [score_video(trained, video, stored[video.id], settings.native) for video in chosen]
    print(f"{counts(chosen)} scored with {run / 'model.pt'}")
    for s in scored:
        if s.truth is not None and any(end > len(s.truth) for _, end in s.video.intervals):
            print(f"note: an interval of {s.video.id} ends after its last frame, {len(s.truth)}; it was cut there")
    metrics, pictures = evaluate(scored), {}
    write_scores(scored, run / "scores.csv")
    write_metrics(metrics, scored, run / "metrics.json")
    if settings.plot:
        for s in scored:
            pictures[s.video.id] = run / "curves" / f"{s.video.id}.png"
            plot_curve(s, pictures[s.video.id])
        if metrics["auc"]["value"] is not None:
            pictures[""] = run / "roc.png"
            plot_roc(scored, pictures[""])
    write_report(metrics, scored, pictures, run / "report.html", f"Run {run.name}")
    print(table(metrics))
    if metrics["auc"]["value"] is None:
        print(
            "no frame metrics: the labels do not give the abnormal intervals of every test video, or frames of one class only"
        )
    print(
        f"scores of every frame in {run / 'scores.csv'}, numbers in {run / 'metrics.json'}, report in {run / 'report.html'}"
    )
    return 0


def catalogue(work: Work, store: Store, labels: str) -> list[Video]:
    """The videos of the store, with the labels given, or those that `extract` found."""
    videos = [Video(id) for id in store.ids()]
    source = Path(labels) if labels else work.catalogue
    if not labels and not source.exists():
        raise UserError(source, "does not exist", "run `pipeline extract` again, or give --labels")
    labelled = read_labels(source)
    if not labels or source.name == "videos.csv":  # written by us for all videos, also those left out
        present = {video.id for video in videos}
        labelled = [video for video in labelled if video.id in present]
    return with_labels(videos, labelled, source)


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
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("--device", f"{name}: no CUDA GPU can be used here", "leave it out, or give --device cpu")
    try:
        return torch.device(name)
    except RuntimeError:
        raise UserError("--device", f"{name!r} is not a device", "give auto, cpu or cuda") from None
