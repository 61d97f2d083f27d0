"""The loops of attention.c for CPUs: compiled once per machine with the C compiler at hand, and called on tensors."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("attention.c")
FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC"]
DEGREE = {torch.float32: 7, torch.float64: 13}  # first omitted Bessel coefficient I_(P+1)(1): 1e-7 and 7e-16
TYPES = {torch.float32: ("float", "sqrtf"), torch.float64: ("double", "sqrt")}


class Unavailable(Exception):
    """Why the loops cannot be had here."""


def moments(features: Tensor, circle: Tensor, values: tuple, keep: Tensor | None, degree: int):
    """Sums of m(angle) v over each row (V, M, B, N, 1) and each column (V, M, B, 1, C)."""
    bags, clips, width = features.shape
    rows = features.new_empty(len(values), 2 * degree + 1, bags, clips, 1)
    columns = features.new_empty(len(values), 2 * degree + 1, bags, 1, width)
    _call("moments", features, degree, circle, values, keep, rows, columns)
    return rows, columns


def sums(features: Tensor, circles: Tensor, axes: Tensor, values: tuple, kernel: Tensor, moments: tuple, degree: int):
    """S[v], each (B, N, C), from the kernel (M, M) and the moments of the keys."""
    out = tuple(torch.empty_like(features) for _ in values)
    _call("sums", features, degree, circles, axes, values, *_coefficients(kernel, moments), out)
    return list(out)


def slopes(features, circles, axes, values: tuple, grads: tuple, keep, to_queries: tuple, to_keys: tuple, degree: int):
    """Gradients of the features, of each v (None where v is None), of the circles (2, 3) and of the axes (2, 2).

    Args:
        to_queries, to_keys: a kernel (M, M), (2 M, M) and the moments that it meets.
    """
    bags, _, width = features.shape
    d_features = torch.empty_like(features)
    d_values = tuple(None if v is None else torch.empty_like(features) for v in values)
    totals = torch.zeros(bags * width, 10, dtype=torch.float64)  # room for a block of columns or more in a row
    met = (*_coefficients(*to_queries), *_coefficients(*to_keys))
    _call("slopes", features, degree, circles, axes, values, grads, keep, *met, d_features, d_values, totals)
    totals = totals.sum(0).to(features.dtype)
    return d_features, list(d_values), totals[:6].view(2, 3), totals[6:].view(2, 2)


def _coefficients(kernel: Tensor, moments: tuple) -> tuple[Tensor, Tensor, Tensor]:
    """The kernel, its product with the rows' moments, and the columns' moments, whose product is made block by block."""
    rows, columns = moments
    return kernel, torch.einsum("am,vm...->va...", kernel, rows), columns


def _call(name: str, features: Tensor, degree: int, *arguments) -> None:
    """The C function, with shape and features first, then pointers; a tuple is its length and an array of pointers."""
    kept: list = []
    passed: list = [*map(ctypes.c_long, features.shape)]
    counted = False
    for argument in (features, *arguments):
        if isinstance(argument, tuple):
            tensors = [None if t is None else t.contiguous() for t in argument]
            kept += tensors
            if not counted:
                passed.append(ctypes.c_long(len(tensors)))
            counted = True
            passed.append((ctypes.c_void_p * len(tensors))(*(t if t is None else t.data_ptr() for t in tensors)))
        else:
            tensor = None if argument is None else argument.contiguous()
            kept.append(tensor)
            passed.append(ctypes.c_void_p(None if tensor is None else tensor.data_ptr()))
    getattr(library(features.dtype, degree), name)(*passed, ctypes.c_int(torch.get_num_threads()))


@functools.cache
def unavailable() -> str:
    """Why the loops cannot be had here; empty if they can."""
    try:
        for dtype, degree in DEGREE.items():
            library(dtype, degree)
    except Unavailable as reason:
        return str(reason)
    return ""


@functools.cache
def library(dtype: torch.dtype, degree: int) -> ctypes.CDLL:
    """
    Raises:
        Unavailable: there is no C compiler, or it fails.
    """
    real, root = TYPES[dtype]
    compiler, *options = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if not shutil.which(compiler):
        raise Unavailable(f"there is no C compiler ({compiler})")
    command = [compiler, *options, *FLAGS, f"-DREAL={real}", f"-DSQRT={root}", f"-DDEGREE={degree}"]
    machine = _processor() + platform.platform() + sysconfig.get_platform()
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join([*command, machine]).encode()).hexdigest()[:16]
    path = cache_folder() / f"attention-{key}.so"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                _compile(command, part)
            except subprocess.CalledProcessError:
                _compile([option for option in command if option != "-fopenmp"], part)  # Apple's has no OpenMP
            os.replace(part, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise Unavailable(f"{compiler} fails: {said[0][:150] if said else error}") from None


def _compile(command: list[str], part: Path) -> None:
    subprocess.run([*command, "-o", part, SOURCE, "-lm"], check=True, capture_output=True, text=True)


def cache_folder() -> Path:
    """Of the user; where there is no home, of temporary files."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipeline-kernels"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"pipeline-kernels-{os.getuid()}"


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    except OSError:
        return platform.processor()
