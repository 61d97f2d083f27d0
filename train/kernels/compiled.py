"""Loops in C for CPUs: compiled once per machine with the C compiler at hand, and called on tensors."""

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

FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC"]
TYPES = {torch.float32: ("float", "sqrtf"), torch.float64: ("double", "sqrt")}


class Unavailable(Exception):
    """Why the loops cannot be had here."""


def call(loaded: ctypes.CDLL, name: str, *arguments) -> None:
    """A C function: whole numbers as long, others as double, tensors and None as pointers, a tuple as an array of one of these; last, the number of threads."""
    kept: list = []  # alive until the function returns
    passed: list = []
    for argument in arguments:
        if isinstance(argument, tuple) and all(isinstance(item, int) for item in argument):
            passed.append((ctypes.c_long * len(argument))(*argument))
        elif isinstance(argument, tuple):
            passed.append((ctypes.c_void_p * max(1, len(argument)))(*(_pointer(item, kept) for item in argument)))
        elif isinstance(argument, int):
            passed.append(ctypes.c_long(argument))
        elif isinstance(argument, float):
            passed.append(ctypes.c_double(argument))
        else:
            passed.append(ctypes.c_void_p(_pointer(argument, kept)))
    getattr(loaded, name)(*passed, ctypes.c_int(torch.get_num_threads()))


def _pointer(tensor: Tensor | None, kept: list) -> int | None:
    if tensor is None:
        return None
    kept.append(tensor.contiguous())
    return kept[-1].data_ptr()


@functools.cache
def unavailable() -> str:
    """Why the loops cannot be had here; empty if they can."""
    try:
        for dtype in TYPES:
            library("powers.c", dtype)
    except Unavailable as reason:
        return str(reason)
    return ""


@functools.cache
def library(source: str, dtype: torch.dtype, degree: int = 0) -> ctypes.CDLL:
    """A source file of this folder, compiled for numbers of `dtype`.

    Raises:
        Unavailable: there is no C compiler, or it fails.
    """
    real, root = TYPES[dtype]
    compiler, *options = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if not shutil.which(compiler):
        raise Unavailable(f"there is no C compiler ({compiler})")
    path_of_source = Path(__file__).with_name(source)
    command = [compiler, *options, *FLAGS, f"-DREAL={real}", f"-DSQRT={root}", f"-DDEGREE={degree}"]
    machine = _processor() + platform.platform() + sysconfig.get_platform()
    sources = [path_of_source, *sorted(path_of_source.parent.glob("*.h"))]
    content = b"".join(file.read_bytes() for file in sources) + " ".join([*command, machine]).encode()
    key = hashlib.sha256(content).hexdigest()[:16]
    path = cache_folder() / f"{path_of_source.stem}-{key}.so"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                _compile(command, path_of_source, part)
            except subprocess.CalledProcessError:
                _compile(
                    [option for option in command if option != "-fopenmp"], path_of_source, part
                )  # Apple's has no OpenMP
            os.replace(part, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise Unavailable(f"{compiler} fails: {said[0][:150] if said else error}") from None


def _compile(command: list[str], source: Path, part: Path) -> None:
    subprocess.run([*command, "-o", part, source, "-lm"], check=True, capture_output=True, text=True)


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
