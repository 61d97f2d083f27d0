"""Stage two, whole: labelled videos of a store -> bags -> a trained model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from stavad.data.bags import windows
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
class TrainingSet:
    """The bags of the training part, scaled, on the device to train on."""

    abnormal: Tensor  # (videos, segments, C)
    normal: Tensor  # the same; a very long normal video is several bags
    scaling: Scaling
    clips: int  # of the longest bag
    fingerprint: dict  # of the features

    def steps(self, settings: TrainSettings) -> int:
        """Optimiser steps of all models of an ensemble."""
        return settings.ensemble * steps(settings, len(self.abnormal), len(self.normal))


def gather(
    videos: list[Video],
    stored: Mapping[str, Stored],
    settings: TrainSettings,
    device,
    note: Callable[[str], None] = lambda line: None,
) -> TrainingSet:
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
    whole = {}
    for video in chosen:
        of_video = stored[video.id]
        of_video.require_frames(video.id, video.frames)
        whole[video.id] = of_video.bag(settings.segments), of_video.seconds / settings.segments
    longest = max(whole[v.id][0].clips for v in chosen if v.label == 1)
    seen, clips, coarse = Moments(), 0, []
    segments: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for video in chosen:
        bag, seconds = whole[video.id]
        parts = windows(bag.clips, longest) if video.label == 0 and seconds > LONG else 1
        if parts > 1:
            bag = stored[video.id].bag(parts * settings.segments)
        elif seconds > LONG:
            coarse.append(video.id)
        seen.add(bag)
        segments[video.label].extend(bag.segments.mean(1).reshape(parts, settings.segments, -1))
        clips = max(clips, round(bag.clips / parts))
    if coarse:
        note(f"note: a segment of {few(coarse)} is longer than {LONG:g} s, and what lasts some seconds is averaged away: cut such videos, or give more --segments")  # fmt: skip
    scaling = Scaling.learn(seen, settings.scale).to(device)
    normal, abnormal = (scaling(torch.from_numpy(np.stack(segments[label])).to(device)) for label in (0, 1))
    return TrainingSet(abnormal, normal, scaling, clips, stored[chosen[0].id].made["fingerprint"])


def fit_set(
    bags: TrainingSet,
    settings: TrainSettings,
    on_step: Callable = lambda step, loss, terms: None,
    on_note: Callable = lambda note: None,
) -> Trained:
    """Train on bags.

    Args:
        on_step, on_note: as in `train.loop.fit`; an ensemble's steps are counted through.

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
        )

    model = Ensemble(bags.scaling, [member(number) for number in range(settings.ensemble)])
    return Trained(model, settings, bags.fingerprint, bags.clips)


def fit_on(videos: list[Video], stored: Mapping[str, Stored], settings: TrainSettings, device, *watch) -> Trained:
    """`fit_set` on what `gather` gathers."""
    return fit_set(gather(videos, stored, settings, device), settings, *watch)


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
