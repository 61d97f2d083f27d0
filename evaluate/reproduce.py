"""Tables 1 and 2 of the paper, measured: every model of a protocol, trained and tested; goes on where it stopped."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from data.catalogue import Video
from data.store import Stored
from evaluate.metrics import evaluate
from evaluate.plots import plot_reproduction
from evaluate.protocols import ABLATION, OTHERS, PAPER, PROTOCOLS
from evaluate.score import ScoredVideo, score_video
from evaluate.settings import ScoringSettings
from train.run import train
from train.settings import TrainSettings

NAMES = {"FC": "MIL ranking, FC head (after Sultani et al., 2018)", PAPER: "**the paper's model**"}  # in table 1
METHODS = ("auc", "auc_abnormal", "video_auc")  # columns of table 1
COLUMNS = {  # of table 2
    "auc": "frame AUC",
    "auc_abnormal": "abnormal only",
    "ap": "AP",
    "mean_score_negative": "negative clips",
    "mean_score_positive": "positive clips",
    "gap": "gap",
}


class Reproduction:
    """The measurements of one protocol, kept in `folder/<dataset>.json` as they come.

    Args:
        dataset: a name of `evaluate.protocols.PROTOCOLS`.
        videos: all videos, with labels, and the split where the protocol takes it from them.
        stored: their features.
        training, scoring: settings; those that make a row of the tables go over them.
        draws: trainings of each row, with seeds from that of `training` on; 0 for the protocol's own number.
        folder: where measurements, tables and picture are kept.
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
    ):
        self.dataset, self.protocol, self.folder = dataset, PROTOCOLS[dataset], folder
        self.stored, self.training, self.scoring = stored, training, scoring
        self.cases = list(self.protocol.cases(videos, draws or self.protocol.draws, training.seed))
        self.rows = ABLATION | OTHERS
        digests = {video.id: _digest(stored[video.id]) for video in videos}
        self.keys = {(row, case[0]): self._key(row, *case, digests) for case in self.cases for row in self.rows}
        self.file = folder / f"{dataset}.json"
        self.known = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.todo = [
            (row, *case) for case in self.cases for row in self.rows if self.keys[row, case[0]] not in self.known
        ]

    def run(self, device, on_result: Callable[[str, int, dict], None] = lambda row, seed, metrics: None) -> None:
        """Measure what is not known yet; each result is on the disk before the next begins."""
        for row, seed, videos in self.todo:
            scored = tested(videos, self.stored, self._settings(row, seed), self.scoring, device)
            found = evaluate(scored, METHODS)
            self.known[self.keys[row, seed]] = {"row": row, "seed": seed, "metrics": found}
            self._keep()
            on_result(row, seed, found)

    def write(self) -> tuple[Path, Path]:
        """The tables as Markdown, and the picture. Returns their paths."""
        text, picture = self.folder / f"{self.dataset}.md", self.folder / f"{self.dataset}.png"
        text.write_text(self.tables())
        values = {row: self._values(row, "auc") for row in self.rows}
        plot_reproduction(self.protocol.title, values, self._values(PAPER, "oracle_auc"), self.protocol.paper, picture)
        return text, picture

    def tables(self) -> str:
        """Markdown: Table 1 (methods) and Table 2 (ablation), ours beside the paper's."""
        drawn = self.protocol.drawn
        test = [video for video in self.cases[0][1] if video.split == "test"]
        fingerprint = self.stored[test[0].id].made["fingerprint"]
        how = f"{len(self.cases)} " + (
            f"random draws of {drawn[0]} normal + {drawn[1]} abnormal training videos"
            if drawn
            else "seeds, split as given"
        )
        oracle, paper = self._values(PAPER, "oracle_auc"), self.protocol.paper
        lines = [
            f"# {self.protocol.title}",
            "",
            f"{how}; {len(test)} test videos, {sum(v.label for v in test)} of them abnormal. Features: {fingerprint['preset']}, "
            f"{fingerprint['width']} dimensions. {self.training.epochs} epochs, learning rate {self.training.learning_rate:g}, "
            f"scaling {self.training.scale}, where a row does not bring its own.",
            "Mean ± deviation over the trainings; in brackets a 95 % interval, the mean of the trainings' bootstraps over test videos.",
            "Of differences: the mean over trainings with the same split and seed, and a 95 % interval by a bootstrap over the trainings.",
            "",
            "## Table 1: methods",
            "",
            "| method | frame AUC | abnormal only | video AUC | frame AUC less the paper's model | paper's frame AUC |",
            "|---|---|---|---|---|---|",
            f"| oracle that knows the video labels | {_spread(oracle)} | 0.500 | 1.000 | | |",
        ]
        for row in self.rows:
            name = NAMES.get(row, row)
            if row in ABLATION and row not in ("FC", PAPER):
                continue
            theirs = ("not known to us" if paper is None else f"{paper:.3f}") if row == PAPER else ""
            cells = [self._cell(row, column) for column in METHODS]
            cells.append("" if row == PAPER else _gain(self._values(row, "auc") - self._values(PAPER, "auc")))
            lines.append(f"| {name} | {' | '.join(cells)} | {theirs} |")
        lines += ["", "## Table 2: ablation", "", "| | " + " | ".join(COLUMNS.values()) + " | AUC less the row above |"]
        lines.append("|---|" + "---|" * (len(COLUMNS) + 1))
        before = None
        for row in ABLATION:
            step = "" if before is None else _gain(self._values(row, "auc") - self._values(before, "auc"))
            cells = [_spread(self._values(row, column)) for column in COLUMNS]
            lines.append(f"| {row} | {' | '.join(cells)} | {step} |")
            before = row
        return "\n".join(lines) + "\n"

    def _cell(self, row: str, column: str) -> str:
        low, high = (np.mean(self._values(row, column, part)) for part in ("low", "high"))
        return f"{_spread(self._values(row, column))} [{low:.3f}, {high:.3f}]"

    def _values(self, row: str, metric: str, part: str = "value") -> np.ndarray:
        return np.array([self.known[self.keys[row, seed]]["metrics"][metric][part] for seed, _ in self.cases], float)

    def _settings(self, row: str, seed: int) -> TrainSettings:
        return dataclasses.replace(self.training, seed=seed, **self.rows[row])

    def _key(self, row: str, seed: int, videos: list[Video], digests: dict[str, str]) -> str:
        """Everything that the result depends on; what is measured under another key is not taken for it."""
        parts = [(v.id, v.label, v.split, v.intervals, digests[v.id]) for v in videos]
        settings = [dataclasses.asdict(group) for group in (self._settings(row, seed), self.scoring)]
        content = json.dumps([_code(), settings, parts], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def _keep(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.known, indent=1))
        os.replace(part, self.file)


def tested(
    videos: list[Video], stored: Mapping[str, Stored], training: TrainSettings, scoring: ScoringSettings, device
) -> list[ScoredVideo]:
    """The test part, scored by a model of the training part."""
    trained = train(videos, stored, training, device)
    return [score_video(trained, video, stored[video.id], scoring) for video in videos if video.split == "test"]


def _digest(stored: Stored) -> str:
    return hashlib.sha256(stored.features.tobytes() + str((stored.features.shape, stored.frames)).encode()).hexdigest()


@functools.cache
def _code() -> str:
    """Digest of the code that trains, scores and measures."""
    root = Path(__file__).parents[1]
    patterns = "train/*.py", "train/*.c", "data/bags.py", "data/store.py", *(f"evaluate/{n}.py" for n in ("frames", "score", "metrics"))  # fmt: skip
    files = sorted(path for pattern in patterns for path in root.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.3f}" + (f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else "")


def _gain(differences: np.ndarray) -> str:
    """Mean of paired differences and its 95 % interval, by a bootstrap over the trainings."""
    if len(differences) == 1:
        return f"{differences[0]:+.3f}"
    rng = np.random.default_rng(0)
    means = rng.choice(differences, (10_000, len(differences))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
