"""Operators of com.microsoft on quantised tensors against onnxruntime: at most one step apart, and that rarely."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

RNG = np.random.default_rng(0)


def integers(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def one(value: float, bits: float = 0.0137) -> np.ndarray:
    """A scale about so large: round ones would give many ties, which engines break by how they compute."""
    return np.asarray(value * (1 + bits * RNG.random()), np.float32)


def zero(dtype: type, value: int) -> np.ndarray:
    return np.asarray(value, dtype)


U, S = np.uint8, np.int8
X, Y = integers(U, 2, 6, 9, 9), integers(U, 2, 6, 9, 9)
SIGNED = integers(S, 2, 6, 9, 9)
A, B = integers(U, 5, 16), integers(S, 16, 7)
COLUMNS, BIAS = RNG.random(7, np.float32) / 9, np.arange(7, dtype=np.int32) * 900

# operator: inputs, attributes
CASES: dict[str, tuple[str, list[np.ndarray | None], dict[str, Any]]] = {
    "add": ("QLinearAdd", [X, one(0.03), zero(U, 120), Y, one(0.02), zero(U, 7), one(0.04), zero(U, 99)], {}),
    "add signed": (
        "QLinearAdd",
        [SIGNED, one(0.1), zero(S, -5), SIGNED[:1, :, :1], one(0.2), zero(S, 0), one(0.3), zero(S, 3)],
        {},
    ),
    "mul": ("QLinearMul", [X, one(0.03), zero(U, 120), Y, one(0.02), zero(U, 7), one(0.1), zero(U, 99)], {}),
    "leaky": ("QLinearLeakyRelu", [X, one(0.03), zero(U, 120), one(0.02), zero(U, 30)], {"alpha": 0.1}),
    "sigmoid": ("QLinearSigmoid", [SIGNED, one(0.05), zero(S, 4), one(1 / 256, 0), zero(S, -128)], {}),
    "softmax": ("QLinearSoftmax", [A, one(0.08), zero(U, 128), one(1 / 256, 0), zero(U, 0)], {"axis": -1, "opset": 13}),
    "average": (
        "QLinearAveragePool",
        [X, one(0.03), zero(U, 120), one(0.02), zero(U, 100)],
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    ),
    "mean": ("QLinearGlobalAveragePool", [X, one(0.03), zero(U, 120), one(0.01), zero(U, 100)], {}),
    "mean of the last": (
        "QLinearGlobalAveragePool",
        [X, one(0.03), zero(U, 120), one(0.01), zero(U, 100)],
        {"channels_last": 1},
    ),
    "concat": (
        "QLinearConcat",
        [one(0.05), zero(U, 110), X, one(0.03), zero(U, 120), Y[:, :2], one(0.07), zero(U, 3)],
        {"axis": 1},
    ),
    "where": (
        "QLinearWhere",
        [X > 100, X, one(0.03), zero(U, 120), Y, one(0.02), zero(U, 7), one(0.04), zero(U, 99)],
        {},
    ),
    "gemm": (
        "QGemm",
        [A, one(0.02), zero(U, 120), B, COLUMNS, np.zeros(7, S), BIAS, one(0.5), zero(U, 90)],
        {},
    ),
    "gemm to floats": (
        "QGemm",
        [A, one(0.02), zero(U, 120), B.T.copy(), one(0.1), zero(S, 4), None],
        {"transB": 1, "alpha": 0.5},
    ),
    "integers to floats": (
        "MatMulIntegerToFloat",
        [A, B, one(0.02), RNG.random(7, np.float32), zero(U, 120), np.zeros(7, S), RNG.random(7, np.float32)],
        {},
    ),
    "dynamic": (
        "DynamicQuantizeMatMul",
        [RNG.standard_normal((5, 16), np.float32), B, RNG.random(7, np.float32), np.zeros(7, S)],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_as_onnxruntime(name: str) -> None:
    operator, inputs, attributes = CASES[name]
    names = ["" if array is None else f"i{index}" for index, array in enumerate(inputs)]
    given = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    fed = {name: array for name, array in given.items() if array.ndim > 1}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in fed.items()
    ]
    node = helper.make_node(operator, names, ["y"], domain="com.microsoft", **attributes)
    kept = [numpy_helper.from_array(np.asarray(array), name) for name, array in given.items() if name not in fed]
    graph = helper.make_graph([node], "g", infos, [helper.make_empty_tensor_value_info("y")], kept)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, fed)
    (found,) = lamina.compile(model).run(fed).values()
    assert found.dtype == expected.dtype
    if expected.dtype == np.float32:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        return
    steps = np.abs(found.astype(int) - expected.astype(int))
    assert steps.max() <= 1
    assert (steps > 0).mean() < 0.02
