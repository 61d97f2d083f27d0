"""Machines that lack something: OpenMP, links, a home, an open stderr, memory on the GPU."""

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stavad.data.bags import Bag
from stavad.data.errors import UserError
from stavad.data.store import Store
from stavad.data.work import Work, point_at
from stavad.extract import batch, weights
from stavad.extract.ahead import AHEAD_BYTES, Ahead, Clip
from stavad.extract.batch import Batch, Network, VideoFeatures
from stavad.extract.device import choose_device
from stavad.extract.preprocess import View
from stavad.train.kernels import compiled
from tests.conftest import FINGERPRINT

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["mps", "xpu", "gpu", "cuda:x", "CPU"])
def test_a_device_that_is_not_tried_here_is_no_cpu(name):
    with pytest.raises(UserError, match="is not a device"):
        choose_device(name)


def small_gpu(room: int, said: list) -> Network:
    """A network on a GPU that holds `room` inputs at once; its passes run here."""

    def backbone(clips):
        if len(clips) > room:
            raise torch.OutOfMemoryError
        return clips.flatten(1)[:, :4]

    network = object.__new__(Network)
    vars(network).update(backbone=backbone, device=SimpleNamespace(type="cuda"), precision="fp32", at_once=32, note=said.append, trusted=True)  # fmt: skip
    return network


@pytest.fixture
def no_autocast(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def test_a_gpu_that_is_full_gets_half(no_autocast):
    said: list[str] = []
    network = small_gpu(10, said)
    clips = torch.rand(40, 3, 16, 2, 2)
    assert torch.equal(network(clips), clips.flatten(1)[:, :4])
    assert network.at_once == 8 and len(said) == 2 and "--at-once" in said[-1]
    with pytest.raises(UserError, match="not enough memory for one clip"):
        small_gpu(0, said)(clips)


def collected(view: View):
    """A batch of a GPU's size, whose features of a clip are its least and its highest value, and the sizes of its passes."""
    passes: list[int] = []

    def network(clips):
        passes.append(len(clips))
        return torch.stack([clips.flatten(1).amin(1), clips.flatten(1).amax(1)], 1)

    shown = {"__call__": staticmethod(network), "device": torch.device("cpu"), "at_once": 32}
    return Batch(type("Of", (), shown)(), view), passes


def test_crops_count_as_inputs():
    """Of ten crops no more clips are collected than `at_once` inputs hold."""
    batch, passes = collected(View(mean=(0.0,) * 3, std=(1.0,) * 3, resize=8, crop=6, ten_crop=True))
    owner = VideoFeatures()
    for _ in range(7):
        batch.add(np.zeros((16, 8, 10, 3), np.uint8), np.zeros(0, np.float32), 16, owner)
    batch.flush()
    assert passes == [30, 30, 10] and owner.array(10).shape == (7, 10, 2)


def test_videos_of_two_shapes_that_are_decoded_side_by_side():
    batch, passes = collected(View(mean=(0.0,) * 3, std=(1.0,) * 3, resize=8))
    wide, tall = VideoFeatures(), VideoFeatures()
    for n in range(40):
        for owner, shape in ((wide, (16, 8, 10, 3)), (tall, (16, 10, 8, 3))):
            batch.add(np.full(shape, n, np.uint8), np.full(1, -n, np.float32), 16, owner)
    batch.flush()
    assert passes == [16, 16, 16, 16, 8, 8]
    assert all(owner.array(1)[:, 0].tolist() == [[-n, n, n] for n in range(40)] for owner in (wide, tall))


def test_without_openmp_the_loops_are_compiled_all_the_same(tmp_path, monkeypatch):
    """Apple's compiler refuses -fopenmp."""
    if compiled.unavailable():
        pytest.skip(compiled.unavailable())
    refusing = tmp_path / "cc"
    refusing.write_text('#!/bin/sh\nfor a in "$@"; do [ "$a" = -fopenmp ] && { echo "unsupported option" >&2; exit 1; }; done\nexec cc "$@"\n')  # fmt: skip
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(refusing))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert compiled.library.__wrapped__("powers.c", torch.float32)


def test_no_home(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(homeless))
    assert weights.cache_folder().is_absolute() and compiled.cache_folder().is_absolute()


def test_where_there_are_no_links_a_file_points_at_the_latest_run(tmp_path, monkeypatch):
    def refused(self, target, target_is_directory=False):
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refused)
    work = Work(tmp_path)
    for _ in range(2):
        run = work.new_run()
        point_at(run)
        assert not (work.runs / "latest").is_symlink() and work.run("") == run
    assert sorted(path.name for path in work.runs.iterdir()) == sorted(["latest", *(p.name for p in work.runs.glob("2*"))])  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="shell")
def test_closed_outputs_end_nothing(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((20, 64)))
    command = f"{sys.executable} -m stavad import {tmp_path / 'v.npy'} --work {tmp_path / 'work'} <&- >&- 2>&-"
    assert subprocess.run(command, shell=True).returncode == 0
    assert Store(tmp_path / "work/features/imported").ids() == ["v"]


def test_a_long_videos_features_wait_on_the_disk(tmp_path, monkeypatch):
    vectors = RNG.random((50, 12), np.float32)
    arrays = []
    for limit in (2**26, 100):
        monkeypatch.setattr(batch, "IN_MEMORY", limit)
        of = VideoFeatures(tmp_path)
        for vector in vectors:
            of.waiting += 1
            of.add(vector)
        arrays.append(of.array(1))
    assert isinstance(arrays[1], np.memmap) and not isinstance(arrays[0], np.memmap)
    assert np.array_equal(arrays[0], arrays[1]) and np.array_equal(arrays[1][:, 0], vectors)
    assert not list(tmp_path.iterdir())  # it has no name


def test_pictures_decoded_ahead_are_bounded_by_their_bytes():
    """Of 4K one clip waits, of small pictures several."""
    import threading

    stop = threading.Event()
    for shape, events, most in (((16, 2160, 3840, 3), 10, 1), ((16, 64, 96, 3), 8, 8), ((16, 64, 96, 3), 10, 10)):
        ahead = Ahead(events)
        picture = np.broadcast_to(np.uint8(0), shape)
        taker = threading.Thread(target=lambda: [ahead.put(Clip(0, picture, np.zeros(0), 16), stop) for _ in range(12)])  # noqa: B023
        taker.start()
        seen = []
        for _ in range(12):
            with ahead.changed:
                ahead.changed.wait_for(lambda: ahead.waiting)  # noqa: B023
                seen.append(len(ahead.waiting))
                assert ahead.bytes <= max(AHEAD_BYTES, picture.nbytes)
            ahead.get()
        taker.join()
        assert max(seen) <= most


def test_bags_are_kept_until_the_features_change(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write("v", RNG.random((400, 2, 8), np.float32), 6400, FINGERPRINT)
    first = store.read("v").bag(8)
    assert list((tmp_path / ".bags").rglob("8.npz"))

    def read(*_):
        raise AssertionError("the features were read again")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "_features", read)
        kept = store.read("v").bag(8)
    assert kept.digest == first.digest and np.array_equal(kept.segments, first.segments)
    other = RNG.random((400, 2, 8), np.float32)
    store.write("v", other, 6400, FINGERPRINT)
    assert store.read("v").bag(8).digest == Bag.of(other, 8).digest != first.digest
