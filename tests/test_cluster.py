"""Stage one on a real Ray cluster of several nodes on this machine, one of which is lost half-way."""

import sys
from pathlib import Path

import pytest

from stavad.data.errors import UserError
from stavad.data.search import find_videos
from stavad.data.store import Store
from stavad.extract import cluster
from stavad.extract.claims import QUARANTINE
from stavad.extract.cluster import run_on_cluster
from stavad.extract.outcome import Progress
from stavad.extract.presets import PRESETS
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings
from tests.conftest import write_video

ray = pytest.importorskip("ray", reason="Ray is not installed")
from ray.cluster_utils import Cluster  # noqa: E402

VIDEOS = 4
# a dead node refuses to be asked, which counts at once; a busy one may take its minute to answer
NOTICED = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 200, "health_check_failure_threshold": 3, "health_check_timeout_ms": 60_000}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]  # one cluster for all


@pytest.fixture(scope="module")
def nodes():
    """A head that does no work, and two nodes of one CPU."""
    head = {"num_cpus": 0, "object_store_memory": 80 << 20, "_system_config": NOTICED}
    made = Cluster(initialize_head=True, head_node_args=head)
    workers = [made.add_node(num_cpus=1, object_store_memory=80 << 20) for _ in range(2)]
    yield made, workers
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster") / "videos"
    for number in range(VIDEOS):
        write_video(folder / f"v{number}.mp4", 17 + number)
    (folder / "bad.mp4").write_bytes(b"nothing" * 100)
    return find_videos(folder)


def extraction(root, address=""):
    store = Store(root / "features/motion-lite0")
    store.root.mkdir(parents=True)
    return Extraction(PRESETS["motion-lite0"](), store, ExtractSettings(ray=address), "cpu")


def contents(run):
    return {id: run.store.path(id).read_bytes() for id in run.store.ids()}


def test_a_node_is_lost_half_way(nodes, videos, tmp_path, threads):
    made, workers = nodes
    run, ended = extraction(tmp_path / "cluster", made.address), []

    class LoseANode(Progress):
        def end(self, video, frames):
            ended.append(video.id)
            if len(ended) == 2:
                made.remove_node(workers.pop(), allow_graceful=False)

    outcome = run_on_cluster(run, videos, None, LoseANode())
    assert not workers[1:] and sorted(ended) == sorted(outcome.done) == [f"v{i}" for i in range(VIDEOS)]
    assert "not a video" in outcome.failed["bad"] and "bad" in (run.store.root / QUARANTINE).read_text()
    alone = extraction(tmp_path / "alone")
    threads(1)
    alone.run(videos)
    assert contents(run) == contents(alone)
    again = run_on_cluster(run, videos, None)
    assert again.done == [] and len(again.present) == VIDEOS and list(again.failed) == ["bad"]


def test_a_video_that_kills_its_worker_is_put_on_the_list(nodes, videos, tmp_path, monkeypatch):
    def killer(*arguments):
        import os

        os.kill(os.getpid(), 9)

    monkeypatch.setattr(cluster, "_extract", killer)
    monkeypatch.setattr(cluster, "RETRIES", 1)
    run = extraction(tmp_path, nodes[0].address)
    outcome = run_on_cluster(run, videos[:1], None)
    assert "its worker was lost 2 times" in outcome.failed[videos[0].id]
    assert run.claims.unsettled(videos[:1], outcome) == []


def test_what_a_node_says_of_the_store_reaches_the_user(nodes, videos, tmp_path):
    run = extraction(tmp_path, nodes[0].address)
    run.store.write("v1", [[[0.0]]], 1, {"made": "otherwise"})
    run.claims.unsettled = lambda videos, outcome: videos
    with pytest.raises(UserError, match="was made otherwise"):
        run_on_cluster(run, [video for video in videos if video.id == "v1"], None)


def test_paths_may_be_relative(nodes, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(videos[0].path.parent)
    run = extraction(tmp_path, nodes[0].address)
    (video,) = find_videos(Path("v0.mp4"))
    assert run_on_cluster(run, [video], None).done == ["v0"]


def test_no_cluster_or_no_ray(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"--ray: no cluster at 127.*refused"):
        run_on_cluster(extraction(tmp_path / "a", "127.0.0.1:9"), [], None)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="--ray: Ray is not installed"):
        run_on_cluster(extraction(tmp_path / "b", "auto"), [], None)
