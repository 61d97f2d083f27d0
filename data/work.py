"""The work folder: `features/<preset>/`, `catalogue.csv`, and `runs/<time>/` with `latest` pointing at the newest."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from stavad.data.catalogue import Video
from stavad.data.errors import UserError, few
from stavad.data.labels import in_frames, read_labels, write_labels
from stavad.data.layouts import label
from stavad.data.store import Store

IMPORTED = "imported"  # stands in the place of a preset's name


class Work:
    def __init__(self, root: str | Path):
        self.root = Path(root)
        self.catalogue = self.root / "catalogue.csv"
        self.runs = self.root / "runs"

    def store(self, preset: str) -> Store:
        return Store(self.root / "features" / preset)

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
            return _on_frames([found.get(id, Video(id)) for id in ids], store)
        every = [Video(id) for id in [*ids, *sorted(found.keys() - set(ids))]]
        videos, _ = label(every, Path(labels), Path(labels))
        if lost := [video.id for video in videos[len(ids) :] if video.label is not None]:
            note(f"note: no features of {few(lost)}; left out")
        return _on_frames(videos[: len(ids)], store)

    def remember(self, videos: list[Video]) -> None:
        """Add videos to the catalogue; what is said of one now replaces what was said before, but saying less does not."""
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".catalogue.lock"):
            before = read_labels(self.catalogue) if self.catalogue.exists() else []
            part = self.root / ".catalogue.part"
            known = {video.id: video for video in before}
            known |= {video.id: video for video in videos if not _says_less(video, known.get(video.id))}
            write_labels(part, known.values())
            os.replace(part, self.catalogue)

    def new_run(self) -> Path:
        """A new folder."""
        name = datetime.now().strftime("%Y%m%d-%H%M%S")
        for number in range(100):
            run = self.runs / (f"{name}-{number}" if number else name)
            try:
                run.mkdir(parents=True)
                break
            except FileExistsError:
                continue
        return run

    def point_at(self, run: Path) -> None:
        """From now on `latest` is this run."""
        pointer = self.runs / f".latest.{os.getpid()}"
        pointer.symlink_to(run.name)
        os.replace(pointer, self.runs / "latest")

    def run(self, given: str) -> Path:
        """The run given, or the latest.

        Raises:
            UserError: there is none.
        """
        run = Path(given) if given else self.runs / "latest"
        if not run.is_dir():
            raise UserError(run, "is not a run", "run `pipeline train` first, or give a run's folder with --run")
        return run.resolve() if run.is_symlink() else run


def _on_frames(videos: list[Video], store: Store) -> list[Video]:
    """Intervals in seconds as frames, by the frame rate of the features' video."""
    return [in_frames(v, store.attributes(v.id).get("fps", 0.0)) if v.seconds else v for v in videos]


def _says_less(video: Video, before: Video | None) -> bool:
    """Whether all that is known of the video now was known before, as when a layout has labels, but no intervals."""
    if before is None:
        return False
    said = ("label", "split", "intervals", "kind", "frames", "seconds")
    return all(getattr(video, name) in (getattr(before, name), None, "", ()) for name in said)
