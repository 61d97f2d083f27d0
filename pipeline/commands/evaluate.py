"""`pipeline evaluate`: stage three."""

from stavad.evaluate.settings import EvaluateSettings
from stavad.pipeline.settings import CommonSettings

NAME, PART, HELP = "evaluate", "your own videos", "stage three: a model to scores per frame, metrics and pictures"
PLACE = 4
GROUPS = (CommonSettings, EvaluateSettings)
EXAMPLES = ("pipeline evaluate --plot", "pipeline evaluate --run work/runs/20261125-140300 --labels labels.csv")


def run(flags: dict, common: CommonSettings, settings: EvaluateSettings) -> int:
    from stavad.data.catalogue import counts
    from stavad.evaluate.results import table, write_evaluation
    from stavad.evaluate.run import evaluate_run

    found = evaluate_run(
        common.work, labels=common.labels, preset=common.preset, settings=settings, device=common.device
    )
    print(f"{counts([s.video for s in found.scored])} scored with {found.run / 'model.pt'}")
    print(table(found.metrics, found.extra))
    if found.metrics["auc"]["value"] is None:
        print(
            "no frame metrics: they need start,end of the anomaly in every abnormal test video, by --labels, and frames of both kinds"
        )
    report = write_evaluation(found, settings, print)
    print(f"scores of every frame in {found.run / 'scores.csv'}, numbers in {found.run / 'metrics.json'}")
    print(f"report: {report}")
    return 0
