"""The commands as a user gives them: what they leave behind, and one line for what the user can mend."""

import csv
import functools
import io
import json
import signal
import subprocess
import sys

import argcomplete
import numpy as np
import pytest

from stavad.data.catalogue import Video
from stavad.data.labels import read_labels
from stavad.data.settings import read_settings
from stavad.data.store import Store
from stavad.data.work import Work
from stavad.pipeline import cli
from stavad.pipeline.cli import GROUPS, main, parser
from tests import tiny
from tests.conftest import write_store, write_video

QUICK = ["--steps", "60", "--folds", "0", "--learning-rate", "1e-3", "--scale", "whiten", "--segments", "10"]


@pytest.fixture
def work(tmp_path):
    write_store(tmp_path)
    return ["--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv")]


def fails(capsys, *arguments):
    """The one line on stderr that the command fails with."""
    assert main([str(a) for a in arguments]) == 1
    line = capsys.readouterr().err.strip()
    assert line.startswith("error: ") and "\n" not in line
    return line


def test_train_and_evaluate(work, tmp_path, capsys):
    assert main(["train", *work, *QUICK]) == 0
    run = (tmp_path / "runs/latest").resolve()
    assert {"settings.json", "videos.csv", "model.pt"} <= {p.name for p in run.iterdir()}
    assert list(run.glob("events.out.tfevents*"))
    assert main(["evaluate", "--plot", *work]) == 0
    found = json.loads((run / "metrics.json").read_text())
    names = "auc auc_abnormal oracle_auc ap far mean_score_negative mean_score_positive gap"
    assert set(names.split()) <= found.keys()
    assert found["auc"] > found["oracle_auc"] and found["gap"] > 0
    assert (found["videos"], found["frames"], found["positive_frames"]) == (12, 12 * 155, 6 * 48)
    with open(run / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 * 155
    a06 = [row for row in rows if row["video"] == "a06"]
    assert [int(row["frame"]) for row in a06] == list(range(1, 156))
    assert [int(row["frame"]) for row in a06 if row["truth"] == "1"] == list(range(65, 113))
    assert len(list((run / "curves").iterdir())) == 12 and (run / "roc.png").stat().st_size > 5000
    assert "curves/a06.png" in (run / "report.html").read_text()
    assert "frame AUC" in capsys.readouterr().out


@pytest.mark.slow
def test_settings_of_a_run_give_the_same_run(work, tmp_path):
    assert main(["train", *work, *QUICK, "--margin", "0.3"]) == 0
    first = (tmp_path / "runs/latest").resolve()
    saved = read_settings(first / "settings.json", GROUPS)
    assert saved["margin"] == 0.3 and saved["steps"] == 60
    assert main(["train", "--settings", str(first / "settings.json")]) == 0
    second = (tmp_path / "runs/latest").resolve()
    assert second != first
    assert (second / "settings.json").read_text() == (first / "settings.json").read_text()
    assert (second / "model.pt").read_bytes() == (first / "model.pt").read_bytes()


def test_without_ground_truth(work, tmp_path, capsys):
    assert main(["train", *work, *QUICK]) == 0
    (tmp_path / "none.csv").write_text("video,label,split\na06,,test\nn06,,test\n")
    assert main(["evaluate", "--plot", "--work", str(tmp_path), "--labels", str(tmp_path / "none.csv")]) == 0
    assert "no frame metrics" in capsys.readouterr().out
    run = tmp_path / "runs/latest"
    assert json.loads((run / "metrics.json").read_text())["auc"] is None
    assert len(list((run / "curves").iterdir())) == 2


def test_video_labels_only(work, tmp_path, capsys):
    rows = (tmp_path / "labels.csv").read_text().replace("65,112", ",")
    (tmp_path / "labels.csv").write_text(rows)
    assert main(["train", *work, *QUICK]) == 0
    assert main(["evaluate", *work]) == 0
    assert "video AUC by maximum score" in capsys.readouterr().out


def test_a_split_is_drawn_and_kept(work, tmp_path, capsys):
    rows = (tmp_path / "labels.csv").read_text().replace("train", "").replace("test", "")
    (tmp_path / "labels.csv").write_text(rows)
    assert main(["train", *work, *QUICK, "--seed", "3"]) == 0
    assert "split drawn with seed 3" in capsys.readouterr().out
    assert main(["evaluate", "--work", str(tmp_path)]) == 0
    with open(tmp_path / "runs/latest/videos.csv", newline="") as file:
        drawn = {row["video"] for row in csv.DictReader(file) if row["split"] == "test"}
    with open(tmp_path / "runs/latest/scores.csv", newline="") as file:
        assert {row["video"] for row in csv.DictReader(file)} == drawn


def test_nothing_to_train_on(tmp_path, capsys):
    assert "run `pipeline extract" in fails(capsys, "train", "--work", tmp_path)
    assert "run `pipeline train` first" in fails(capsys, "evaluate", "--work", tmp_path)


def test_one_class(work, tmp_path, capsys):
    (tmp_path / "labels.csv").write_text("video,label,split\nn00,0,train\nn01,0,train\na00,1,test\n")
    assert "no abnormal video" in fails(capsys, "train", *work, *QUICK)


def test_labels_of_videos_that_are_not_in_the_store(work, tmp_path, capsys):
    with open(tmp_path / "labels.csv", "a") as file:
        file.write("ghost,1,train,,\n")
    assert main(["train", *work, *QUICK]) == 0
    assert "names 1 of 25 videos that are not there: ghost" in capsys.readouterr().out


def test_a_checkpoint_of_other_features(work, tmp_path, capsys):
    assert main(["train", *work, *QUICK]) == 0
    other = tmp_path / "other"
    write_store(other, width=9)
    model = ["--run", tmp_path / "runs/latest"]
    arguments = ["evaluate", "--work", other, "--labels", other / "labels.csv", *model]
    assert "9 dimensions, the model 8" in fails(capsys, *arguments)


def test_several_presets(work, tmp_path, capsys):
    (tmp_path / "features/other").mkdir()
    assert "--preset" in fails(capsys, "train", *work)
    assert main(["train", *work, *QUICK, "--preset", "made-up"]) == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not a settings file"),
        ('{"epocs": 3}', "unknown setting 'epocs'"),
        ('{"steps": "3"}', "give a int"),
        ('{"head": "x"}', "one of"),
        ('{"steps": 0}', "at least 1"),
    ],
)
def test_wrong_settings_file(tmp_path, capsys, content, problem):
    (tmp_path / "s.json").write_text(content)
    assert problem in fails(capsys, "train", "--settings", tmp_path / "s.json")


