"""Operators of several steps on f16 and bf16, against their formulae in float64: no step overflows, all round once.

Numbers are about 300, whose squares f16 does not hold, and epsilons are 1e-12, which is 0 in f16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lamina
import ml_dtypes
import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.pipeline import compile_through, module_text
from onnx import helper, numpy_helper

_rng = np.random.default_rng(7)
_SHAPE = (2, 8, 3, 5)
X = _rng.uniform(200, 400, _SHAPE) * _rng.choice([-1, 1], _SHAPE)
SCALE, BIAS, MEAN, VARIANCE = (_rng.uniform(low, high, 8) for low, high in ((0.5, 2), (-2, 2), (-300, 300), (200, 400)))
ROW = _rng.uniform(0.5, 2, 5)
SMALL = X / 100
EPSILON = 1e-12
Q, K = _rng.standard_normal((2, 1, 2, 6, 8)) * 4
V = _rng.uniform(200, 400, (1, 2, 6, 8))
MASK = _rng.standard_normal((6, 6))


@dataclass
class Case:
    operator: str
    inputs: list[np.ndarray]
    formula: Callable[..., np.ndarray]
    attributes: dict[str, Any] = field(default_factory=dict)
    domain: str = ""


def standardised(x: np.ndarray, *axes: int) -> np.ndarray:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPSILON)


def per_channel(values: np.ndarray) -> np.ndarray:
    return values[:, None, None]


def groups(x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return standardised(x.reshape(2, 4, -1), 2).reshape(x.shape) * per_channel(scale) + per_channel(bias)


def root_mean_square(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * scale


def neighbours(x: np.ndarray) -> np.ndarray:
    squares = np.pad(x * x, [(0, 0), (1, 1), (0, 0), (0, 0)])
    return x / (EPSILON + (squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]) / 3) ** 0.75


def windows(x: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, (2, 2), (2, 3))


def log_sum_exp(x: np.ndarray) -> np.ndarray:
    largest = x.max(1, keepdims=True)
    return np.log(np.exp(x - largest).sum(1, keepdims=True)) + largest


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | float = 0.0) -> np.ndarray:
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(8) + np.where(np.tri(6), 0, -np.inf) + mask
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True) @ v


_EPSILON = {"epsilon": EPSILON}
_MICROSOFT = "com.microsoft"
CASES = [
    Case("InstanceNormalization", [X, SCALE, BIAS],
         lambda x, s, b: standardised(x, 2, 3) * per_channel(s) + per_channel(b), _EPSILON),
    Case("GroupNormalization", [X, SCALE, BIAS], groups, {"num_groups": 4, **_EPSILON}),
    Case("BatchNormalization", [X, SCALE, BIAS, MEAN, VARIANCE],
         lambda x, s, b, m, v: (x - per_channel(m)) / per_channel(np.sqrt(v + EPSILON) / s) + per_channel(b), _EPSILON),
    Case("LayerNormalization", [X, ROW], lambda x, s: standardised(x, -1) * s, _EPSILON),
    Case("RMSNormalization", [X, ROW], root_mean_square, _EPSILON),
    Case("SimplifiedLayerNormalization", [X, ROW], root_mean_square, _EPSILON, _MICROSOFT),
    Case("SkipSimplifiedLayerNormalization", [X[0], X[1], ROW],
         lambda x, skip, s: root_mean_square(x + skip, s), _EPSILON, _MICROSOFT),
    Case("SkipLayerNormalization", [X[0], X[1], ROW],
         lambda x, skip, s: standardised(x + skip, -1) * s, _EPSILON, _MICROSOFT),
    Case("MeanVarianceNormalization", [X], lambda x: standardised(x, 0, 2, 3)),
    Case("LpNormalization", [X], lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)), {"axis": 1}),
    Case("LRN", [X], neighbours, {"size": 3, "alpha": 1.0, "bias": EPSILON}),
    Case("ReduceL2", [X], lambda x: np.sqrt((x * x).sum(keepdims=True))),
    Case("ReduceSumSquare", [X / 60], lambda x: (x * x).sum(keepdims=True)),
    Case("ReduceLogSum", [np.abs(X) * 100], lambda x: np.log(x.sum(keepdims=True))),
    Case("ReduceLogSumExp", [X], lambda x: np.log(np.exp(x).sum(keepdims=True))),
    Case("ReduceMean", [np.abs(X) * 100], lambda x: x.mean(keepdims=True)),
    Case("ReduceSum", [X], lambda x: x.sum(keepdims=True)),
    Case("LpPool", [X], lambda x: np.sqrt((windows(x) ** 2).sum((-1, -2))), {"kernel_shape": [2, 2]}),
    Case("LpPool", [X], lambda x: np.cbrt((abs(windows(x)) ** 3).sum((-1, -2))), {"kernel_shape": [2, 2], "p": 3}),
    Case("GlobalLpPool", [X], lambda x: np.sqrt((x * x).sum((2, 3), keepdims=True))),
    Case("AveragePool", [np.abs(X) * 100], lambda x: windows(x).mean((-1, -2)), {"kernel_shape": [2, 2]}),
    Case("GlobalAveragePool", [np.abs(X) * 100], lambda x: x.mean((2, 3), keepdims=True)),
    Case("Softmax", [X], lambda x: np.exp(x - log_sum_exp(x)), {"axis": 1}),
    Case("LogSoftmax", [SMALL], lambda x: x - log_sum_exp(x), {"axis": 1}),
    Case("Attention", [Q, K, V], attention, {"is_causal": 1}),
    Case("Attention", [Q, K, V, MASK], attention, {"is_causal": 1}),
    Case("Sum", [X * 100, X * 100, X * -160], lambda a, b, c: a + b + c),
    Case("Mean", [X * 100, X * 100, X * -160], lambda a, b, c: (a + b + c) / 3),
    Case("Gemm", [X[0, 0], X[0, 0].T], lambda a, b: np.float32(0.01) * (a @ b), {"alpha": 0.01}),
    Case("Elu", [SMALL], lambda x: np.where(x > 0, x, 3 * np.expm1(x)), {"alpha": 3.0}),
    Case("HardSwish", [SMALL], lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    Case("LeakyRelu", [X], lambda x: np.where(x > 0, x, x * np.float32(0.01)), {"alpha": 0.01}),
    Case("Mish", [SMALL], lambda x: x * np.tanh(np.log1p(np.exp(x)))),
]  # fmt: skip


# Since opset 28 it is for all floats; Attention must still be found in a later opset than the one that defines it.
RECENT_CASES = [
    Case("Celu", [SMALL], lambda x: np.maximum(x, 0) + np.minimum(0, 2 * np.expm1(x / 2)), {"alpha": 2.0}),
    *(case for case in CASES if case.operator == "Attention"),
]


def outputs_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return lamina.compile(model).run({"zero": np.zeros(1, np.float32)})


def model_of(cases: list[Case], dtype: np.dtype, opset: int) -> onnx.ModelProto:
    """All cases in one graph. Their inputs are weights plus an input of zero, so that none is folded."""
    nodes, weights, kind = [], [], helper.np_dtype_to_tensor_dtype(dtype)
    nodes.append(helper.make_node("Cast", ["zero"], ["narrow_zero"], to=kind))
    for index, case in enumerate(cases):
        names = [f"x{index}_{place}" for place in range(len(case.inputs))]
        for name, values in zip(names, case.inputs):
            weights.append(numpy_helper.from_array(values.astype(dtype), f"{name}_weight"))
            nodes.append(helper.make_node("Add", [f"{name}_weight", "narrow_zero"], [name]))
        nodes.append(helper.make_node(case.operator, names, [f"y{index}"], domain=case.domain, **case.attributes))
    outputs = [helper.make_tensor_value_info(f"y{index}", kind, None) for index in range(len(cases))]
    inputs = [helper.make_tensor_value_info("zero", onnx.TensorProto.FLOAT, [1])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


OPSETS = [23] if onnx.defs.onnx_opset_version() < 28 else [23, 28]


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["f16", "bf16"])
def test_results_are_rounded_once(dtype: Any, opset: int) -> None:
    cases = CASES if opset == 23 else RECENT_CASES
    results = outputs_of(model_of(cases, np.dtype(dtype), opset))
    wrong = {}
    for index, case in enumerate(cases):
        expected = case.formula(*(values.astype(dtype).astype(np.float64) for values in case.inputs))
        found = results[f"y{index}"]
        assert found.dtype == dtype and found.shape == expected.shape, case.operator
        # Half a unit in the last place, and what f32 adds to it where cancellation leaves a small number.
        spacing = np.spacing(np.abs(expected).astype(dtype)).astype(np.float64)
        excess = np.abs(found.astype(np.float64) - expected) - 0.502 * spacing
        if not excess.max() <= 2e-6:
            wrong[f"{case.operator} ({index})"] = excess.max()
    assert not wrong


@pytest.mark.parametrize(("of_x", "of_scale"), [("f4", "f2"), ("f2", "f4"), ("f8", "f4")])
def test_the_scale_gives_the_type(of_x: str, of_scale: str) -> None:
    x, scale = X[0, 0].astype(of_x), ROW.astype(of_scale)
    types = [helper.np_dtype_to_tensor_dtype(values.dtype) for values in (x, scale)]
    inputs = [
        helper.make_tensor_value_info("x", types[0], [3, 5]),
        helper.make_tensor_value_info("scale", types[1], [5]),
    ]
    node = helper.make_node("RMSNormalization", ["x", "scale"], ["y"])
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", types[1], None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    found = lamina.compile(model).run({"x": x, "scale": scale})["y"]
    assert found.dtype == scale.dtype
    expected = root_mean_square(x.astype(np.float64), scale.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=6e-4 if of_scale == "f2" else 1e-6)


def test_large_weights_are_widened_when_the_model_is_compiled() -> None:
    """Whatever that adds to the model, where many rows multiply them: widening them in each run would take time."""
    weights = np.ones((1500, 1500), np.float16)
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT16, [300, 1500])]
    outputs = [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT16, None)]
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"]), helper.make_node("Gemm", ["y", "w"], ["z"])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    context = CompilerContext()
    module = compile_through(import_model(model, context=context), context, stop="kernel")
    text = module_text(module)
    assert text.count("kernel.constant") == 1 and "1500 x 1500 x f16" not in text


def test_dequantised_numbers_are_larger_than_f16() -> None:
    x = np.array([100_000, -70_000, 3, 2**20], np.int32)
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.INT32, [4])]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT16, [4])]
    scale = np.array(0.001, np.float16)
    node = helper.make_node("DequantizeLinear", ["x", "scale"], ["y"])
    graph = helper.make_graph([node], "g", inputs, outputs, [numpy_helper.from_array(scale, "scale")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    found = lamina.compile(model).run({"x": x})["y"]
    np.testing.assert_array_equal(found, (x * scale.astype(np.float64)).astype(np.float16))


def test_scattered_sums_are_wide() -> None:
    count = 3000
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT16, [count])]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT16, [1])]
    weights = {"start": np.zeros(1, np.float16), "places": np.zeros(count, np.int64)}
    node = helper.make_node("ScatterElements", ["start", "places", "x"], ["y"], reduction="add")
    initializers = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph([node], "g", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    found = lamina.compile(model).run({"x": np.ones(count, np.float16)})["y"]
    np.testing.assert_array_equal(found, [count])
