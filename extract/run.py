"""Stage one, whole: videos -> clips -> backbone -> feature store. What is in the store already is not done again."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.catalogue import Video
from data.errors import UserError
from data.store import Store, refuse_mixture
from extract.fold import channels_last, fold
from extract.presets import Preset
from extract.reader import Begin, Clip, End, Failed, read_clips
from extract.settings import ExtractSettings

QUARANTINE = "quarantine.csv"
CASE = ("video", "size", "decoder", "time_limit")  # its columns, besides the reason
CLIPS_AT_ONCE = {"cpu": 1, "cuda": 32}  # a CPU gains nothing from larger batches, and loses its cache


@dataclass
class Outcome:
    """Ids of videos by what became of them."""

    done: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)  # in the store before
    failed: dict[str, str] = field(default_factory=dict)  # with the reason
    damaged: dict[str, str] = field(default_factory=dict)  # done, with what was lost
    clips: int = 0
    frames: int = 0


class Progress:
    """What a run tells of itself; the command line shows it."""

    def begin(self, videos: list[Video]) -> None:
        """These are to be done."""

    def video(self, video: Video, number: int, of: int, announced: int) -> None:
        """A video is opened; `announced` is its header's number of frames, a hint."""

    def advance(self, video: Video, frames: int) -> None:
        """So many of its frames have gone through the backbone."""

    def read(self, video: Video) -> None:
        """All of the video is decoded, as far as it can be."""

    def end(self, video: Video, frames: int) -> None:
        """The video is in the store."""

    def failed(self, video: Video, reason: str) -> None:
        """The video is given up."""


