"""A thread for each clip of a small network: every clip in its place, errors told, and torch's threads as before."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from stavad.extract import batch
from stavad.extract.batch import ClipAThread, Network, VideoFeatures, collector
from stavad.extract.preprocess import View

NONE = np.zeros(0, np.float32)
VIEW = View(mean=(0.0,) * 3, std=(1.0,) * 3, resize=4)


class Brightness(nn.Module):
    """The mean, once another clip is at work too: that of the first clip comes last."""

    CLIP_A_THREAD = True

    def __init__(self):
        super().__init__()
        self.second = threading.Event()

    def forward(self, clips):
        found = clips.mean((2, 3, 4))
        if found[0, 0] > 250:
            raise MemoryError
        if found[0, 0] > 0:
            self.second.set()
        else:
            assert self.second.wait(600)
        return found


def clip(brightness: int) -> np.ndarray:
    return np.full((2, 4, 4, 3), brightness, np.uint8)


@pytest.fixture
def made(threads):
    threads(2)
    found = collector(Network(Brightness(), torch.device("cpu")), VIEW)
    assert isinstance(found, ClipAThread)
    yield found
    found.close()
    assert torch.get_num_threads() == 2


def test_clips_keep_their_order_and_their_video(made):
    one, other = VideoFeatures(), VideoFeatures()
    for number in range(6):
        made.add(clip(number), NONE, 16, (one, other)[number % 2])
    made.flush()
    assert one.waiting == other.waiting == 0 and one.frames == 48
    assert one.array(1)[:, 0, 0].tolist() == [0, 2, 4] and other.array(1)[:, 0, 0].tolist() == [1, 3, 5]


def test_an_error_in_a_thread_reaches_the_run(made):
    owner = VideoFeatures()
    with pytest.raises(MemoryError):
        made.add(clip(255), NONE, 16, owner)
        made.flush()


def test_large_frames_are_not_all_at_work_at_once(made, monkeypatch):
    monkeypatch.setattr(batch, "IN_FLIGHT", 1)
    made.network.backbone.second.set()
    owner = VideoFeatures()
    for number in range(4):
        made.add(clip(number), NONE, 16, owner)
        assert len(made.at_work) <= 1
    made.flush()
    assert owner.clips == 4
