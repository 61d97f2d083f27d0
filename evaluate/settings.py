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
class AlarmSettings:
    TITLE: ClassVar = "alarms"

    alarm_rate: float = setting(0.01, "wanted share of normal frames in alarm; the threshold is from training videos scored by models that had not seen them", low=0.0, high=1.0, shown="SHARE")  # fmt: skip
    alarms_per_hour: float = setting(0.0, "wanted false alarms an hour instead; 0: --alarm-rate counts", low=0.0)
    hysteresis: float = setting(5.0, "an event lasts while scores are above the threshold that so many times as many normal frames exceed", low=1.0, shown="TIMES")  # fmt: skip
    least_event: float = setting(0.5, "shorter events are none", low=0.0, shown="SECONDS")
    least_gap: float = setting(2.0, "events that are nearer are one", low=0.0, shown="SECONDS")


@dataclass(frozen=True)
class ReportSettings(AlarmSettings, ScoringSettings):
    """What `evaluate` and `score` share."""

    run: str = setting("", "folder of the run whose model scores (default: the latest)", shown="FOLDER")
    embed: bool = setting(False, "put pictures and videos inside the report, which is then one file")


@dataclass(frozen=True)
class EvaluateSettings(ReportSettings):
    TITLE: ClassVar = "evaluation"

    plot: bool = setting(False, "draw the score curve of every video, and the ROC")


@dataclass(frozen=True)
class ScoreSettings(ReportSettings):
    TITLE: ClassVar = "scoring"

    annotate: bool = setting(False, "write a copy of every video with its score and events drawn in")
