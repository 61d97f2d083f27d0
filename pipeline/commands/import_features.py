"""`pipeline import`: features that others published, instead of stage one."""

import argparse

from stavad.pipeline.commands import SOME_LEFT_OUT
from stavad.pipeline.settings import CommonSettings

NAME, PART = "import", "features of others"
HELP = "published features instead of stage one: .npy, .npz, .txt, .mat, .h5, one file per video"
PLACE = 5
GROUPS = (CommonSettings,)
EXAMPLES = ("pipeline import UCF_ten_crop --labels labels.csv",)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="folder of feature files, or one file; name__0.npy, .. are crops")


def run(flags: dict, common: CommonSettings) -> int:
    from tqdm import tqdm

    from stavad.data.imports import import_features

    outcome = import_features(
        flags["path"], common.work, common.labels, common.preset, lambda files: tqdm(files, unit="video", disable=None)
    )
    return SOME_LEFT_OUT if outcome.failed else 0
