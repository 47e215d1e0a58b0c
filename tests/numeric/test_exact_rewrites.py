"""Rewritten arithmetic gives the bits that the model says: those of onnxruntime with its own rewriting off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper


def check(nodes: Sequence[onnx.NodeProto], x: np.ndarray, constants: Mapping[str, np.ndarray]) -> None:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": x})
    found = lamina.compile(model).run({"x": x})["y"]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_floor_of_a_quotient() -> None:
    divisors = np.arange(2, 258, dtype=np.float32)[:, None]
    x = divisors * np.arange(1, 60, dtype=np.float32)
    nodes = [helper.make_node("Div", ["x", "c"], ["d"]), helper.make_node("Floor", ["d"], ["y"])]
    check(nodes, x, {"c": divisors})
    for divisor in (41.0, 0.1, 255.0, 4.0, 0.25, 2.0**-126, 2.0**-127, 2.0**127):
        check(nodes, x, {"c": np.array(divisor, np.float32)})


@pytest.mark.parametrize(("operator", "constant"), [("Add", 0.0), ("Add", -0.0), ("Sub", 0.0), ("Sub", -0.0)])
def test_signs_of_zero(operator: str, constant: float) -> None:
    check([helper.make_node(operator, ["x", "c"], ["y"])], np.array([-0.0, 0.0, 1.5], np.float32), {
        "c": np.array(constant, np.float32)
    })  # fmt: skip


@pytest.mark.parametrize("operators", ["MulMul", "MulDiv", "AddAdd", "AddSub", "DivMul"])
def test_constants_in_a_row(operators: str) -> None:
    """Regrouped, these differ by rounding, or where what is between overflows or vanishes."""
    nodes = [
        helper.make_node(operators[:3], ["x", "c"], ["d"]),
        helper.make_node(operators[3:], ["d", "e"], ["y"]),
    ]
    x = np.array([0.1, 0.7, 1e-3, 1e30, 3e38, -2e38, 16777216.0], np.float32)
    for first, second in ((0.1, 0.3), (1e10, 1e-10), (1e-30, 1e25), (1.0, -1.0), (3.3, 7.7)):
        check(nodes, x, {"c": np.array(first, np.float32), "e": np.array(second, np.float32)})


def test_products_with_a_reciprocal() -> None:
    x = np.arange(1, 200, dtype=np.float32)
    nodes = [
        helper.make_node("Reciprocal", ["x"], ["r"]),
        helper.make_node("Mul", ["x", "r"], ["y"]),
    ]
    check(nodes, x, {})


def test_ties_of_a_quantisation() -> None:
    x = np.arange(-300, 300, dtype=np.float32) * np.float32(0.15)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.FLOAT),
    ]
    check(nodes, x, {"scale": np.array(0.3, np.float32), "zero": np.array(3, np.uint8)})


def test_scales_of_a_dynamic_quantisation() -> None:
    numbers = np.random.default_rng(0)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node("Cast", ["q"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "scale"], ["y"]),
    ]
    for _ in range(20):
        check(nodes, 3 * numbers.standard_normal(50, dtype=np.float32), {})


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("batch", [1, 5])
def test_a_sequence_of_no_steps_ends_in_its_first_state(direction: str, batch: int) -> None:
    numbers = np.random.default_rng(1)
    count, hidden = (2 if direction == "bidirectional" else 1), 20
    shapes = {"w": (count, 4 * hidden, 3), "r": (count, 4 * hidden, hidden)}
    states = {name: numbers.standard_normal((count, batch, hidden), dtype=np.float32) for name in ("h", "c")}
    weights = {name: numbers.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()} | states
    node = helper.make_node(
        "LSTM", ["x", "w", "r", "", "", "h", "c"], ["y", "yh", "yc"], hidden_size=hidden, direction=direction
    )
    for steps in ("steps", 0):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, batch, 3])
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "yh", "yc")]
        constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
        graph = helper.make_graph([node], "g", [x], outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        found = lamina.compile(model).run({"x": np.zeros((0, batch, 3), np.float32)})
        assert found["y"].shape == (0, count, batch, hidden)
        np.testing.assert_array_equal(found["yh"], states["h"])
        np.testing.assert_array_equal(found["yc"], states["c"])


@pytest.mark.parametrize("exponent", [1, 2, 7, 16])
def test_whole_powers_of_integers(exponent: int) -> None:
    """What does not fit is cut off, as in the products that NumPy's power is made of."""
    x = np.array([0, 1, -1, 2, -3, 50, 10**6], np.int64)
    info = helper.make_tensor_value_info("x", TensorProto.INT64, [7])
    node = helper.make_node("Pow", ["x", "c"], ["y"])
    weights = [numpy_helper.from_array(np.array(exponent), "c")]
    graph = helper.make_graph([node], "g", [info], [onnx.ValueInfoProto(name="y")], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    executable = lamina.compile(model, threads=1)
    assert executable.program.segments or exponent == 1
    np.testing.assert_array_equal(executable.run({"x": x})["y"], x**exponent)
