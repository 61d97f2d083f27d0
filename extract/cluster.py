"""Stage one on a Ray cluster: a task for each video, on whichever node is free, and on another one if that is lost.

All nodes see the videos and the store under the same paths, and have this project installed. A task has one GPU, or one CPU and thread.
The store is that of a run on one machine, byte for byte where processors and threads (`OMP_NUM_THREADS=1`) are alike.
"""

import functools
import logging
import socket
from dataclasses import replace
from pathlib import Path

import torch

from stavad.data.catalogue import Video
from stavad.data.errors import UserError
from stavad.data.store import Store
from stavad.extract.outcome import Outcome, Progress
from stavad.extract.presets import PRESETS
from stavad.extract.run import Extraction
from stavad.extract.settings import ExtractSettings

RETRIES = 3  # of a video whose worker or node is lost; then it goes on the quarantine list


def run_on_cluster(
    extraction: Extraction, videos: list[Video], weights_file: Path | None, progress: Progress | None = None
) -> Outcome:
    """As `Extraction.run`, on the cluster at `extraction.settings.ray`: on its GPUs, or if it has none on its CPUs, one for each video.

    Args:
        extraction: of this machine; it says what there is to do, and keeps the quarantine list.
        weights_file: the checkpoint that `extraction` was made with, for the nodes to load.

    Raises:
        UserError: Ray is not installed, there is no cluster or nothing to work on in it, or as `Extraction.run` on a node.
    """
    ray = _connect(extraction.settings.ray)
    try:
        return _run(ray, extraction, videos, weights_file, progress or Progress())
    finally:
        ray.shutdown()


def _run(ray, extraction: Extraction, videos: list[Video], weights_file: Path | None, progress: Progress) -> Outcome:
    from ray.exceptions import NodeDiedError, RayTaskError, WorkerCrashedError

    outcome, resources = Outcome(), ray.cluster_resources()
    if resources.get("CPU", 0) < 1:
        raise UserError("--ray", "the cluster has no CPU to work on", "start a node with `ray start --address ..`")
    todo = extraction.claims.unsettled(videos, outcome)
    progress.begin(todo)
    gpus = resources.get("GPU", 0) > 0
    task = ray.remote(_extract).options(num_cpus=1, num_gpus=int(gpus), max_retries=RETRIES)
    weights = str(Path(weights_file).resolve()) if weights_file else None
    here = replace(extraction.settings, ray="")  # a node's own run is one on its machine
    what = extraction.preset.name, weights, str(extraction.store.root.resolve()), here
    at_work = {task.remote(*what, replace(video, path=video.path.resolve())): video for video in todo}
    while at_work:
        (ready,), _ = ray.wait(list(at_work))
        video = at_work.pop(ready)
        progress.video(video, len(todo) - len(at_work), len(todo), 0)
        try:
            found = ray.get(ready)
        except RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            raise
        except (WorkerCrashedError, NodeDiedError) as error:  # each time
            found = Outcome(failed={video.id: f"its worker was lost {1 + RETRIES} times ({type(error).__name__})"})
            extraction.claims.quarantine(video, found.failed[video.id])
        outcome.add(found)
        progress.advance(video, found.frames)
        progress.read(video)
        if found.failed:
            progress.failed(video, found.failed[video.id])
        else:
            progress.end(video, found.frames)
    return outcome


def _connect(address: str):
    """
    Raises:
        UserError: Ray is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise UserError("--ray", "Ray is not installed", 'run `pip install -e ".[ray]"`') from None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():
            socket.create_connection((host, int(port)), timeout=10).close()  # Ray itself tries for minutes
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError("--ray", f"no cluster at {address} ({reason})", "start one with `ray start --head`") from None
    return ray


def _extract(preset: str, weights: str | None, root: str, settings: ExtractSettings, video: Video) -> Outcome:
    """The work of one task, on a node."""
    return _extraction(preset, weights, root, settings).run([video])


@functools.lru_cache(maxsize=1)
def _extraction(preset: str, weights: str | None, root: str, settings: ExtractSettings) -> Extraction:
    """Kept from one task of a worker to its next."""
    torch.set_num_threads(1)  # others would change the last bits of the features
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Extraction(PRESETS[preset](), Store(Path(root)), settings, device, Path(weights) if weights else None)
