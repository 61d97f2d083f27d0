"""Clips of many videos -> features, as many at once as suits the device."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from stavad.data.errors import UserError
from stavad.extract.fold import channels_last, fold
from stavad.extract.preprocess import View

ALIKE = 0.9999  # least cosine of bf16 to fp32 features
CLIPS_AT_ONCE = {"cpu": 1, "cuda": 32}  # a CPU gains nothing from larger batches, and loses its cache


class Network:
    """A backbone on a device."""

    def __init__(self, backbone: nn.Module, device: torch.device, precision: str = "fp32"):
        self.backbone = channels_last(fold(backbone)).to(device)
        self.device, self.precision = device, precision
        self.trusted = precision == "fp32"  # bf16 is compared with it on the first clips
        torch.backends.cudnn.allow_tf32 = False  # the fingerprint says fp32

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        """Preprocessed clips (B, 3, 16, h, w) -> (B, C) float32.

        Raises:
            UserError: bf16 was asked for, and turns these features by a cosine of less than `ALIKE` from those of fp32.
        """
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features = self.backbone(clips).float()
        if not self.trusted:
            alike = torch.cosine_similarity(features, self.backbone(clips).float()).min().item()
            if not alike > ALIKE:
                raise UserError("--precision bf16", f"changes the features, cosine {alike:.5f} to fp32", "use fp32")
            self.trusted = True
        return features


@dataclass
class VideoFeatures:
    """One video's, as they come in."""

    # float32 (clips, crops, C) in one buffer: kept apart, vectors would pin the freed memory of the frames between them
    vectors: bytearray = field(default_factory=bytearray)
    clips: int = 0
    frames: int = 0
    waiting: int = 0  # clips that are in the batch

    def array(self, crops: int) -> np.ndarray:
        """(clips, crops, C) float32."""
        return np.frombuffer(self.vectors, np.float32).reshape(self.clips, crops, -1)


class Batch:
    """Collects clips across videos until the network has enough to work on at once."""

    def __init__(self, network: Network, view: View):
        self.network, self.view = network, view
        self.clips: list[Tensor] = []
        self.owners: list[VideoFeatures] = []

    def add(self, frames: np.ndarray, own: int, owner: VideoFeatures) -> None:
        """A clip (16, H, W, 3) uint8, of which `own` frames are no filling."""
        shown = self.view(torch.from_numpy(frames).to(self.network.device))
        if self.clips and self.clips[0].shape != shown.shape:
            self.flush()  # whole frames of another shape of video
        self.clips.append(shown)
        self.owners.append(owner)
        owner.frames += own
        owner.waiting += 1
        if len(self.clips) >= CLIPS_AT_ONCE[self.network.device.type]:
            self.flush()

    def flush(self) -> None:
        """Work on what is there."""
        if not self.clips:
            return
        features = self.network(torch.cat(self.clips)).cpu().numpy()
        for owner, vectors in zip(self.owners, features.reshape(len(self.owners), -1)):
            owner.vectors += vectors.tobytes()
            owner.clips += 1
            owner.waiting -= 1
        self.clips, self.owners = [], []


def require_precision(precision: str, device: torch.device) -> None:
    """Raise a UserError for bf16 on a CPU without instructions for it."""
    if precision == "bf16" and not has_bf16(device):
        raise UserError("--precision bf16", "this CPU computes it many times slower", "use fp32, or a GPU")


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 fast: a CPU with instructions for it, or a GPU."""
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every release of torch
    return device.type != "cpu" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
