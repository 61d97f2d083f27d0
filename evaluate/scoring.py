"""A trained run on new videos, without labels: features, scores of every frame, events."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.files import cannot_write, written
from stavad.data.search import printable, search
from stavad.data.store import refuse_mixture
from stavad.data.work import IMPORTED, Work, new_folder, point_at
from stavad.evaluate.alarm import level, tell_reach, why_none
from stavad.evaluate.run import tell_coarse
from stavad.evaluate.score import score_video
from stavad.evaluate.settings import ScoreSettings
from stavad.evaluate.timeline import Timeline, timeline
from stavad.extract.device import choose_device
from stavad.extract.outcome import Progress
from stavad.extract.presets import preset as preset_of
from stavad.extract.run import Extraction
from stavad.extract.settings import DecodeSettings, ExtractSettings
from stavad.train.checkpoint import Trained


@dataclass(frozen=True)
class Scoring:
    """What came of new videos."""

    run: Path  # whose model scored
    results: Path  # where what is written of it gets a folder of its own
    trained: Trained
    timelines: list[Timeline]
    threshold: float | None
    none: str  # why there is no threshold
    left_out: dict[str, str]  # videos that could not be scored, and why

    @cached_property
    def folder(self) -> Path:
        """A new folder, the latest from then on; made when it is first asked for."""
        made = new_folder(self.results)
        point_at(made)
        return made


def score(
    videos: str | Path | Sequence[str | Path],
    run: str | Path = "",
    work: str | Path = "work",
    weights: str | Path = "",
    settings: ScoreSettings | None = None,
    decoding: DecodeSettings | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    note: Callable[[str], None] = print,
) -> Scoring:
    """Score videos with the model of a run.

    Their features are kept in `work/scored/`, so that a second call does not make them again. A process of its own decodes, started by
    `spawn`: a script that calls this needs `if __name__ == "__main__":`.

    Args:
        videos: a video or a folder of videos, or several of either.
        run: the folder of a run; empty: that of `settings`, or the latest in `work`.
        work: the folder of features and runs.
        weights: the backbone's checkpoint, where the run's features were not made with the published one.
        settings: how scores become events.
        decoding: decoder and time limit.
        device: auto, cpu, cuda or cuda:NUMBER.
        progress: told what the extraction is at.
        note: told, line by line, what was found and what the user should know.

    Raises:
        UserError: no such run or videos, or features of another kind than the run's.
    """
    settings, folder = settings or ScoreSettings(), Work(work)
    chosen = folder.run(str(run) or settings.run)
    here = choose_device(device)
    trained = Trained.load(chosen / "model.pt", here)
    preset = trained.fingerprint["preset"]
    if preset == IMPORTED:
        raise UserError(chosen, "was trained on imported features, which no preset here makes of videos", "train on features of `pipeline extract`, or import those of the new videos and evaluate")  # fmt: skip
    scored_work = Work(folder.scored)
    store = scored_work.store(preset)
    given = [Path(videos)] if isinstance(videos, str | Path) else [Path(path) for path in videos]
    found, left_out = _found(given, scored_work, folder, note)
    note(f"{len(found)} videos to score with {chosen}, preset {preset} on {here}")
    own = ExtractSettings(
        **asdict(decoding or DecodeSettings()), precision=trained.fingerprint.get("precision", "fp32")
    )
    extractor = Extraction(preset_of(preset), store, own, here, Path(weights) if weights else None, note)
    refuse_mixture(preset, extractor.fingerprint, trained.fingerprint, f"the features that {chosen} was trained on")
    outcome = extractor.run(found, progress)
    for id, loss in outcome.damaged.items():
        note(f"note: {id} is damaged: {loss}")
    left_out |= outcome.failed
    for id, reason in left_out.items():
        note(f"left out: {id}: {reason}")
    made_of = {*outcome.done, *outcome.present}
    ready = [video for video in found if video.id in made_of]
    if not ready:
        raise UserError(", ".join(map(str, given)), "gave no features at all", "see the reasons above")
    none = why_none(trained, settings)
    threshold = None if none else level(trained, settings)
    timelines = [timeline(score_video(trained, video, store.read(video.id), settings), store, threshold, settings) for video in ready]  # fmt: skip
    tell_coarse(trained, [one.scored for one in timelines], settings, note)
    tell_reach(trained, settings, note)
    return Scoring(
        chosen, folder.scored / "results", trained, timelines, threshold.high if threshold else None, none, left_out
    )


def _found(
    given: list[Path], scored: Work, work: Work, note: Callable[[str], None]
) -> tuple[list[Video], dict[str, str]]:
    """Videos below the paths given, each id led by its folder's name, and what is left out with the reason."""
    videos: dict[Path, Video] = {}
    left_out: dict[str, str] = {}
    for path in given:
        seen = search(path, work.root)
        name = _name(path if path.is_dir() else path.resolve().parent, scored)
        for line in seen.notes():
            note(line)
        left_out |= {f"{name}/{id}": reason for id, reason in seen.left_out.items()}
        for video in seen.videos:
            videos.setdefault(video.path.resolve(), replace(video, id=f"{name}/{video.id}"))
    return list(videos.values()), left_out


def _name(folder: Path, scored: Work) -> str:
    """A folder's name, with a number where another folder of that name was scored before."""
    kept, here = scored.root / "folders.json", printable(str(folder.resolve()))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(kept.with_name(".folders.lock")):
            known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
            if here not in known:
                base = Path(here).name or "videos"
                names = [base, *(f"{base}-{number}" for number in range(2, len(known) + 3))]
                known[here] = next(name for name in names if name not in known.values())
                with written(kept) as file:
                    file.write(json.dumps(known, indent=1) + "\n")
    except OSError as error:
        raise cannot_write(kept, error) from None
    except ValueError:
        raise UserError(kept, "is not as it was written", "remove it; videos are then scored anew") from None
    return known[here]
