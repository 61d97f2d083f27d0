"""Weakly supervised video anomaly detection: raw videos to per-frame anomaly scores. docs/python.md shows how it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stavad.data.errors import UserError
    from stavad.data.store import Store
    from stavad.evaluate.run import evaluate_run
    from stavad.evaluate.scoring import score
    from stavad.evaluate.settings import EvaluateSettings, ScoreSettings
    from stavad.extract.folder import extract_features
    from stavad.extract.presets import PRESETS
    from stavad.extract.settings import ExtractSettings
    from stavad.extract.video import ClipFeatureExtractor, clip_features
    from stavad.train.attention import SpatialTemporalAttention
    from stavad.train.checkpoint import Trained
    from stavad.train.folder import train_model
    from stavad.train.settings import TrainSettings

_HOMES = {
    "UserError": "data.errors",
    "Store": "data.store",
    "PRESETS": "extract.presets",
    "ExtractSettings": "extract.settings",
    "extract_features": "extract.folder",
    "ClipFeatureExtractor": "extract.video",
    "clip_features": "extract.video",
    "SpatialTemporalAttention": "train.attention",
    "TrainSettings": "train.settings",
    "Trained": "train.checkpoint",
    "train_model": "train.folder",
    "EvaluateSettings": "evaluate.settings",
    "evaluate_run": "evaluate.run",
    "ScoreSettings": "evaluate.settings",
    "score": "evaluate.scoring",
}
_ROOMS = ("data", "extract", "train", "evaluate", "pipeline")
__all__ = [
    "PRESETS",
    "ClipFeatureExtractor",
    "EvaluateSettings",
    "ExtractSettings",
    "ScoreSettings",
    "SpatialTemporalAttention",
    "Store",
    "TrainSettings",
    "Trained",
    "UserError",
    "clip_features",
    "evaluate_run",
    "extract_features",
    "score",
    "train_model",
]


def __getattr__(name: str) -> Any:
    """Loads everything at the first use of anything: `import stavad` alone need not wait for torch."""
    if name not in _HOMES and name not in _ROOMS:
        raise AttributeError(f"module 'stavad' has no attribute {name!r}")
    found = {public: importlib.import_module(f"stavad.{home}") for public, home in _HOMES.items()}
    globals().update({public: getattr(module, public) for public, module in found.items()})
    return globals()[name] if name in _HOMES else importlib.import_module(f"stavad.{name}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_ROOMS])
