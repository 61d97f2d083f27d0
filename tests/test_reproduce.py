"""Protocols: their splits, the tables, and that a measurement goes on where it stopped."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.labels import read_labels
from stavad.data.store import Store
from stavad.evaluate.reproduction.curves import CURVES, curves_of
from stavad.evaluate.reproduction.measure import Reproduction
from stavad.evaluate.reproduction.protocols import ABLATION, OTHERS, PAPER, PROTOCOLS
from stavad.evaluate.settings import ScoringSettings
from stavad.pipeline.cli import main
from stavad.train.settings import TrainSettings
from tests.conftest import write_store

QUICK = ["--steps", "3", "--segments", "10", "--draws", "2"]
VIDEOS = [Video(f"n{i}", None, 0, None, ()) for i in range(16)] + [
    Video(f"a{i}", None, 1, None, ((1, 9),)) for i in range(12)
]


def test_ped2_draws_ten_and_six():
    cases = list(PROTOCOLS["ped2"].cases(VIDEOS, 5))
    for _, videos in cases:
        train = [v.label for v in videos if v.split == "train"]
        assert (train.count(0), train.count(1), len(videos)) == (10, 6, 28)
        assert all(v.split in ("train", "test") for v in videos)
    assert len({tuple(v.split for v in videos) for _, videos in cases}) == 5
    assert cases == list(PROTOCOLS["ped2"].cases(VIDEOS, 5))
    assert cases[2:] == list(PROTOCOLS["ped2"].cases(VIDEOS, 3, first=2))


def test_rows_are_what_they_are_called_whatever_is_given(tmp_path):
    store = write_store(tmp_path)
    videos = read_labels(tmp_path / "labels.csv")
    given = TrainSettings(recipe="best", model="rtfm", bag_loss="k-max", head="fc", mce=False, margin=0.1)
    arguments = videos, store.read_all([v.id for v in videos])
    tables = Reproduction("ucf-crime", *arguments, given, ScoringSettings(), 1, tmp_path)
    assert tables.settings(PAPER, 0) == TrainSettings(margin=0.1)
    assert tables.settings("FC", 0).bag_loss == "ranking" and tables.settings("recipe best", 0).bag_loss == "k-max"


def test_what_a_protocol_cannot_do_is_said():
    with pytest.raises(UserError, match="10 normal videos of 9"):
        list(PROTOCOLS["ped2"].cases(VIDEOS[7:], 1))
    with pytest.raises(UserError, match="intervals"):
        list(PROTOCOLS["ped2"].cases([*VIDEOS[:-1], replace(VIDEOS[-1], intervals=None)], 1))
    with pytest.raises(UserError, match="no normal video to train on"):
        list(PROTOCOLS["ucf-crime"].cases(VIDEOS, 1))


@pytest.mark.slow
def test_tables_and_going_on(tmp_path, capsys):
    write_store(tmp_path)
    command = ["reproduce", "ucf-crime", "--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv"), *QUICK]
    assert main(command) == 0
    folder = tmp_path / "reproduce"
    tables = (folder / "ucf-crime.md").read_text()
    for row in [*list(ABLATION)[1:], *OTHERS, "MIL ranking", "oracle"]:
        assert row in tables
    assert "C3D 0.816, I3D 0.830" in tables and "| 0.33, 0.75, 0.42, 0.798 |" in tables
    assert (folder / "ucf-crime.png").stat().st_size > 5000
    known = json.loads((folder / "ucf-crime.json").read_text())
    rows = len(ABLATION) + len(OTHERS)
    assert len(known) == 2 * rows
    assert len({r["metrics"]["auc"]["value"] for r in known.values()}) > 4

    known.pop(next(iter(known)))
    (folder / "ucf-crime.json").write_text(json.dumps(known))
    capsys.readouterr()
    assert main(command) == 0
    assert f"; 1 trainings to do, {2 * rows - 1} done before" in capsys.readouterr().out
    assert (folder / "ucf-crime.md").read_text() == tables

    store = Store(tmp_path / "features/made-up")

    def todo(**changed):
        videos = sorted(read_labels(tmp_path / "labels.csv"), key=lambda video: video.id)
        training = TrainSettings(steps=3, segments=10, **changed)
        return len(Reproduction("ucf-crime", videos, store.read_all(store.ids()), training, ScoringSettings(), 2, folder).todo)  # fmt: skip

    assert todo() == 0 and todo(margin=0.1) == 2 * rows
    before = store.read("a00")
    store.write("a00", before.features + 1, before.frames, before.made["fingerprint"])
    assert todo() == 2 * rows


@pytest.mark.slow
def test_learning_curves_of_every_row(tmp_path, capsys):
    write_store(tmp_path)
    command = ["reproduce", "ucf-crime", "--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv"), "--curves"]
    command += ["--steps", "4", "--segments", "10", "--draws", "1"]
    assert main([*command, "--folds", "0"]) == 1
    assert "--curves: needs videos held out" in capsys.readouterr().err
    folder = tmp_path / "reproduce"
    assert not folder.exists()  # it is said before anything is trained

    assert main([*command, "--folds", "5"]) == 1
    assert "--curves: the training part is too small for 5 folds" in capsys.readouterr().err
    assert "## Table 2" in (folder / "ucf-crime.md").read_text()  # the tables are not lost

    assert main(command) == 0
    file = folder / "ucf-crime-curves.json"
    known = json.loads(file.read_text())
    assert [one["row"] for one in known.values()] == [*ABLATION, *OTHERS]
    for one in known.values():
        assert one["steps"] == [1, 2, 3, 4] and one["kept"] in one["steps"]
        assert {len(one[name]) for name in ("held_out", "planted", "trained")} == {4}
        assert len(one["loss"]) == (0 if "logistic" in one["row"] else 4)
    table = folder / "ucf-crime-curves.md"
    assert "\n| FC |" in table.read_text()
    assert (folder / "ucf-crime-curves.png").stat().st_size > 20_000

    first, *others = known
    known[others[0]]["kept"] = 99  # what is known is not measured again, what is missing is
    (gone := known.pop(first))["planted"][0] = None
    file.write_text(json.dumps(known))
    assert main(command) == 0
    assert json.loads(file.read_text())[first]["loss"] == gone["loss"] and "| 99 |" in table.read_text()


def test_losses_of_learning_curves_are_means_since_the_look_before():
    """Of two folds with two models each, whose steps come one after the other."""
    looks = [1, 2, 4]
    found = SimpleNamespace(looks=looks, steps=2, **{name: np.array([0.5, np.nan, 1]) for name in CURVES})
    losses = [torch.tensor(10.0 * model + step) for model in range(4) for step in range(4)]
    curves = curves_of(found, losses)
    assert curves["loss"] == [15, 16, 17.5] and curves["planted"] == [0.5, None, 1.0]
    assert curves_of(found, [])["loss"] == []
    json.dumps(curves, allow_nan=False)


def test_unknown_protocol(tmp_path, capsys):
    assert main(["reproduce", "x", "--work", str(tmp_path)]) == 1
    assert "known are ped2" in capsys.readouterr().err
