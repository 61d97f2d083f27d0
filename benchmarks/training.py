"""Where the time of a training step goes, for the paper's batch of 30 + 30 bags of 32 segments.

    python -m benchmarks.training [--device cuda] [--before FOLDER]

Forward and backward of each part by itself, and of a whole step, in ms and as a share of the whole. Then what cross-fitting costs: a training of 120 + 120
videos of 32 segments by itself, and with the three folds before it, which train as many steps each and look eight times at what they hold out.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.attention import take_turns
from benchmarks.before import centred, module
from stavad.data.bags import Bag
from stavad.data.catalogue import Video
from stavad.train.crossfit import cross_fit
from stavad.train.loop import batches, keep_freed_memory
from stavad.train.losses import objective
from stavad.train.model import AnomalyDetector, Scored
from stavad.train.run import TrainingSet, TrainingVideo, fit_set
from stavad.train.settings import TrainSettings

BAGS, SEGMENTS, WIDTHS = 30, 32, (1024, 2048, 4096)
TURNS = {"cpu": 12, "cuda": 4}  # of each part after the others, of which the fastest counts
STEPS = 60  # of the training whose cross-fitting is timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--before", metavar="FOLDER", default="", help="of commit 8fe596e: its whole step beside ours")
    given = parser.parse_args()
    device = torch.device(given.device)
    keep_freed_memory()  # as a training does; of the older version's step, too, to which it was not known
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"torch {torch.__version__}, {name}, {torch.get_num_threads()} threads")
    names = ["data", "attention", "head", "losses", "optimiser", "whole step"]
    print(f"{'C':>6}" + "".join(f"{name:>18}" for name in [*names, *["at 8fe596e"] * bool(given.before)]))
    for width in WIDTHS:
        work = parts(width, device)
        if given.before:
            work["at 8fe596e"] = before(given.before, width, device)
        times = dict(zip(work, take_turns(list(work.values()), device, TURNS[device.type])))
        whole = times["whole step"]
        cells = [f"{1e3 * times[name]:.1f} ({times[name] / whole:.0%})" for name in names]
        if given.before:
            old = times["at 8fe596e"]
            cells.append(f"{1e3 * old:.1f} ({old / whole:.1f} times)")
        print(f"{width:>6}" + "".join(f"{cell:>18}" for cell in cells), flush=True)
    alone, folds = cross_fitting(device)
    print(
        f"training of {STEPS} steps at C = {WIDTHS[0]}: alone {alone:.1f} s, its three folds {folds:.1f} s, together {1 + folds / alone:.1f} times as long"
    )


def cross_fitting(device) -> tuple[float, float]:
    """Seconds of a training alone, and of its folds."""
    settings = TrainSettings(steps=STEPS)
    bags = centred(240, SEGMENTS, 1, WIDTHS[0]).numpy()
    videos = [
        TrainingVideo(Video(str(n), None, n % 2, "train"), Bag.of(bag, SEGMENTS), 1) for n, bag in enumerate(bags)
    ]
    begun = time.perf_counter()
    fit_set(TrainingSet.of(videos, settings, device), settings)
    alone = time.perf_counter() - begun
    with tempfile.TemporaryDirectory() as keep:
        cross_fit(videos, {}, settings, device, Path(keep))
    return alone, time.perf_counter() - begun - alone


def before(folder: str, width: int, device) -> Callable:
    """A whole step at commit 8fe596e."""
    settings = module(folder, "train.settings").TrainSettings()
    of_model = module(folder, "train.model")
    model = of_model.AnomalyDetector(width, settings).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    store = centred(10 * BAGS, SEGMENTS, width).to(device)
    draws = batches(len(store), 2 * BAGS, (0,))

    def whole():
        scored = model(store[next(draws)])
        sides = zip(*(part.split(BAGS) for part in scored))
        loss, _ = model.objective(*(of_model.Scored(*side) for side in sides))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return whole


def parts(width: int, device) -> dict[str, Callable]:
    settings = TrainSettings()
    torch.manual_seed(settings.seed)
    model = AnomalyDetector(width, settings).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    store = centred(10 * BAGS, SEGMENTS, width).to(device)
    draws = batches(len(store), 2 * BAGS, (0,))
    bags = store[next(draws)]
    boosted = model.attention(bags).detach()
    scores = model.head(boosted).detach()

    def attention():
        model.attention(bags).backward(boosted)

    def head():
        model.head(boosted.detach().requires_grad_()).backward(scores)

    def losses():
        leaves = scores.clone().requires_grad_(), boosted.detach().requires_grad_()
        sides = zip(*(leaf.split(BAGS) for leaf in leaves))
        objective(*(Scored(*side) for side in sides), settings)[0].backward()

    def whole():
        scored = model(store[next(draws)])
        sides = zip(*(part.split(BAGS) for part in scored))
        loss, _ = objective(*(Scored(*side) for side in sides), settings)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        model.bound()

    whole()
    work = {"data": lambda: store[next(draws)], "attention": attention, "head": head, "losses": losses}
    return work | {"optimiser": optimiser.step, "whole step": whole}


if __name__ == "__main__":
    main()
