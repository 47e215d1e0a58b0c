"""Networks between QuantizeLinear and DequantizeLinear: at most one step from onnxruntime, and that rarely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina
import numpy as np
import onnxruntime
import pytest
from lamina.compiler import import_for
from lamina.dialects import graph
from lamina.dialects.graph.types import f32, i8, i32, ui8
from lamina.pipeline import compile_through
from onnx import ModelProto, TensorProto, helper, numpy_helper
from xdsl.dialects.func import FuncOp

U, S = np.uint8, np.int8
TYPES = {U: TensorProto.UINT8, S: TensorProto.INT8, np.int16: TensorProto.INT16}


class Network:
    """A model of opset 21, written node by node; each method gives the name of its result."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.feeds: dict[str, np.ndarray] = {}

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def scale(self, value: float, *shape: int) -> np.ndarray:
        """Numbers about so large: round ones would give many ties, which engines break by how they compute."""
        return np.asarray(value * (1 + 0.3 * self.random.random(shape)), np.float32)

    def input(self, *shape: int, scale: float = 0.03, zero: int = 120, dtype: type = U) -> str:
        """An input that is quantised from real numbers, and dequantised."""
        name = f"x{len(self.feeds)}"
        self.feeds[name] = self.random.normal(0, scale * 60, shape).astype(np.float32)
        return self.through(name, scale, zero, dtype)

    def through(self, x: str, scale: float, zero: int, dtype: type = U) -> str:
        """x quantised and dequantised."""
        parameters = [self.constant(self.scale(scale)), self.constant(np.asarray(zero, dtype))]
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, *parameters), *parameters)

    def weights(self, *shape: int, axis: int | None = None, dtype: type = S, zero: int = 0) -> str:
        """Dequantised constants, with a scale for each index of an axis or one for all."""
        limits = np.iinfo(dtype)
        array = self.random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
        count = () if axis is None else (shape[axis],)
        self.weight_scale = self.scale(0.01, *count)
        parameters = [self.constant(self.weight_scale), self.constant(np.full(count, zero, dtype))]
        return self.op(
            "DequantizeLinear", self.constant(array), *parameters, **({} if axis is None else {"axis": axis})
        )

    def bias(self, count: int) -> str:
        """Real numbers."""
        return self.constant(self.random.normal(0, 2, count).astype(np.float32))

    def integer_bias(self, x: str, count: int) -> str:
        """Integers of the scale of x times that of the last weights."""
        given = next(node for node in self.nodes if node.output[0] == x).input[1]
        scale = next(numpy_helper.to_array(c) for c in self.constants if c.name == given) * self.weight_scale
        integers = self.random.integers(-3000, 3000, count, np.int32)
        zero = self.constant(np.zeros(scale.shape, np.int32))
        return self.op("DequantizeLinear", self.constant(integers), self.constant(scale), zero, axis=0)

    def model(self, y: str, *, quantised: tuple[float, int, type] | None) -> ModelProto:
        element = TensorProto.FLOAT
        if quantised is not None:
            scale, zero, dtype = quantised
            y = self.op("QuantizeLinear", y, self.constant(self.scale(scale)), self.constant(np.asarray(zero, dtype)))
            element = TYPES[dtype]
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n, x in self.feeds.items()]
        result = helper.make_tensor_value_info(y, element, None)
        graph = helper.make_graph(self.nodes, "network", inputs, [result], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def conv(n: Network) -> str:
    x, w = n.input(1, 16, 20, 20), n.weights(24, 16, 3, 3, axis=0)
    return n.op("Relu", n.op("Conv", x, w, n.integer_bias(x, 24), pads=[1, 1, 1, 1]))


def conv_unsigned(n: Network) -> str:
    x, w = n.input(1, 8, 20, 20, zero=0), n.weights(24, 8, 3, 3, dtype=U, zero=101)
    y = n.op("Conv", x, w, n.bias(24), pads=[1, 1, 1, 1], strides=[2, 2])
    return n.op("Clip", y, n.constant(np.float32(0)), n.constant(np.float32(6)))


def conv_depthwise(n: Network) -> str:
    x, w = n.input(1, 32, 20, 20, dtype=S, zero=-9), n.weights(32, 1, 3, 3, axis=0)
    return n.op("Conv", x, w, n.integer_bias(x, 32), pads=[1, 1, 1, 1], group=32)


def conv_transposed(n: Network) -> str:
    return n.op("ConvTranspose", n.input(1, 8, 9, 9), n.weights(8, 12, 3, 3), n.bias(12), strides=[2, 2])


def gemm(n: Network) -> str:
    x, w = n.input(40, 64, dtype=S, zero=3), n.weights(48, 64, axis=0)
    return n.op("Gemm", x, w, n.integer_bias(x, 48), transB=1)


def matmul_bias(n: Network) -> str:
    return n.op("Add", n.op("MatMul", n.input(2, 40, 64), n.weights(64, 48, axis=1)), n.bias(48))


def matmul_heads(n: Network) -> str:
    """As in attention: both factors are computed, one by way of views."""
    q, k = n.input(2, 3, 40, 32), n.input(2, 40, 96, zero=99)
    k = n.op("Reshape", k, n.constant(np.array([2, 40, 3, 32])))
    return n.op("MatMul", q, n.op("Transpose", k, perm=[0, 2, 3, 1]))


def add(n: Network) -> str:
    return n.op("Relu", n.op("Add", n.input(1, 32, 20, 20), n.input(1, 32, 20, 20, scale=0.05, zero=7)))


def multiply(n: Network) -> str:
    return n.op("Mul", n.input(1, 32, 20, 20), n.input(1, 32, 1, 1, scale=0.05, zero=7))


def concat(n: Network) -> str:
    return n.op("Concat", n.input(1, 32, 20, 20), n.input(1, 8, 20, 20, scale=0.05, zero=7, dtype=U), axis=1)


def max_pool(n: Network) -> str:
    return n.op("MaxPool", n.input(1, 32, 20, 20), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])


