"""Events by hand, and thresholds of alarms an hour."""

from dataclasses import replace

import numpy as np
import pytest

from stavad.data.errors import UserError
from stavad.evaluate.alarm import threshold_per_hour
from stavad.evaluate.events import Threshold, find_events, highest_moments
from stavad.evaluate.settings import AlarmSettings
from stavad.train.checkpoint import Unseen

PLAIN = AlarmSettings(least_event=0.0, least_gap=0.0)


def spans(found):
    return [(e.start, e.end) for e in found]


def test_stretches_above_the_threshold():
    scores = np.array([0.9, 0.1, 0.6, 0.8, 0.8, 0.2, 0.7])
    found = find_events(scores, Threshold(0.5, 0.5), PLAIN, 10)
    assert spans(found) == [(1, 1), (3, 5), (7, 7)]
    assert found[1].peak == 4 and found[1].peak_score == 0.8
    assert spans(find_events(scores, Threshold(0.75, 0.75), PLAIN, 10)) == [(1, 1), (4, 5)]
    assert (
        find_events(scores, Threshold(0.95, 0.95), PLAIN, 10) == []
        and find_events(scores[:1], Threshold(0.5, 0.5), PLAIN, 10)[0].end == 1
    )


def test_a_lower_score_keeps_an_event_going_but_does_not_begin_one():
    scores = np.array([0.45, 0.6, 0.45, 0.3, 0.45, 0.45])
    assert spans(find_events(scores, Threshold(0.5, 0.4), PLAIN, 10)) == [(1, 3)]


def test_near_events_are_one_and_short_ones_none():
    scores = np.array([0.9, 0, 0, 0.9, 0.9, 0, 0, 0, 0, 0.9])
    assert spans(find_events(scores, Threshold(0.5, 0.5), replace(PLAIN, least_gap=0.3), 10)) == [(1, 5), (10, 10)]
    assert spans(find_events(scores, Threshold(0.5, 0.5), replace(PLAIN, least_event=0.2), 10)) == [(4, 5)]
    assert spans(find_events(scores, Threshold(0.5, 0.5), replace(PLAIN, least_gap=0.3, least_event=0.2), 10)) == [
        (1, 5)
    ]


def test_the_highest_moments_where_there_is_no_threshold():
    scores = np.repeat([0.2, 0.9, 0.1, 0.5], 4)
    assert spans(highest_moments(scores, 2, 0)) == [(5, 8), (13, 16)]
    assert spans(highest_moments(scores, 4, 4)) == [(5, 8), (13, 16)]  # the others are too near
    assert spans(highest_moments(np.ones(3), 10, 5)) == [(1, 3)]


def test_alarms_an_hour():
    rng = np.random.default_rng(0)
    unseen = [Unseen(rng.random(1000).astype(np.float32), 16000, 640.0) for _ in range(9)]  # 1.6 hours
    for wanted in (1.0, 10.0, 50.0):
        settings = AlarmSettings(alarms_per_hour=wanted, hysteresis=1.0, least_event=0.0, least_gap=0.0)
        level = threshold_per_hour(unseen, settings)
        events = sum(len(find_events(one.clips, level, settings, 1000 / 640)) for one in unseen)
        assert events <= 1.6 * wanted
        assert events >= 0.4 * 1.6 * wanted
    with pytest.raises(UserError, match="frame rate"):
        threshold_per_hour([Unseen(np.ones(3, np.float32), 48, 0.0)], AlarmSettings(alarms_per_hour=1.0))
