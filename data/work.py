"""The work folder: `features/<preset>/`, `catalogue.csv`, and `runs/<time>/` with `latest` pointing at the newest."""

import contextlib
import os
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from stavad.data.catalogue import Video
from stavad.data.errors import UserError, few
from stavad.data.files import cannot_write, written
from stavad.data.labels import read_labels, write_labels
from stavad.data.layouts import label
from stavad.data.store import Store
from stavad.data.timing import on_frames

IMPORTED = "imported"  # stands in the place of a preset's name


class Work:
    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.catalogue = self.root / "catalogue.csv"
        self.runs = self.root / "runs"
        self.scored = self.root / "scored"  # new videos: their features as in a work folder, and results
        self.crossfit = self.runs / ".crossfit"  # folds of a training that was broken off

    def store(self, preset: str, scored: bool = False) -> Store:
        """The features of a preset; with `scored` those of scored videos, which labels may name, stand behind them."""
        return Store(self.root / "features" / preset, self.scored / "features" / preset if scored else None)

    def extracted_preset(self, preset: str) -> str:
        """`preset` if given, else the one whose features are here.

        Raises:
            UserError: there are none, or several.
        """
        folder = self.root / "features"
        here = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        if preset and preset not in here:
            raise UserError(
                folder / preset, "does not exist", f"run `pipeline extract --preset {preset} --videos DIR` first"
            )
        if not here:
            raise UserError(folder, "holds no features", "run `pipeline extract --videos DIR` first")
        if not preset and len(here) > 1:
            raise UserError(
                folder, f"holds features of several presets ({', '.join(here)})", "choose one with --preset"
            )
        return preset or here[0]

    def videos(self, store: Store, labels: str = "", note: Callable[[str], None] = print) -> list[Video]:
        """The videos of the store, with the labels given, or those that `extract` or `import` found.

        Args:
            labels: a CSV, or a folder with a data set's annotation. Videos that `extract` or `import` left out are named, and left out.
            note: told of what the user should know.

        Raises:
            UserError: no labels were ever found, or those given do not fit.
        """
        ids = store.ids()
        if not labels and not self.catalogue.exists():
            raise UserError(self.catalogue, "does not exist", "run `pipeline extract` again, or give --labels")
        found = {video.id: video for video in read_labels(self.catalogue)} if self.catalogue.exists() else {}
        if not labels:
            return _on_frames([found[id] for id in ids if id in found], store, note)
        scored = [id for id in store.ids_behind() if id not in found and id not in ids]
        every = [Video(id) for id in [*ids, *sorted(found.keys() - set(ids))]]
        every += [Video(id, by_whole_id=True) for id in scored]
        videos, _ = label(every, Path(labels), Path(labels), note)
        absent, judged = videos[len(ids) : len(every) - len(scored)], videos[len(every) - len(scored) :]
        if lost := [video.id for video in absent if video.label is not None]:
            note(f"note: no features of {few(lost)}; left out")
        return _on_frames([*videos[: len(ids)], *(v for v in judged if v.label is not None)], store, note)

    def remember(self, videos: list[Video], gone: Collection[str] = ()) -> None:
        """Add videos to the catalogue, and take the ids `gone` off it; what is said of one now replaces what was said before, but saying less does not.

        Raises:
            UserError: it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / ".catalogue.lock"):
                before = read_labels(self.catalogue) if self.catalogue.exists() else []
                known = {video.id: video for video in before if video.id not in gone}
                known |= {video.id: video for video in videos if not _says_less(video, known.get(video.id))}
                if known:
                    write_labels(self.catalogue, known.values())
                else:
                    self.catalogue.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self.catalogue, error) from None

    def new_run(self) -> Path:
        """A new folder; errors as of `new_folder`."""
        return new_folder(self.runs)

    def run(self, given: str) -> Path:
        """The run given, or the latest.

        Raises:
            UserError: there is none.
        """
        run = Path(given) if given else self.runs / "latest"
        if run.is_file():
            run = run.parent / run.read_text(encoding="utf-8").strip()
        if not run.is_dir():
            raise UserError(run, "is not a run", "run `pipeline train` first, or give a run's folder with --run")
        return run.resolve() if run.is_symlink() else run


def new_folder(parent: Path) -> Path:
    """A new folder in `parent`, named by the time.

    Raises:
        UserError: it cannot be made.
    """
    name = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(100):
        made = parent / (f"{name}-{number}" if number else name)
        try:
            made.mkdir(parents=True)
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(made, error) from None
    return made


def point_at(made: Path) -> None:
    """From now on `latest` beside it is this folder: a link, or where there are none, a file that holds its name."""
    latest = made.parent / "latest"
    pointer = made.parent / f".latest.{os.getpid()}"
    try:
        pointer.symlink_to(made.name)
        os.replace(pointer, latest)
    except (OSError, NotImplementedError):
        with contextlib.suppress(OSError):
            pointer.unlink()
        with written(latest) as file:
            file.write(made.name + "\n")


def _on_frames(videos: list[Video], store: Store, note: Callable[[str], None]) -> list[Video]:
    """Intervals as decoded frames, by the times or numbers of the features' video."""
    return [on_frames(v, store.clock(v.id), note) if v.seconds or v.intervals else v for v in videos]


def _says_less(video: Video, before: Video | None) -> bool:
    """Whether all that is known of the video now was known before, as when a layout has labels, but no intervals."""
    if before is None:
        return False
    said = ("label", "split", "intervals", "kind", "frames", "seconds", "group", "counts")
    return all(getattr(video, name) in (getattr(before, name), None, "", ()) for name in said)
