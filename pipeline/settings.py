"""Settings that all commands share."""

from dataclasses import dataclass
from typing import ClassVar

from stavad.data.settings import setting


def _presets() -> list[str]:
    from stavad.extract.presets import PRESETS

    return list(PRESETS)


@dataclass(frozen=True)
class WorkSettings:
    TITLE: ClassVar = "common settings"

    work: str = setting("work", "folder of features and runs, which the commands share", shown="FOLDER")
    device: str = setting("auto", "where networks run: cpu, cuda, or cuda if there is one", shown="DEVICE")


@dataclass(frozen=True)
class CommonSettings(WorkSettings):
    preset: str = setting(
        "",
        "features: backbone, weights and preprocessing (default: `extract` makes i3d-kinetics, the others take those in the work folder)",
        shown="PRESET",
        names=_presets,
    )
    labels: str = setting(
        "", "CSV of video,label,split,start,end (default: from the layout of the videos)", shown="FILE"
    )
