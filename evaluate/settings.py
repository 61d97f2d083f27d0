"""Settings of stage three."""

from dataclasses import dataclass
from typing import ClassVar

from stavad.data.settings import setting
from stavad.evaluate.frames import CONVENTIONS

CROPS = ("features", "scores")


@dataclass(frozen=True)
class ScoringSettings:
    TITLE: ClassVar = "scoring"

    native: bool = setting(False, "score every clip of a video by itself, instead of the segments it was trained on")
    frames: str = setting("exact", "which frames count: as decoded, whole clips only, or filled up to whole clips", CONVENTIONS)  # fmt: skip
    crops: str = setting("features", "of several crops, average the features before the model or the scores after it", CROPS)  # fmt: skip
    smooth: int = setting(1, "moving average of the scores over so many clips", low=1, shown="CLIPS")


@dataclass(frozen=True)
class EvaluateSettings(ScoringSettings):
    TITLE: ClassVar = "evaluation"

    run: str = setting("", "folder of the run to evaluate (default: the latest)", shown="FOLDER")
    plot: bool = setting(False, "draw the score curve of every video, and the ROC")
    alarm_rate: float = setting(0.01, "wanted share of normal frames in alarm; the threshold is from training videos scored by models that had not seen them", low=0.0, high=1.0, shown="SHARE")  # fmt: skip