def test_a_recipe_goes_over_a_file_and_flags_over_the_recipe(work, tmp_path):
    def trained_with(*arguments):
        assert main(["train", *work, *QUICK, "--steps", "2", *arguments]) == 0
        saved = json.loads((tmp_path / "runs/latest/settings.json").read_text())
        return tuple(saved[name] for name in ("recipe", "head", "bag_loss", "mce"))

    assert trained_with() == ("paper", "rnn", "ranking", True)
    paper = str((tmp_path / "runs/latest/settings.json").resolve())
    assert trained_with("--recipe", "best") == ("best", "fc", "k-max", False)
    best = str((tmp_path / "runs/latest/settings.json").resolve())
    assert trained_with("--settings", paper, "--recipe", "best", "--mce") == ("best", "fc", "k-max", True)
    assert trained_with("--settings", best, "--recipe", "paper") == ("paper", "rnn", "ranking", True)
    assert trained_with("--settings", best, "--head", "rnn") == ("best", "rnn", "k-max", False)


@pytest.mark.slow
def test_what_was_trained_on_is_not_tested_on(work, tmp_path, capsys):
    assert main(["train", *work, *QUICK]) == 0
    (tmp_path / "all.csv").write_text((tmp_path / "labels.csv").read_text().replace("train", "test"))
    line = fails(capsys, "evaluate", "--work", tmp_path, "--labels", tmp_path / "all.csv")
    assert "tests on" in line and "was trained on" in line
    (tmp_path / "none.csv").write_text("video,label,start,end\na06,1,65,112\nn06,0,,\nn00,0,,\n")
    assert main(["evaluate", "--work", str(tmp_path), "--labels", str(tmp_path / "none.csv")]) == 0
    out = capsys.readouterr().out
    assert "1 normal, 1 abnormal scored" in out and "no label for a00" in out


