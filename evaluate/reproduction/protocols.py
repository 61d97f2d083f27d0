"""Protocols of the literature: how a data set is split, how often a model is trained on it, what the paper reports."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.groups import draw
from stavad.train.recipes import RECIPES


@dataclass(frozen=True)
class Protocol:
    """How often a model is trained and tested, and on what."""

    title: str
    draws: int  # trainings of each model, unless another number is asked for
    paper: dict[str, float]  # frame AUC that Table 1 of the paper prints, by the kind of features
    # rows of the paper's Table 2, where it is of this data
    ablation: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    drawn: tuple[int, int] | None = (
        None  # (normal, abnormal) videos drawn for training, the rest tests; None: the split given
    )

    def cases(
        self, videos: list[Video], draws: int, first: int = 0, groups: Mapping[str, str] | None = None
    ) -> Iterator[tuple[int, list[Video]]]:
        """Seed, from `first` on, and split videos of each training; drawn ones leave `groups` whole.

        Raises:
            UserError: the videos do not allow this protocol.
        """
        videos = [video for video in videos if video.label is not None]
        known = all(video.intervals is not None for video in videos if self.drawn or video.split == "test")
        if not known:
            raise UserError(self.title, "needs the abnormal intervals of every test video", "give them with --labels")
        for label in (0, 1):
            of_label = [video for video in videos if video.label == label]
            name = ("normal", "abnormal")[label]
            if self.drawn and len(of_label) <= self.drawn[label]:
                raise UserError(self.title, f"draws {self.drawn[label]} {name} videos of {len(of_label)}", "add the others")  # fmt: skip
            for part in () if self.drawn else ("train", "test"):
                if not any(video.split == part for video in of_label):
                    raise UserError(self.title, f"has no {name} video to {part} on", "give labels with a split")
        for seed in range(first, first + draws):
            yield seed, self._draw(videos, seed, groups) if self.drawn else videos

    def _draw(self, videos: list[Video], seed: int, groups: Mapping[str, str] | None) -> list[Video]:
        groups = groups or {video.id: video.id for video in videos}
        train = draw(videos, dict(enumerate(self.drawn)), groups, np.random.default_rng(seed))
        return [replace(video, split="train" if video.id in train else "test") for video in videos]


TABLE_2 = {  # Table 2 of the paper: UCF-Crime, I3D; mean scores of negative and positive clips, their gap, frame AUC
    "STA + eq. 4 + bd-RNN": (0.21, 0.84, 0.63, 0.830),
    "STA + bd-RNN": (0.33, 0.75, 0.42, 0.798),
    "STA + eq. 4 + FC": (0.24, 0.80, 0.56, 0.822),
    "STA + FC": (0.35, 0.76, 0.41, 0.794),
}

PROTOCOLS = {
    "ped2": Protocol("UCSD Ped2", draws=10, paper={"C3D": 0.923, "I3D": 0.967}, drawn=(10, 6)),
    "ucf-crime": Protocol("UCF-Crime", draws=5, paper={"C3D": 0.816, "I3D": 0.830}, ablation=TABLE_2),
    "shanghaitech": Protocol("ShanghaiTech", draws=5, paper={"C3D": 0.887, "I3D": 0.902}),
}

# of a training: the paper's model, of which a row of the tables changes parts, whatever recipe is given; the scaling is that of the
# settings, centring by default, which cross-validation chose, where the paper's "similar to [2]" means rows of length 1
MODEL = {"recipe": "paper", "model": "sta", **RECIPES["paper"]}

PAPER = "STA + eq. 4 + bd-RNN"
# the 2 x 2 of the paper's Table 2, then its recurrence as printed and without memory, the same heads on features without attention, rows of length 1
ABLATION = {
    PAPER: MODEL,
    "STA + bd-RNN": MODEL | {"mce": False},
    "STA + eq. 4 + FC": MODEL | {"head": "fc"},
    "STA + FC": MODEL | {"mce": False, "head": "fc"},
    f"{PAPER}, recurrence without a bound": MODEL | {"memory": math.inf},
    f"{PAPER}, no memory": MODEL | {"memory": 0.0},
    "bd-RNN": MODEL | {"attention": False, "mce": False},
    "FC": MODEL | {"attention": False, "mce": False, "head": "fc"},
    f"{PAPER}, rows of length 1": MODEL | {"scale": "length"},
    "FC, rows of length 1": MODEL | {"attention": False, "mce": False, "head": "fc", "scale": "length"},
}
OTHERS = {
    "logistic regression on video means": MODEL | {"model": "logistic"},
    "RTFM-like (Tian et al., 2021)": MODEL | {"model": "rtfm"},
    "HL-Net-like (Wu et al., 2020)": MODEL | {"model": "hlnet", "learning_rate": 5e-4},
    "recipe best": MODEL | RECIPES["best"],
}
