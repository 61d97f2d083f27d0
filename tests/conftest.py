"""Small real videos and stores that the tests make themselves."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # as many workers as cores: a thread for each, and for the processes that tests start
    os.environ["OMP_NUM_THREADS"] = "1"

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # the kernels for GPUs run by numpy; looked at where Triton is imported

from stavad.data.store import Store
from stavad.evaluate import bootstrap

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    """What takes long comes first, so that no worker is left with it alone at the end."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("xdist_group", "slow")])


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Of the bootstrap: tests look at what it resamples, not at the third digit of an interval."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 60)


@pytest.fixture
def shared():
    if not SHARED.is_dir():
        pytest.skip(f"real data is not at {SHARED}")
    return SHARED


@pytest.fixture
def threads():
    """Sets torch's number of threads, and brings back the one before."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def moving_square(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Frame `number` (height, width, 3): a textured ground and a square that moves 3 pixels a frame."""
    y, x = np.mgrid[:height, :width]
    frame = np.stack([(x * 2) % 256, (y * 3) % 256, (x + y) % 256], -1).astype(np.uint8)
    left = (3 * number) % (width - 20)
    frame[20:40, left : left + 20] = (250, 30, 60)
    return frame


def write_video(
    path: Path,
    frames: int = 40,
    size=(96, 64),
    codec="libx264",
    pixel="yuv420p",
    options=None,
    stamps=None,
    **container,
):
    """A real video file of `moving_square`; `stamps` are times of its frames, in tenths of a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", **container) as file:
        stream = file.add_stream(codec, rate=10, options={"g": "12", **(options or {})})
        stream.width, stream.height, stream.pix_fmt = *size, pixel
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(moving_square(number, *size), format="rgb24")
            if stamps:
                frame.pts, frame.time_base = stamps[number], Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


FINGERPRINT = {"preset": "made-up", "clip": 16, "stride": 16, "width": 8}


def write_store(root: Path, videos: int = 12, width: int = 8, seed: int = 0) -> Store:
    """A store in which the abnormal videos `a00`, .. have clips 4 to 6 of 10 shifted, and a labels CSV for it."""
    rng = np.random.default_rng(seed)
    store, rows = Store(root / "features" / "made-up"), ["video,label,split,start,end"]
    for number in range(videos):
        for label, letter in ((0, "n"), (1, "a")):
            features = rng.random((10, 1, width), np.float32)
            if label:
                features[4:7] += np.linspace(2, 0, width, dtype=np.float32)
            id = f"{letter}{number:02d}"
            store.write(id, features, 155, FINGERPRINT | {"width": width}, fps=10.0)
            part = "train" if number < videos // 2 else "test"
            rows.append(f"{id},{label},{part},{'65,112' if label else ','}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return store
