"""Stage one, whole: a video is claimed, decoded into clips, shown to the backbone, and stored. What is there is not done again."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.files import BadName
from stavad.data.identity import size_of
from stavad.data.store import Store
from stavad.extract import flow
from stavad.extract.ahead import AHEAD
from stavad.extract.batch import Network, VideoFeatures, collector, require_precision
from stavad.extract.claims import Claims
from stavad.extract.outcome import Outcome, Progress
from stavad.extract.presets import Preset
from stavad.extract.reader import Begin, Clip, End, Failed, read_clips
from stavad.extract.settings import ExtractSettings

FED = 4  # threads, a clip each, that one process which decodes keeps busy; beside a GPU, its own


class Extraction:
    """One run: backbone and preprocessing of a preset on a device, into a store.

    Args:
        preset: what to extract.
        store: where to.
        settings: decoder and time limit.
        device: where the backbone runs.
        weights_file: a checkpoint instead of the preset's published one.
        note: told of what the user should know.

    Raises:
        UserError: no weights, bf16 on a CPU without instructions for it, or a runtime that is not there.
    """

    def __init__(
        self,
        preset: Preset,
        store: Store,
        settings: ExtractSettings,
        device,
        weights_file: Path | None = None,
        note: Callable[[str], None] = print,
    ):
        self.preset, self.store, self.settings = preset, store, settings
        device, here = torch.device(device), "fp32" if settings.ray else settings.precision  # nodes try their own
        if settings.precision == "bf16" and settings.runtime != "torch":
            raise UserError(
                "--precision bf16", f"is torch's alone, not {settings.runtime}'s", "leave one of the two out"
            )
        require_precision(here, device)  # before weights are fetched
        backbone, fingerprint = preset.load(weights_file)
        self.fingerprint = fingerprint | {"precision": settings.precision}
        runtime = "torch" if settings.ray or preset.taken.luma else settings.runtime
        self.network = Network(backbone, device, here, settings.at_once, note, runtime)
        self.claims = Claims(store, self.fingerprint, settings)

    def run(self, videos: list[Video], progress: Progress | None = None) -> Outcome:
        """Extract those of `videos` that the store lacks; one that cannot be decoded is left out and named.

        Several runs may share a store: a video that another run is at work on is left to it, and looked for again at the end.

        Raises:
            UserError: the store is of another kind, or cannot be written; bf16 changes the features.
        """
        progress, outcome = progress or Progress(), Outcome()
        todo = self.claims.unsettled(videos, outcome)
        progress.begin(todo)
        try:
            while todo:
                todo = self._extract(todo, outcome, progress)
                if todo:
                    with self.claims.lock(todo[0]):  # waits until the other run is done with it
                        pass
        finally:
            self.claims.release()
        return outcome

    def _extract(self, todo: list[Video], outcome: Outcome, progress: Progress) -> list[Video]:
        """One pass over `todo`. Returns those that another run is at work on."""
        batch = collector(self.network, self.preset.view)
        busy: list[Video] = []
        begun: dict[int, tuple[Begin, VideoFeatures]] = {}
        read: dict[int, End] = {}
        claimed = self.claims.claim(todo, outcome, busy)
        events = read_clips(
            claimed, self.settings.decoder, self.settings.time_limit, self.preset.tail, self.preset.taken, self._processes(len(todo)), self._ahead()
        )  # fmt: skip
        with closing(events), closing(batch):
            for event in events:
                video = todo[event.index]
                match event:
                    case Begin():
                        begun[event.index] = event, VideoFeatures(self.store.root)
                        progress.video(video, event.index + 1, len(todo), event.announced)
                    case Clip():
                        batch.add(event.frames, event.numbers, event.own, begun[event.index][1])
                        progress.advance(video, event.own)
                    case End():
                        read[event.index] = event
                        progress.read(video)
                    case Failed():
                        begun.pop(event.index, None)
                        self._give_up(video, event.reason, event.lasting, outcome, progress)
                self._store_ready(todo, begun, read, outcome, progress)
            batch.flush()
            self._store_ready(todo, begun, read, outcome, progress)
        return busy

    def _processes(self, videos: int) -> int:
        """That decode: one ahead of a network that shares the CPU, or as many as keep its threads, or a GPU, busy; without a network one a core."""
        if self.preset.taken.luma:
            return min(videos, torch.get_num_threads())
        threads = torch.get_num_threads() if self.network.device.type == "cuda" else self.network.threads
        return max(1, min(videos, threads // FED))

    def _ahead(self) -> int:
        """Clips that are decoded while a GPU is at work: what it takes next."""
        return max(AHEAD, self.network.at_once // self.preset.view.crops)

    def _store_ready(self, todo, begun, read, outcome, progress) -> None:
        """Writes the videos whose every clip has gone through the backbone."""
        for index in [index for index in read if not begun[index][1].waiting]:
            (begin, features), end, video = begun.pop(index), read.pop(index), todo[index]
            try:
                self.store.write(
                    video.id,
                    features.array(self.preset.view.crops),
                    features.frames,
                    self.fingerprint,
                    end.clock,
                    decoder=begin.decoder,
                    libraries=self._libraries(),
                    frames_announced=begin.announced,
                    frames_lost=end.lost,
                    fps=begin.fps,
                    source=str(video.path.resolve()),
                    source_size=size_of(video.path),
                    source_stamp=begin.stamp,
                    source_digest=end.digest,
                    **end.about,
                )
            except BadName as error:
                self._give_up(video, str(error), False, outcome, progress)
                continue
            self.claims.done(video)
            outcome.done.append(video.id)
            if end.loss:
                outcome.damaged[video.id] = end.loss
            outcome.clips += features.clips
            outcome.frames += features.frames
            progress.end(video, features.frames)

    def _libraries(self) -> str:
        """That computed the features: their last bits depend on them."""
        taken = self.preset.taken
        return ", ".join(([] if taken.luma else [self.network.library]) + ([flow.library()] if taken.motion else []))

    def _give_up(self, video: Video, reason: str, lasting: bool, outcome: Outcome, progress: Progress) -> None:
        outcome.failed[video.id] = reason
        self.claims.failed(video, reason, lasting)
        progress.read(video)
        progress.failed(video, reason)
