"""Casts of numbers that the integer type does not hold: one result, folded or run, on vectors or single elements."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.reference.elementwise import float_to_integer
from onnx import TensorProto, helper, numpy_helper

NUMBERS = np.array(
    [0, -1, -1.5, 1.9, 300, -129, 65536.5, 2147483520, -2147483648, 4294967040, 3e9, -3e9, 5e9, 9.3e18, 1e19, 2e19,
     -1e19, np.nan, np.inf, -np.inf],
    np.float32,
)  # fmt: skip
INTEGERS = ["INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64"]


def cast_model(source: int, target: int, constant: bool) -> onnx.ModelProto:
    nodes = [helper.make_node("Cast", ["x"], ["a"], to=source), helper.make_node("Cast", ["a"], ["y"], to=target)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [len(NUMBERS)])
    y = helper.make_tensor_value_info("y", target, [len(NUMBERS)])
    constants = [numpy_helper.from_array(NUMBERS, "x")] if constant else []
    graph = helper.make_graph(nodes, "g", [] if constant else [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"])
def test_folded_as_run(source: str, target: str) -> None:
    types = getattr(TensorProto, source), getattr(TensorProto, target)
    run = lamina.compile(cast_model(*types, constant=False)).run({"x": NUMBERS})["y"]
    folded = lamina.compile(cast_model(*types, constant=True)).run({})["y"]
    np.testing.assert_array_equal(run, folded)


@pytest.mark.parametrize(
    ("number", "target", "expected"),
    [
        (-1.5, np.uint32, 2**32 - 1),
        (-1.5, np.uint64, 2**64 - 1),
        (1e19, np.uint64, 10**19),
        (300.7, np.uint8, 44),
        (np.nan, np.int32, -(2**31)),
        (np.nan, np.uint32, 0),
        (np.inf, np.int64, -(2**63)),
        (-128.9, np.int8, -128),
    ],
)
def test_by_definition(number: float, target: type, expected: int) -> None:
    assert int(float_to_integer(np.float64(number), np.dtype(target))) == expected


def test_pads_cut_before_they_repeat() -> None:
    """As onnxruntime, and NumPy of what is left; also where the pads are computed."""
    x = np.arange(1, 6, dtype=np.float32)
    for mode in ("reflect", "wrap", "edge"):
        for pads in ((-2, 2), (2, -2), (-1, 1), (1, -3), (-3, 1), (3, -1)):
            before, after = pads
            left = x[max(-before, 0) : len(x) + min(after, 0)]
            amounts = (max(before, 0), max(after, 0))
            expected = np.pad(left, amounts, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]
            for size, computed in ((5, False), ("N", False), (5, True)):
                inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size])]
                constants = [] if computed else [numpy_helper.from_array(np.array(pads), "p")]
                inputs += [helper.make_tensor_value_info("p", TensorProto.INT64, [2])] if computed else []
                y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
                node = helper.make_node("Pad", ["x", "p"], ["y"], mode=mode)
                graph = helper.make_graph([node], "g", inputs, [y], constants)
                model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
                feeds = {"x": x, "p": np.array(pads)} if computed else {"x": x}
                np.testing.assert_array_equal(lamina.compile(model).run(feeds)["y"], expected, str((mode, pads, size)))


@pytest.mark.parametrize("rows", [0, 2])
def test_dynamic_quantisation_of_nothing_and_of_zeros(rows: int) -> None:
    """onnxruntime's scale of 1; the specification's formula would divide by 0."""
    outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in ("y", "scale", "zero")]
    for output, type_ in zip(outputs, (TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8), strict=True):
        output.type.tensor_type.elem_type = type_
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"])
    graph = helper.make_graph([node], "g", [x], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = lamina.compile(model).run({"x": np.zeros((rows, 3), np.float32)})
    np.testing.assert_array_equal(found["y"], np.zeros((rows, 3), np.uint8))
    assert (found["scale"], found["zero"]) == (1, 0)