class Extraction:
    """One run: backbone and preprocessing of a preset on a device, into a store.

    Args:
        preset: what to extract.
        store: where to.
        settings: decoder and time limit.
        device: where the backbone runs.
        weights_file: a checkpoint instead of the preset's published one.

    Raises:
        UserError: no weights.
    """

    def __init__(
        self, preset: Preset, store: Store, settings: ExtractSettings, device, weights_file: Path | None = None
    ):
        self.preset, self.store, self.settings, self.device = preset, store, settings, torch.device(device)
        backbone, self.fingerprint = preset.load(weights_file)
        self.backbone = channels_last(fold(backbone)).to(self.device)
        torch.backends.cudnn.allow_tf32 = False  # the fingerprint says fp32

    def run(self, videos: list[Video], progress: Progress | None = None) -> Outcome:
        """Extract those of `videos` that the store lacks; one that cannot be decoded is left out and named.

        Raises:
            UserError: the store is of another kind, or cannot be written.
        """
        progress, outcome = progress or Progress(), Outcome()
        quarantine = self._read_quarantine()
        todo = []
        for video in videos:
            known = quarantine.get(self._case(video))
            if self._has(video):
                outcome.present.append(video.id)
            elif known:
                outcome.failed[video.id] = known
            else:
                todo.append(video)
        progress.begin(todo)
        if todo:
            self._extract(todo, outcome, progress)
        return outcome

    def _extract(self, todo: list[Video], outcome: Outcome, progress: Progress) -> None:
        batch = _Batch(self)
        begun: dict[int, tuple[Begin, _Features]] = {}
        paths = [video.path for video in todo]
        events = read_clips(paths, self.settings.decoder, self.settings.time_limit, self.preset.tail)
        for event in events:
            video = todo[event.index]
            match event:
                case Begin():
                    begun[event.index] = event, _Features()
                    progress.video(video, event.index + 1, len(todo), event.announced)
                case Clip():
                    batch.add(event.frames, event.own, begun[event.index][1])
                    progress.advance(video, event.own)
                case End():
                    begun[event.index][1].complete = event
                    progress.read(video)
                case Failed():
                    begun.pop(event.index, None)
                    outcome.failed[video.id] = event.reason
                    self._quarantine(video, event.reason)
                    progress.read(video)
                    progress.failed(video, event.reason)
            self._store_ready(todo, begun, outcome, progress)
        batch.flush()
        self._store_ready(todo, begun, outcome, progress)

    def _store_ready(self, todo, begun, outcome, progress) -> None:
        """Writes the videos whose every clip has gone through the backbone."""
        for index, (begin, features) in list(begun.items()):
            if features.complete is None or features.waiting:
                continue
            video, source = todo[index], todo[index].path
            self.store.write(
                video.id,
                np.stack(features.vectors),
                features.frames,
                self.fingerprint,
                decoder=begin.decoder,
                frames_announced=begin.announced,
                packets_lost=features.complete.skipped,
                fps=begin.fps,
                source=str(source.resolve()),
                source_size=size_of(source),
            )
            outcome.done.append(video.id)
            if features.complete.skipped:
                outcome.damaged[video.id] = f"{features.complete.skipped} packets could not be decoded"
            outcome.clips += len(features.vectors)
            outcome.frames += features.frames
            progress.end(video, features.frames)
            del begun[index]

    def _has(self, video: Video) -> bool:
        path = self.store.path(video.id)
        if not path.exists():
            return False
        made = self.store.attributes(video.id)
        refuse_mixture(path, made["fingerprint"], self.fingerprint, f"preset {self.preset.name} makes it now")
        source = Path(made["source"])
        if source != video.path.resolve() and source.exists():
            raise UserError(video.path, f"has the id of {source}, whose features are here", "use another --work")
        return made.get("source_size") == size_of(video.path)

    def _case(self, video: Video) -> tuple[str, ...]:
        """What a failure depends on: with another decoder or more time, or when the file has changed, it is tried again."""
        return video.id, str(size_of(video.path)), self.settings.decoder, str(self.settings.time_limit)

    def _read_quarantine(self) -> dict[tuple[str, ...], str]:
        path = self.store.root / QUARANTINE
        if not path.exists():
            return {}
        with open(path, newline="") as file:
            return {tuple(row[name] for name in CASE): row["reason"] for row in csv.DictReader(file)}

    def _quarantine(self, video: Video, reason: str) -> None:
        path = self.store.root / QUARANTINE
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with open(path, "a", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerows([(*CASE, "reason")] * new + [(*self._case(video), reason)])

    @torch.inference_mode()
    def features(self, clips: Tensor) -> Tensor:
        """Preprocessed clips (B, 3, 16, h, w) -> (B, C) float32."""
        return self.backbone(clips.contiguous(memory_format=torch.channels_last_3d)).float()


@dataclass
class _Features:
    """One video's, as they come in."""

    vectors: list[np.ndarray] = field(default_factory=list)  # (crops, C) each
    frames: int = 0
    waiting: int = 0  # clips that are in the batch
    complete: End | None = None


class _Batch:
    """Collects clips across videos until the backbone has enough to work on at once."""

    def __init__(self, extraction: Extraction):
        self.extraction, self.clips, self.owners = extraction, [], []

    def add(self, frames: np.ndarray, own: int, owner: _Features) -> None:
        shown = self.extraction.preset.view(torch.from_numpy(frames).to(self.extraction.device))
        if self.clips and self.clips[0].shape != shown.shape:
            self.flush()  # whole frames of another shape of video
        self.clips.append(shown)
        self.owners.append(owner)
        owner.frames += own
        owner.waiting += 1
        if len(self.clips) >= CLIPS_AT_ONCE[self.extraction.device.type]:
            self.flush()

    def flush(self) -> None:
        if not self.clips:
            return
        features = self.extraction.features(torch.cat(self.clips)).cpu().numpy()
        for owner, vectors in zip(self.owners, features.reshape(len(self.owners), -1, features.shape[-1])):
            owner.vectors.append(vectors)
            owner.waiting -= 1
        self.clips, self.owners = [], []


def size_of(path: Path) -> int:
    """Bytes of a file, or of all images of a folder."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
