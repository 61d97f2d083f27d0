"""The code of commit 8fe596e beside today's, for benchmarks that print both in one run.

    git worktree add /tmp/before 8fe596e

Its packages lie at the top level (`train`, ..), ours below `stavad`, so both can be imported at once.
"""

import importlib
import sys
from pathlib import Path

import torch


def module(folder: str, name: str):
    """A module of the worktree `folder`, such as train.attention."""
    if not Path(folder, "train/fused.py").exists():
        raise SystemExit(f"{folder} is no worktree of 8fe596e: git worktree add {folder} 8fe596e")
    if folder not in sys.path:
        sys.path.insert(1, folder)
    return importlib.import_module(name)


def centred(*shape: int) -> torch.Tensor:
    """Features as UCF-Crime's C3D ones are after centring: most near 0, none beyond 0.24."""
    torch.manual_seed(0)
    return (torch.randn(shape).pow(3) * 0.008).clamp(-0.24, 0.24)
