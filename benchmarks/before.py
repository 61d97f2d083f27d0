"""The code of commit 8fe596e beside today's, for benchmarks that print both in one run.

    mkdir /tmp/before && git archive 8fe596e data evaluate extract pipeline train | tar -xC /tmp/before

Its packages lie at the top level (`train`, ..), ours below `stavad`, so both can be imported at once: but our folders have the same names as its
packages, so that it has to come first on the path, without `benchmarks`.
"""

import importlib
import sys
from pathlib import Path

import torch


def module(folder: str, name: str):
    """A module of what lies in `folder`, such as train.attention."""
    if not Path(folder, "train/fused.py").exists() or Path(folder, "benchmarks").exists():
        raise SystemExit(f"{folder} does not hold 8fe596e: see benchmarks/before.py")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found = importlib.import_module(name)
    if not Path(found.__file__).resolve().is_relative_to(Path(folder).resolve()):
        raise SystemExit(f"{name} was imported from {found.__file__}")
    return found


def centred(*shape: int) -> torch.Tensor:
    """Features (.., C) as UCF-Crime's C3D ones are after centring: of 70 % zeros, from -0.04 to 0.21 there, from -0.08 to 0.2 here."""
    torch.manual_seed(0)
    active = torch.randn(shape[-1]) * 0.6 - 0.6
    features = (torch.randn(shape) + active).clamp(0) * 0.042
    return features - features.flatten(0, -2).mean(0)


def symmetric(*shape: int) -> torch.Tensor:
    """Features as far to both sides of 0, which need higher powers: most near 0, none beyond 0.24."""
    torch.manual_seed(0)
    return (torch.randn(shape).pow(3) * 0.008).clamp(-0.24, 0.24)
