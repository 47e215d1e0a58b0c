"""Integers of 2 and 4 bits: as initializers, inputs and outputs, cast, quantised and dequantised, and multiplied by."""

from __future__ import annotations

from typing import Any

import lamina
import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)
TYPES = {
    "int4": (TensorProto.INT4, ml_dtypes.int4, -8, 7),
    "uint4": (TensorProto.UINT4, ml_dtypes.uint4, 0, 15),
    "int2": (TensorProto.INT2, ml_dtypes.int2, -2, 1),
    "uint2": (TensorProto.UINT2, ml_dtypes.uint2, 0, 3),
}
F = TensorProto.FLOAT


def model(nodes: list[onnx.NodeProto], x: Any, y: Any, constants: dict[str, onnx.TensorProto]) -> onnx.ModelProto:
    for name, tensor in constants.items():
        tensor.name = name
    inputs, outputs = ([helper.make_tensor_value_info(*value)] for value in (x, y))
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=13)


def small(kind: str, *shape: int) -> onnx.TensorProto:
    _, dtype, low, high = TYPES[kind]
    return numpy_helper.from_array(RNG.integers(low, high, shape, endpoint=True).astype(dtype), "")


def floats(*shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array((RNG.random(shape, np.float32) + 0.5) / 16, "")


def stored(tensor: onnx.TensorProto) -> np.ndarray:
    return numpy_helper.to_array(tensor).astype(np.int32)


def run(built: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    (found,) = lamina.compile(built, threads=1).run({"x": x}).values()
    return found


# kind, shape of weights, axis of blocks, block, zero points, how the product reads them
PRODUCTS = {
    "int4 in blocks": ("int4", (64, 24), 0, 32, False, "matmul"),
    "uint4 in blocks with zero points": ("uint4", (64, 24), 0, 16, True, "matmul"),
    "transposed": ("int4", (24, 64), 1, 32, True, "transpose"),
    "gemm": ("uint4", (24, 64), 1, 64, False, "gemm"),
    "a scale a column": ("int4", (96, 24), 1, 0, False, "matmul"),
    "two bits": ("int2", (64, 24), 0, 16, False, "matmul"),
    "blocks along columns": ("int4", (64, 32), 1, 16, False, "matmul"),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_weights(name: str) -> None:
    kind, shape, axis, block, has_zeros, way = PRODUCTS[name]
    scales = [size // block if at == axis and block else size for at, size in enumerate(shape)]
    scales = scales if block else [shape[axis]]
    constants = {"w": small(kind, *shape), "s": floats(*scales)}
    if has_zeros:
        constants["z"] = small(kind, *scales)
    attributes = {"block_size": block} if block else {}
    nodes = [helper.make_node("DequantizeLinear", list(constants), ["d"], axis=axis, **attributes)]
    last = {
        "matmul": [helper.make_node("MatMul", ["x", "d"], ["y"])],
        "transpose": [helper.make_node("Transpose", ["d"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])],
        "gemm": [helper.make_node("Gemm", ["x", "d"], ["y"], transB=1)],
    }[way]
    depth, columns = shape if way == "matmul" else shape[::-1]
    built = model([*nodes, *last], ("x", F, ["N", depth]), ("y", F, ["N", columns]), constants)
    x = RNG.standard_normal((5, depth)).astype(np.float32)
    parts = [stored(constants["w"]), numpy_helper.to_array(constants["s"])]
    zeros = stored(constants["z"]) if has_zeros else np.zeros_like(parts[1], np.int32)
    spread = (lambda part: np.repeat(part, block, axis)) if block else (lambda part: part)
    weights = (parts[0] - spread(zeros)) * spread(parts[1]).astype(np.float64)
    want = x @ (weights if way == "matmul" else weights.T)
    np.testing.assert_allclose(run(built, x), want, rtol=0, atol=3e-6 * np.abs(want).max())


@pytest.mark.parametrize("kind", TYPES)
def test_quantise(kind: str) -> None:
    """Cut to the range of the type; read back as such, or as bytes where it is an output."""
    code, _, low, high = TYPES[kind]
    zero = small(kind)
    constants = {"s": numpy_helper.from_array(np.float32(0.3), ""), "z": zero}
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    x = (RNG.standard_normal((7, 9)) * 4).astype(np.float32)
    want = np.clip(np.rint(x / np.float32(0.3)) + stored(zero), low, high)
    found = run(model([node], ("x", F, [7, 9]), ("y", code, [7, 9]), constants), x)
    assert found.dtype.itemsize == 1
    np.testing.assert_array_equal(found, want)
    told = helper.make_node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=code)
    found = run(model([told], ("x", F, [7, 9]), ("y", code, [7, 9]), {"s": constants["s"]}), x)
    np.testing.assert_array_equal(found, np.clip(np.rint(x / np.float32(0.3)), low, high))


@pytest.mark.parametrize("kind", TYPES)
def test_cast(kind: str) -> None:
    code, _, low, high = TYPES[kind]
    nodes = [helper.make_node("Cast", ["x"], ["c"], to=code), helper.make_node("Cast", ["c"], ["y"], to=F)]
    x = RNG.integers(-300, 300, (50,)).astype(np.int32)
    found = run(model(nodes, ("x", TensorProto.INT32, [50]), ("y", F, [50]), {}), x)
    np.testing.assert_array_equal(found, (x - low) % (high - low + 1) + low)
    # As an input: bytes.
    bytes_ = RNG.integers(low, high, (50,), endpoint=True).astype(np.int8 if low else np.uint8)
    found = run(model([helper.make_node("Cast", ["x"], ["y"], to=F)], ("x", code, [50]), ("y", F, [50]), {}), bytes_)
    np.testing.assert_array_equal(found, bytes_)
