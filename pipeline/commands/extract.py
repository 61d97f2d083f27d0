"""`pipeline extract`: stage one."""

import argparse

from stavad.extract.settings import ExtractSettings
from stavad.pipeline.commands import SOME_LEFT_OUT
from stavad.pipeline.settings import CommonSettings

NAME, PART, HELP = "extract", "your own videos", "stage one: videos to features"
PLACE = 2
GROUPS = (CommonSettings, ExtractSettings)
EXAMPLES = (
    "pipeline extract --videos recordings --preset motion-lite0",
    "pipeline extract --videos UCF-Crime --weights rgb_imagenet.pt",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--videos", metavar="FOLDER", required=True, help="folder of videos, searched to the bottom, or one video"
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="the backbone's checkpoint, instead of the published one",
    )


def run(flags: dict, common: CommonSettings, settings: ExtractSettings) -> int:
    from stavad.extract.folder import extract_features
    from stavad.extract.presets import DEFAULT
    from stavad.pipeline.progress import Shown

    progress = Shown()
    try:
        outcome = extract_features(
            flags["videos"],
            common.work,
            common.preset or DEFAULT,
            common.labels,
            flags.get("weights", ""),
            settings,
            common.device,
            progress,
            progress.say,
        )
    finally:
        progress.close()
    print(
        f"{len(outcome.done)} videos extracted ({outcome.clips} clips, {outcome.frames} frames), {len(outcome.present)} were there before"
    )
    return SOME_LEFT_OUT if outcome.failed else 0
