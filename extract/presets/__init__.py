"""The presets: backbone, weights, preprocessing and record of each belong together, as the literature used them.

Each module here holds the presets of one family, `PRESETS`: name -> a function that makes the `Preset`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path

from torch import Tensor, nn

from stavad.data.bags import CLIP
from stavad.data.errors import UserError
from stavad.data.registry import modules_of
from stavad.extract.clips import TAILS, Taken
from stavad.extract.preprocess import View
from stavad.extract.weights import Weights, fetch, load

DEFAULT = "i3d-kinetics"


@dataclass(frozen=True)
class Preset:
    """Everything that decides what the features of a clip are."""

    name: str
    build: Callable[[], nn.Module]  # the backbone without weights: (B, 3, T, h, w), as viewed, -> (B, width)
    layer: str
    width: int
    view: View
    weights: Weights
    tail: str = "repeat"  # as in `extract.clips.to_clips`
    taken: Taken = field(default=Taken())  # of each clip, where it is decoded
    rename: Callable[[nn.Module, dict[str, Tensor]], dict[str, Tensor]] = field(default=lambda model, state: state)

    def load(self, weights_file: Path | None = None) -> tuple[nn.Module, dict]:
        """The backbone with weights, ready to extract, and the fingerprint of its features.

        Args:
            weights_file: a checkpoint instead of the published one.

        Raises:
            UserError: the weights cannot be had, or are those of another network.
        """
        path = Path(weights_file) if weights_file else fetch(self.weights)
        state, sha256 = load(path)
        backbone = self.build()
        try:
            backbone.load_state_dict(self.rename(backbone, state))
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UserError(
                path, f"does not fit {self.name} ({reason})", "give this preset's checkpoint with --weights"
            ) from None
        return backbone.eval(), self.fingerprint(sha256)

    def fingerprint(self, sha256: str) -> dict:
        """What goes into the store, and must be alike in all of it."""
        return {
            "preset": self.name,
            "layer": self.layer,
            "width": self.width,
            "weights_sha256": sha256,
            **asdict(self.view),
            "clip": CLIP,
            "stride": CLIP,
            "tail": TAILS[self.tail],
        }


_found = {name: make for family in modules_of(__name__) for name, make in family.PRESETS.items()}
PRESETS: dict[str, Callable[[], Preset]] = dict(sorted(_found.items(), key=lambda entry: entry[0] != DEFAULT))


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UserError: there is none.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, 1)
        raise UserError("--preset", f"{name!r} is not known", f"take {near[0]}" if near else f"known are {', '.join(PRESETS)}")  # fmt: skip
    return PRESETS[name]()
