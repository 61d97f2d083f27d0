"""The wheel as others get it: in an environment of its own, beside packages that claim the names of our folders."""

import shutil
import subprocess
import sys
import textwrap
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("data", "extract", "train", "evaluate", "pipeline")
pytestmark = pytest.mark.install


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder, copy = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    for name in (*ROOMS, "stavad"):  # a copy, as an old build/ beside the sources would get into the wheel
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, copy], check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_one_package_and_all_its_parts(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"stavad"}
    here = {
        f"stavad/{path.relative_to(ROOT).as_posix()}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", ".c", ".h"}
        or (path.is_file() and "page" in path.parts and "__pycache__" not in path.parts)
    }
    ours = {f"stavad/{name}" for name in ("__init__.py", "__main__.py", "py.typed")}
    assert {name for name in names if ".dist-info" not in name} == here | ours


def test_beside_hugging_faces_evaluate_and_without_extras(wheel, tmp_path):
    """Packages of this environment are lent to the new one by a path file, but for ours and the extras, which are hidden."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--no-deps", wheel], check=True)
    subprocess.run([*install, "evaluate"], check=True)
    lent = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    for path in lent.iterdir():
        hidden = ("stavad", "__editable__", "tensorboard", "ray", "onnx", "evaluate", "pip", "_distutils", "distutils")
        if not path.name.startswith(hidden) and path.suffix != ".pth" and not (site / path.name).exists():
            (site / path.name).symlink_to(path)
    script = """
        import importlib.metadata, importlib.util
        import stavad
        assert "site-packages" in stavad.__file__, stavad.__file__
        assert stavad.train.model and stavad.SpatialTemporalAttention().passes == 2
        import evaluate
        assert importlib.metadata.packages_distributions()["evaluate"] == ["evaluate"] and evaluate.load
        assert not any(importlib.util.find_spec(name) for name in ("tensorboard", "ray", "onnxruntime"))
    """
    subprocess.run([python, "-c", textwrap.dedent(script)], check=True, cwd=tmp_path)
    told = subprocess.run([python, "-m", "stavad", "--help"], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert "pipeline extract --videos" in told.stdout
    told = subprocess.run([tmp_path / "env/bin/pipeline", "--help"], check=True, cwd=tmp_path, capture_output=True)
    assert b"evaluate --plot" in told.stdout
