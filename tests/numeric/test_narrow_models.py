"""Models that are f16 or bf16 throughout, as exporters write them: no more stages than in f32, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable

import lamina
import ml_dtypes
import numpy as np
import onnx
import pytest
from lamina.compiler import import_for
from lamina.pipeline import compile_through, module_text
from onnx import helper, numpy_helper

BF16 = np.dtype(ml_dtypes.bfloat16)


class Network:
    """A graph under construction; arrays are rounded to its type."""

    def __init__(self, dtype: np.dtype):
        self.dtype, self.rng = dtype, np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(array, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def weight(self, *shape: int, scale: float = 0.2, offset: float = 0.0) -> str:
        return self.constant((self.rng.standard_normal(shape) * scale + offset).astype(BF16).astype(self.dtype))

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: object) -> str:
        names = [f"v{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0]

    def normalized(self, x: str, channels: int) -> str:
        parameters = [self.weight(channels, offset=offset) for offset in (1.0, 0.0, 0.0)]
        return self.add("BatchNormalization", x, *parameters, self.weight(channels, scale=0.1, offset=1.0))

    def conv(self, x: str, out: int, into: int, size: int) -> str:
        return self.add("Conv", x, self.weight(out, into, size, size), pads=[size // 2] * 4)

    def model(self, result: str, shape: list[int]) -> onnx.ModelProto:
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        inputs = [helper.make_tensor_value_info("x", kind, shape)]
        outputs = [helper.make_tensor_value_info(result, kind, None)]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def normalised_convolutions(dtype: np.dtype) -> onnx.ModelProto:
    net = Network(dtype)
    x = net.add("Relu", net.normalized(net.conv("x", 16, 3, 3), 16))
    x = net.add("Relu", net.normalized(net.conv(x, 32, 16, 1), 32))
    return net.model(net.normalized(net.conv(x, 16, 32, 3), 16), [1, 3, 12, 12])


def dense_blocks(dtype: np.dtype) -> onnx.ModelProto:
    """Features put together, then normalised: each is read again by all layers after."""
    net = Network(dtype)
    features = [net.conv("x", 16, 3, 3)]
    for layer in range(3):
        x = features[0] if layer == 0 else net.add("Concat", *features, axis=1)
        x = net.add("Relu", net.normalized(x, 16 * len(features)))
        features.append(net.conv(x, 16, 16 * len(features), 3))
    return net.model(net.add("GlobalAveragePool", net.add("Concat", *features, axis=1)), [1, 3, 8, 8])


def shuffled_channels(dtype: np.dtype) -> onnx.ModelProto:
    """Half of the channels pass a unit by; then both halves are mixed."""
    net = Network(dtype)
    split, mixed = (net.constant(np.array(shape)) for shape in ([1, 2, 16, 8, 8], [1, 32, 8, 8]))
    ends = [net.constant(np.array([value])) for value in (0, 16, 32, 1)]
    x = net.conv("x", 32, 3, 3)
    for _ in range(2):
        left, right = (net.add("Slice", x, *ends[first : first + 2], ends[3]) for first in (0, 1))
        both = net.add("Concat", left, net.add("Relu", net.conv(right, 16, 16, 1)), axis=1)
        x = net.add("Transpose", net.add("Reshape", both, split), perm=[0, 2, 1, 3, 4])
        x = net.add("Reshape", x, mixed)
    return net.model(net.conv(x, 16, 32, 1), [1, 3, 8, 8])


def heads(dtype: np.dtype) -> onnx.ModelProto:
    """Products whose heads are put side by side where they are written."""
    net = Network(dtype)
    split, joined = (net.constant(np.array(shape)) for shape in ([1, 6, 2, 8], [1, 6, 16]))
    parts, start = [], net.add("Relu", "x")
    for number in range(3):
        x = net.add("Reshape", net.add("MatMul", start, net.weight(16, 16)), split)
        parts.append(net.add("Transpose", x, perm=[0, 2, 3, 1] if number == 1 else [0, 2, 1, 3]))
    scores = net.add("Softmax", net.add("MatMul", *parts[:2]))
    x = net.add("Transpose", net.add("MatMul", scores, parts[2]), perm=[0, 2, 1, 3])
    x = net.add("MatMul", net.add("Reshape", x, joined), net.weight(16, 16))
    return net.model(net.add("Add", x, start), [1, 6, 16])


def stages(model: onnx.ModelProto) -> list[str]:
    module, context = import_for(model, target="avx512")
    text = module_text(compile_through(module, context, stop="schedule"))
    return [line for line in text.splitlines() if "schedule.stage" in line]


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), BF16], ids=["f16", "bf16"])
@pytest.mark.parametrize("make", [normalised_convolutions, dense_blocks, shuffled_channels, heads])
def test_costs_no_more_than_f32(make: Callable[[np.dtype], onnx.ModelProto], dtype: np.dtype) -> None:
    narrow, wide = make(dtype), make(np.dtype(np.float32))
    # Scores of heads are rounded between the products, as the model says: they stay in three kernels.
    assert len(stages(narrow)) == len(stages(wide)) + (2 if make is heads else 0)
    shape = [size.dim_value for size in wide.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    (found,) = lamina.compile(narrow).run({"x": x}).values()
    (expected,) = lamina.compile(wide).run({"x": x.astype(np.float32)}).values()
    assert found.dtype == dtype
    tolerance = 8 * float(ml_dtypes.finfo(dtype).eps) * np.abs(expected).max()
    np.testing.assert_allclose(found.astype(np.float32), expected, rtol=0, atol=tolerance)


def test_normalisation_rounds_no_weights() -> None:
    """It becomes weights of f32: each result is as near to the exact one as its type allows."""
    model = normalised_convolutions(np.dtype(np.float16))
    del model.graph.node[2:]
    model.graph.output[0].name = model.graph.node[-1].output[0]
    x = np.random.default_rng(2).standard_normal((1, 3, 12, 12)).astype(np.float16)
    (found,) = lamina.compile(model).run({"x": x}).values()
    arrays = [numpy_helper.to_array(each).astype(np.float64) for each in model.graph.initializer[:5]]
    w, gamma, beta, mean, variance = arrays
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    sums = np.einsum("nchwij,kcij->nkhw", windows, w)
    scale = (gamma / np.sqrt(variance + 1e-5)).reshape(-1, 1, 1)
    expected = (sums - mean.reshape(-1, 1, 1)) * scale + beta.reshape(-1, 1, 1)
    error = np.abs(found.astype(np.float64) - expected)
    assert (error <= 0.5005 * np.spacing(np.abs(expected).astype(np.float16)).astype(np.float64) + 1e-6).all()
