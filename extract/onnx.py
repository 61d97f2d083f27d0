"""A backbone by ONNX Runtime instead of PyTorch, on a CPU: the same function, with its layers fused as they are for that machine."""

import contextlib
import functools
import io
import threading
import warnings

import torch
from torch import Tensor, nn

from stavad.data.errors import UserError

SHAPES = 8  # of input, whose graphs are kept
EQUAL = 1e-4  # greatest difference from PyTorch's features, in their length


class InOnnxRuntime(nn.Module):
    """(B, 3, T, h, w) -> (B, C) float32, as `backbone` does; exported anew for each shape that comes.

    Attributes:
        library: its name and version.

    Raises:
        UserError: ONNX Runtime is not installed, or it is not asked to work on a CPU.
    """

    def __init__(self, backbone: nn.Module, device: torch.device):
        super().__init__()
        if device.type != "cpu":
            raise UserError("--runtime onnxruntime", "computes on CPUs", "leave it out, or give --device cpu")
        try:
            import onnx  # noqa: F401  # by which torch exports
            import onnxruntime
        except ImportError:
            raise UserError("--runtime", "ONNX Runtime is not installed", 'run `pip install -e ".[onnx]"`') from None
        self.backbone, self.library = backbone, f"onnxruntime {onnxruntime.__version__}"
        self.session = functools.lru_cache(SHAPES)(self._session)
        self.one_export = threading.Lock()  # at a time, as it changes what all threads see

    def forward(self, clips: Tensor) -> Tensor:
        """
        Raises:
            UserError: a layer of the backbone cannot be exported.
        """
        with self.one_export:
            session = self.session(tuple(clips.shape))
        return torch.from_numpy(session.run(None, {"clips": clips.contiguous().numpy()})[0])

    def _session(self, shape: tuple[int, ...]):
        import onnxruntime

        file = io.BytesIO()
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.inference_mode(False), torch.no_grad():  # fmt: skip
                warnings.simplefilter("ignore")  # of shapes that the graph takes as they are, as it should
                torch.onnx.export(self.backbone, (torch.zeros(shape),), file, dynamo=False, input_names=["clips"])
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error).splitlines()[0]
            raise UserError("--runtime onnxruntime", f"cannot take this backbone ({reason})", "leave it out") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoders share the cores
        return onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
