"""A backbone by ONNX Runtime instead of PyTorch, on a CPU: the same function, with its layers fused as they are for that machine."""

import contextlib
import io
import threading
import warnings

import torch
from torch import Tensor, nn

from stavad.data.errors import UserError

SHAPES = 8  # of input, whose graphs are kept
EQUAL = 1e-4  # greatest difference from PyTorch's features, in their length


class InOnnxRuntime:
    """(B, 3, T, h, w) -> (B, C) float32, as `backbone` does; exported anew, and held against it, for each shape that comes.

    Attributes:
        library: its name and version.

    Raises:
        UserError: ONNX Runtime is not installed, or it is not asked to work on a CPU.
    """

    def __init__(self, backbone: nn.Module, device: torch.device):
        if device.type != "cpu":
            raise UserError("--runtime onnxruntime", "computes on CPUs", "leave it out, or give --device cpu")
        try:
            import onnx  # noqa: F401  # by which torch exports
            import onnxruntime
        except ImportError:
            raise UserError("--runtime", "ONNX Runtime is not installed", 'run `pip install -e ".[onnx]"`') from None
        self.backbone, self.library = backbone, f"onnxruntime {onnxruntime.__version__}"
        self.sessions: dict = {}  # by shape
        self.failed: UserError | None = None  # once is enough, whatever thread comes next
        self.one_export = threading.Lock()  # at a time, as it changes what all threads see

    def __call__(self, clips: Tensor) -> Tensor:
        """
        Raises:
            UserError: a layer of the backbone cannot be exported, or the features are others.
        """
        with self.one_export:
            if self.failed:
                raise self.failed
            try:
                session = self.sessions.get(clips.shape) or self._added(clips)
            except UserError as error:
                self.failed = error
                raise
        return _run(session, clips)

    def _added(self, clips: Tensor):
        try:
            session = self._session(clips)
            found = _run(session, clips)
        except Exception as error:  # those of exporter and runtime have nothing in common
            reason = str(error).partition("\n")[0]
            raise UserError("--runtime onnxruntime", f"cannot take this backbone ({reason})", "leave it out") from None
        expected = self.backbone(clips).float()
        if not (apart := torch.dist(found, expected)) <= EQUAL * expected.norm():
            raise UserError("--runtime onnxruntime", f"gives other features, by {apart / expected.norm():.1e} of their length", "leave it out")  # fmt: skip
        while len(self.sessions) >= SHAPES:
            self.sessions.pop(next(iter(self.sessions)))
        self.sessions[clips.shape] = session
        return session

    def _session(self, clips: Tensor):
        import onnxruntime

        file = io.BytesIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.inference_mode(False), torch.no_grad():  # fmt: skip
            warnings.simplefilter("ignore")  # of shapes that the graph takes as they are, as it should
            torch.onnx.export(self.backbone, (torch.zeros(clips.shape),), file, dynamo=False, input_names=["clips"])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is in the exception
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoders share the cores
        return onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])


def _run(session, clips: Tensor) -> Tensor:
    return torch.from_numpy(session.run(None, {"clips": clips.contiguous().numpy()})[0])
