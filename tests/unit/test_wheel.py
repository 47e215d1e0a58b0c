"""The wheels work away from the checkout: all of Lamina beside its libraries, and the runtime with NumPy alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
NOT_SOURCES = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "benchmarks", "docs")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from a copy, because setuptools leaves its workings beside the sources."""
    folder = tmp_path_factory.mktemp("wheels")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_SOURCES)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    sources = [str(folder / "source"), str(folder / "source" / "packaging" / "runtime")]
    subprocess.run([*command, "--wheel-dir", str(folder), *sources], check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(wheels: Path) -> Path:
    """All of Lamina."""
    return next(wheels.glob("lamina-*.whl"))


@pytest.fixture(scope="module")
def runtime_wheel(wheels: Path) -> Path:
    """What runs compiled models."""
    return next(wheels.glob("lamina_runtime-*.whl"))


def fresh_environment(wheel: Path, folder: Path) -> Path:
    """The interpreter of an environment that holds the wheel and nothing else."""
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


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh_environment(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def runtime_python(runtime_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh_environment(runtime_wheel, tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def numpy_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the path, in which NumPy is all there is."""
    libraries = tmp_path_factory.mktemp("libraries")
    for name in ("numpy", "numpy.libs"):
        if (SITE_PACKAGES / name).exists():
            (libraries / name).symlink_to(SITE_PACKAGES / name)
    return libraries


@pytest.fixture(scope="module")
def compiled_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = relu(x @ w) of N x 3, in a folder with the model that it was compiled from."""
    folder = tmp_path_factory.mktemp("model")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])
    weights = numpy_helper.from_array(np.diag([1, 2, 3]).astype(np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Relu", ["p"], ["y"])]
    graph = helper.make_graph(nodes, "small", [x], [y], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    lamina.compile(folder / "m.onnx").save(folder / "m.lamina")
    return folder / "m.lamina"


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
from lamina.cli.self_test import SelfTest
print(SelfTest().run(threads=1))
"""
    assert "the results are right" in run(python, SITE_PACKAGES, code)


RUN = """
import importlib.util, lamina, numpy
absent = ("xdsl", "llvmlite", "onnx", "sympy", "rich", "typer", "platformdirs")
assert not [name for name in absent if importlib.util.find_spec(name)]
x = numpy.array([[-1, 1, 2]], numpy.float32)
for threads in (1, 2):
    print(lamina.load(sys.argv[1], threads=threads).run({"x": x})["y"].tolist())
print(lamina.InferenceSession(sys.argv[1]).run(None, {"x": x})[0].tolist())
"""


@pytest.mark.parametrize("environment", ["python", "runtime_python"])
def test_compiled_model_runs_with_numpy_alone(
    environment: str, numpy_alone: Path, compiled_model: Path, request: pytest.FixtureRequest
) -> None:
    python = request.getfixturevalue(environment)
    printed = run(python, numpy_alone, RUN, str(compiled_model))
    assert printed.splitlines() == ["[[0.0, 2.0, 6.0]]"] * 3


def test_runtime_wheel_is_small_and_holds_the_runtime_alone(wheel: Path, runtime_wheel: Path) -> None:
    assert runtime_wheel.stat().st_size < 1_000_000
    archive, whole = zipfile.ZipFile(runtime_wheel), zipfile.ZipFile(wheel)
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {
        name
        for name in whole.namelist()
        if name.startswith(("lamina/as_onnxruntime/", "lamina/runtime/", "lamina/reference/"))
    }
    assert names == {"lamina/__init__.py", "lamina/py.typed", "lamina/replacement.py", *wanted}
    assert all(archive.read(name) == whole.read(name) for name in names)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    assert f"Version: {lamina.__version__}\n" in metadata
    assert [line for line in metadata.splitlines() if line.startswith("Requires-Dist")] == ["Requires-Dist: numpy>=2.0"]
    assert [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]


def test_runtime_wheel_says_what_it_cannot_do(runtime_python: Path, numpy_alone: Path, compiled_model: Path) -> None:
    code = """
import lamina
try:
    lamina.compile(sys.argv[1])
except ImportError as error:
    print(error)
try:
    lamina.InferenceSession(sys.argv[1])
except lamina.LaminaError as error:
    print(error)
"""
    first, second = run(runtime_python, numpy_alone, code, str(compiled_model.with_suffix(".onnx"))).splitlines()
    assert first.startswith("lamina.compile is not part of lamina-runtime") and "install lamina" in first
    assert "this is an ONNX model, and lamina-runtime only runs compiled ones" in second
