"""Clips of many videos -> features, as many at once as suits the device."""

import collections
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stavad.data.errors import UserError
from stavad.data.files import cannot_write
from stavad.extract.fold import by_onednn, channels_last, fold
from stavad.extract.onnx import InOnnxRuntime
from stavad.extract.preprocess import View

ALIKE = 0.9999  # least cosine of bf16 to fp32 features
AT_ONCE = 32  # inputs, clips times crops, that a GPU works on at once
IN_FLIGHT = 2**28  # bytes of frames whose clips threads are at work on, or one clip
IN_MEMORY = 2**26  # bytes of a video's features; the others wait on the disk


class Network:
    """A backbone on a device.

    Args:
        at_once: inputs of one pass on a GPU; halved, and `note` told, where its memory is too small. On a CPU a pass is of one clip: it gains
            nothing from larger batches, and loses its cache.
        runtime: torch, or onnxruntime on a CPU.

    Attributes:
        threads: of a CPU that work on a clip each; 0: all share one.
        library: that computes, and its version.

    Raises:
        UserError: the runtime is not installed, or not for this device.
    """

    def __init__(
        self,
        backbone: nn.Module,
        device: torch.device,
        precision: str = "fp32",
        at_once: int = AT_ONCE,
        note: Callable[[str], None] = print,
        runtime: str = "torch",
    ):
        self.backbone = channels_last(fold(backbone)).to(device)
        self.device, self.precision = device, precision
        alone = device.type == "cpu" and getattr(backbone, "CLIP_A_THREAD", False)
        self.threads = torch.get_num_threads() if alone else 0
        self.at_once, self.note = (at_once if device.type == "cuda" else 1), note
        self.quick = InOnnxRuntime(self.backbone, device) if runtime == "onnxruntime" else None
        self.library = self.quick.library if self.quick else f"torch {torch.__version__}"
        if self.threads and not self.quick and precision == "fp32":
            by_onednn(self.backbone)
        self.trusted = precision == "fp32"  # bf16 is compared with it on the first clips

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        """Preprocessed clips (B, 3, T, h, w) -> (B, C) float32.

        Raises:
            UserError: bf16 was asked for, and turns these features by a cosine of less than `ALIKE` from those of fp32; ONNX Runtime
                cannot compute the backbone, or gives other features; or the GPU's memory is too small for a single input.
        """
        if self.device.type == "cpu":
            return self.quick(clips) if self.quick else self._pass(clips)
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

    def expect(self, own: int) -> None:
        """A clip of which `own` frames are no filling is on its way."""
        self.frames += own
        self.waiting += 1

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
        self.waiting: list[tuple[Tensor, np.ndarray, VideoFeatures]] = []

    def add(self, frames: np.ndarray, numbers: np.ndarray, own: int, owner: VideoFeatures) -> None:
        """A clip of which `own` frames are no filling: those (n, H, W, 3) uint8 for the network, and features that it has already."""
        owner.expect(own)
        if not len(frames):
            owner.add(numbers)
            return
        self.waiting.append((self.view(torch.from_numpy(frames).to(self.network.device)), numbers, owner))
        if (len(self.waiting) + 1) * self.view.crops > max(self.network.at_once, self.view.crops):
            self.flush()

    def flush(self) -> None:
        """Work on what is there: videos that are decoded side by side may be shown in different shapes, each of which is a pass."""
        alike: dict[torch.Size, list[int]] = {}
        for place, (shown, _, _) in enumerate(self.waiting):
            alike.setdefault(shown.shape, []).append(place)
        found: dict[int, np.ndarray] = {}
        for places in alike.values():
            features = self.network(torch.cat([self.waiting[place][0] for place in places])).cpu().numpy()
            found |= dict(zip(places, features.reshape(len(places), -1)))
        for place, (_, numbers, owner) in enumerate(self.waiting):
            owner.add(np.concatenate([numbers, found[place]]))
        self.waiting = []

    def close(self) -> None:
        """There is nothing to end."""


class ClipAThread:
    """In the place of a `Batch`: each thread of a CPU works on a clip of its own, from its frames on, so that none waits for another."""

    def __init__(self, network: Network, view: View):
        self.network, self.view = network, view
        self.pool = ThreadPoolExecutor(network.threads, initializer=torch.set_num_threads, initargs=(1,))
        self.at_work: collections.deque[tuple[VideoFeatures, Future, int]] = collections.deque()

    def add(self, frames: np.ndarray, numbers: np.ndarray, own: int, owner: VideoFeatures) -> None:
        """As that of a `Batch`."""
        owner.expect(own)
        self.at_work.append((owner, self.pool.submit(self._features, frames, numbers), frames.nbytes))
        while self.at_work and (self._is_full() or self.at_work[0][1].done()):
            self._take()

    def _is_full(self) -> bool:
        return len(self.at_work) > max(1, min(self.network.threads, IN_FLIGHT // max(1, self.at_work[0][2])))

    def _features(self, frames: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return np.concatenate([numbers, self.network(self.view(torch.from_numpy(frames))).numpy().ravel()])

    def _take(self) -> None:
        owner, features, _ = self.at_work.popleft()
        owner.add(features.result())

    def flush(self) -> None:
        """Wait for what is at work."""
        while self.at_work:
            self._take()

    def close(self) -> None:
        """End the threads; torch has as many as before, which some libraries keep as one number for all."""
        try:
            self.pool.shutdown(cancel_futures=True)
        finally:
            torch.set_num_threads(self.network.threads)


def collector(network: Network, view: View) -> Batch | ClipAThread:
    """What clips are added to, as suits the network; to be closed."""
    return ClipAThread(network, view) if network.threads else Batch(network, view)


def require_precision(precision: str, device: torch.device) -> None:
    """Raise a UserError for bf16 on a CPU without instructions for it."""
    if precision == "bf16" and not has_bf16(device):
        raise UserError("--precision bf16", "this CPU computes it many times slower", "use fp32, or a GPU")


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 fast: a CPU with instructions for it, or a GPU."""
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every release of torch
    return device.type != "cpu" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
