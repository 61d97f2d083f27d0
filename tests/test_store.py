"""The store holds whole videos or nothing, all made alike."""

import os

import numpy as np
import pytest

from stavad.data.bags import segment_bounds, segment_of_clip, to_segments
from stavad.data.errors import UserError
from stavad.data.store import Store

MADE = {"preset": "p", "stride": 16, "mean": (1.0, 2.0)}


def test_round_trip(tmp_path):
    store, features = Store(tmp_path), np.random.rand(5, 2, 3).astype(np.float32)
    store.write("day/cam", features, 77, MADE, decoder="d", fps=10.0)
    stored = store.read("day/cam")
    assert np.array_equal(stored.features, features)
    assert (stored.frames, stored.made["decoder"]) == (77, "d")
    assert store.ids() == ["day/cam"]


def test_same_bytes_for_the_same_content(tmp_path):
    for name in ("one", "other"):
        Store(tmp_path / name).write("v", np.ones((2, 1, 3), np.float32), 20, MADE, fps=1.0)
    assert (tmp_path / "one/v.h5").read_bytes() == (tmp_path / "other/v.h5").read_bytes()


def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left.*free some space"):
        Store(tmp_path).write("v", np.ones((2, 1, 3)), 20, MADE)
    assert list(tmp_path.iterdir()) == []


def test_killed_while_writing_is_not_read(tmp_path):
    (tmp_path / ".v.h5.123.part").write_bytes(b"half")
    assert Store(tmp_path).ids() == []


def test_refuses_a_mixture(tmp_path):
    store = Store(tmp_path)
    store.write("a", np.ones((2, 1, 3)), 20, MADE)
    store.write("b", np.ones((2, 1, 3)), 20, MADE | {"stride": 8})
    with pytest.raises(UserError, match=r"b\.h5.*stride 8 against 16"):
        store.read_all(["a", "b"])


@pytest.mark.parametrize("content", [b"", b"not hdf5"])
def test_a_file_that_is_none_of_ours(tmp_path, content):
    (tmp_path / "v.h5").write_bytes(content)
    with pytest.raises(UserError, match="not a feature file"):
        Store(tmp_path).read("v")


@pytest.mark.parametrize("features", [np.full((2, 1, 3), np.nan), np.ones((0, 1, 3)), np.ones((2, 3))])
def test_unusable_features(tmp_path, features):
    store = Store(tmp_path)
    store.write("v", features, 20, MADE)
    with pytest.raises(UserError, match=r"v\.h5"):
        _ = store.read("v").features


@pytest.mark.parametrize("record", [{"frames": 0}, {"frames": 1000}, {"width": 4}])
def test_features_that_are_not_those_of_their_record(tmp_path, record):
    store = Store(tmp_path)
    store.write("v", np.ones((2, 1, 3)), record.get("frames", 20), MADE | {"width": record.get("width", 3)})
    with pytest.raises(UserError, match=r"v\.h5: holds \(2, 1, 3\) features, its record tells of"):
        _ = store.read("v").features


def test_missing_video(tmp_path):
    with pytest.raises(UserError, match="not in the store"):
        Store(tmp_path).read("v")


def test_segments_are_means_of_their_clips():
    features = np.arange(64, dtype=float)[:, None]
    assert np.array_equal(to_segments(features, 32)[:, 0], np.arange(32) * 2 + 0.5)


@pytest.mark.parametrize("clips", [1, 5, 31, 32, 33, 100])
def test_every_clip_is_in_a_segment(clips):
    bounds = segment_bounds(clips, 32)
    assert bounds[0] == 0 and bounds[-1] == clips and (np.diff(bounds) >= 0).all()
    segments = to_segments(np.eye(clips), 32)
    np.testing.assert_allclose(segments.sum(1), 1)
    assert (segments.sum(0) > 0).all()
    of_clip = segment_of_clip(clips, 32)
    assert (segments[of_clip, np.arange(clips)] > 0).all()
