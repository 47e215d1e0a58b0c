"""The wheel works away from the checkout: all of it beside the libraries, and the runtime with NumPy alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import lamina
import pytest
from onnx import TensorProto, helper

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "benchmarks", "docs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because setuptools leaves its workings beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCES)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(folder / "source")], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    interpreter = folder / "bin" / "python"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(interpreter),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, str(wheel)], check=True)
    return interpreter


def run(python: Path, libraries: Path, code: str, *arguments: str) -> str:
    """What the code prints, run away from the checkout with the libraries in a folder on the path."""
    prelude = f"import sys\nsys.path.append({str(libraries)!r})\n"
    command = [str(python), "-I", "-c", prelude + code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=python.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("lamina/pipeline.py", "lamina/py.typed", "lamina/dialects/graph/__init__.py"):
        assert wanted in names
    for source in (ROOT / "backend").rglob("*.ll"):
        assert f"lamina/{source.relative_to(ROOT)}" in names
    assert not [name for name in names if name.startswith(("lamina/tests", "lamina/benchmarks", "lamina/docs"))]
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "License-Expression: Apache-2.0 WITH LLVM-exception" in metadata


def test_compiler_works_from_the_wheel(python: Path) -> None:
    code = """
import lamina
from lamina.universe import UNIVERSE
assert lamina.__file__.startswith(sys.prefix), lamina.__file__
for table in (UNIVERSE.all_dialects, UNIVERSE.all_passes, UNIVERSE.all_targets):
    for factory in table.values():
        factory()
from lamina.cli.doctor import _run_check, _check_small_model
print(_run_check("small model", _check_small_model))
"""
    assert "ok=True" in run(python, SITE_PACKAGES, code)


def test_compiled_model_runs_from_the_wheel_with_numpy_alone(python: Path, tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for name in ("numpy", "numpy.libs"):
        if (SITE_PACKAGES / name).exists():
            (libraries / name).symlink_to(SITE_PACKAGES / name)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "relu.lamina"
    lamina.compile(model).save(path)
    code = """
import lamina, numpy
result = lamina.load(sys.argv[1]).run({"x": numpy.array([[-1, 0, 2]], numpy.float32)})
print(result["y"].tolist())
"""
    assert run(python, libraries, code, str(path)).strip() == "[[0.0, 0.0, 2.0]]"