def max_pool_signed(n: Network) -> str:
    x = n.input(1, 7, 20, 20, dtype=S, zero=-30)
    return n.op("MaxPool", x, kernel_shape=[2, 3], pads=[1, 0, 0, 1], dilations=[2, 1])


def average_pool(n: Network) -> str:
    return n.op("AveragePool", n.input(1, 32, 20, 20), kernel_shape=[3, 3], strides=[1, 1])


def global_pool(n: Network) -> str:
    return n.op("Flatten", n.op("GlobalAveragePool", n.input(40, 64, 7, 7)))


def resize(n: Network) -> str:
    x, scales = n.input(1, 16, 9, 9), n.constant(np.array([1, 1, 2, 2], np.float32))
    return n.op(
        "Resize", x, "", scales, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
    )


def resize_linear(n: Network) -> str:
    return n.op("Resize", n.input(1, 16, 9, 9), "", n.constant(np.array([1, 1, 2, 2], np.float32)), mode="linear")


def requantised(n: Network) -> str:
    return n.op("Transpose", n.input(1, 32, 20, 20), perm=[0, 2, 3, 1])


def sigmoid(n: Network) -> str:
    return n.op("Sigmoid", n.input(1, 32, 20, 20))


def hard_swish(n: Network) -> str:
    return n.op("HardSwish", n.input(1, 32, 20, 20))


def softmax(n: Network) -> str:
    return n.op("Softmax", n.input(100, 64), axis=-1)


def block(n: Network) -> str:
    """Two convolutions, a sum, a pool: each result quantised."""
    x = n.input(1, 16, 20, 20)
    w = n.weights(16, 16, 3, 3, axis=0)
    y = n.op("Relu", n.op("Conv", x, w, n.integer_bias(x, 16), pads=[1, 1, 1, 1]))
    y = n.through(y, 0.4, 0)
    w = n.weights(16, 16, 1, 1)
    z = n.through(n.op("Conv", y, w, n.integer_bias(y, 16)), 1.2, 130)
    z = n.through(n.op("Relu", n.op("Add", z, x)), 0.7, 0)
    return n.op("MaxPool", z, kernel_shape=[2, 2], strides=[2, 2])


def split(n: Network) -> str:
    """Whole blocks of channels, and parts of them."""
    x = n.input(1, 16, 12, 12)
    y = n.through(n.op("Conv", x, n.weights(96, 16, 1, 1), n.integer_bias(x, 96)), 0.5, 128)
    parts = [
        n.op("Slice", y, *(n.constant(np.array([k])) for k in (a, b, 1))) for a, b in ((0, 32), (32, 64), (64, 90))
    ]
    ends = []
    for part, channels in zip(parts, (32, 32, 26)):
        w = n.weights(32, channels, 3, 3)
        ends.append(n.through(n.op("Conv", part, w, pads=[1, 1, 1, 1]), 20, 120))
    return n.op("Concat", *ends, axis=1)


def words(n: Network) -> str:
    """Numbers of 16 bits, and weights with scales in blocks of the depth: computed in f32."""
    x = n.input(20, 64, scale=0.0003, zero=30000, dtype=np.uint16)
    array = n.random.integers(-128, 127, (64, 32), S)
    w = n.op("DequantizeLinear", n.constant(array), n.constant(n.scale(0.02, 4, 32)), axis=0, block_size=16)
    return n.op("MatMul", x, w)


