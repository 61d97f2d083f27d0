"""The command line of benchmarks that train on several splits of one work folder."""

import argparse

from stavad.data.settings import add_flags, build
from stavad.train.settings import TrainSettings


def asked(about: str) -> tuple[str, list[str], TrainSettings]:
    """The work folder, the CSVs of the splits, and the settings of `pipeline train`, from the flags.

    Args:
        about: the benchmark's docstring, for its help.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True)
    parser.add_argument("--labels", action="append", required=True)
    add_flags(parser, TrainSettings)
    flags = vars(parser.parse_args())
    return flags["work"], flags["labels"], build(TrainSettings, flags)
