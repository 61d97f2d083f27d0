"""ONNX Runtime in the place of torch: the same features, or one line that says why not."""

import sys

import pytest
import torch
from torch import nn

from stavad.data.errors import UserError
from stavad.data.search import find_videos
from stavad.data.store import Store
from stavad.extract.batch import Network
from stavad.extract.presets import PRESETS
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings
from tests import tiny
from tests.conftest import write_video

CPU = torch.device("cpu")


@pytest.fixture
def runtime():
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.mark.slow
def test_features_are_those_of_torch(runtime, tmp_path):
    """Of two sizes of picture, whose graphs differ."""
    write_video(tmp_path / "videos/a.mp4", 20)
    write_video(tmp_path / "videos/b.mp4", 20, size=(64, 96))
    found = {}
    for name in ("torch", "onnxruntime"):
        run = Extraction(PRESETS["motion-lite0"](), Store(tmp_path / name), ExtractSettings(runtime=name), CPU)
        assert run.run(find_videos(tmp_path / "videos")).clips == 4
        found[name] = [run.store.read(id) for id in ("a", "b")]
        assert all(stored.made["libraries"].startswith(f"{name} ") for stored in found[name])
        assert all(", opencv " in stored.made["libraries"] for stored in found[name])
    for one, other in zip(*found.values()):
        assert one.made["fingerprint"] == other.made["fingerprint"]
        plain, quick = torch.from_numpy(one.features), torch.from_numpy(other.features)
        assert torch.dist(plain, quick) < 1e-4 * plain.norm()


def test_other_features_are_refused(runtime):
    """Those of each size of picture are looked at."""

    class Changing(nn.Module):
        def forward(self, clips):
            larger = torch.onnx.is_in_onnx_export() and clips.shape[3] > 8
            return clips.mean((2, 3, 4)) * (1.001 if larger else 1)

    network = Network(Changing(), CPU, runtime="onnxruntime")
    assert network(torch.rand(1, 3, 16, 8, 8)).shape == (1, 3)
    with pytest.raises(UserError, match=r"--runtime onnxruntime: gives other features, by 1\.0e-03"):
        network(torch.rand(1, 3, 16, 12, 8))


def test_a_layer_that_cannot_be_exported(runtime, capsys):
    class Odd(nn.Module):
        def forward(self, clips):
            tried.append(clips)
            return torch.fft.fft(clips.flatten(1)).real.mT.mT

    tried, network = [], Network(Odd(), CPU, runtime="onnxruntime")
    for _ in range(2):
        with pytest.raises(UserError, match=r"cannot take this backbone \([^\n]*\); leave it out"):
            network(torch.rand(1, 3, 16, 8, 8))
    assert capsys.readouterr().out == "" and len(tried) == 1


def test_where_it_is_not_asked_to_compute(runtime, tmp_path):
    with pytest.raises(UserError, match="computes on CPUs"):
        Network(nn.Identity(), torch.device("meta"), runtime="onnxruntime")
    settings = ExtractSettings(runtime="onnxruntime", precision="bf16")
    with pytest.raises(UserError, match="--precision bf16: is torch's alone"):
        Extraction(PRESETS[tiny.NAME](), Store(tmp_path), settings, CPU)
    alone = Extraction(PRESETS["motion"](), Store(tmp_path), ExtractSettings(runtime="onnxruntime"), CPU)
    assert alone.network.quick is None  # there is no network


def test_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"--runtime: ONNX Runtime is not installed; run `pip install"):
        Network(tiny.TinyNetwork(), CPU, runtime="onnxruntime")
