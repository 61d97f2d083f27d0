"""Anomaly scores of videos: the model over all clips of a video in one piece, or over its 32 segments."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.ndimage import uniform_filter1d

from stavad.data.bags import segment_of_clip, windows
from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.store import Stored
from stavad.evaluate.frames import counted, frame_truth
from stavad.evaluate.settings import ScoringSettings
from stavad.train.checkpoint import Trained


@dataclass(frozen=True)
class ScoredVideo:
    """One video's result; `truth` is None where it is not known."""

    video: Video
    frames: int  # decoded, whatever the convention by which they count
    clips: np.ndarray  # (clips,) anomaly scores in [0, 1]
    cover: np.ndarray  # (frames,) the clip that covers each frame
    truth: np.ndarray | None  # (frames,) bool
    fps: float = 0.0  # mean frame rate, 0 if unknown
    source: str = ""  # the file that the features were made from

    @cached_property
    def scores(self) -> np.ndarray:
        """(frames,): every frame has the score of the clip that covers it."""
        return self.clips[self.cover]

    @cached_property
    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """The different scores (n,), and (2, n): how many normal and how many abnormal frames have each."""
        scores, level = np.unique(self.clips, return_inverse=True)
        return scores, np.stack([np.bincount(level, frames, len(scores)) for frames in self.covered])

    @cached_property
    def covered(self) -> np.ndarray:
        """(2, clips): how many normal and how many abnormal frames each clip covers."""
        return np.stack([np.bincount(self.cover, self.truth == kind, len(self.clips)) for kind in (False, True)])


@torch.inference_mode()
def score_clips(trained: Trained, stored: Stored, settings: ScoringSettings) -> np.ndarray:
    """Scores (clips,) of a video.

    Over the bag's segments, as in training, each clip having its segment's score; a video much longer than those of the training is
    taken in windows, whose segments are as long as theirs. `settings.native`: over all clips as they are.
    """
    if settings.native:
        bags, clips = stored.features, len(stored.features)
        views = bags.mean(1, keepdims=True) if settings.crops == "features" else bags
        prepared = views.swapaxes(0, 1)  # (crops, clips, C)
    else:
        segments = trained.settings.segments
        bag = stored.bag(segments)
        clips, parts = bag.clips, windows(bag.clips, trained.clips)
        bags = (bag if parts == 1 else stored.bag(parts * segments)).segments
        views = bags.mean(1, keepdims=True) if settings.crops == "features" else bags
        prepared = views.swapaxes(0, 1).reshape(-1, segments, views.shape[-1])  # (crops * windows, segments, C)
    scores = trained.model(torch.from_numpy(np.ascontiguousarray(prepared)).to(trained.device))
    scores = scores.reshape(views.shape[1], -1).mean(0).cpu().numpy()
    if not settings.native:
        scores = scores[segment_of_clip(clips, len(scores))]
    return uniform_filter1d(scores, settings.smooth, mode="nearest")


def score_video(trained: Trained, video: Video, stored: Stored, settings: ScoringSettings) -> ScoredVideo:
    """Scores of every frame that counts, and the truth where the labels hold it.

    Raises:
        UserError: the labels do not fit the frames of the video, or the model overflows on it.
    """
    stored = frames_of(video, stored)
    clips = score_clips(trained, stored, settings)
    if not np.isfinite(clips).all():
        raise UserError(
            video.id, "has scores that are no numbers", "train with a lower --learning-rate, or score without --native"
        )
    return over_frames(video, stored, clips, settings)


def frames_of(video: Video, stored: Stored) -> Stored:
    """The features of a video over its frames: those that were decoded, else those that the labels tell.

    Raises:
        UserError: the labels are of another number of frames, or there is none for their intervals.
    """
    stored.require_frames(video.id, video.frames)
    if not stored.frames and not video.frames and video.intervals:
        raise UserError(video.id, "has features of segments, and its number of frames is not known", "give it in the column 'frames' of --labels")  # fmt: skip
    return stored.over(video.frames) if not stored.frames and video.frames else stored


def over_frames(video: Video, stored: Stored, clips: np.ndarray, settings: ScoringSettings) -> ScoredVideo:
    """Scores (clips,) of a video as those of its frames, beside the truth where the labels hold it."""
    truth = None
    if video.intervals is not None:
        truth = counted(frame_truth(video.intervals, stored.frames, video.id), settings.frames)
    cover = counted(stored.cover, settings.frames)
    made = stored.made
    return ScoredVideo(video, len(stored.cover), clips, cover, truth, made.get("fps", 0.0), made.get("source", ""))
