"""Stage two, whole: labelled videos of a store -> bags -> a trained model."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch

from stavad.data.bags import to_segments
from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.store import Stored
from stavad.train.checkpoint import Trained
from stavad.train.loop import fit
from stavad.train.model import Ensemble
from stavad.train.scaling import Moments, Scaling
from stavad.train.settings import TrainSettings, steps

TRAIN_SHARE = 0.6  # of each class, where the labels give no split


def fit_on(
    videos: list[Video],
    stored: Mapping[str, Stored],
    settings: TrainSettings,
    device,
    on_step: Callable = lambda step, loss, terms: None,
    on_note: Callable = lambda note: None,
) -> Trained:
    """Train on the videos whose split is train.

    Args:
        videos: with label and split.
        stored: features of each training video, by id.
        on_step, on_note: as in `train.loop.fit`; an ensemble's steps are counted through.

    Raises:
        UserError: the training part lacks one of the two classes, labels do not fit a video, or the training diverges.
    """
    chosen = [video for video in videos if video.split == "train" and video.label is not None]
    require_classes(chosen, "the training part")
    seen = Moments()
    segments: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for video in chosen:
        of_video = stored[video.id]
        of_video.require_frames(video.id, video.frames)
        clips = of_video.features.mean(1)
        seen.add(clips)
        segments[video.label].append(to_segments(clips, settings.segments))
    scaling = Scaling.learn(seen, settings.scale).to(device)
    normal, abnormal = (scaling(torch.from_numpy(np.stack(segments[label])).to(device)) for label in (0, 1))
    each = steps(settings, len(abnormal), len(normal))

    def member(number: int):
        own = replace(settings, seed=settings.ensemble * settings.seed + number)  # no two seeds share a member
        return fit(
            abnormal,
            normal,
            own,
            lambda step, *rest: on_step(number * each + step, *rest),
            on_note if number == 0 else lambda note: None,
        )

    model = Ensemble(scaling, [member(number) for number in range(settings.ensemble)])
    return Trained(model, settings, stored[chosen[0].id].made["fingerprint"])


def with_split(videos: list[Video], seed: int) -> tuple[list[Video], bool]:
    """The videos with a split: their own, or if none has one, a random draw of `TRAIN_SHARE` of each class for training.

    A video without label has no part in a draw.

    Returns:
        The videos, and whether the split was drawn here.
    """
    if any(video.split for video in videos):
        return videos, False
    rng = np.random.default_rng(seed)
    train: set[str] = set()
    for label in (0, 1):
        members = [video.id for video in videos if video.label == label]
        train.update(rng.permutation(members)[: round(TRAIN_SHARE * len(members))])
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
