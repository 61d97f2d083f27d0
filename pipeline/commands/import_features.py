"""`pipeline import`: features that others published, instead of stage one."""

import argparse

from stavad.data.errors import UserError
from stavad.pipeline.commands import SOME_LEFT_OUT
from stavad.pipeline.settings import CommonSettings

NAME, PART = "import", "features of others"
HELP = "published features instead of stage one: .npy, .npz, .txt, .mat, .h5, one file per video"
PLACE = 6
GROUPS = (CommonSettings,)
EXAMPLES = ("pipeline import UCF_ten_crop --labels labels.csv",)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="folder of feature files, or one file; name__0.npy, .. are crops")
    parser.add_argument("--stride", metavar="N", type=int, default=0, help="frames from one row to the next (default: found from the videos' lengths, else 16)")  # fmt: skip
    parser.add_argument("--axes", metavar="ORDER", default="", help="of the arrays' axes, such as KTC: T time, K crops, C dimensions (default: found from all files)")  # fmt: skip
    parser.add_argument("--stream", choices=("rgb", "flow"), default="", help="of features that have both (default: side by side)")  # fmt: skip


def run(flags: dict, common: CommonSettings) -> int:
    from tqdm import tqdm

    from stavad.data.imports import import_features

    if flags["stride"] < 0:
        raise UserError("--stride", f"{flags['stride']} is too low", "give at least 1")
    outcome = import_features(
        flags["path"], common.work, common.labels, common.preset, flags["stride"], flags["axes"], flags["stream"],
        lambda files: tqdm(files, unit="video", disable=None),
    )  # fmt: skip
    return SOME_LEFT_OUT if outcome.failed else 0
