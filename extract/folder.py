"""Stage one for a folder of videos: found, labelled, extracted into a work folder."""

from collections.abc import Callable
from pathlib import Path

from stavad.data.catalogue import counts, tell_unlabelled
from stavad.data.errors import UserError, few
from stavad.data.files import cannot_write
from stavad.data.layouts import label
from stavad.data.search import search
from stavad.data.work import Work
from stavad.extract.claims import QUARANTINE, shard_of
from stavad.extract.device import choose_device
from stavad.extract.outcome import Outcome, Progress
from stavad.extract.presets import DEFAULT
from stavad.extract.presets import preset as preset_of
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings


def extract_features(
    videos: str | Path,
    work: str | Path = "work",
    preset: str = DEFAULT,
    labels: str | Path = "",
    weights: str | Path = "",
    settings: ExtractSettings | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    note: Callable[[str], None] = print,
) -> Outcome:
    """Features of all videos in a folder, into `work/features/<preset>/`; what is there already is not done again.

    A process of its own decodes, started by `spawn`: a script that calls this needs `if __name__ == "__main__":`.

    Args:
        videos: a folder, searched to the bottom, or one file.
        work: the folder that `train_model` and `evaluate_run` read.
        preset: a name of `PRESETS`.
        labels: a CSV, or a folder with a data set's annotation; empty: from the layout of the videos.
        weights: a checkpoint instead of the published one.
        settings: decoder, time limit, precision, shard, cluster.
        device: auto, cpu, cuda or cuda:NUMBER.
        progress: told what the run is at.
        note: told, line by line, what was found and what the user should know.

    Returns:
        What became of each video: done, there before, or left out with the reason.

    Raises:
        UserError: no videos, labels that do not fit them, no weights, a store of another kind, or no features at all.
    """
    settings, folder = settings or ExtractSettings(), Work(work)
    chosen = preset_of(preset)
    seen = search(Path(videos), folder.root)
    found, source = label(seen.videos, Path(videos), Path(labels) if labels else None, note)
    if settings.ray and device != "auto":
        raise UserError("--device", "is not for a Ray cluster, which uses what its nodes have", "leave it out")
    here = choose_device("cpu" if settings.ray else device)
    store = folder.store(preset)
    note(f"{len(found)} videos in {videos}, {source}: {counts(found)}")
    for line in seen.notes():
        note(line)
    tell_unlabelled(found, note)
    missing = [name for kind, name in ((0, "normal"), (1, "abnormal")) if all(v.label != kind for v in found)]
    if missing:
        note(f"note: no video of them is known to be {' or '.join(missing)}: training needs both, by folders normal/ and others, or by --labels")  # fmt: skip
    weights_file = Path(weights) if weights else None
    extraction = Extraction(chosen, store, settings, here, weights_file, note)
    try:
        store.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(store.root, error) from None
    strangers = sorted(set(store.ids()) - {video.id for video in found})
    gone = [id for id in strangers if _was_in(Path(videos), store.attributes(id).get("source", ""))]
    folder.remember(found, gone)
    where = f"the Ray cluster {settings.ray}" if settings.ray else here
    note(f"preset {preset} on {where}, features of {chosen.width} dimensions to {store.root}")
    share = shard_of(found, settings.shard)
    if settings.ray:
        from stavad.extract.cluster import run_on_cluster

        outcome = run_on_cluster(extraction, share, weights_file, progress)
    else:
        outcome = extraction.run(share, progress)
    for id, loss in outcome.damaged.items():
        note(f"note: {id} is damaged: {loss}")
    outcome.failed |= seen.left_out
    for id, reason in outcome.failed.items():
        note(f"left out: {id}: {reason}")
    if outcome.failed:
        note(
            f"{len(outcome.failed)} videos left out; mend them, give another --decoder or --time-limit, or remove {store.root / QUARANTINE}"
        )
    if gone:
        note(f"note: no longer in {videos}: {few(gone)}; no further part in training, though the features are kept")
    if strangers := sorted(set(strangers) - set(gone)):
        note(f"note: {store.root} also holds {few(strangers)}, not in {videos}; remove the files to leave them out")
    if not outcome.done and not outcome.present:
        raise UserError(videos, "gave no features at all", "see the reasons above")
    return outcome


def _was_in(videos: Path, source: str) -> bool:
    """Whether a video that the features were made from was in this folder, and is there no more."""
    return bool(source) and Path(source).is_relative_to(videos.resolve()) and not Path(source).exists()
