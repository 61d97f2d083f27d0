"""Settings of stage two."""

from dataclasses import dataclass
from typing import ClassVar

from stavad.data.settings import setting

SCALES = ("centre", "whiten", "length", "none")  # as in train/scaling.py


@dataclass(frozen=True)
class TrainSettings:
    TITLE: ClassVar = "training"

    recipe: str = setting(
        "paper", "named set of the settings below: the paper's, or the best we found", ("paper", "best")
    )
    model: str = setting(
        "sta", "the paper's model, or a baseline of train/baselines.py", ("sta", "rtfm", "hlnet", "logistic")
    )
    segments: int = setting(32, "instances of a bag: each video's clips averaged into this many segments", low=1)
    scale: str = setting("centre", "features: less their mean, whitened, to length 1, or as extracted", SCALES)
    attention: bool = setting(True, "spatial-temporal attention, eq. 1-3")
    channels: int = setting(10, "D, length of the attention's queries and keys", low=1)
    passes: int = setting(2, "times the attention is applied, with shared weights", low=1)
    normalize: str = setting("keys", "what eq. 2 sums over", ("keys", "queries"))
    head: str = setting("rnn", "bidirectional RNN or fully connected", ("rnn", "fc"))
    memory: float = setting(0.3, "bound of the recurrent matrices' spectral norm, how much of a segment the next one keeps; inf: none, as printed", low=0.0)  # fmt: skip
    bag_loss: str = setting("ranking", "first term of eq. 5, or cross-entropy of the mean of the highest scores", ("ranking", "k-max"))  # fmt: skip
    mce: bool = setting(True, "mutual cosine embedding loss, eq. 4")
    margin: float = setting(0.4, "margin of eq. 4")
    mce_weight: float = setting(2e-2, "lambda_MCE of eq. 6", low=0.0)
    smoothness: float = setting(2e-4, "lambda_1 of eq. 5", low=0.0)
    sparsity: float = setting(4e-5, "lambda_2 of eq. 5", low=0.0)
    batch: int = setting(30, "abnormal bags, and as many normal ones, in a step", low=1)
    steps: int = setting(480, "of the optimiser; with --folds the most of which cross-fitting chooses", low=1)
    epochs: int = setting(0, "the same counted as passes over the videos of the larger class; 0: --steps counts", low=0)
    folds: int = setting(3, "of the training videos, each scored by a model that has not seen it: for the number of steps, alarm thresholds and an estimate; 0: none", low=0)  # fmt: skip
    learning_rate: float = setting(1e-4, "of Adam", low=0.0)
    ensemble: int = setting(1, "models of different seeds, whose scores are averaged", low=1)
    group_names: bool = setting(True, "videos whose names number parts of one recording, such as cam1_part3, stay together in a drawn split")  # fmt: skip
    seed: int = setting(0, "of the weights, the batches, and the split where the labels give none", low=0)


def steps(settings: TrainSettings, abnormal: int, normal: int) -> int:
    """Optimiser steps of one model's training on so many bags."""
    return settings.epochs * -(-max(abnormal, normal) // settings.batch) or settings.steps
