"""Circumstances: no room, no permission, a video that was moved. One line, nothing half left, nothing remembered against the file."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from stavad.data.labels import read_labels
from stavad.data.store import Store
from stavad.pipeline.cli import main
from tests import tiny
from tests.conftest import write_store, write_video

QUICK = ["--steps", "5", "--folds", "0", "--segments", "8"]
NO_ROOM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from stavad.pipeline.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def work(tmp_path):
    write_store(tmp_path, width=256)
    arguments = ["--work", str(tmp_path), "--labels", str(tmp_path / "labels.csv")]
    assert main(["train", *QUICK, *arguments]) == 0
    return arguments


def with_room(size, *arguments) -> subprocess.CompletedProcess:
    """The command in a process whose files may not be larger than so many bytes, as on a full disk."""
    pytest.importorskip("resource")
    return subprocess.run([sys.executable, "-c", NO_ROOM, str(size), *arguments], capture_output=True, text=True)


def files(folder) -> dict:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_no_room_for_the_model_is_told_before_the_training(work, tmp_path):
    before = files(tmp_path / "runs")
    done = with_room(20_000, "train", *QUICK, *work)
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and line.startswith("error: ") and "model.pt" in line and "free some space" in line
    assert "Traceback" not in done.stderr and "training, 5 steps" not in done.stdout
    assert files(tmp_path / "runs") == before


@pytest.mark.slow
@pytest.mark.parametrize(("size", "flags"), [(3_000, []), (30_000, ["--plot"])])
def test_no_room_for_scores_or_a_report(work, tmp_path, size, flags):
    assert main(["evaluate", *flags, *work]) == 0
    run = tmp_path / "runs/latest"
    before = files(run)
    done = with_room(size, "evaluate", *flags, *work)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1 and "free some space" in done.stderr
    now = files(run)
    assert now.keys() == before.keys()
    assert all(now[run / name] == before[run / name] for name in ("model.pt", "scores.csv", "report.html"))


@pytest.mark.slow
def test_a_file_that_may_not_be_read_is_tried_again(tmp_path):
    if not (setpriv := shutil.which("setpriv")):
        pytest.skip("needs setpriv, since permissions do not count for root")
    write_video(tmp_path / "videos/open.mp4", 20)
    locked = write_video(tmp_path / "videos/locked.mp4", 20)
    locked.chmod(0)
    drop = "-dac_override,-dac_read_search"
    extract = [sys.executable, "-m", "tests.tiny", "extract", "--videos", str(tmp_path / "videos"), "--preset", tiny.NAME]  # fmt: skip
    extract += ["--work", str(tmp_path / "work")]
    done = subprocess.run([setpriv, f"--bounding-set={drop}", f"--inh-caps={drop}", *extract], capture_output=True, text=True)  # fmt: skip
    if "setpriv" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 3 and "locked" in done.stdout + done.stderr and "ermission denied" in done.stdout + done.stderr  # fmt: skip
    locked.chmod(0o644)
    again = subprocess.run(extract, capture_output=True, text=True)
    assert again.returncode == 0 and Store(tmp_path / f"work/features/{tiny.NAME}").ids() == ["locked", "open"]


@pytest.mark.slow
def test_what_was_moved_or_deleted_has_no_further_part(tmp_path, capsys):
    videos = tmp_path / "videos"
    for number in range(3):
        write_video(videos / f"normal/n{number}.mp4", 20)
        write_video(videos / f"fight/f{number}.mp4", 20)
    common = ["--work", str(tmp_path / "work"), "--preset", tiny.NAME]
    assert main(["extract", "--videos", str(videos), *common]) == 0
    shutil.move(videos / "normal/n0.mp4", videos / "fight/n0.mp4")
    (videos / "fight/f0.mp4").unlink()
    assert main(["extract", "--videos", str(videos), *common]) == 0
    assert "normal/n0" in capsys.readouterr().out
    assert main(["train", *QUICK, *common]) == 0
    known = {video.id: video.label for video in read_labels(tmp_path / "work/runs/latest/videos.csv")}
    assert known == {"fight/f1": 1, "fight/f2": 1, "fight/n0": 1, "normal/n1": 0, "normal/n2": 0}


def test_nothing_that_could_be_read_leaves_a_work_folder_that_works(tmp_path):
    """A first import of which nothing is taken does not stand in the way of the second."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/v.npy").write_bytes(b"nothing")
    arguments = ["import", str(tmp_path / "in"), "--work", str(tmp_path / "work")]
    assert main(arguments) == 1
    np.save(tmp_path / "in/v.npy", np.ones((20, 64)))
    assert main(arguments) == 0
