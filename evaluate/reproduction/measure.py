"""Every model of a protocol, trained and tested; goes on where it stopped."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from stavad.data.catalogue import Video
from stavad.data.files import written
from stavad.data.groups import groups_of
from stavad.data.leaks import copies, tell_copies
from stavad.data.store import Stored
from stavad.evaluate import bootstrap
from stavad.evaluate.bootstrap import measure
from stavad.evaluate.counted import Counted
from stavad.evaluate.metrics import METRICS
from stavad.evaluate.reproduction.protocols import ABLATION, OTHERS, PROTOCOLS
from stavad.evaluate.score import ScoredVideo, frames_of, over_frames, score_video
from stavad.evaluate.settings import ScoringSettings
from stavad.train.run import fit_on
from stavad.train.settings import TrainSettings

METHODS = ("auc", "auc_abnormal", "auc_within", "video_auc")  # that are measured with an interval


class Reproduction:
    """The measurements of one protocol, kept in `folder/<dataset>.json` as they come, and the scores beside it.

    Args:
        dataset: a name of `evaluate.reproduction.protocols.PROTOCOLS`.
        videos: all videos, with labels, and the split where the protocol takes it from them.
        stored: their features.
        training, scoring: settings; those that make a row of the tables go over them.
        draws: trainings of each row, with seeds from that of `training` on; 0 for the protocol's own number.
        folder: where measurements, tables and picture are kept.
        note: told of copies in both parts.
    """

    def __init__(
        self,
        dataset: str,
        videos: list[Video],
        stored: Mapping[str, Stored],
        training: TrainSettings,
        scoring: ScoringSettings,
        draws: int,
        folder: Path,
        note: Callable[[str], None] = print,
    ):
        self.dataset, self.protocol, self.folder = dataset, PROTOCOLS[dataset], folder
        self.stored, self.training, self.scoring = stored, training, scoring
        labelled = [video for video in videos if video.label is not None]
        same = copies(labelled, stored, training.segments)
        self.groups = groups_of(labelled, training.group_names, same)
        self.cases = list(self.protocol.cases(videos, draws or self.protocol.draws, training.seed, self.groups))
        tell_copies(same, self.cases[0][1], note)
        self.rows = ABLATION | OTHERS
        digests = {
            video.id: f"{(read := stored[video.id]).bag(training.segments).digest} {read.frames}" for video in videos
        }
        self.keys = {(row, case[0]): self._key(row, *case, digests) for case in self.cases for row in self.rows}
        self.file = folder / f"{dataset}.json"
        self.known = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        self.todo = [(row, *case) for case in self.cases for row in self.rows if not self._is_known(row, case[0])]

    def run(self, device, on_result: Callable[[str, int, dict], None] = lambda row, seed, metrics: None) -> None:
        """Measure what is not known yet; each result is on the disk before the next begins."""
        for row, seed, videos in self.todo:
            scored = tested(videos, self.stored, self.settings(row, seed), self.scoring, device)
            found = measure(scored, METHODS)
            with written(self._scores(row, seed), "wb") as file:
                np.savez(file, *[s.clips for s in scored])
            self.known[self.keys[row, seed]] = {"row": row, "seed": seed, "metrics": found}
            self._keep()
            on_result(row, seed, found)

    def settings(self, row: str, seed: int) -> TrainSettings:
        """Of one training of a row."""
        return dataclasses.replace(self.training, seed=seed, **self.rows[row])

    def values(self, row: str, metric: str, part: str = "value") -> np.ndarray:
        """(trainings,): what was measured of a row."""
        return np.array([self.known[self.keys[row, seed]]["metrics"][metric][part] for seed, _ in self.cases], float)

    def differences(self, row: str, other: str) -> dict[str, tuple[float, float, float]]:
        """Of each of `METHODS`: the mean over the trainings of `row` less `other`, and its 95 % interval by a bootstrap over test recordings.

        Every training meets the same resample of the recordings, and both rows the same one: what is left is how much of the difference
        hangs on which videos were tested.
        """
        cases = [(self._counted(row, seed, videos), self._counted(other, seed, videos)) for seed, videos in self.cases]
        names = [[s.video.group or s.video.id for s in mine] for mine, _ in cases]
        every = sorted({name for of_case in names for name in of_case})
        place = [np.array([every.index(name) for name in of_case]) for of_case in names]
        rng = np.random.default_rng(0)
        draws = [np.ones(len(every), np.int64)]
        draws += [
            np.bincount(rng.integers(len(every), size=len(every)), minlength=len(every))
            for _ in range(bootstrap.RESAMPLES)
        ]
        found = {}
        for metric in METHODS:
            values = [
                [
                    METRICS[metric][1](mine, times[at]) - METRICS[metric][1](theirs, times[at])
                    for (mine, theirs), at in zip(cases, place)
                ]
                for times in draws
                if all(METRICS[metric][1](theirs, times[at]) is not None for (_, theirs), at in zip(cases, place))
            ]
            means = np.mean(values, 1)
            low, high = np.percentile(means[1:] if len(means) > 1 else means, [2.5, 97.5])
            found[metric] = float(means[0]), float(low), float(high)
        return found

    def _counted(self, row: str, seed: int, videos: list[Video]) -> Counted:
        with np.load(self._scores(row, seed)) as kept:
            test = [video for video in videos if video.split == "test"]
            return Counted(
                over_frames(v, frames_of(v, self.stored[v.id]), kept[f"arr_{n}"], self.scoring)
                for n, v in enumerate(test)
            )

    def _is_known(self, row: str, seed: int) -> bool:
        return self.keys[row, seed] in self.known and self._scores(row, seed).exists()

    def _scores(self, row: str, seed: int) -> Path:
        return self.folder / self.dataset / f"{self.keys[row, seed]}.npz"

    def _key(self, row: str, seed: int, videos: list[Video], digests: dict[str, str]) -> str:
        """Everything that the result depends on; what is measured under another key is not taken for it."""
        parts = [(v.id, v.label, v.split, v.intervals, digests[v.id]) for v in videos]
        settings = [dataclasses.asdict(group) for group in (self.settings(row, seed), self.scoring)]
        content = json.dumps([code(), settings, parts], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _keep(self) -> None:
        with written(self.file) as file:
            json.dump(self.known, file, indent=1)


def tested(
    videos: list[Video], stored: Mapping[str, Stored], training: TrainSettings, scoring: ScoringSettings, device
) -> list[ScoredVideo]:
    """The test part, scored by a model of the training part."""
    trained = fit_on(videos, stored, training, device)
    return [score_video(trained, video, stored[video.id], scoring) for video in videos if video.split == "test"]


@functools.cache
def code() -> str:
    """Digest of the code that trains, scores and measures."""
    root = Path(__file__).parents[2]
    patterns = "train/**/*.py", "train/**/*.[ch]", "data/bags.py", "data/groups.py", "data/store.py", "evaluate/frames.py", "evaluate/score.py", "evaluate/counted.py", "evaluate/bootstrap.py", "evaluate/metrics/*.py"  # fmt: skip
    files = sorted(path for pattern in patterns for path in root.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
