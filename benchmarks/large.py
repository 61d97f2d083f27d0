"""Large videos and large data sets: time and memory of today's code beside that of commit 8fe596e, in one run.

    python -m benchmarks.large --before FOLDER    (see before.py)

Each figure is of a process of its own. Memory is its peak beyond that of its imports, of an extraction the peak of its largest process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import h5py
import numpy as np

from stavad.pipeline.street import scene

CLIPS, CROPS, WIDTH = 13_500, 10, 1024  # two hours at 30 frames a second, as I3D features of ten crops
FRAMES = 150  # of the 4K video
LENGTHS = (
    np.random.default_rng(0).lognormal(7.6, 1.0, 290).clip(300, 100_000).astype(int)
)  # frames, like UCF-Crime's test videos

ROOMS = {"ours": "stavad.", "before": ""}  # in front of the names of modules
READ = "store.read('v').features.sum()"
KEY = {
    "ours": "of = store.read('v'); of.bag(32)",  # segment means and digest, kept for the next time
    "before": "from {rooms}evaluate.reproduce import _digest; from {rooms}data.bags import to_segments; of = store.read('v'); _digest(of); to_segments(of.features, 32)",
}
OF_STORE = """
import json, resource, sys, time
from pathlib import Path
from {rooms}data.store import Store
import {rooms}evaluate.score
store = Store(Path({folder!r}))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, begun = peak(), time.perf_counter()
{work}
print(json.dumps([time.perf_counter() - begun, peak() - before]))
"""
OF_BOOTSTRAP = """
import json, time
import numpy as np
from {rooms}data.catalogue import Video
from {rooms}evaluate.score import ScoredVideo
from {rooms}evaluate.{module} import {measure} as measure
rng, scored = np.random.default_rng(1), []
for number, frames in enumerate({lengths}):
    label, clips = int(number < 140), -(-frames // 16)
    truth = np.zeros(frames, bool)
    truth[frames // 3 : frames // 2] = bool(label)
    rows = 32 if {segments} else clips
    values = np.float32(rng.random(rows) + 0.3 * label)[np.arange(clips) * rows // clips]
    scored.append(ScoredVideo(Video(str(number), None, label, "test", ((1, 2),) if label else ()), frames, values, np.arange(frames) // 16, truth))
begun = time.perf_counter()
found = measure(scored)
print(json.dumps([time.perf_counter() - begun, [[found[n]["low"], found[n]["high"]] for n in ("auc", "auc_abnormal", "ap", "video_auc")]]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="FOLDER", required=True, help="of commit 8fe596e")
    before = parser.parse_args().before
    places = {"ours": str(Path(__file__).parents[1]), "before": before}
    with tempfile.TemporaryDirectory() as folder:
        of_features(Path(folder), places)
        of_4k(Path(folder), places)
    of_bootstrap(places)


def of_features(folder: Path, places: dict) -> None:
    size = 4 * CLIPS * CROPS * WIDTH
    print(f"features of two hours, {CROPS} crops, {size / 1e6:.0f} MB: seconds, peak memory over their size")
    with h5py.File(folder / "v.h5", "w") as file:
        data = file.create_dataset("features", (CLIPS, CROPS, WIDTH), np.float32)
        for begin in range(0, CLIPS, 500):
            data[begin : begin + 500] = np.random.default_rng(begin).random((min(500, CLIPS - begin), CROPS, WIDTH), np.float32)  # fmt: skip
        file.attrs["frames"], file.attrs["fingerprint"] = 16 * CLIPS, json.dumps({"width": WIDTH})
    works = [("read", READ, READ), ("what a row of `reproduce` needs of it, first time", KEY["ours"], KEY["before"])]
    works.append(("the same again", KEY["ours"], KEY["before"]))
    for name, *both in works:
        cells = []
        for (which, place), work in zip(places.items(), both):
            work = work.format(rooms=ROOMS[which])
            seconds, peak = run(place, OF_STORE.format(rooms=ROOMS[which], folder=str(folder), work=work))
            cells.append(f"{which} {seconds:7.2f} s {peak / size:5.2f}")
        print(f"  {name:50}" + "   ".join(cells), flush=True)


def of_4k(folder: Path, places: dict) -> None:
    videos = folder / "videos"
    videos.mkdir()
    small = list(scene(FRAMES, "", (), np.random.default_rng(0)))
    with av.open(str(videos / "4k.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 3840, 2160, "yuv420p"
        for frame in small:
            file.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24").reformat(3840, 2160, "yuv420p")
                )
            )
        file.mux(stream.encode())
    print(f"extraction of {FRAMES} frames of 3840 x 2160, efficientnet-lite0: peak memory of the largest process")
    for which, place in places.items():
        command = [sys.executable, "-m", "stavad" if which == "ours" else "pipeline", "extract", "--videos", str(videos), "--preset", "efficientnet-lite0", "--work", str(folder / which)]  # fmt: skip
        peak = run_measured(command, place)
        print(f"  {which:8}{peak / 1e9:6.2f} GB", flush=True)


def of_bootstrap(places: dict) -> None:
    print(f"all metrics with their intervals, {len(LENGTHS)} videos, {LENGTHS.sum():,} frames: seconds")
    for name, segments in (("by segments", True), ("natively", False)):
        cells, ends = [], []
        for which, place in places.items():
            names = {"ours": ("bootstrap", "measure"), "before": ("metrics", "evaluate")}[which]
            code = OF_BOOTSTRAP.format(rooms=ROOMS[which], module=names[0], measure=names[1], lengths=LENGTHS.tolist(), segments=segments)  # fmt: skip
            seconds, intervals = run(place, code)
            cells.append(f"{which} {seconds:6.1f}")
            ends.append(np.array(intervals))
        print(f"  {name:12}" + "   ".join(cells) + f"   ends of intervals differ by {np.abs(ends[0] - ends[1]).max():.1e} at most", flush=True)  # fmt: skip


def run(place: str, code: str) -> list:
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def run_measured(command: list[str], place: str) -> int:
    """Peak resident bytes of the largest process of a command."""
    code = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=2); print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code, *command], cwd=place, capture_output=True, text=True)
    status, peak = map(int, done.stdout.split())
    if status:
        raise SystemExit(done.stderr)
    return peak * 1024


if __name__ == "__main__":
    main()
