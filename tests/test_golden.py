"""Golden vectors: what each preset makes of one generated clip with seeded weights, so that no drift goes unseen.

A change that is meant to alter features writes them anew with `python -m tests.test_golden PRESET ..`, and says why in its message.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stavad.extract.fold import channels_last, fold
from stavad.extract.presets import PRESETS
from tests import tiny
from tests.conftest import moving_square
from tests.reference import seeded

GOLDEN = Path(__file__).with_name("golden.json")
SHOWN = 16  # numbers kept of each vector, evenly spaced

pytestmark = pytest.mark.slow


@torch.inference_mode()
def vectors(name: str) -> np.ndarray:
    """(crops, SHOWN) of the preset's features; of ten crops, the first and the last."""
    preset = PRESETS[name]()
    frames, numbers = preset.taken(np.stack([moving_square(number, 160, 120) for number in range(16)]))
    if preset.taken.luma:
        return numbers[None, np.linspace(0, preset.width - 1, SHOWN).astype(int)].astype(float)
    shown = preset.view(torch.from_numpy(frames))
    features = channels_last(fold(seeded(preset.build())))(shown[[0, -1]] if len(shown) > 1 else shown)
    features = torch.cat([torch.from_numpy(numbers).expand(len(features), -1), features], 1)
    return features[:, np.linspace(0, preset.width - 1, SHOWN).astype(int)].double().numpy()


@pytest.mark.parametrize("name", tiny.PUBLISHED)
def test_features_are_those_that_were_stored(name):
    stored = np.array(json.loads(GOLDEN.read_text())[name])
    found = vectors(name)
    assert found.shape == stored.shape and len(np.unique(stored)) > SHOWN / 2
    assert np.linalg.norm(found - stored) < 1e-4 * np.linalg.norm(stored)


if __name__ == "__main__":
    found = json.loads(GOLDEN.read_text())
    found |= {name: [[float(f"{x:.7g}") for x in row] for row in vectors(name)] for name in sys.argv[1:]}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
