"""`pipeline data verify`: what is there of a data set."""

import argparse
from pathlib import Path

from stavad.pipeline.commands import SOME_LEFT_OUT

NAME, PART, HELP = "data", "the paper", "what is there of a data set"
PLACE = 7
GROUPS = ()
EXAMPLES = ("pipeline data verify UCF-Crime",)


def arguments(parser: argparse.ArgumentParser) -> None:
    verify = parser.add_subparsers(dest="what", required=True, metavar="verify").add_parser(
        "verify", help="videos, labels, frames and positives against what is known of the data set"
    )
    verify.add_argument("folder", metavar="FOLDER", help="the data set: videos with its annotation beside them")


def run(flags: dict) -> int:
    from stavad.data.verify import verify

    lines, complete = verify(Path(flags["folder"]))
    print("\n".join(lines))
    return 0 if complete else SOME_LEFT_OUT
