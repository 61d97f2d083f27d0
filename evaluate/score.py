"""Anomaly scores of videos: the model over all clips of a video in one piece, or over its 32 segments."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from data.bags import segment_of_clip, to_segments
from data.catalogue import Video
from data.store import Stored
from evaluate.frames import frame_truth
from train.checkpoint import Trained


@dataclass(frozen=True)
class ScoredVideo:
    """One video's result; `truth` is None where it is not known."""

    video: Video
    clips: np.ndarray  # (clips,) anomaly scores in [0, 1]
    cover: np.ndarray  # (frames,) the clip that covers each frame
    truth: np.ndarray | None  # (frames,) bool

    @cached_property
    def scores(self) -> np.ndarray:
        """(frames,): every frame has the score of the clip that covers it."""
        return self.clips[self.cover]


@torch.inference_mode()
def score_clips(trained: Trained, features: np.ndarray, native: bool = False) -> np.ndarray:
    """Features (clips, crops, C) -> scores (clips,).

    Args:
        native: over all clips as they are; else over the bag's segments, as in training, and each clip has its segment's.
    """
    clips = len(features)
    bag = features.mean(1) if native else to_segments(features.mean(1), trained.settings.segments)
    prepared = torch.from_numpy(trained.scaling(bag))[None]
    scores = trained.model(prepared.to(trained.device)).scores[0].cpu().numpy()
    return scores if native else scores[segment_of_clip(clips, trained.settings.segments)]


def score_video(trained: Trained, video: Video, stored: Stored, native: bool = False) -> ScoredVideo:
    """Scores of every decoded frame, and the truth where the labels hold it."""
    clips = score_clips(trained, stored.features, native)
    truth = None if video.intervals is None else frame_truth(video.intervals, stored.frames, video.id)
    return ScoredVideo(video, clips, stored.cover, truth)
