"""What eq. 4 can reach: the boosted features hang on 40 numbers of the attention alone.

    python -m benchmarks.eq4 --work DIR [settings of `pipeline train`]

On the training part in the work folder, before and after training with and without eq. 4: the value of L_MCE, and how far the attention moves
the features, |F^ - F| / |F|; then the least and the greatest L_MCE that gradient descent on the 40 numbers alone finds.
"""

import argparse
import dataclasses

import torch

from stavad.data.settings import add_flags, build
from stavad.data.work import Work
from stavad.train.attention import SpatialTemporalAttention
from stavad.train.loop import fit
from stavad.train.losses import mutual_cosine_embedding
from stavad.train.run import TrainingSet, gather
from stavad.train.settings import TrainSettings

BAGS = 30  # of each class that are looked at
DESCENT = 60  # steps on the 40 numbers alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True)
    parser.add_argument("--labels", default="")
    add_flags(parser, TrainSettings)
    flags = vars(parser.parse_args())
    settings, work = build(TrainSettings, flags), Work(flags["work"])
    store = work.store(work.extracted_preset(""))
    videos = [v for v in work.videos(store, flags["labels"]) if v.split == "train" and v.label is not None]
    bags = TrainingSet.of(gather(videos, store.read_all([v.id for v in videos]), settings), settings, "cpu")
    print(f"{'':44}{'L_MCE':>8}{'|F^ - F| / |F|':>16}")
    for name, attention in attentions(bags, settings):
        told(name, attention, bags, settings)
    for name, sign in (("least that the 40 numbers alone reach", 1), ("greatest", -1)):
        torch.manual_seed(settings.seed)
        attention = SpatialTemporalAttention(settings.channels, settings.passes, settings.normalize)
        optimiser = torch.optim.Adam(attention.parameters(), lr=0.1)
        for _ in range(DESCENT):
            optimiser.zero_grad()
            (sign * value(attention, bags, settings)).backward()
            optimiser.step()
        told(name, attention, bags, settings)


def attentions(bags: TrainingSet, settings: TrainSettings):
    for mce in (True, False):
        chosen = dataclasses.replace(settings, mce=mce)
        if mce:
            yield "before training", fit(bags.abnormal, bags.normal, dataclasses.replace(chosen, steps=1)).attention
        yield (
            f"after {settings.steps} steps {'with' if mce else 'without'} eq. 4",
            fit(bags.abnormal, bags.normal, chosen).attention,
        )


def value(attention, bags: TrainingSet, settings: TrainSettings) -> torch.Tensor:
    return mutual_cosine_embedding(attention(bags.abnormal[:BAGS]), attention(bags.normal[:BAGS]), settings.margin)


def told(name: str, attention, bags: TrainingSet, settings: TrainSettings) -> None:
    with torch.no_grad():
        before = torch.cat([bags.abnormal[:BAGS], bags.normal[:BAGS]])
        moved = (attention(before) - before).norm() / before.norm()
        print(f"{name:44}{value(attention, bags, settings):>8.4f}{moved:>16.3f}", flush=True)


if __name__ == "__main__":
    main()
