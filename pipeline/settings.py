"""Settings that all commands share."""

from dataclasses import dataclass

from data.settings import setting


@dataclass(frozen=True)
class CommonSettings:
    work: str = setting("work", "folder of features and runs, which the three commands share")
    preset: str = setting(
        "", "features: backbone, weights and preprocessing (default: i3d-kinetics, or those in the work folder)"
    )
    labels: str = setting("", "CSV of video,label,split,start,end (default: from the layout of the videos)")
    device: str = setting("auto", "where networks run: cpu, cuda, or cuda if there is one")
