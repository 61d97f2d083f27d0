"""Frames, truth and metrics, by hand and against plain loops."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data.catalogue import Video
from data.errors import UserError
from data.store import Stored
from evaluate import metrics
from evaluate.frames import frame_truth
from evaluate.score import ScoredVideo


def scored(id, label, clips, intervals, frames=None):
    clips = np.array(clips, float)
    frames = frames or 16 * len(clips)
    truth = None if intervals is None else frame_truth(intervals, frames, id)
    video = Video(id, None, label, "test", intervals)
    return ScoredVideo(video, clips, Stored(clips[:, None, None], frames, {}).cover, truth)


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


VIDEOS = [
    scored("a", 1, [0.9, 0.2, 0.8], ((20, 40),)),
    scored("b", 1, [0.3, 0.7], ((1, 10),), frames=25),
    scored("c", 0, [0.1, 0.6], ()),
]


def test_metrics_by_hand():
    truth = np.concatenate([s.truth for s in VIDEOS])
    scores = np.concatenate([s.scores for s in VIDEOS])
    pairs = (scores[truth][:, None] > scores[~truth]) + 0.5 * (scores[truth][:, None] == scores[~truth])
    assert metrics.auc(VIDEOS) == pytest.approx(pairs.mean())
    assert metrics.auc_abnormal(VIDEOS) == pytest.approx(roc_auc_score(truth[:73], scores[:73]))
    assert metrics.oracle_auc(VIDEOS) == pytest.approx(roc_auc_score(truth, np.arange(105) < 73))
    assert metrics.false_alarm_rate(VIDEOS) == pytest.approx(0.5)
    # clips with an abnormal frame: the last two of a, the first of b
    assert metrics.mean_score_positive(VIDEOS) == pytest.approx((0.2 + 0.8 + 0.3) / 3)
    assert metrics.mean_score_negative(VIDEOS) == pytest.approx((0.9 + 0.7 + 0.1 + 0.6) / 4)
    assert metrics.gap(VIDEOS) == pytest.approx(1.3 / 3 - 2.3 / 4)
    assert metrics.video_auc(VIDEOS) == 1.0


def test_intervals_hold_the_value_and_need_videos():
    found = metrics.evaluate(VIDEOS * 4)
    for name, m in found.items():
        assert m["low"] - 1e-9 <= m["value"] <= m["high"] + 1e-9, name
    assert found["auc"]["high"] > found["auc"]["low"]


def test_without_truth_there_are_no_frame_metrics():
    found = metrics.evaluate([scored("a", 1, [0.9, 0.2], None), scored("c", 0, [0.1], ())])
    assert found["auc"]["value"] is None and found["gap"]["value"] is None
    assert found["video_auc"]["value"] == 1.0 and found["far"]["value"] == 0.0
    nothing = metrics.evaluate([scored("x", None, [0.4], None)])
    assert all(m["value"] is None for m in nothing.values())
