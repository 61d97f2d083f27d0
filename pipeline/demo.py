"""`pipeline demo`: rendered street-camera videos through the three stages, to a report."""

import dataclasses
from pathlib import Path

from evaluate.settings import EvaluateSettings
from extract.settings import ExtractSettings
from pipeline import commands
from pipeline.settings import CommonSettings
from pipeline.street import render
from train.settings import TrainSettings


def demo(
    common: CommonSettings, extraction: ExtractSettings, training: TrainSettings, evaluation: EvaluateSettings
) -> int:
    """Returns the exit code."""
    folder = Path(common.work) / "videos"
    print(f"rendering videos into {folder}", flush=True)
    labels = render(folder)
    common = dataclasses.replace(common, preset=common.preset or "efficientnet-lite0", labels=str(labels))
    code = commands.extract(str(folder), None, common, extraction)
    return (
        code
        or commands.train(common, training)
        or commands.evaluate(common, dataclasses.replace(evaluation, plot=True))
    )
