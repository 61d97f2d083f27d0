"""Runs that share a folder, are killed, or take a part: every video once, and the same bytes as undisturbed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torchvision

from stavad.data.errors import UserError
from stavad.data.search import find_videos
from stavad.data.store import Store
from stavad.extract.batch import has_bf16
from stavad.extract.claims import QUARANTINE, shard_of
from stavad.extract.presets import PRESETS
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings
from tests import tiny
from tests.conftest import write_video

VIDEOS = 5


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "videos"
    for number in range(VIDEOS):
        write_video(folder / f"v{number}.mp4", 20 + 9 * number)
    return folder


@pytest.fixture(scope="module")
def undisturbed(videos, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("undisturbed") / "features/tiny")
    extraction(store).run(find_videos(videos))
    return contents(store)


def extraction(store, **settings):
    return Extraction(PRESETS[tiny.NAME](), store, ExtractSettings(**settings), "cpu")


def contents(store):
    return {id: store.path(id).read_bytes() for id in store.ids()}


def start(videos, work, *flags):
    command = [sys.executable, "-m", "tests.tiny", "extract", "--videos", str(videos), "--preset", tiny.NAME]
    return subprocess.Popen(
        [*command, "--work", str(work), *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_killed_at_any_moment_a_run_finishes_with_the_same_bytes(videos, undisturbed, tmp_path):
    store = Store(tmp_path / "features/tiny")
    for wanted in (1, 3):  # killed when so many videos are there
        run = start(videos, tmp_path)
        while run.poll() is None and len(store.ids()) < wanted:
            time.sleep(0.02)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert wanted <= len(store.ids())
        assert contents(store).items() <= undisturbed.items()  # whole videos or nothing
    last = start(videos, tmp_path)
    said = last.communicate()[0]
    assert last.returncode == 0, said
    assert contents(store) == undisturbed


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(videos, undisturbed, tmp_path):
    runs = [start(videos, tmp_path) for _ in range(2)]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    done = [int(line.split()[0]) for text in said for line in text.splitlines() if "videos extracted" in line]
    assert len(done) == 2 and sum(done) == VIDEOS
    assert contents(Store(tmp_path / "features/tiny")) == undisturbed
    assert len((tmp_path / "catalogue.csv").read_text().splitlines()) == 1 + VIDEOS


def test_a_video_that_another_run_works_on_is_waited_for(videos, undisturbed, tmp_path):
    store = Store(tmp_path / "store")
    run = extraction(store)
    every = find_videos(videos)
    lock = run.claims.lock(every[0])
    lock.acquire()
    order = []

    class Shown:
        def __getattr__(self, name):
            return lambda *arguments: order.append((name, *arguments))

        def end(self, video, frames):
            order.append(("end", video.id))
            if len(order) and video.id == every[-1].id:
                lock.release()

    outcome = run.run(every, Shown())
    assert [entry[1] for entry in order if entry[0] == "end"] == [v.id for v in [*every[1:], every[0]]]
    assert len(outcome.done) == VIDEOS and contents(store) == undisturbed


def test_shards_cover_everything_once(videos):
    every = find_videos(videos)
    parts = [shard_of(every, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(v.id for part in parts for v in part) == [v.id for v in every]
    assert shard_of(every, "") == every
    for wrong in ("0/3", "4/3", "a/b", "3", "1/0"):
        with pytest.raises(UserError, match="--shard"):
            shard_of(every, wrong)


@pytest.mark.slow
def test_a_shard_by_the_command(videos, tmp_path):
    run = start(videos, tmp_path, "--shard", "2/2")
    assert "2 videos extracted" in run.communicate()[0]
    assert Store(tmp_path / "features/tiny").ids() == ["v1", "v3"]


def test_bf16_on_a_cpu_without_it_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("stavad.extract.batch.has_bf16", lambda device: False)
    with pytest.raises(UserError, match="--precision bf16: this CPU"):
        extraction(Store(tmp_path), precision="bf16")


@pytest.mark.slow
@pytest.mark.skipif(
    not has_bf16(torch.device("cpu")), reason="this CPU has no bf16 instructions: it takes many minutes"
)
def test_bf16_is_in_the_record_and_near_fp32(videos, tmp_path):
    torch.manual_seed(0)
    network = torchvision.models.video.r3d_18(weights=None)
    torch.save(network.state_dict(), tmp_path / "r3d.pth")
    runs = {}
    for precision in ("fp32", "bf16"):
        settings = ExtractSettings(precision=precision)
        runs[precision] = Extraction(
            PRESETS["r3d_18"](), Store(tmp_path / precision), settings, "cpu", tmp_path / "r3d.pth"
        )
        runs[precision].run(find_videos(videos)[:1])
    full, half = (runs[precision].store.read("v0") for precision in ("fp32", "bf16"))
    assert (full.made["fingerprint"]["precision"], half.made["fingerprint"]["precision"]) == ("fp32", "bf16")
    one, other = (torch.from_numpy(stored.features) for stored in (full, half))
    assert 0.9999 < torch.cosine_similarity(one, other, dim=-1).min() < 1


def test_bf16_that_changes_features_is_refused(videos, tmp_path, monkeypatch):
    monkeypatch.setattr("stavad.extract.batch.has_bf16", lambda device: True)
    run = extraction(Store(tmp_path / "store"), precision="bf16")

    class Rounding(torch.nn.Module):
        def forward(self, clips):
            return torch.eye(2)[[int(torch.is_autocast_enabled("cpu"))]]

    run.network.backbone = Rounding()
    with pytest.raises(UserError, match="--precision bf16: changes the features"):
        run.run(find_videos(videos)[:1])
    assert run.store.ids() == [] and not (run.store.root / QUARANTINE).exists()


@pytest.mark.slow
def test_a_script_without_the_guard_is_told_of_it_and_no_video_is_blamed(videos, tmp_path):
    (tmp_path / "script.py").write_text(
        "import sys\nfrom tests import tiny\nimport stavad\n"
        f"try:\n    stavad.extract_features({str(videos)!r}, {str(tmp_path / 'work')!r}, tiny.NAME)\n"
        "except stavad.UserError as error:\n    sys.exit(str(error))\n"
    )
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run(
        [sys.executable, tmp_path / "script.py"], env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True
    )  # fmt: skip
    assert run.returncode == 1 and 'if __name__ == "__main__":' in run.stderr.splitlines()[-1]
    assert not (tmp_path / "work/features/tiny" / QUARANTINE).exists()
