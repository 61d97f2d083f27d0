"""Videos far longer than those of the training: scored in windows, and normal ones trained on as several bags."""

import dataclasses

import numpy as np
import pytest

from stavad.data.catalogue import Video
from stavad.data.store import Stored
from stavad.evaluate.score import score_clips
from stavad.evaluate.settings import ScoringSettings
from stavad.train.run import LONG, fit_on, gather
from stavad.train.settings import TrainSettings

RNG = np.random.default_rng(0)
SETTINGS = TrainSettings(segments=8, steps=120, folds=0, learning_rate=3e-3, head="fc", attention=False, mce=False)


def of(clips: int, event: slice | None = None) -> Stored:
    """Features of noise at 10 frames a second, shifted during the event."""
    features = RNG.standard_normal((clips, 1, 8), np.float32)
    if event:
        features[event] += 3
    return Stored(features, 16 * clips, {"fingerprint": {}, "fps": 10.0})


@pytest.fixture(scope="module")
def trained():
    stored = {f"n{n}": of(40) for n in range(12)} | {f"a{n}": of(40, slice(10, 16)) for n in range(12)}
    videos = [Video(id, None, int(id[0] == "a"), "train", () if id[0] == "n" else None) for id in stored]
    return fit_on(videos, stored, SETTINGS, "cpu")


def test_ten_seconds_in_an_hour_are_found(trained):
    """2,250 clips, an event of 6 of them: the highest score is there, where 8 segments of seven minutes would not show it."""
    hour = of(2250, slice(1300, 1306))
    scores = score_clips(trained, hour, ScoringSettings())
    assert len(scores) == 2250 and 1298 <= scores.argmax() <= 1307
    assert scores[1300:1306].mean() > np.quantile(scores, 0.99)
    drowned = dataclasses.replace(trained, clips=0)  # as if nothing were known of the bags of training
    assert len(np.unique(score_clips(drowned, hour, ScoringSettings()))) <= 8


@pytest.mark.parametrize("clips", [1, 7, 40, 55])
def test_a_video_as_long_as_those_of_training_is_one_bag(trained, clips):
    stored = of(clips)
    whole = dataclasses.replace(trained, clips=0)
    assert np.array_equal(
        score_clips(trained, stored, ScoringSettings()), score_clips(whole, stored, ScoringSettings())
    )


def test_a_long_normal_video_is_several_bags_and_a_long_abnormal_one_is_told():
    clips = int(8 * 2 * LONG * 10 / 16)  # segments of a minute
    stored = {"n": of(10 * clips), "a": of(clips), "m": of(20), "b": of(20)}
    videos = [Video(id, None, int(id in "ab"), "train", () if id in "nm" else None) for id in stored]
    said: list[str] = []
    found = {one.video.id: one for one in gather(videos, stored, SETTINGS, said.append)}
    assert {id: one.parts for id, one in found.items()} == {"n": 10, "a": 1, "m": 1, "b": 1}
    assert found["n"].bags.shape == (10, 8, 8)
    assert len(said) == 1 and "a segment of a is longer than 30 s" in said[0]
    np.testing.assert_allclose(found["n"].bags.mean((0, 1)), stored["n"].features.mean((0, 1)), atol=2e-3)
