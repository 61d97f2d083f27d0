"""`pipeline score`: a trained model on new videos."""

import argparse

from stavad.evaluate.settings import ScoreSettings
from stavad.extract.settings import DecodeSettings
from stavad.pipeline.commands import SOME_LEFT_OUT
from stavad.pipeline.settings import WorkSettings

NAME, PART, HELP = (
    "score",
    "your own videos",
    "a trained model on new videos: scores, events, and a report to look at and review",
)
PLACE = 5
GROUPS = (WorkSettings, DecodeSettings, ScoreSettings)
EXAMPLES = ("pipeline score tonight", "pipeline score door.mp4 yard.mp4 --alarms-per-hour 0.5")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", metavar="PATH", nargs="+", help="videos, or folders of videos")
    parser.add_argument("--weights", metavar="FILE", default=argparse.SUPPRESS, help="the backbone's checkpoint, where `extract` was given one")  # fmt: skip


def run(flags: dict, common: WorkSettings, decoding: DecodeSettings, settings: ScoreSettings) -> int:
    from stavad.evaluate.results import timeline_table, write_scoring
    from stavad.evaluate.scoring import score
    from stavad.pipeline.progress import Shown

    progress = Shown()
    try:
        found = score(
            flags["videos"],
            work=common.work,
            weights=flags.get("weights", ""),
            settings=settings,
            decoding=decoding,
            device=common.device,
            progress=progress,
            note=progress.say,
        )
    finally:
        progress.close()
    print(timeline_table(found))
    report = write_scoring(found, settings, print)
    print(f"scores of every frame in {found.folder / 'scores.csv'}, events in {found.folder / 'events.csv'}")
    print(f"report: {report}")
    return SOME_LEFT_OUT if found.left_out else 0
