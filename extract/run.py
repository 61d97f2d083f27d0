"""Stage one, whole: videos -> clips -> backbone -> feature store. What is in the store already is not done again."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.catalogue import Video
from data.store import Store, refuse_mixture
from extract.presets import Preset
from extract.reader import Begin, Clip, End, Failed, read_clips
from extract.settings import ExtractSettings

QUARANTINE = "quarantine.csv"
CLIPS_AT_ONCE = {"cpu": 1, "cuda": 32}  # a CPU gains nothing from larger batches, and loses its cache


@dataclass
class Outcome:
    """Ids of videos by what became of them."""

    done: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)  # in the store before
    failed: dict[str, str] = field(default_factory=dict)  # with the reason
    clips: int = 0
    frames: int = 0


class Progress:
    """What a run tells of itself; the command line shows it."""

    def video(self, video: Video, number: int, of: int, announced: int) -> None:
        """A video is opened; `announced` is its header's number of frames, a hint."""

    def advance(self, frames: int) -> None:
        """So many frames have gone through the backbone."""

    def end(self, video: Video, frames: int) -> None:
        """The video is in the store."""

    def failed(self, video: Video, reason: str) -> None:
        """The video is given up."""


class Extraction:
    """One run: backbone and preprocessing of a preset on a device, into a store.

    Args:
        preset: what to extract.
        store: where to.
        settings: decoder, batch, time limit.
        device: where the backbone runs.
        weights_file: a checkpoint instead of the preset's published one.

    Raises:
        UserError: no weights, or a store with features of another kind.
    """

    def __init__(
        self, preset: Preset, store: Store, settings: ExtractSettings, device, weights_file: Path | None = None
    ):
        self.preset, self.store, self.settings, self.device = preset, store, settings, torch.device(device)
        backbone, self.fingerprint = preset.load(weights_file)
        self.backbone = channels_last(backbone).to(self.device)

    def run(self, videos: list[Video], progress: Progress | None = None) -> Outcome:
        """Extract those of `videos` that the store lacks; one that cannot be decoded is left out and named.

        Raises:
            UserError: the store is of another kind, or cannot be written.
        """
        progress, outcome = progress or Progress(), Outcome()
        quarantine = self._read_quarantine()
        todo = []
        for video in videos:
            known = quarantine.get((video.id, size_of(video.path)))
            if self._has(video):
                outcome.present.append(video.id)
            elif known:
                outcome.failed[video.id] = known
            else:
                todo.append(video)
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
                    progress.advance(event.own)
                case End():
                    begun[event.index][1].complete = event
                case Failed():
                    begun.pop(event.index, None)
                    outcome.failed[video.id] = event.reason
                    self._quarantine(video, event.reason)
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
        return made.get("source_size") == size_of(video.path)

    def _read_quarantine(self) -> dict[tuple[str, int], str]:
        path = self.store.root / QUARANTINE
        if not path.exists():
            return {}
        with open(path, newline="") as file:
            return {(row["video"], int(row["size"])): row["reason"] for row in csv.DictReader(file)}

    def _quarantine(self, video: Video, reason: str) -> None:
        path = self.store.root / QUARANTINE
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with open(path, "a", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerows([("video", "size", "reason")] * new + [(video.id, size_of(video.path), reason)])

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


def channels_last(module: torch.nn.Module) -> torch.nn.Module:
    """Convolution weights in the order that CPUs and tensor cores work in; it changes no value."""
    for conv in module.modules():
        if isinstance(conv, (torch.nn.Conv2d, torch.nn.Conv3d)):
            order = torch.channels_last if conv.weight.dim() == 4 else torch.channels_last_3d
            conv.weight.data = conv.weight.data.contiguous(memory_format=order)
    return module
