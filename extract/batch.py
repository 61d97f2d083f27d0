"""Clips of many videos -> features, as many at once as suits the device."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stavad.data.errors import UserError
from stavad.data.files import cannot_write
from stavad.extract.fold import channels_last, fold
from stavad.extract.preprocess import View

ALIKE = 0.9999  # least cosine of bf16 to fp32 features
AT_ONCE = 32  # inputs, clips times crops, that a GPU works on at once
IN_MEMORY = 2**26  # bytes of a video's features; the others wait on the disk


class Network:
    """A backbone on a device.

    Args:
        at_once: inputs of one pass on a GPU; halved, and `note` told, where its memory is too small. A CPU takes one clip after the
            other: it gains nothing from larger batches, and loses its cache.
    """

    def __init__(
        self,
        backbone: nn.Module,
        device: torch.device,
        precision: str = "fp32",
        at_once: int = AT_ONCE,
        note: Callable[[str], None] = print,
    ):
        self.backbone = channels_last(fold(backbone)).to(device)
        self.device, self.precision = device, precision
        self.at_once, self.note = (at_once if device.type == "cuda" else 1), note
        self.trusted = precision == "fp32"  # bf16 is compared with it on the first clips

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        """Preprocessed clips (B, 3, 16, h, w) -> (B, C) float32.

        Raises:
            UserError: bf16 was asked for, and turns these features by a cosine of less than `ALIKE` from those of fp32; or the
                GPU's memory is too small for a single input.
        """
        if self.device.type == "cpu":
            return self._pass(clips)
        done: list[Tensor] = []
        while (begin := sum(map(len, done))) < len(clips):
            try:
                done.append(self._pass(clips[begin : begin + self.at_once]))
            except torch.OutOfMemoryError:
                if self.at_once == 1:
                    raise UserError(
                        "--device", "the GPU has not enough memory for one clip", "give --device cpu"
                    ) from None
                self.at_once //= 2
                torch.cuda.empty_cache()
                self.note(f"note: the GPU's memory is full; from now on {self.at_once} inputs at once (--at-once)")
        return torch.cat(done)

    def _pass(self, clips: Tensor) -> Tensor:
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            features = self.backbone(clips).float()
        if not self.trusted:
            alike = torch.cosine_similarity(features, self.backbone(clips).float()).min().item()
            if not alike > ALIKE:
                raise UserError("--precision bf16", f"changes the features, cosine {alike:.5f} to fp32", "use fp32")
            self.trusted = True
        return features


class VideoFeatures:
    """One video's, as they come in: a few in memory, many in a file without a name, so that length costs no memory.

    Args:
        folder: on whose disk that file is; None: the system's for temporary files.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        # float32 (clips, crops, C)
        where = str(folder) if folder else None
        self.vectors: Any = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=where)  # noqa: SIM115
        self.clips = self.frames = 0
        self.waiting = 0  # clips that are in the batch

    def add(self, vectors: np.ndarray) -> None:
        """Of one clip, (crops * C,).

        Raises:
            UserError: the disk is full.
        """
        try:
            self.vectors.write(vectors.tobytes())
        except OSError as error:
            raise cannot_write(self.folder or Path(tempfile.gettempdir()), error) from None
        self.clips += 1
        self.waiting -= 1

    def array(self, crops: int) -> np.ndarray:
        """(clips, crops, C) float32, in memory or on the disk."""
        self.vectors.flush()
        if self.vectors._rolled:
            return np.memmap(self.vectors._file, np.float32, "r").reshape(self.clips, crops, -1)
        self.vectors.seek(0)
        return np.frombuffer(self.vectors.read(), np.float32).reshape(self.clips, crops, -1)


class Batch:
    """Collects clips across videos until the network has enough to work on at once."""

    def __init__(self, network: Network, view: View):
        self.network, self.view = network, view
        self.clips: list[Tensor] = []
        self.owners: list[tuple[VideoFeatures, np.ndarray]] = []

    def add(self, frames: np.ndarray, numbers: np.ndarray, own: int, owner: VideoFeatures) -> None:
        """A clip of which `own` frames are no filling: those (n, H, W, 3) uint8 for the network, and features that it has already."""
        owner.frames += own
        owner.waiting += 1
        if not len(frames):
            owner.add(numbers)
            return
        shown = self.view(torch.from_numpy(frames).to(self.network.device))
        if self.clips and self.clips[0].shape != shown.shape:
            self.flush()  # whole frames of another shape of video
        self.clips.append(shown)
        self.owners.append((owner, numbers))
        if (len(self.clips) + 1) * self.view.crops > max(self.network.at_once, self.view.crops):
            self.flush()

    def flush(self) -> None:
        """Work on what is there."""
        if not self.clips:
            return
        features = self.network(torch.cat(self.clips)).cpu().numpy()
        for (owner, numbers), vectors in zip(self.owners, features.reshape(len(self.owners), -1)):
            owner.add(np.concatenate([numbers, vectors]) if len(numbers) else vectors)
        self.clips, self.owners = [], []


def require_precision(precision: str, device: torch.device) -> None:
    """Raise a UserError for bf16 on a CPU without instructions for it."""
    if precision == "bf16" and not has_bf16(device):
        raise UserError("--precision bf16", "this CPU computes it many times slower", "use fp32, or a GPU")


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 fast: a CPU with instructions for it, or a GPU."""
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every release of torch
    return device.type != "cpu" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
