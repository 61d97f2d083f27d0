"""A trained model with all that it takes to use it: settings, and the fingerprint of the features it knows."""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from stavad.data.errors import UserError
from stavad.data.files import written
from stavad.data.settings import under_present_names
from stavad.data.store import Stored, refuse_mixture
from stavad.train.baselines import build
from stavad.train.model import Ensemble
from stavad.train.scaling import Scaling
from stavad.train.settings import TrainSettings

VERSION = 2  # 1 kept mean and deviation of the scaling beside the model


@dataclass
class Trained:
    """A model, and what it was trained with and on."""

    model: Ensemble
    settings: TrainSettings
    fingerprint: dict  # of the features it was trained on
    clips: int = 0  # of the longest bag it was trained on; 0 where an earlier version did not say

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
    def room(width: int, settings: TrainSettings) -> int:
        """Bytes that a checkpoint of features of `width` dimensions takes at the most."""
        with torch.device("meta"):
            numbers = sum(tensor.numel() for tensor in build(width, settings).state_dict().values())
        return 4 * (settings.ensemble * numbers + 4 * width) + 2**18

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
            settings = TrainSettings(**under_present_names(json.loads(content["settings"]), TrainSettings))
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
        return cls(model.to(device).eval(), settings, fingerprint, content.get("clips", 0))