FORMS: dict[Callable[[Network], str], tuple[float, int, type]] = {
    conv: (0.2, 0, U),
    conv_unsigned: (6 / 255, 0, U),
    conv_depthwise: (0.05, -10, S),
    conv_transposed: (0.2, 128, U),
    gemm: (0.3, 11, S),
    matmul_bias: (0.2, 128, U),
    matmul_heads: (0.4, 100, U),
    add: (0.04, 0, U),
    multiply: (0.1, 90, U),
    concat: (0.05, 128, U),
    max_pool: (0.04, 110, U),
    max_pool_signed: (0.03, -30, S),
    average_pool: (0.01, 110, U),
    global_pool: (0.006, 110, U),
    resize: (0.03, 100, U),
    resize_linear: (0.02, 100, U),
    requantised: (0.04, -20, S),
    sigmoid: (1 / 256, 0, U),
    hard_swish: (0.04, 20, U),
    softmax: (1 / 900, 0, U),
    block: (0.9, 3, U),
    split: (20, 120, U),
    words: (0.001, 0, np.int16),
}
NAMES = [form.__name__ for form in FORMS]


def reference(model: ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Node by node: onnxruntime's own fused operators are further from that, a softmax by a step in 4 of 1,000."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_quantised_result(form: Callable[[Network], str]) -> None:
    network = Network()
    model = network.model(form(network), quantised=FORMS[form])
    expected = reference(model, network.feeds)
    (result,) = lamina.compile(model).run(network.feeds).values()
    steps = np.abs(result.astype(int) - expected.astype(int))
    assert result.dtype == expected.dtype and len(np.unique(expected)) > 20
    assert steps.max() <= 1
    assert steps.mean() < 1e-3


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_real_result(form: Callable[[Network], str]) -> None:
    network = Network(1)
    model = network.model(form(network), quantised=None)
    (result,) = lamina.compile(model).run(network.feeds).values()
    np.testing.assert_allclose(result, reference(model, network.feeds), rtol=1e-4, atol=1e-4)


def test_free_sizes() -> None:
    """Attention over sequences of any length: scores, softmax, values."""
    network = Network()
    q, k, v = (network.input(1, 2, 24, 16, scale=0.02, zero=zero) for zero in (120, 128, 99))
    scores = network.op("MatMul", q, network.op("Transpose", k, perm=[0, 1, 3, 2]))
    weights = network.through(network.op("Softmax", network.through(scores, 0.2, 130), axis=-1), 1 / 256, 0)
    model = network.model(network.op("MatMul", weights, v), quantised=(0.008, 128, U))
    for given in model.graph.input:
        given.type.tensor_type.shape.dim[2].dim_param = "S"
    executable = lamina.compile(model)
    for length in (24, 1, 7):
        feeds = {name: x[:, :, :length] for name, x in network.feeds.items()}
        (result,) = executable.run(feeds).values()
        steps = np.abs(result.astype(int) - reference(model, feeds))
        assert steps.max() <= 1
        assert steps.mean() < 2e-3


PRODUCTS = [conv, conv_unsigned, conv_depthwise, conv_transposed, gemm, matmul_bias, matmul_heads, block]


@pytest.mark.parametrize("form", PRODUCTS, ids=[form.__name__ for form in PRODUCTS])
def test_products_are_of_integers(form: Callable[[Network], str]) -> None:
    network = Network()
    module, context = import_for(network.model(form(network), quantised=FORMS[form]))
    compile_through(module, context, stop="graph")
    products = [op for op in module.walk() if isinstance(op, graph.ConvOp | graph.MatmulOp)]
    assert products
    for product in products:
        assert {type_.element_type for type_ in product.operand_types} <= {i8, ui8, i32}


VIEWS = [max_pool, max_pool_signed, resize, requantised, concat]


@pytest.mark.parametrize("form", VIEWS, ids=[form.__name__ for form in VIEWS])
def test_views_are_of_bytes(form: Callable[[Network], str]) -> None:
    network = Network()
    module, context = import_for(network.model(form(network), quantised=FORMS[form]))
    compile_through(module, context, stop="graph")
    views = (graph.TransposeOp, graph.ConcatOp, graph.MaxPoolOp, graph.ResizeOp)
    moved = [op for op in module.walk() if isinstance(op, views)]
    assert moved
    assert not [op for op in moved if any(t.element_type == f32 for t in op.operand_types)]
    # What runs on the host stays outside of the segments.
    main = next(op for op in module.walk() if isinstance(op, FuncOp) and op.sym_name.data == "main")
    assert not [op for op in main.walk() if op in moved]
