"""A trained model with all that it takes to use it: settings, and the fingerprint of the features it knows."""

import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from stavad.data.errors import UserError
from stavad.data.files import written
from stavad.data.settings import under_present_names
from stavad.data.store import Stored, refuse_mixture
from stavad.train.baselines import build
from stavad.train.model import Ensemble
from stavad.train.scaling import Scaling
from stavad.train.settings import TrainSettings

VERSION = 3  # 1 kept mean and deviation of the scaling beside the model, 2 knew no recurrence with a bound and held no video out


@dataclass(frozen=True)
class Unseen:
    """Scores of a normal training video by a model that had not seen it, from which alarm thresholds come."""

    clips: np.ndarray  # (clips,) anomaly scores
    frames: int  # that they cover; 0 where it is not known
    seconds: float  # that they last; 0 where it is not known

    @property
    def weight(self) -> float:
        """Frames of a clip."""
        return (self.frames or len(self.clips)) / len(self.clips)


@dataclass
class Trained:
    """A model, and what it was trained with and on."""

    model: Ensemble
    settings: TrainSettings
    fingerprint: dict  # of the features it was trained on
    clips: int = 0  # of the longest bag it was trained on; 0 where an earlier version did not say
    unseen: list[Unseen] = field(default_factory=list)  # of cross-fitting; none without it
    steps: int = 0  # of the training; 0 where an earlier version did not say

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def width(self) -> int:
        """C of its features."""
        return len(self.model.scaling.mean)

    def require_features(self, path: Path, stored: Stored) -> None:
        """Raise a UserError unless these features are of the kind that the model was trained on."""
        width = stored.features.shape[-1]
        if width != self.width:
            raise UserError(
                path, f"has {width} dimensions, the model {self.width}", "evaluate with the preset of its training"
            )
        refuse_mixture(path, stored.made["fingerprint"], self.fingerprint, "the features of the model's training")

    @staticmethod
    def room(width: int, settings: TrainSettings, clips: int) -> int:
        """Bytes that a checkpoint of features of `width` dimensions, trained on so many clips, takes at the most."""
        with torch.device("meta"):
            numbers = sum(tensor.numel() for tensor in build(width, settings).state_dict().values())
        return 4 * (settings.ensemble * numbers + 4 * width + clips) + 2**18

    def save(self, path: Path, reserved: Path | None = None) -> None:
        """
        Args:
            reserved: room for it, of `data.files.reserve`.

        Raises:
            UserError: it cannot be written; what was there before still is.
        """
        content = {
            "version": VERSION,
            "model": self.model.state_dict(),
            "settings": json.dumps(asdict(self.settings)),
            "scale": self.model.scaling.kind,
            "fingerprint": json.dumps(self.fingerprint),
            "clips": self.clips,
            "steps": self.steps,
            "unseen": [(torch.from_numpy(one.clips), one.frames, one.seconds) for one in self.unseen],
        }
        made = io.BytesIO()  # torch's own writer ends in a traceback, and half a file, where the disk is full
        torch.save(content, made)
        with written(path, "wb", reserved) as file:
            file.write(made.getbuffer())

    @classmethod
    def load(cls, path: Path, device) -> "Trained":
        """
        Raises:
            UserError: no such file, not a checkpoint of this program, or one of a later version of it.
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            version = content.get("version", 1)
            if version > VERSION:
                raise UserError(path, f"was written by a later version of this program (form {version})", "update it")
            state = content["model"]
            if version == 1:
                state |= {f"scaling.{name}": content[name] for name in ("mean", "deviation")}
            before = {"memory": math.inf, "folds": 0} if version < 3 else {}
            settings = TrainSettings(**before | under_present_names(json.loads(content["settings"]), TrainSettings))
            fingerprint = json.loads(content["fingerprint"])
            mean, deviation = state["scaling.mean"], state["scaling.deviation"]
            members = [build(len(mean), settings) for _ in range(settings.ensemble)]
            model = Ensemble(Scaling(content["scale"], mean, deviation), members)
            model.load_state_dict(state)
        except FileNotFoundError:
            raise UserError(
                path, "does not exist", "run `pipeline train` first, or name another run with --run"
            ) from None
        except UserError:
            raise
        except Exception as error:  # torch.load raises many kinds for files that are none of its own
            reason = " ".join(str(error).split())[:120]
            raise UserError(path, f"is not a checkpoint of this program ({reason})", "train again") from None
        unseen = [Unseen(clips.numpy(), frames, seconds) for clips, frames, seconds in content.get("unseen", [])]
        model = model.to(device).eval()
        return cls(model, settings, fingerprint, content.get("clips", 0), unseen, content.get("steps", 0))
