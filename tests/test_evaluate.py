"""Frames, truth and metrics, by hand and against plain loops."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import auc as area
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.store import Stored
from stavad.evaluate import bootstrap
from stavad.evaluate.alarm import alarm, threshold
from stavad.evaluate.bootstrap import by_class, measure
from stavad.evaluate.frames import counted, frame_truth
from stavad.evaluate.metrics.clip_scores import gap, mean_score_negative, mean_score_positive
from stavad.evaluate.metrics.false_alarms import false_alarm_rate
from stavad.evaluate.metrics.frame_auc import auc, auc_abnormal, auc_within, oracle_auc
from stavad.evaluate.metrics.precision import average_precision, average_precision_trapezoid
from stavad.evaluate.metrics.video_auc import video_auc
from stavad.evaluate.score import ScoredVideo, score_clips
from stavad.evaluate.settings import EvaluateSettings
from stavad.train.baselines import build
from stavad.train.checkpoint import Trained, Unseen
from stavad.train.model import Ensemble
from stavad.train.scaling import Scaling
from stavad.train.settings import TrainSettings


def scored(id, label, clips, intervals, frames=None):
    clips = np.array(clips, float)
    frames = frames or 16 * len(clips)
    truth = None if intervals is None else frame_truth(intervals, frames, id)
    video = Video(id, None, label, "test", intervals)
    return ScoredVideo(video, frames, clips, Stored(clips[:, None, None], frames, {}).cover, truth)


def test_every_frame_has_its_clips_score():
    scores = scored("v", 0, [0.1, 0.2, 0.3], (), 40).scores
    assert scores.shape == (40,)
    assert (scores[:16] == 0.1).all() and (scores[16:32] == 0.2).all() and (scores[32:] == 0.3).all()


def test_truth_is_one_based_and_inclusive():
    truth = frame_truth(((1, 2), (5, 5)), 6, "v")
    assert truth.tolist() == [True, True, False, False, True, False]
    assert frame_truth(((3, 99),), 4, "v").tolist() == [False, False, True, True]
    with pytest.raises(UserError, match="v: has 4 frames"):
        frame_truth(((5, 9),), 4, "v")
    for wrong in ((4, 2), (0, 2)):
        with pytest.raises(UserError, match="an interval"):
            frame_truth((wrong,), 6, "v")


VIDEOS = [
    scored("a", 1, [0.9, 0.2, 0.8], ((20, 40),)),
    scored("b", 1, [0.3, 0.7], ((1, 10),), frames=25),
    scored("c", 0, [0.1, 0.6], ()),
]


def test_metrics_by_hand():
    truth = np.concatenate([s.truth for s in VIDEOS])
    scores = np.concatenate([s.scores for s in VIDEOS])
    pairs = (scores[truth][:, None] > scores[~truth]) + 0.5 * (scores[truth][:, None] == scores[~truth])
    assert auc(VIDEOS) == pytest.approx(pairs.mean())
    assert auc_abnormal(VIDEOS) == pytest.approx(roc_auc_score(truth[:73], scores[:73]))
    assert oracle_auc(VIDEOS) == pytest.approx(roc_auc_score(truth, np.arange(105) < 73))
    assert false_alarm_rate(VIDEOS) == pytest.approx(0.5)
    # clips with an abnormal frame: the last two of a, the first of b
    assert mean_score_positive(VIDEOS) == pytest.approx((0.2 + 0.8 + 0.3) / 3)
    assert mean_score_negative(VIDEOS) == pytest.approx((0.9 + 0.7 + 0.1 + 0.6) / 4)
    assert gap(VIDEOS) == pytest.approx(1.3 / 3 - 2.3 / 4)
    assert video_auc(VIDEOS) == 1.0


def test_intervals_hold_the_value_and_need_videos():
    found = measure(VIDEOS * 4)
    for name, m in found.items():
        assert m["low"] - 1e-9 <= m["value"] <= m["high"] + 1e-9, name
    assert found["auc"]["high"] > found["auc"]["low"]


def test_intervals_are_those_of_a_bootstrap_that_counts_every_frame_anew():
    """Against scikit-learn on the frames of each resample, scores with many ties among them."""
    rng = np.random.default_rng(3)
    videos = []
    for number in range(14):
        label = number % 2
        clips = rng.integers(0, 4, rng.integers(3, 9)) / 4 + 0.25 * label
        videos.append(scored(f"v{number}", label, clips, ((5, 30),) if label else (), 16 * len(clips) - number % 7))
    found = measure(videos)
    frames = [(s.truth, s.scores) for s in videos]
    truth, values = (np.concatenate(part) for part in zip(*frames))
    assert found["auc"]["value"] == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
    assert found["ap"]["value"] == pytest.approx(average_precision_score(truth, values), abs=1e-12)
    draws, aucs = np.random.default_rng(0), []
    for _ in range(bootstrap.RESAMPLES):
        drawn = [frames[place] for place in draws.integers(14, size=14)]
        aucs.append(roc_auc_score(*(np.concatenate(part) for part in zip(*drawn))))
    assert [found["auc"][end] for end in ("low", "high")] == pytest.approx(np.percentile(aucs, [2.5, 97.5]), abs=1e-12)


def test_without_truth_there_are_no_frame_metrics():
    found = measure([scored("a", 1, [0.9, 0.2], None), scored("c", 0, [0.1], ())])
    assert found["auc"]["value"] is None and found["gap"]["value"] is None
    assert found["video_auc"]["value"] == 1.0 and found["far"]["value"] == 0.0
    nothing = measure([scored("x", None, [0.4], None)])
    assert all(m["value"] is None for m in nothing.values())


def test_frame_conventions():
    frames = np.arange(40)
    assert np.array_equal(counted(frames, "exact"), frames)
    assert np.array_equal(counted(frames, "drop-tail"), frames[:32])
    assert np.array_equal(counted(frames, "pad-up"), [*frames, *[39] * 8])
    assert len(counted(frames[:9], "drop-tail")) == 9 and len(counted(frames[:32], "pad-up")) == 32


def test_average_precision_both_ways():
    truth = np.concatenate([s.truth for s in VIDEOS])
    scores = np.concatenate([s.scores for s in VIDEOS])
    assert average_precision(VIDEOS) == pytest.approx(average_precision_score(truth, scores))
    precision, recall, _ = precision_recall_curve(truth, scores)
    assert average_precision_trapezoid(VIDEOS) == pytest.approx(area(recall, precision))


def test_alarm_threshold_is_from_unseen_normal_videos(trained):
    unseen = [Unseen(np.linspace(0, 0.99, 100, dtype=np.float32), 1600, 64.0)]
    model = replace(trained, unseen=unseen)
    found, limits = alarm(model, VIDEOS, EvaluateSettings(alarm_rate=0.1))
    assert (limits.high, limits.low) == (found["threshold"], found["low"])
    assert (unseen[0].clips > found["threshold"]).mean() <= 0.1
    assert 0.85 < found["threshold"] < 0.95
    assert found["false_alarm_rate"] == 0.0 and found["videos_found"] == 0.5
    low, _ = alarm(model, VIDEOS, EvaluateSettings(alarm_rate=0.5))
    truth, scores = (np.concatenate([getattr(s, part) for s in VIDEOS]) for part in ("truth", "scores"))
    assert low["frames_found"] == pytest.approx((scores[truth] > low["threshold"]).mean())
    assert low["videos_found"] == 1.0 and low["false_alarm_rate"] == 0.5


def test_a_threshold_counts_frames_not_clips():
    long = Unseen(np.full(10, 0.2, np.float32), 900, 0.0)  # 90 frames a clip
    short = Unseen(np.linspace(0.5, 0.9, 10, dtype=np.float32), 100, 0.0)
    assert threshold([long, short], 0.1) == pytest.approx(0.2)
    assert threshold([long, short], 0.0999) == pytest.approx(0.5)
    assert threshold([long, short], 0) == pytest.approx(0.9)


def test_no_threshold_without_unseen_videos_or_with_other_scores(trained):
    assert "without cross-fitting" in alarm(trained, VIDEOS, EvaluateSettings())[0]["none"]
    seen = replace(trained, unseen=[Unseen(np.zeros(3, np.float32), 48, 0.0)])
    assert "--native" in alarm(seen, VIDEOS, EvaluateSettings(native=True))[0]["none"]


def test_each_abnormal_video_counts_once():
    each = [roc_auc_score(s.truth, s.scores) for s in VIDEOS[:2]]
    assert auc_within(VIDEOS) == pytest.approx(np.mean(each))
    assert auc_within(VIDEOS, np.array([3, 1, 5])) == pytest.approx((3 * each[0] + each[1]) / 4)
    whole = scored("d", 1, [0.9, 0.8], ((1, 32),))  # abnormal from end to end: it has no AUC
    assert auc_within([*VIDEOS, whole]) == pytest.approx(np.mean(each)) and auc_within([whole, VIDEOS[2]]) is None
    assert auc_within([*VIDEOS, scored("e", 1, [0.3], None)]) is None


def test_classes_stand_beside_all_normal_videos():
    kinds = [replace(s, video=replace(s.video, kind=kind)) for s, kind in zip(VIDEOS, ("fight", "fire", ""))]
    found = by_class(kinds)
    assert found.keys() == {"fight", "fire"} and found["fire"]["videos"] == 1
    assert found["fight"]["auc"] == auc([kinds[0], kinds[2]])
    assert found["fire"]["auc_abnormal"] == auc_abnormal([kinds[1]])


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    settings = TrainSettings(segments=4)
    scaling = Scaling("none", np.zeros(8, np.float32), np.ones(8, np.float32))
    return Trained(Ensemble(scaling, [build(8, settings)]).eval(), settings, {})


def test_each_clip_has_the_score_of_its_segment(trained):
    features = np.random.default_rng(0).random((9, 1, 8), np.float32)
    bounds = [0, 2, 4, 7, 9]  # of four segments
    segments = np.stack([features[a:b, 0].mean(0) for a, b in pairwise(bounds)])
    with torch.inference_mode():
        expected = trained.model(torch.from_numpy(segments)[None])[0].numpy()
    assert len(set(expected)) == 4
    found = score_clips(trained, Stored(features, 144, {}), EvaluateSettings())
    np.testing.assert_allclose(found, np.repeat(expected, np.diff(bounds)), rtol=1e-5)


def test_crops_are_averaged_before_or_after_the_model(trained):
    features = np.random.default_rng(0).random((9, 3, 8), np.float32)
    one = score_clips(trained, Stored(features.mean(1, keepdims=True), 144, {}), EvaluateSettings(native=True))
    np.testing.assert_allclose(
        score_clips(trained, Stored(features, 144, {}), EvaluateSettings(native=True)), one, rtol=1e-6
    )
    each = [
        score_clips(trained, Stored(features[:, i : i + 1], 144, {}), EvaluateSettings(native=True)) for i in range(3)
    ]
    after = score_clips(trained, Stored(features, 144, {}), EvaluateSettings(native=True, crops="scores"))
    np.testing.assert_allclose(after, np.mean(each, 0), rtol=1e-5)
    assert not np.allclose(after, one, rtol=1e-6)


def test_smoothing_is_a_moving_average(trained):
    features = np.random.default_rng(0).random((9, 1, 8), np.float32)
    plain = score_clips(trained, Stored(features, 144, {}), EvaluateSettings(native=True))
    smooth = score_clips(trained, Stored(features, 144, {}), EvaluateSettings(native=True, smooth=3))
    np.testing.assert_allclose(smooth[1:-1], np.convolve(plain, np.ones(3) / 3, "valid"), rtol=1e-5)
    np.testing.assert_allclose(smooth[0], (2 * plain[0] + plain[1]) / 3, rtol=1e-5)