def test_a_shell_completes_presets(monkeypatch):
    line, told = "pipeline extract --preset motion", io.StringIO()
    for name, value in {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": " ", "COMP_LINE": line, "COMP_POINT": str(len(line))}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    argcomplete.CompletionFinder()(parser(), exit_method=lambda code: None, output_stream=told)
    assert set(told.getvalue().split()) == {"motion", "motion-lite0"}


def test_wrong_flags(work, tmp_path, capsys):
    assert "5.0 is too high" in fails(capsys, "evaluate", *work, "--alarm-rate", "5")
    assert "not a number" in fails(capsys, "train", *work, "--margin", "nan")
    assert "too low" in fails(capsys, "train", *work, "--steps", "0")
    assert "this GPU cannot be used" in fails(capsys, "train", *work, "--device", "cuda:7")
    assert "not a device" in fails(capsys, "train", *work, "--device", "abacus")
    assert "known are i3d-kinetics" in fails(capsys, "extract", "--videos", tmp_path, "--preset", "x")
    assert "take motion-lite0" in fails(capsys, "extract", "--videos", tmp_path, "--preset", "motionlite")


def test_extract_says_what_is_wrong(tmp_path, capsys, monkeypatch):
    videos, work = tmp_path / "videos", ["--work", tmp_path / "work"]
    assert "does not exist" in fails(capsys, "extract", "--videos", videos, *work)
    videos.mkdir()
    assert "it is empty" in fails(capsys, "extract", "--videos", videos, *work)
    write_video(videos / "v.mp4", 20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    line = fails(capsys, "extract", "--videos", videos, *work)
    assert "--weights FILE" in line and "motion-lite0" in line


def test_extract_leaves_out_what_is_bad_and_its_exit_code_says_so(tmp_path, capsys):
    videos = tmp_path / "videos"
    write_video(videos / "good.mp4", 20)
    (videos / "bad.mp4").write_bytes(b"")
    arguments = ["extract", "--videos", str(videos), "--preset", tiny.NAME, "--work", str(tmp_path / "work")]
    assert main(arguments) == 3
    out = capsys.readouterr().out
    assert "left out: bad: the file is empty" in out and "1 videos extracted (2 clips, 20 frames)" in out
    assert (tmp_path / "work/features/tiny/good.h5").exists()
    (videos / "good.mp4").unlink()
    assert "gave no features" in fails(capsys, *arguments)


def test_a_store_made_otherwise_is_refused_in_one_line(tmp_path, capsys):
    write_video(tmp_path / "videos/v.mp4", 20)
    arguments = ["extract", "--videos", tmp_path / "videos", "--work", tmp_path / "work"]
    store = Store(tmp_path / "work/features/tiny")
    store.write("v", np.zeros((2, 1, tiny.WIDTH), np.float32), 20, {"preset": "another"})
    assert "was made otherwise" in fails(capsys, *arguments, "--preset", tiny.NAME)


def test_labels_are_kept_by_an_extract_that_has_none(tmp_path):
    write_video(tmp_path / "videos/v.mp4", 20)
    (tmp_path / "labels.csv").write_text("video,label,split,start,end\nv,1,test,3,7\n")
    arguments = ["extract", "--videos", str(tmp_path / "videos"), "--work", str(tmp_path / "work")]
    arguments += ["--preset", tiny.NAME]
    assert main([*arguments, "--labels", str(tmp_path / "labels.csv")]) == 0
    before = read_labels(tmp_path / "work/catalogue.csv")
    assert before[0].intervals == ((3, 7),)
    assert main(arguments) == 0
    assert read_labels(tmp_path / "work/catalogue.csv") == before


def test_a_layout_that_says_less_than_the_labels_did_takes_nothing_away(tmp_path):
    known = Video("fight/v", None, 1, "test", ((3, 7),), "fight")
    work = Work(str(tmp_path))
    work.remember([known])
    work.remember([Video("fight/v", None, 1, kind="fight"), Video("normal/w", None, 0, intervals=())])
    assert read_labels(work.catalogue)[0] == known
    work.remember([Video("fight/v", None, 0, "test", ())])
    assert read_labels(work.catalogue)[0].label == 0


@pytest.mark.slow
def test_interrupted_before_the_first_video_is_done(tmp_path):
    write_video(tmp_path / "videos/v.mp4", 800)
    command = [sys.executable, "-m", "tests.tiny", "extract", "--videos", str(tmp_path / "videos")]
    command += ["--work", str(tmp_path / "work"), "--preset", tiny.NAME]
    hearing = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background is deaf
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hearing)
    while "features of" not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    _, told = run.communicate()
    assert run.returncode == 130 and told.strip() == "stopped; what was complete is kept"
    assert not list((tmp_path / "work/features").rglob("*.h5"))


@pytest.mark.slow
def test_whole_pipeline_on_real_files(tmp_path):
    """As a user starts it: a process of its own, folders for labels, scores at the end."""
    for number in range(2):
        write_video(tmp_path / f"videos/normal/{number}.mp4", 20 + number)
        write_video(tmp_path / f"videos/fight/{number}.mp4", 20 + number, size=(64, 96))
    common = ["--work", str(tmp_path / "work"), "--preset", "motion"]
    for command in (
        ["extract", "--videos", str(tmp_path / "videos")],
        ["train", "--steps", "3"],
        ["evaluate"],
    ):
        done = subprocess.run([sys.executable, "-m", "stavad", *command, *common], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    scores = np.loadtxt(tmp_path / "work/runs/latest/scores.csv", delimiter=",", skiprows=1, usecols=2)
    assert len(scores) >= 2 * 20 and ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_too_little_memory_is_told_in_one_line(monkeypatch, capsys, error):
    def fails(command, flags):
        raise error

    monkeypatch.setattr(cli, "run", fails)
    assert main(["train"]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("error: there is not enough memory") and not told.out


def test_an_error_of_the_code_is_not_hidden(monkeypatch):
    def fails(command, flags):
        raise RuntimeError("of the code")

    monkeypatch.setattr(cli, "run", fails)
    with pytest.raises(RuntimeError, match="of the code"):
        main(["train"])


def test_a_wrong_flag_is_one_line(capsys):
    for arguments in (["train", "--recipe", "bst"], ["train", "--stps", "3"], []):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        out, line = capsys.readouterr()
        assert not out and line.startswith("error: ") and line.count("\n") == 1 and "--help` tells more" in line
