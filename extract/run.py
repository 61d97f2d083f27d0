"""Stage one, whole: videos -> clips -> backbone -> feature store. What is in the store already is not done again."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
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
ALIKE = 0.9999  # least cosine of bf16 to fp32 features
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

    def add(self, other: "Outcome") -> None:
        """What became of further videos."""
        self.done += other.done
        self.present += other.present
        self.failed |= other.failed
        self.damaged |= other.damaged
        self.clips += other.clips
        self.frames += other.frames


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
        UserError: no weights, or bf16 on a CPU without instructions for it.
    """

    def __init__(
        self, preset: Preset, store: Store, settings: ExtractSettings, device, weights_file: Path | None = None
    ):
        self.preset, self.store, self.settings, self.device = preset, store, settings, torch.device(device)
        if settings.precision == "bf16" and not settings.ray and not has_bf16(self.device):
            raise UserError("--precision bf16", "this CPU computes it many times slower", "use fp32, or a GPU")
        backbone, fingerprint = preset.load(weights_file)
        self.fingerprint = fingerprint | {"precision": settings.precision}
        self.backbone = channels_last(fold(backbone)).to(self.device)
        self.trusted = settings.precision == "fp32"  # bf16 is compared with it on the first clips
        self.locks: dict[int, FileLock] = {}  # of the videos at work, by their place in the run
        torch.backends.cudnn.allow_tf32 = False  # the fingerprint says fp32

    def run(self, videos: list[Video], progress: Progress | None = None) -> Outcome:
        """Extract those of `videos` that the store lacks; one that cannot be decoded is left out and named.

        Several runs may share a store: a video that another run is at work on is left to it, and looked for again at the end.

        Raises:
            UserError: the store is of another kind, or cannot be written; bf16 changes the features.
        """
        progress, outcome = progress or Progress(), Outcome()
        todo = self.unsettled(videos, outcome)
        progress.begin(todo)
        try:
            while todo:
                todo = self._extract(todo, outcome, progress)
                if todo:
                    with self._lock(todo[0]):  # waits until the other run is done with it
                        pass
        finally:
            for lock in self.locks.values():
                lock.release()
        return outcome

    def unsettled(self, videos: list[Video], outcome: Outcome) -> list[Video]:
        """Those of `videos` that are to be done; `outcome` is told of the others."""
        quarantine = self._read_quarantine()
        return [video for video in videos if not self._settled(video, outcome, quarantine)]

    def _settled(self, video: Video, outcome: Outcome, quarantine: dict[tuple[str, ...], str]) -> bool:
        """Whether nothing is to be done, the features or the reason against them being there."""
        if self._has(video):
            outcome.present.append(video.id)
            return True
        if known := quarantine.get(self._case(video)):
            outcome.failed[video.id] = known
            return True
        return False

    def _lock(self, video: Video) -> FileLock:
        path = self.store.root / ".locks" / f"{video.id}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path, thread_local=False)

    def _claim(self, todo: list[Video], outcome: Outcome, busy: list[Video]) -> Iterator[tuple[int, Path]]:
        """The videos one by one, each locked; those that another run has locked go to `busy`."""
        for place, video in enumerate(todo):
            lock = self._lock(video)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                busy.append(video)
                continue
            if self._settled(video, outcome, self._read_quarantine()):
                lock.release()
                continue
            self.locks[place] = lock
            yield place, video.path

    def _extract(self, todo: list[Video], outcome: Outcome, progress: Progress) -> list[Video]:
        """One pass over `todo`. Returns those that another run is at work on."""
        batch, busy = _Batch(self), []
        begun: dict[int, tuple[Begin, _Features]] = {}
        claimed = self._claim(todo, outcome, busy)
        events = read_clips(claimed, self.settings.decoder, self.settings.time_limit, self.preset.tail)
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
                    self.quarantine(video, event.reason)
                    self.locks.pop(event.index).release()
                    progress.read(video)
                    progress.failed(video, event.reason)
            self._store_ready(todo, begun, outcome, progress)
        batch.flush()
        self._store_ready(todo, begun, outcome, progress)
        return busy

    def _store_ready(self, todo, begun, outcome, progress) -> None:
        """Writes the videos whose every clip has gone through the backbone."""
        for index, (begin, features) in list(begun.items()):
            if features.complete is None or features.waiting:
                continue
            video, source = todo[index], todo[index].path
            self.store.write(
                video.id,
                np.frombuffer(features.vectors, np.float32).reshape(features.clips, self.preset.view.crops, -1),
                features.frames,
                self.fingerprint,
                decoder=begin.decoder,
                frames_announced=begin.announced,
                packets_lost=features.complete.skipped,
                fps=begin.fps,
                source=str(source.resolve()),
                source_size=size_of(source),
            )
            self.quarantine(video, None)
            self.locks.pop(index).release()
            outcome.done.append(video.id)
            if features.complete.skipped:
                outcome.damaged[video.id] = f"{features.complete.skipped} packets could not be decoded"
            outcome.clips += features.clips
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

    def quarantine(self, video: Video, reason: str | None) -> None:
        """Puts the video on the list, with the reason; None: takes it off."""
        path = self.store.root / QUARANTINE
        if reason is None and not path.exists():
            return
        with FileLock(self.store.root / ".locks" / f"{QUARANTINE}.lock"):
            rows = {case: why for case, why in self._read_quarantine().items() if case[0] != video.id or reason}
            if reason:
                rows[self._case(video)] = reason
            part = path.with_suffix(".part")
            with open(part, "w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(
                    [(*CASE, "reason"), *((*c, why) for c, why in rows.items())]
                )
            os.replace(part, path)

    @torch.inference_mode()
    def features(self, clips: Tensor) -> Tensor:
        """Preprocessed clips (B, 3, 16, h, w) -> (B, C) float32.

        Raises:
            UserError: bf16 was asked for, and turns these features by a cosine of less than `ALIKE` from those of fp32.
        """
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            features = self.backbone(clips).float()
        if not self.trusted:
            alike = torch.cosine_similarity(features, self.backbone(clips).float()).min().item()
            if not alike > ALIKE:
                raise UserError("--precision bf16", f"changes the features, cosine {alike:.5f} to fp32", "use fp32")
            self.trusted = True
        return features


@dataclass
class _Features:
    """One video's, as they come in."""

    # float32 (clips, crops, C) in one buffer: kept apart, vectors would pin the freed memory of the frames between them
    vectors: bytearray = field(default_factory=bytearray)
    clips: int = 0
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
        for owner, vectors in zip(self.owners, features.reshape(len(self.owners), -1)):
            owner.vectors += vectors.tobytes()
            owner.clips += 1
            owner.waiting -= 1
        self.clips, self.owners = [], []


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 fast: a CPU with instructions for it, or a GPU."""
    able = getattr(torch.cpu, "get_capabilities", dict)()  # not in every release of torch
    return device.type != "cpu" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all images of a folder."""
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size


def shard_of(videos: list[Video], shard: str) -> list[Video]:
    """The videos of shard "i/n", i from 1 to n: every n-th. All, if it is empty.

    Raises:
        UserError: not of this form.
    """
    if not shard:
        return videos
    i, _, n = shard.partition("/")
    if not (i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n)):
        raise UserError("--shard", f"{shard!r} is not i/n", "give for example 1/4, with i from 1 to n")
    return videos[int(i) - 1 :: int(n)]
