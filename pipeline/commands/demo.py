"""`pipeline demo`: rendered street-camera videos through the three stages, to a report."""

import dataclasses
from pathlib import Path

from stavad.evaluate.settings import EvaluateSettings
from stavad.extract.settings import ExtractSettings
from stavad.pipeline.commands import evaluate, extract, train
from stavad.pipeline.settings import CommonSettings
from stavad.train.settings import TrainSettings

NAME, PART, HELP = "demo", "try it", "all three stages on rendered street-camera videos"
PLACE = 1
GROUPS = (CommonSettings, ExtractSettings, TrainSettings, EvaluateSettings)
EXAMPLES = ("pipeline demo --work demo",)


def run(flags: dict, common, extraction, training, evaluation) -> int:
    from stavad.pipeline.street import render

    folder = Path(common.work) / "videos"
    print(f"rendering videos into {folder}", flush=True)
    labels = render(folder)
    common = dataclasses.replace(common, preset=common.preset or "motion-lite0", labels=str(labels))
    code = extract.run({"videos": str(folder)}, common, extraction)
    return (
        code or train.run({}, common, training) or evaluate.run({}, common, dataclasses.replace(evaluation, plot=True))
    )
