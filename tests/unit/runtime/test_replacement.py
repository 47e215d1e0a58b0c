"""``import onnxruntime`` gives Lamina in processes that know nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lamina import as_onnxruntime as ours

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

F32 = TensorProto.FLOAT
PATH = os.environ.get("PYTHONPATH", "")


def model_bytes(operator: str, second: onnx.TensorProto | None = None) -> bytes:
    weights = [] if second is None else [second]
    x = helper.make_tensor_value_info("x", F32, ["N", 64])
    z = helper.make_tensor_value_info("z", F32, ["N", second.dims[-1] if second else 64])
    node = helper.make_node(operator, ["x", *(weight.name for weight in weights)], ["z"])
    graph = helper.make_graph([node], "g", [x], [z], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


PROGRAM = """
import sys
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from onnxruntime.capi import _pybind_state as C
import importlib.metadata, importlib.util
session = onnxruntime.InferenceSession(sys.argv[1])
print(type(session).__module__, issubclass(InvalidArgument, RuntimeError), C.get_device(), onnxruntime.__version__)
assert importlib.util.find_spec("onnxruntime") is not None and importlib.metadata.version("onnxruntime")
"""
SEEN = "lamina.as_onnxruntime.session True CPU 1.32.0"


def process(*arguments: str, **variables: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def program(tmp_path: Path) -> tuple[str, str]:
    ours.ModelCompiler(ours.SessionOptions(), model_bytes("Relu")).compile_to_file(tmp_path / "model.lamina")
    (tmp_path / "program.py").write_text(PROGRAM)
    return str(tmp_path / "program.py"), str(tmp_path / "model.lamina")


def test_a_script_runs_unchanged(program: tuple[str, str]) -> None:
    script, model = program
    assert process("-m", "lamina.as_onnxruntime", script, model) == SEEN
    folder = str(Path(script).parent)
    found = process("-m", "lamina.as_onnxruntime", "-m", "program", model, PYTHONPATH=f"{folder}{os.pathsep}{PATH}")
    assert found == SEEN


def test_a_variable_is_enough(program: tuple[str, str], tmp_path: Path) -> None:
    """The line that ``--install`` writes, in a folder that Python takes such lines from."""
    from lamina.as_onnxruntime.__main__ import _LINE, VARIABLE

    (tmp_path / "sitecustomize.py").write_text(_LINE)
    path = f"{tmp_path}{os.pathsep}{PATH}"
    assert process(*program, PYTHONPATH=path, **{VARIABLE: "1"}) == SEEN
    code = "import onnxruntime; print(onnxruntime.__file__)"
    assert "onnxruntime" in process("-c", code, PYTHONPATH=path, **{VARIABLE: "0"})


def test_wrong_commands_say_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    from lamina.as_onnxruntime.__main__ import main

    assert main([]) == main(["--nonsense"]) == main(["/no/such/script.py"]) == 2
    assert "python -m lamina.as_onnxruntime script.py" in capsys.readouterr().err


REAL_PARTS = """
import sys, numpy, onnx
from onnxruntime.quantization import quantize_dynamic, QuantType
from onnxruntime.quantization.shape_inference import quant_pre_process
import onnxruntime
quant_pre_process(sys.argv[1], sys.argv[2])
quantize_dynamic(sys.argv[2], sys.argv[2], weight_type=QuantType.QInt8)
session = onnxruntime.InferenceSession(sys.argv[2])
y = session.run(None, {"x": numpy.ones((2, 64), numpy.float32)})[0]
print(type(session).__module__, quantize_dynamic.__module__, numpy.abs(y - 64).max() < 1)
"""
ABSENT = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name == "onnxruntime" else find(name, *rest))
import importlib.metadata
found = importlib.metadata.MetadataPathFinder.find_distributions
importlib.metadata.MetadataPathFinder.find_distributions = classmethod(
    lambda cls, context=None: [] if context is not None and context.name == "onnxruntime" else found(context))
import lamina
lamina.replace_onnxruntime()
"""


@pytest.mark.parametrize("installed", [True, False])
def test_quantization_is_that_of_the_package_or_our_own(installed: bool, tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((64, 32), np.float32), "w")
    (tmp_path / "model.onnx").write_bytes(model_bytes("MatMul", weight))
    begin = "import lamina; lamina.replace_onnxruntime()" if installed else ABSENT
    found = process("-c", begin + REAL_PARTS, str(tmp_path / "model.onnx"), str(tmp_path / "narrow.onnx"))
    module = "onnxruntime.quantization.quantize" if installed else "lamina.as_onnxruntime.quantization"
    assert found.splitlines()[-1] == f"lamina.as_onnxruntime.session {module} True"


def test_where_onnxruntime_is_not_installed(program: tuple[str, str]) -> None:
    assert process("-c", ABSENT + PROGRAM, program[1]) == SEEN
    code = """
from onnxruntime.transformers.io_binding_helper import TypeHelper
import numpy, onnxruntime, sys
session = onnxruntime.InferenceSession(sys.argv[1])
print(TypeHelper.get_input_type(session, "x"), TypeHelper.get_io_numpy_type_map(session)["z"].__name__)
"""
    assert process("-c", ABSENT + code, program[1]) == "tensor(float) float32"
