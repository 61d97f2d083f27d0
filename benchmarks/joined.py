"""An event of ten seconds in an hour: is it found?

    python -m benchmarks.joined --work DIR --labels CSV [--labels CSV ..]

For each CSV, a split of the videos in the work folder (10 frames a second, such as UCSD Ped2), a model is trained; then for each abnormal test video an
hour is joined from the clips of the normal test videos, over and over, with ten seconds of the event somewhere in it. `windows`: as scoring takes long
videos, in windows whose segments are as long as those of training. `whole`: the hour as 32 segments, as up to version 0.1.
Frame AUC of the event within its hour, the mean over all hours and the lowest, and how often the highest score of the hour is in the event. Further settings of
`pipeline train` may follow, as flags.
"""

import dataclasses

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.splits import asked
from stavad.data.bags import CLIP
from stavad.data.labels import read_labels
from stavad.data.store import Stored
from stavad.data.work import Work
from stavad.evaluate.score import score_clips
from stavad.evaluate.settings import ScoringSettings
from stavad.train.folder import train_model
from stavad.train.settings import TrainSettings

SECONDS, HOUR = 10, 3600


def main() -> None:
    work, splits, settings = asked(__doc__)
    found = np.concatenate([of_split(work, csv, settings) for csv in splits])
    print(f"{len(found)} hours, an event of {SECONDS} s in each: frame AUC, lowest, highest score in the event")
    for place, name in enumerate(("windows", "whole")):
        aucs, hits = found[:, place, 0], found[:, place, 1]
        print(f"  {name:8} {aucs.mean():.3f}  {aucs.min():.3f}  {int(hits.sum())} of {len(hits)}")


def of_split(work: str, labels: str, settings: TrainSettings) -> np.ndarray:
    """(hours, 2, 2): frame AUC and whether the highest score is in the event, by windows and as a whole."""
    run = train_model(work, labels, settings=settings, device="cpu", note=lambda line: None)
    store = Work(work).store(run.trained.fingerprint["preset"])
    test = [video for video in read_labels(run.folder / "videos.csv") if video.split == "test"]
    normal = np.concatenate([store.read(video.id).features for video in test if video.label == 0])
    rng, found = np.random.default_rng(settings.seed), []
    for video in test:
        if video.label != 1 or not video.intervals:
            continue
        stored = store.read(video.id)
        fps = stored.made["fps"]
        clips, event = round(HOUR * fps / CLIP), round(SECONDS * fps / CLIP)
        start, end = video.intervals[0]
        first, last = -(-(start - 1) // CLIP), end // CLIP  # of the clips that are wholly abnormal
        inside = stored.features[first : min(last, first + event)]
        if not len(inside):
            continue
        at = int(rng.integers(clips - event))
        hour = np.resize(normal, (clips, *normal.shape[1:]))
        hour[at : at + len(inside)] = inside
        truth = (np.arange(clips) >= at) & (np.arange(clips) < at + len(inside))
        joined = Stored(hour, clips * CLIP, stored.made)
        found.append(
            [
                judged(score_clips(model, joined, ScoringSettings()), truth)
                for model in (run.trained, dataclasses.replace(run.trained, clips=0))
            ]
        )
    return np.array(found)


def judged(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    return float(roc_auc_score(truth, scores)), float((scores[truth] == scores.max()).any())


if __name__ == "__main__":
    main()
