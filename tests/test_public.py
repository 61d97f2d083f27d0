"""`import stavad`: its names, and the examples of docs/python.md as they stand there."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import stavad
from stavad.data.settings import setting, under_present_names
from stavad.train.checkpoint import VERSION, Trained
from tests import tiny
from tests.conftest import write_store, write_video

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_rooms_are_there_after_the_import_alone():
    code = "import stavad; stavad.train.model; stavad.Store; stavad.evaluate.score; stavad.train_model"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_import_alone_does_not_load_torch():
    code = "import sys, stavad, stavad.pipeline.cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", stavad.__all__)
def test_every_name_is_told_of(name):
    assert getattr(stavad, name).__doc__
    assert name in dir(stavad)


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stavad.nothing  # noqa: B018


def test_features_of_one_video_are_those_of_the_store(tmp_path):
    path = write_video(tmp_path / "videos/v.mp4", 40)
    work = tmp_path / "work"
    stavad.extract_features(path.parent, work, tiny.NAME, note=lambda text: None)
    found = stavad.clip_features(path, tiny.NAME)
    stored = stavad.Store(work / "features/tiny").read("v")
    assert np.array_equal(found.features, stored.features)
    assert (found.frames, found.fps, found.decoder) == (40, 10.0, stored.made["decoder"])
    assert found.fingerprint["width"] == stored.made["fingerprint"]["width"] == tiny.WIDTH


def test_one_video_that_is_none(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"nothing" * 99)
    with pytest.raises(stavad.UserError, match=r"v\.mp4: it is not a video"):
        stavad.clip_features(tmp_path / "v.mp4", tiny.NAME)


def test_a_scored_video_knows_its_rate_and_source(tmp_path):
    write_store(tmp_path)
    run = stavad.train_model(tmp_path, tmp_path / "labels.csv", settings=stavad.TrainSettings(steps=2), device="cpu")
    found = stavad.evaluate_run(tmp_path)
    assert found.run == run.folder.resolve() and {s.fps for s in found.scored} == {10.0}


def test_old_checkpoints_score_the_same(tmp_path):
    """The first form had the scaling beside the model, and no version."""
    write_store(tmp_path)
    run = stavad.train_model(tmp_path, tmp_path / "labels.csv", settings=stavad.TrainSettings(steps=2), device="cpu")
    content = torch.load(run.folder / "model.pt", weights_only=True)
    assert content.pop("version") == VERSION
    for name in ("mean", "deviation"):
        content[name] = content["model"].pop(f"scaling.{name}")
    torch.save(content, tmp_path / "old.pt")
    old, features = Trained.load(tmp_path / "old.pt", "cpu"), torch.rand(2, 9, 8)
    assert torch.equal(old.model(features), run.trained.model(features))
    torch.save(content | {"version": VERSION + 1}, tmp_path / "new.pt")
    with pytest.raises(stavad.UserError, match="later version"):
        Trained.load(tmp_path / "new.pt", "cpu")


def test_settings_are_found_under_their_former_names():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Group:
        steps: int = setting(3, "of training", was=("epochs",))

    assert under_present_names({"epochs": 7, "other": 1}, Group) == {"steps": 7, "other": 1}


@pytest.mark.slow
def test_the_examples_run(tmp_path, monkeypatch, capsys):
    """Each of docs/python.md as a script, in order, on small videos, with the tiny preset in the place of the embedded one."""
    for number in range(4):
        write_video(tmp_path / f"recordings/normal/{number}.mp4", 20 + number)
        write_video(tmp_path / f"recordings/fight/{number}.mp4", 24 + number)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.S)
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        quick = block.replace("motion-lite0", tiny.NAME).replace("seed=1", "seed=1, steps=20")
        script = tmp_path / "example.py"
        script.write_text(f"from tests import tiny\n{quick}")
        runpy.run_path(str(script), run_name="__main__")
    assert len(blocks) == 6 and "clips;" in capsys.readouterr().out
