"""`pipeline reproduce`: the paper's tables on the features of the work folder."""

import argparse

from stavad.data.errors import UserError
from stavad.evaluate.settings import ScoringSettings
from stavad.pipeline.settings import CommonSettings
from stavad.train.settings import TrainSettings

NAME, PART = "reproduce", "the paper"
HELP = "tables 1 and 2 on features that are there: every model, every split or seed; a row sets recipe, model, attention, head, bag loss and eq. 4 itself"
PLACE = 8
GROUPS = (CommonSettings, TrainSettings, ScoringSettings)
EXAMPLES = ("pipeline reproduce ped2", "pipeline reproduce ucf-crime --draws 1 --curves")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="ped2, ucf-crime or shanghaitech: whose protocol")
    parser.add_argument(
        "--draws",
        type=int,
        default=argparse.SUPPRESS,
        metavar="N",
        help="trainings of each model (default: 10 for ped2, else 5)",
    )
    parser.add_argument(
        "--curves",
        action="store_true",
        default=argparse.SUPPRESS,
        help="also how each model learns: cross-fitting inside the first training part, some four times as long as a training",
    )


def run(flags: dict, common: CommonSettings, training: TrainSettings, scoring: ScoringSettings) -> int:
    from tqdm import tqdm

    from stavad.data.catalogue import counts
    from stavad.data.work import Work
    from stavad.evaluate.reproduction.curves import learning_curves, require_folds, write_curves
    from stavad.evaluate.reproduction.measure import Reproduction
    from stavad.evaluate.reproduction.protocols import PROTOCOLS
    from stavad.evaluate.reproduction.tables import write_tables
    from stavad.extract.device import choose_device

    dataset, draws = flags["dataset"], flags.get("draws", 0)
    if dataset not in PROTOCOLS:
        raise UserError(dataset, "has no protocol here", f"known are {', '.join(PROTOCOLS)}")
    if draws < 0:
        raise UserError("--draws", f"{draws} is too low", "give at least 1")
    if "curves" in flags:
        require_folds(training)
    work, device = Work(common.work), choose_device(common.device)
    store = work.store(work.extracted_preset(common.preset))
    videos = work.videos(store, common.labels)
    stored = store.read_all([video.id for video in videos])
    measured = Reproduction(dataset, videos, stored, training, scoring, draws, work.root / "reproduce")
    done, todo = len(measured.cases) * len(measured.rows), len(measured.todo)
    print(f"{measured.protocol.title}: {counts(videos)}; {todo} trainings to do, {done - todo} done before", flush=True)
    with tqdm(total=todo, unit="training", disable=None) as bar:

        def on_result(row, seed, metrics):
            bar.update()
            bar.write(f"{row}, seed {seed}: frame AUC {metrics['auc']['value']:.3f}")

        measured.run(device, on_result)
    made = write_tables(measured)
    print(made[0].read_text(encoding="utf-8"))
    if "curves" in flags:
        with tqdm(total=len(measured.rows), unit="curve", disable=None) as bar:
            made += write_curves(measured, learning_curves(measured, device, lambda row: bar.update()))
    print(f"tables and pictures: {', '.join(map(str, made))}")
    return 0
