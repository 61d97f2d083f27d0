"""Flow statistics: what they say of known motion, and the same numbers everywhere."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest
import torch

import stavad
from stavad.extract.flow import ABOVE, WIDTH, motion_statistics
from tests.conftest import moving_square, write_video

MEAN_OF_ALL = 7  # place of the mean length among the 21 of a pair


def shifted(pixels: int) -> np.ndarray:
    """(16, 240, 320, 3): a textured picture that moves to the right by so many pixels a frame."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (30, 60)).astype(np.float32)
    picture = np.repeat(np.repeat(coarse, 8, 0), 8, 1).astype(np.uint8)
    return np.stack([np.repeat(np.roll(picture, pixels * t, 1)[:, :320, None], 3, 2) for t in range(16)])


def test_a_moving_picture_moves_by_its_pixels():
    found = motion_statistics(shifted(4))
    assert found.shape == (WIDTH,) and found.dtype == np.float32
    assert np.expm1(found[MEAN_OF_ALL]) == pytest.approx(2, abs=0.4)  # half, at a side of 120
    shares = np.expm1(found[8 : 8 + len(ABOVE)])
    assert shares[0] > 0.9 and shares[-1] < 0.3
    assert (np.diff(shares) <= 1e-6).all()


def test_a_still_a_black_and_a_tiny_picture_are_finite():
    for clip in (shifted(0), np.zeros((16, 64, 96, 3), np.uint8), np.full((16, 2, 7, 3), 9, np.uint8), shifted(0)[..., :1]):  # fmt: skip
        found = motion_statistics(clip)
        assert np.isfinite(found).all() and np.abs(found).max() < 0.1


def test_turned_pictures_move_alike():
    clip = shifted(4)
    turned = motion_statistics(np.ascontiguousarray(clip.transpose(0, 2, 1, 3)))
    np.testing.assert_allclose(turned[MEAN_OF_ALL], motion_statistics(clip)[MEAN_OF_ALL], rtol=0.1)


@pytest.mark.slow
def test_the_same_numbers_for_any_number_of_threads_and_without_instruction_sets(tmp_path):
    np.save(tmp_path / "clip.npy", shifted(3))
    code = (
        "import sys\nimport numpy as np\nfrom stavad.extract.flow import motion_statistics\n"
        "print(motion_statistics(np.load(sys.argv[1])).tobytes().hex())"
    )
    said = []
    for more in ({}, {"OMP_NUM_THREADS": "7"}, {"OPENCV_CPU_DISABLE": "AVX2,AVX,FP16,AVX512-SKX,SSE4_2"}):
        done = subprocess.run([sys.executable, "-c", code, tmp_path / "clip.npy"], env={**os.environ, **more}, capture_output=True, text=True, check=True)  # fmt: skip
        said.append(np.frombuffer(bytes.fromhex(done.stdout.strip()), np.float32))
    assert np.array_equal(said[0], said[1])
    np.testing.assert_allclose(said[2], said[0], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "frames"), [("motion", 20), ("motion-lite0", 70), ("efficientnet-lite0", 20)])
def test_the_same_features_for_any_number_of_threads(tmp_path, threads, preset, frames):
    path, found = write_video(tmp_path / "v.mp4", frames), []
    for number in (1, 3):
        threads(number)
        found.append(stavad.clip_features(path, preset).features)
        assert torch.get_num_threads() == number
    assert len(found[0]) == -(-frames // 16) and np.array_equal(*found)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["motion", "motion-lite0"])
def test_features_of_the_store_are_those_of_one_video(tmp_path, preset):
    """Also of several videos by several processes, of few frames, deep pixels, and pictures."""
    write_video(tmp_path / "videos/a.mp4", 40)
    write_video(tmp_path / "videos/b.mkv", 20, codec="libx265", pixel="yuv420p10le")
    write_video(tmp_path / "videos/short.mp4", 2)
    for number in range(1, 18):
        picture = av.VideoFrame.from_ndarray(moving_square(number), format="rgb24").to_image()
        (tmp_path / "videos/pictures").mkdir(exist_ok=True)
        picture.save(tmp_path / f"videos/pictures/{number:03}.png")
    outcome = stavad.extract_features(tmp_path / "videos", tmp_path / "work", preset, note=lambda text: None)
    assert len(outcome.done) == 4 and not outcome.failed
    store = stavad.Store(tmp_path / "work/features" / preset)
    for id, path in (("a", "a.mp4"), ("b", "b.mkv"), ("short", "short.mp4"), ("pictures", "pictures")):
        found = stavad.clip_features(tmp_path / "videos" / path, preset)
        stored = store.read(id)
        assert np.array_equal(found.features, stored.features) and found.frames == stored.frames
        assert np.isfinite(found.features).all()
    assert len(store.read("a").features) == 3 and len(store.read("short").features) == 1
