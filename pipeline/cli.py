"""The commands: `pipeline extract`, `import`, `train`, `evaluate`, `reproduce`, `data verify`, `demo`."""

import argparse
import os
import sys
from pathlib import Path

from data.errors import UserError
from data.settings import add_flags, build, read_settings
from evaluate.settings import EvaluateSettings, ScoringSettings
from extract.settings import ExtractSettings
from pipeline.settings import CommonSettings
from train.settings import RECIPES, TrainSettings

GROUPS = (CommonSettings, ExtractSettings, TrainSettings, EvaluateSettings)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a cause outside the code is told in one line. Returns the exit code."""
    flags = vars(parser().parse_args(arguments))
    try:
        return run(flags.pop("command"), flags)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as by `pipeline train | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror}; see that it can be used and that there is space", file=sys.stderr)  # fmt: skip
        return 1
    except KeyboardInterrupt:
        print("stopped; what was complete is kept", file=sys.stderr)
        return 130


def run(command: str, flags: dict) -> int:
    from pipeline import commands

    file = flags.pop("settings", None)
    saved = read_settings(Path(file), GROUPS) if file else {}
    if "recipe" in flags:  # asked for now, so it goes over what a file says
        layers = saved, RECIPES[flags["recipe"]], flags
    else:
        layers = RECIPES[saved.get("recipe", "paper")], saved, flags
    common, extraction, training, evaluation = (build(group, *layers) for group in GROUPS)
    match command:
        case "extract":
            return commands.extract(flags["videos"], flags.get("weights"), common, extraction)
        case "import":
            return commands.import_features(flags["path"], common)
        case "train":
            return commands.train(common, training)
        case "evaluate":
            return commands.evaluate(common, evaluation)
        case "reproduce":
            scoring = build(ScoringSettings, *layers)
            return commands.reproduce(flags["dataset"], flags.get("draws", 0), common, training, scoring)
        case "data":
            return commands.verify(flags["folder"])
        case "demo":
            from pipeline.demo import demo

            return demo(common, extraction, training, evaluation)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="pipeline", description="Weakly supervised video anomaly detection: raw videos to scores per frame."
    )
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, help: str, *groups: type) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.add_argument(
            "--settings", metavar="FILE", help="settings as JSON, such as settings.json of a run; flags go over it"
        )
        for group in (CommonSettings, *groups):
            add_flags(made, group)
        return made

    extract = command("extract", "stage one: videos to features", ExtractSettings)
    extract.add_argument(
        "--videos", metavar="DIR", required=True, help="folder of videos, searched to the bottom, or one video"
    )
    extract.add_argument(
        "--weights",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="the backbone's checkpoint, instead of the published one",
    )
    imported = command(
        "import", "published features instead of stage one: .npy, .npz, .txt, .mat, .h5, one file per video"
    )
    imported.add_argument(
        "path", metavar="PATH", help="folder of feature files, or one file; name__0.npy, .. are crops"
    )
    command("train", "stage two: features to a model", TrainSettings)
    command("evaluate", "stage three: a model to scores per frame, metrics and pictures", EvaluateSettings)
    reproduce = command(
        "reproduce",
        "tables 1 and 2 of the paper on features that are there: every model, every split or seed; a row sets recipe, model, attention, head, bag loss and eq. 4 itself",
        TrainSettings,
        ScoringSettings,
    )
    reproduce.add_argument("dataset", metavar="DATASET", help="ped2, ucf-crime or shanghaitech: whose protocol")
    reproduce.add_argument(
        "--draws", type=int, default=argparse.SUPPRESS, help="trainings of each model (default: 10 for ped2, else 5)"
    )
    data = commands.add_parser("data", help="what is there of a data set").add_subparsers(dest="what", required=True)
    verified = data.add_parser(
        "verify", help="videos, labels, frames and positives against what is known of the data set"
    )
    verified.add_argument("folder", metavar="DIR", help="the data set: videos with its annotation beside them")
    command("demo", "all three stages on rendered street-camera videos")
    return top
