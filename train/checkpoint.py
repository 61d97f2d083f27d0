"""A trained model with all that it takes to use it: settings, scaling, and the fingerprint of the features it knows."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from data.errors import UserError
from data.store import Stored, refuse_mixture
from train.baselines import build
from train.model import Ensemble
from train.scaling import Scaling
from train.settings import TrainSettings


@dataclass
class Trained:
    model: Ensemble
    settings: TrainSettings
    scaling: Scaling
    fingerprint: dict  # of the features it was trained on

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def require_features(self, path: Path, stored: Stored) -> None:
        """Raise a UserError unless these features are of the kind that the model was trained on."""
        width = stored.features.shape[-1]
        if width != len(self.scaling.mean):
            raise UserError(
                path,
                f"has {width} dimensions, the model {len(self.scaling.mean)}",
                "evaluate with the preset of its training",
            )
        refuse_mixture(path, stored.made["fingerprint"], self.fingerprint, "the features of the model's training")

    def save(self, path: Path) -> None:
        content = {
            "model": self.model.state_dict(),
            "settings": json.dumps(asdict(self.settings)),
            "scale": self.scaling.kind,
            "mean": torch.from_numpy(self.scaling.mean),
            "deviation": torch.from_numpy(self.scaling.deviation),
            "fingerprint": json.dumps(self.fingerprint),
        }
        torch.save(content, path)

    @classmethod
    def load(cls, path: Path, device) -> "Trained":
        """
        Raises:
            UserError: no such file, or not a checkpoint of this program.
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            settings = TrainSettings(**json.loads(content["settings"]))
            fingerprint = json.loads(content["fingerprint"])
            mean, deviation = content["mean"].numpy(), content["deviation"].numpy()
            model = Ensemble([build(len(mean), settings) for _ in range(settings.ensemble)])
            model.load_state_dict(content["model"])
        except FileNotFoundError:
            raise UserError(
                path, "does not exist", "run `pipeline train` first, or name another run with --run"
            ) from None
        except Exception as error:  # torch.load raises many kinds for files that are none of its own
            reason = " ".join(str(error).split())[:120]
            raise UserError(path, f"is not a checkpoint of this program ({reason})", "train again") from None
        return cls(model.to(device).eval(), settings, Scaling(content["scale"], mean, deviation), fingerprint)
