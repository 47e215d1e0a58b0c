"""Operators that programs define: by a graph, a NumPy function, the code of an element, and in packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from lamina.custom_operators import TensorType
from lamina.errors import InvalidModelError, UnsupportedOperatorError
from lamina.frontend import registry
from lamina.lowering.graph_to_kernel.custom import ELEMENT_CODE
from lamina.reference.custom import NUMPY_FUNCTIONS
from onnx import TensorProto, helper
from xdsl.dialects import arith

F32 = TensorProto.FLOAT
DOMAIN = "test.domain"


@pytest.fixture(autouse=True)
def forgotten():
    """What a test defines is gone after it."""
    yield
    for table in (registry._CONVERTERS, NUMPY_FUNCTIONS, ELEMENT_CODE):
        for key in list(table):
            if DOMAIN in str(key):
                del table[key]


def model(nodes: list[Any], outputs: int = 1, shape: Any = ("N", 4), domain: str = DOMAIN) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", F32, shape)
    results = [helper.make_empty_tensor_value_info(f"y{number}") for number in range(outputs)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    graph = helper.make_graph(nodes, "g", [x], results)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def custom(name: str, inputs: Any = ("x",), outputs: Any = ("y0",), **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(name, list(inputs), list(outputs), domain=DOMAIN, name="mine", **attributes)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_by_a_graph(rows: int) -> None:
    """Several results, an operator that gives two itself, weights, numbers, an optional input."""

    @lamina.custom_operator(DOMAIN, "Parts").graph
    def _(ops: Any, x: Any, bias: Any = None, scale: float = 1.0) -> Any:
        assert bias is None
        left, right = ops.Split(x, np.array([1, 3]), axis=1, outputs=2)
        return ops.Clip(ops.Mul(left, scale), 0.0, None), ops.MatMul(right, np.ones((3, 2), np.float32))

    executable = lamina.compile(model([custom("Parts", ("x", ""), ("y0", "y1"), scale=3.0)], outputs=2))
    x = np.random.default_rng(rows).standard_normal((rows, 4), dtype=np.float32)
    found = executable.run({"x": x})
    np.testing.assert_allclose(found["y0"], np.maximum(x[:, :1] * np.float32(3), 0), rtol=1e-6)
    np.testing.assert_allclose(found["y1"], x[:, 1:] @ np.ones((3, 2), np.float32), rtol=1e-5, atol=1e-6)


def test_by_a_numpy_function() -> None:
    """Results of other types, one of a size that only the function tells, which the compiled part goes on with."""

    def types(x: TensorType, least: float) -> list[TensorType]:
        return [x.with_shape([None]), x.with_dtype(np.int64).with_shape([x.shape[0] + 1])]

    @lamina.custom_operator(DOMAIN, "Pick").numpy(result=types)
    def _(x: np.ndarray, least: float) -> Any:
        return x[x > least], np.arange(x.shape[0] + 1)

    nodes = [custom("Pick", outputs=("picked", "y1"), least=0.5), helper.make_node("Exp", ["picked"], ["y0"])]
    executable = lamina.compile(model(nodes, outputs=2))
    for rows in (3, 0, 1):
        x = np.random.default_rng(rows).standard_normal((rows, 4), dtype=np.float32)
        found = executable.run({"x": x})
        np.testing.assert_allclose(found["y0"], np.exp(x[x > 0.5]), rtol=1e-6)
        np.testing.assert_array_equal(found["y1"], np.arange(rows + 1))


@pytest.mark.parametrize("threads", [1, 2])
def test_by_the_code_of_an_element(threads: int) -> None:
    operator = lamina.custom_operator(DOMAIN, "Blend")

    @operator.numpy
    def _(x: np.ndarray, y: np.ndarray, share: float = 0.5) -> np.ndarray:
        return x + np.float32(share) * (y - x)

    @operator.element
    def _(code: Any, x: Any, y: Any, share: float = 0.5) -> Any:
        step = code.emit(arith.MulfOp, code.emit(arith.SubfOp, y, x), code.constant(share, x.type))
        return code.emit(arith.AddfOp, x, step)

    nodes = [helper.make_node("Relu", ["x"], ["r"]), custom("Blend", ("x", "r"), share=0.25)]
    executable = lamina.compile(model(nodes), threads=threads)
    (segment,) = executable.program.segments.values()
    assert len(segment.stages) == 1
    x = np.random.default_rng(0).standard_normal((7, 4), dtype=np.float32)
    expected = x + np.float32(0.25) * (np.maximum(x, 0) - x)
    np.testing.assert_allclose(executable.run({"x": x})["y0"], expected, rtol=1e-6, atol=1e-6)


def test_definitions_that_fail_are_named() -> None:
    operator = lamina.custom_operator(DOMAIN, "Fails")

    @operator.graph
    def broken(ops: Any, x: Any) -> Any:
        return x.nothing_of_this_name

    with pytest.raises(UnsupportedOperatorError, match=r"'mine'.*the operator's definition, .*broken, failed: Attrib"):
        lamina.compile(model([custom("Fails")]))
    with pytest.raises(InvalidModelError, match=r"'mine'.*does not take 1 inputs and the attributes \['axis'\]"):
        lamina.compile(model([custom("Fails", axis=1)]))
    with pytest.raises(lamina.LaminaError, match="ONNX itself"):
        lamina.custom_operator("", "Relu")
    with pytest.raises(lamina.LaminaError, match="say first what it computes"):
        lamina.custom_operator(DOMAIN, "Nothing").element(broken)


PACKAGE = """
import lamina
import numpy as np

@lamina.custom_operator("offered.domain", "Reverse").numpy
def _(x):
    return x[:, ::-1]
"""
PROGRAM = """
import sys
import lamina
import numpy as np
print(lamina.load(sys.argv[1]).run({"x": np.array([[1, 2, 3, 4]], np.float32)})["y0"].tolist())
"""


def test_a_package_offers_operators(tmp_path: Path) -> None:
    """To a process that compiles a model with one, and to another that loads it; neither imports the package."""
    (tmp_path / "offering.py").write_text(PACKAGE)
    info = tmp_path / "offering-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lamina.operators]\noffering = offering\n")
    node = helper.make_node("Reverse", ["x"], ["y0"], domain="offered.domain")
    onnx.save(model([node], domain="offered.domain"), tmp_path / "model.onnx")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    compiled = str(tmp_path / "model.lamina")
    run("-m", "lamina.cli.lamina", "compile", str(tmp_path / "model.onnx"), "-o", compiled)
    assert run("-c", PROGRAM, compiled) == "[[4.0, 3.0, 2.0, 1.0]]"


def test_a_compiled_file_says_what_is_missing(tmp_path: Path) -> None:
    @lamina.custom_operator(DOMAIN, "Lost").numpy
    def _(x: np.ndarray) -> np.ndarray:
        return x

    executable = lamina.compile(model([custom("Lost")]))
    executable.run({"x": np.ones((1, 4), np.float32)})
    del NUMPY_FUNCTIONS[f"{DOMAIN}::Lost"]
    with pytest.raises(lamina.ExecutionError, match=r"test.domain::Lost .* nobody has defined here: import the module"):
        executable.run({"x": np.ones((1, 4), np.float32)})
