"""Stage two, whole: labelled videos of a store -> bags -> a trained model."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from stavad.data.bags import Bag, windows
from stavad.data.catalogue import Video
from stavad.data.errors import UserError, few
from stavad.data.groups import draw
from stavad.data.store import Stored
from stavad.train.checkpoint import Trained
from stavad.train.loop import fit
from stavad.train.model import Ensemble
from stavad.train.scaling import Moments, Scaling
from stavad.train.settings import TrainSettings, steps

TRAIN_SHARE = 0.6  # of each class, where the labels give no split
LONG = 30.0  # seconds of a segment in which an event of some seconds is averaged away


@dataclass(frozen=True)
class TrainingVideo:
    """A video as the bags that training takes of it."""

    video: Video
    bag: Bag  # its segments of one crop, the mean of all
    parts: int  # bags: of a very long normal video several

    @property
    def bags(self) -> np.ndarray:
        """(parts, segments, C) float32."""
        return self.bag.segments[:, 0].reshape(self.parts, -1, self.bag.segments.shape[2])


def gather(
    videos: list[Video],
    stored: Mapping[str, Stored],
    settings: TrainSettings,
    note: Callable[[str], None] = lambda line: None,
) -> list[TrainingVideo]:
    """The bags of the videos whose split is train.

    A normal video with segments of more than `LONG` seconds becomes several bags, as long as the longest abnormal video's: each of them is
    normal. An abnormal one stays a single bag, since its label is of the whole.

    Args:
        videos: with label and split.
        stored: features of each training video, by id.
        note: told of segments that are too long.

    Raises:
        UserError: the training part lacks one of the two classes, or labels do not fit a video.
    """
    chosen = [video for video in videos if video.split == "train" and video.label is not None]
    require_classes(chosen, "the training part")
    whole = []
    for video in chosen:
        of_video = stored[video.id]
        of_video.require_frames(video.id, video.frames)
        whole.append((video, _one_crop(of_video.bag(settings.segments)), of_video.seconds / settings.segments))
    longest = max(bag.clips for video, bag, _ in whole if video.label == 1)
    found, coarse = [], []
    for video, bag, seconds in whole:
        parts = windows(bag.clips, longest) if video.label == 0 and seconds > LONG else 1
        if parts > 1:
            bag = _one_crop(stored[video.id].bag(parts * settings.segments))
        elif seconds > LONG:
            coarse.append(video.id)
        found.append(TrainingVideo(video, bag, parts))
    if coarse:
        note(f"note: a segment of {few(coarse)} is longer than {LONG:g} s, and what lasts some seconds is averaged away: cut such videos, or give more --segments")  # fmt: skip
    return found


def _one_crop(bag: Bag) -> Bag:
    return replace(bag, segments=bag.segments.mean(1, keepdims=True))


@dataclass(frozen=True)
class TrainingSet:
    """The bags of videos to train on, scaled, on the device to train on."""

    abnormal: Tensor  # (bags, segments, C)
    normal: Tensor  # the same
    scaling: Scaling
    clips: int  # of the longest bag

    @classmethod
    def of(cls, gathered: list[TrainingVideo], settings: TrainSettings, device) -> "TrainingSet":
        seen = Moments()
        for one in gathered:
            seen.add(one.bag)
        scaling = Scaling.learn(seen, settings.scale).to(device)
        sides = [np.concatenate([one.bags for one in gathered if one.video.label == label]) for label in (1, 0)]
        clips = max(round(one.bag.clips / one.parts) for one in gathered)
        abnormal, normal = (scaling(torch.from_numpy(side).to(device)) for side in sides)
        return cls(abnormal, normal, scaling, clips)

    def steps(self, settings: TrainSettings) -> int:
        """Optimiser steps of all models of an ensemble."""
        return settings.ensemble * steps(settings, len(self.abnormal), len(self.normal))


def steps_of(gathered: list[TrainingVideo], settings: TrainSettings) -> int:
    """Optimiser steps of one model's training on these videos."""
    return steps(settings, *(sum(one.parts for one in gathered if one.video.label == label) for label in (1, 0)))


def fit_set(
    bags: TrainingSet,
    settings: TrainSettings,
    on_step: Callable = lambda step, loss, terms: None,
    on_note: Callable = lambda note: None,
    looks: Container[int] = (),
    on_look: Callable[[int, nn.Module], None] = lambda step, model: None,
) -> Ensemble:
    """Train on bags.

    Args:
        on_step, on_note, looks, on_look: as in `train.loop.fit`, for each model of an ensemble; `on_step` counts through them.

    Raises:
        UserError: the training diverges.
    """
    each = bags.steps(settings) // settings.ensemble

    def member(number: int):
        own = replace(settings, seed=settings.ensemble * settings.seed + number)  # no two seeds share a member
        return fit(
            bags.abnormal,
            bags.normal,
            own,
            lambda step, *rest: on_step(number * each + step, *rest),
            on_note if number == 0 else lambda note: None,
            looks,
            on_look,
        )

    return Ensemble(bags.scaling, [member(number) for number in range(settings.ensemble)])


def fit_on(videos: list[Video], stored: Mapping[str, Stored], settings: TrainSettings, device, *watch) -> Trained:
    """A model of the videos whose split is train, after the steps of `settings`; errors as of `gather` and `fit_set`."""
    gathered = gather(videos, stored, settings)
    bags = TrainingSet.of(gathered, settings, device)
    fingerprint = stored[gathered[0].video.id].made["fingerprint"]
    return Trained(fit_set(bags, settings, *watch), settings, fingerprint, bags.clips)


def with_split(videos: list[Video], seed: int, groups: Mapping[str, str] | None = None) -> tuple[list[Video], bool]:
    """The videos with a split: their own, or if none has one, a random draw of `TRAIN_SHARE` of each class for training.

    A video without label has no part in a draw.

    Args:
        groups: id -> group, as of `data.groups.groups_of`; a draw does not tear one apart. None: every video is alone.

    Returns:
        The videos, and whether the split was drawn here.
    """
    if any(video.split for video in videos):
        return videos, False
    known = [video for video in videos if video.label is not None]
    numbers = {label: round(TRAIN_SHARE * sum(video.label == label for video in known)) for label in (0, 1)}
    train = draw(known, numbers, groups or {video.id: video.id for video in known}, np.random.default_rng(seed))
    return [replace(v, split="train" if v.id in train else "test") if v.label is not None else v for v in videos], True


def require_classes(videos: list[Video], part: str) -> None:
    """Raise a UserError unless both normal and abnormal videos are there."""
    for label, name in ((0, "normal"), (1, "abnormal")):
        if not any(video.label == label for video in videos):
            raise UserError(
                part,
                f"has no {name} video",
                "give labels of both kinds, with --labels CSV or folders normal/ and abnormal/",
            )
