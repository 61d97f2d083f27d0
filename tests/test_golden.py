"""Golden vectors: what each preset makes of one generated clip with seeded weights, so that no drift goes unseen.

A change that is meant to alter features writes them anew with `python -m tests.test_golden PRESET ..`, and says why in its message.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stavad.extract.fold import NORMS, by_onednn, channels_last, fold
from stavad.extract.presets import PRESETS, Preset
from tests import tiny
from tests.conftest import moving_square
from tests.reference import seeded

GOLDEN = Path(__file__).with_name("golden.json")
SHOWN = 16  # numbers kept of each vector, evenly spaced

pytestmark = pytest.mark.slow


def clip_of(name: str) -> tuple[Preset, np.ndarray, torch.Tensor]:
    """The preset, its numbers of the clip, and the clip as its network is shown it; of ten crops, the first and the last."""
    preset = PRESETS[name]()
    frames, numbers = preset.taken(np.stack([moving_square(number, 160, 120) for number in range(16)]))
    if preset.taken.luma:
        return preset, numbers, torch.zeros(1, 0)
    shown = preset.view(torch.from_numpy(frames))
    pictures = 6 if name == "motion-lite0" else len(frames)  # two frames and four differences
    assert shown.shape[:3] == (preset.view.crops, 3, pictures) and shown.dtype == torch.float32
    return preset, numbers, shown[[0, -1]] if len(shown) > 1 else shown


def shown_of(width: int) -> np.ndarray:
    """Places of the numbers that are kept."""
    return np.linspace(0, width - 1, SHOWN).astype(int)


def of_network(features: torch.Tensor, numbers: np.ndarray) -> np.ndarray:
    """(crops, SHOWN) of the clip's features."""
    every = np.concatenate([np.tile(numbers, (len(features), 1)), features.numpy()], 1)
    return every[:, shown_of(every.shape[1])].astype(float)


@torch.inference_mode()
def vectors(name: str) -> np.ndarray:
    preset, numbers, shown = clip_of(name)
    return of_network(channels_last(fold(seeded(preset.build())))(shown), numbers)


@pytest.mark.parametrize("name", tiny.PUBLISHED)
@torch.inference_mode()
def test_features_are_those_that_were_stored_and_folding_changes_nothing(name):
    preset, numbers, shown = clip_of(name)
    backbone = seeded(preset.build())
    norms = [module for module in backbone.modules() if isinstance(module, NORMS)]
    features = backbone(shown)
    folded = channels_last(fold(backbone))(shown)
    assert features.shape == (len(shown), preset.width - len(numbers)) and features.isfinite().all()
    assert not norms or sum(isinstance(module, NORMS) for module in backbone.modules()) < len(norms) / 2
    assert torch.dist(folded, features) < 1e-5 * features.norm() or preset.taken.luma  # there is no network
    if getattr(backbone, "CLIP_A_THREAD", False):
        assert torch.dist(by_onednn(backbone)(shown), features) < 1e-5 * features.norm()

    stored = np.array(json.loads(GOLDEN.read_text())[name])
    found = of_network(folded, numbers)
    assert found.shape == stored.shape and len(np.unique(stored)) > SHOWN / 2
    of_numbers = int((shown_of(preset.width) < len(numbers)).sum())
    # flow and network each by itself: one may be many times as long as the other
    for part in (slice(0, of_numbers), slice(of_numbers, None)):
        assert np.linalg.norm((found - stored)[:, part]) <= 1e-4 * np.linalg.norm(stored[:, part])


def test_which_frames_motion_lite0_shows_its_network():
    """Of a clip whose frame t is grey of 10 t: the value of each picture, before its mean and deviation are taken off."""
    preset, grey = PRESETS["motion-lite0"](), 10.0 * np.arange(16)
    frames, _ = preset.taken(np.stack([np.full((240, 320, 3), value, np.uint8) for value in grey]))
    shown = preset.view(torch.from_numpy(frames))
    of_red = shown[0, 0].flatten(1).mean(1) * preset.view.std[0] + preset.view.mean[0]
    differences = [2 * (grey[t + 4] - grey[t]) + preset.view.mean[0] for t in (1, 4, 7, 10)]
    assert of_red.tolist() == pytest.approx([grey[5], grey[11], *differences], abs=1e-3)


if __name__ == "__main__":
    found = json.loads(GOLDEN.read_text())
    found |= {name: [[float(f"{x:.7g}") for x in row] for row in vectors(name)] for name in sys.argv[1:]}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
