"""`pipeline train`: stage two."""

from stavad.pipeline.settings import CommonSettings
from stavad.train.settings import TrainSettings

NAME, PART, HELP = "train", "your own videos", "stage two: features to a model"
PLACE = 3
GROUPS = (CommonSettings, TrainSettings)
EXAMPLES = ("pipeline train", "pipeline train --recipe best --labels labels.csv", "pipeline train --settings work/runs/latest/settings.json")  # fmt: skip


def run(flags: dict, common: CommonSettings, settings: TrainSettings) -> int:
    from stavad.pipeline.progress import TrainingShown
    from stavad.train.folder import train_model

    shown = TrainingShown()
    done = train_model(common.work, common.labels, common.preset, settings, common.device, shown, shown.say)
    print(f"model and settings in {done.folder}")
    return 0
