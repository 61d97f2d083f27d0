"""Alarm thresholds: the share of normal frames that was wanted, and what came of it on test videos.

    python -m benchmarks.alarms --work DIR --labels CSV [--labels CSV ..]

Each CSV is a split of the videos in the work folder. `unseen`: the threshold from training videos scored by models that had not seen them,
as `pipeline train` keeps it. `seen`: from the scores that the final model gives the videos that it was trained on. The shares are of the frames
of the test part's normal videos, the mean over the splits and the lowest and highest. Then the same of false alarms an hour: events in those
videos, by the hours that they last. Further settings of `pipeline train` may follow, as flags.
"""

import dataclasses

import numpy as np

from benchmarks.splits import asked
from stavad.data.labels import read_labels
from stavad.data.work import Work
from stavad.evaluate.alarm import hours, threshold, threshold_per_hour
from stavad.evaluate.events import find_events
from stavad.evaluate.metrics.false_alarms import false_alarm_rate
from stavad.evaluate.run import evaluate_run
from stavad.evaluate.score import score_clips
from stavad.evaluate.settings import AlarmSettings, ScoringSettings
from stavad.train.checkpoint import Unseen
from stavad.train.folder import train_model
from stavad.train.settings import TrainSettings

WANTED = (0.001, 0.01, 0.05)
AN_HOUR = (30.0, 100.0, 300.0)


def main() -> None:
    work, splits, settings = asked(__doc__)
    found = [of_split(work, csv, settings) for csv in splits]
    got, per_hour = (np.array([each[part] for each in found]) for part in (0, 1))
    print(f"{len(got)} splits; {'wanted':>10}{'unseen':>26}{'seen':>26}")
    for place, wanted in enumerate(WANTED):
        cells = [f"{part.mean():.2%} [{part.min():.2%}, {part.max():.2%}]" for part in got[:, place].T]
        print(f"{'':10}{wanted:>10.1%}" + "".join(f"{cell:>26}" for cell in cells), flush=True)
    print(
        f"false alarms an hour{'':6}; hours of normal video: training {per_hour[:, 0, 1].mean():.3f}, test {per_hour[:, 0, 2].mean():.3f}"
    )
    for place, wanted in enumerate(AN_HOUR):
        rates = per_hour[:, place, 0]
        print(f"{'':10}{wanted:>10g}{f'{rates.mean():.0f} [{rates.min():.0f}, {rates.max():.0f}]':>26}", flush=True)


def of_split(
    work: str, labels: str, settings: TrainSettings
) -> tuple[list[tuple[float, float]], list[tuple[float, float, float]]]:
    """(unseen, seen) shares for each of `WANTED`; alarms an hour, hours of training and of test video for each of `AN_HOUR`."""
    run = train_model(work, labels, settings=dataclasses.replace(settings), device="cpu", note=lambda line: None)
    scored = evaluate_run(work, run.folder, device="cpu", note=lambda line: None).scored
    store = Work(work).store(run.trained.fingerprint["preset"])
    seen = []
    for video in read_labels(run.folder / "videos.csv"):
        if video.split == "train" and video.label == 0:
            stored = store.read(video.id)
            seen.append(Unseen(score_clips(run.trained, stored, ScoringSettings()), stored.frames, stored.seconds))
    shares = [
        tuple(false_alarm_rate(scored, threshold=threshold(videos, wanted)) for videos in (run.trained.unseen, seen))
        for wanted in WANTED
    ]
    normal = [s for s in scored if s.video.label == 0]
    lasted = sum(s.frames / s.fps for s in normal) / 3600
    rates = []
    for wanted in AN_HOUR:
        asked = AlarmSettings(alarms_per_hour=wanted)
        limits = threshold_per_hour(run.trained.unseen, asked)
        events = sum(len(find_events(s.scores, limits, asked, s.fps)) for s in normal)
        rates.append((events / lasted, hours(run.trained.unseen), lasted))
    return shares, rates


if __name__ == "__main__":
    main()
