"""Where networks run."""

import re

import torch

from stavad.data.errors import UserError


def choose_device(name: str) -> torch.device:
    """auto, cpu, cuda or cuda:NUMBER -> the device; auto takes a GPU if there is one. There, fp32 is fp32 in all stages, and never TF32.

    Raises:
        UserError: another name, or a GPU that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UserError(
            "--device", f"{name!r} is not a device", "give auto, cpu, cuda or cuda:NUMBER; others are not tried here"
        )
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError("--device", f"{name}: this GPU cannot be used here", "leave it out, or give --device cpu")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return device
