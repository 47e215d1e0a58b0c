"""Operators with many attribute cases against onnxruntime: import and the interpreter, shapes fixed and shapes free.

With free shapes every dimension of every input other than 1 is a symbol (inputs that are shapes, axes or weights stay
constant), so that the inferred dimension expressions are checked against what really comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.context import CompilerContext
from lamina.frontend import import_model
from lamina.interpreters.graph import interpret_graph
from lamina.pipeline import PipelineOptions, phase_named, run_phase
from onnx import helper, numpy_helper

RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return np.abs(normal(*shape)) + np.float32(0.1)


def whole(*shape: int, high: int = 5, dtype: Any = np.int64) -> np.ndarray:
    return RANDOM.integers(0, high, shape).astype(dtype)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@dataclass
class Case:
    """One node. ``inputs`` are fed, ``constants`` follow them as initializers; None leaves an input out."""

    operator: str
    inputs: Sequence[np.ndarray]
    constants: Sequence[np.ndarray | None] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = 21
    # Whether all dimensions may be symbols at once.
    free: bool = True

    def model(self, free: bool) -> onnx.ModelProto:
        names: list[str] = []
        infos: list[Any] = []
        initializers: list[Any] = []
        for index, array in enumerate([*self.inputs, *self.constants]):
            name = f"in{index}" if array is not None else ""
            names.append(name)
            if array is None:
                continue
            if index >= len(self.inputs):
                initializers.append(numpy_helper.from_array(array, name))
                continue
            # A length of 1 stays: two symbols that meet in broadcasting are taken to be equal.
            dims = [f"in{index}_d{axis}" if free and d > 1 else d for axis, d in enumerate(array.shape)]
            infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), dims))
        results = [f"out{index}" for index in range(self.outputs)]
        node = helper.make_node(self.operator, names, results, **self.attributes)
        graph = helper.make_graph(
            [node], "case", infos, [helper.make_empty_tensor_value_info(name) for name in results], initializers
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)

    @property
    def feeds(self) -> dict[str, np.ndarray]:
        return {f"in{index}": array for index, array in enumerate(self.inputs)}

    def __str__(self) -> str:
        fields = ",".join(f"{name}={value}" for name, value in self.attributes.items() if not isinstance(value, bytes))
        shapes = ",".join("x".join(map(str, array.shape)) for array in self.inputs)
        return f"{self.operator}[{shapes}|{fields}|{self.opset}]".replace(" ", "")


def conv(x: np.ndarray, w: np.ndarray, bias: bool = True, **attributes: Any) -> Case:
    constants = [w, normal(w.shape[0])] if bias else [w]
    return Case("Conv", [x], constants, attributes)


def transposed(x: np.ndarray, w: np.ndarray, **attributes: Any) -> Case:
    group = attributes.get("group", 1)
    free = "output_shape" not in attributes
    return Case("ConvTranspose", [x], [w, normal(w.shape[1] * group)], attributes, free=free)


CONVOLUTIONS = [
    conv(normal(2, 3, 8, 9), normal(4, 3, 3, 3)),
    conv(normal(2, 3, 8, 9), normal(4, 3, 3, 3), bias=False, pads=[1, 0, 2, 1], strides=[2, 1]),
    conv(normal(1, 4, 9, 9), normal(4, 1, 3, 3), group=4, pads=[2, 2, 2, 2], dilations=[2, 2]),
    conv(normal(1, 4, 9, 9), normal(6, 2, 1, 1), group=2, strides=[2, 2]),
    conv(normal(1, 3, 7, 8), normal(2, 3, 2, 3), auto_pad="SAME_UPPER", strides=[2, 2]),
    conv(normal(1, 3, 7, 8), normal(2, 3, 2, 3), auto_pad="SAME_LOWER", strides=[2, 3]),
    conv(normal(1, 3, 7, 8), normal(2, 3, 2, 3), auto_pad="VALID"),
    conv(normal(2, 3, 11), normal(4, 3, 5), pads=[2, 1], strides=[3]),
    conv(normal(1, 2, 5, 6, 7), normal(3, 2, 2, 3, 3), pads=[0, 1, 1, 0, 1, 1]),
    transposed(normal(1, 3, 4, 5), normal(3, 2, 2, 2), strides=[2, 2]),
    transposed(normal(1, 3, 4, 5), normal(3, 2, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
    transposed(normal(1, 4, 4, 5), normal(4, 2, 3, 3), strides=[2, 3], group=2),
    transposed(normal(1, 3, 4, 5), normal(3, 2, 3, 3), dilations=[2, 2], pads=[0, 1, 2, 1]),
    transposed(normal(1, 3, 4, 5), normal(3, 2, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    transposed(normal(1, 3, 4, 5), normal(3, 2, 3, 3), strides=[2, 2], output_shape=[8, 10]),
    transposed(normal(2, 3, 6), normal(3, 2, 4), strides=[2]),
    transposed(normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2), strides=[2, 2, 2]),
]


def pool(operator: str, *shape: int, outputs: int = 1, **attributes: Any) -> Case:
    free = not attributes.get("ceil_mode") and not str(attributes.get("auto_pad", "")).startswith("SAME")
    return Case(operator, [normal(*shape)], (), attributes, outputs, free=free)


POOLS = [
    pool("MaxPool", 1, 2, 9, 10, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    pool("MaxPool", 1, 2, 9, 10, kernel_shape=[3, 2], strides=[2, 3], ceil_mode=1),
    pool("MaxPool", 1, 2, 9, 10, kernel_shape=[3, 3], dilations=[2, 3]),
    pool("MaxPool", 1, 2, 9, 10, kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[2, 2]),
    pool("MaxPool", 2, 2, 11, kernel_shape=[4], strides=[3], pads=[1, 2]),
    pool("MaxPool", 1, 2, 8, 8, kernel_shape=[2, 2], strides=[2, 2], outputs=2),
    pool("MaxPool", 1, 2, 5, 6, 7, kernel_shape=[2, 3, 2]),
    pool("AveragePool", 1, 2, 9, 10, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    pool("AveragePool", 1, 2, 9, 10, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    pool("AveragePool", 1, 2, 9, 10, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    pool("AveragePool", 1, 2, 10, 9, kernel_shape=[3, 3], strides=[3, 2], pads=[1, 1, 1, 1], ceil_mode=1),
    pool("AveragePool", 1, 2, 9, 10, kernel_shape=[4, 2], auto_pad="SAME_LOWER", strides=[2, 2]),
    pool("GlobalAveragePool", 2, 3, 5, 6),
    pool("GlobalMaxPool", 2, 3, 5, 6),
    pool("LpPool", 1, 2, 9, 10, kernel_shape=[3, 3], p=2, strides=[2, 2]),
]


def resize(x: np.ndarray, *, scales: Any = None, sizes: Any = None, **attributes: Any) -> Case:
    constants = [None, None if scales is None else floats(*scales), None if sizes is None else ints(*sizes)]
    simple = scales is None or all(float(scale * 64).is_integer() for scale in scales)
    return Case("Resize", [x], constants, attributes, free=simple)


RESIZES = [
    resize(
        normal(1, 2, 4, 5),
        scales=[1, 1, 2, 2],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    resize(normal(1, 2, 4, 5), scales=[1, 1, 2.5, 1.5], mode="nearest"),
    resize(normal(1, 2, 8, 10), scales=[1, 1, 0.5, 0.6], mode="nearest", nearest_mode="ceil"),
    resize(normal(1, 2, 4, 5), sizes=[1, 2, 9, 7], mode="linear"),
    resize(normal(1, 2, 4, 5), sizes=[1, 2, 9, 7], mode="linear", coordinate_transformation_mode="align_corners"),
    resize(normal(1, 2, 4, 5), sizes=[1, 2, 9, 7], mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    resize(normal(1, 2, 9, 10), scales=[1, 1, 0.5, 0.5], mode="linear", antialias=1),
    resize(normal(1, 2, 4, 5), sizes=[1, 2, 9, 7], mode="cubic"),
    resize(normal(1, 2, 4, 5), sizes=[1, 2, 9, 7], mode="cubic", exclude_outside=1, cubic_coeff_a=-0.5),
    Case("Upsample", [normal(1, 2, 3, 4)], [floats(1, 1, 2, 3)], {"mode": "nearest"}, opset=9),
    Case("Upsample", [normal(1, 2, 3, 4)], [floats(1, 1, 2, 2)], {"mode": "linear"}, opset=9),
    Case("Resize", [normal(1, 2, 3, 4)], [floats(1, 1, 2, 2)], {"mode": "nearest"}, opset=10),
]


def recurrent(operator: str, gates: int, directions: int = 1, states: int = 1, **attributes: Any) -> Case:
    steps, batch, inputs, hidden = 4, 3, 5, 6
    weights = [normal(directions, gates * hidden, inputs), normal(directions, gates * hidden, hidden)]
    bias = normal(directions, 2 * gates * hidden)
    initial = [normal(directions, batch, hidden) for _ in range(states)]
    return Case(
        operator, [normal(steps, batch, inputs)], [*weights, bias, None, *initial],
        {"hidden_size": hidden, **attributes}, 1 + states,
    )  # fmt: skip


RECURRENT = [
    recurrent("LSTM", 4, states=2),
    recurrent("LSTM", 4, 2, states=2, direction="bidirectional"),
    recurrent("LSTM", 4, states=2, direction="reverse"),
    recurrent("LSTM", 4, states=2, clip=0.5),
    recurrent("GRU", 3),
    recurrent("GRU", 3, 2, direction="bidirectional", linear_before_reset=1),
    recurrent("GRU", 3, direction="reverse", linear_before_reset=1),
    recurrent("RNN", 1),
    recurrent("RNN", 1, 2, direction="bidirectional", activations=["Relu", "Tanh"]),
    Case(
        "LSTM",
        [normal(4, 3, 5)],
        [normal(1, 24, 5), normal(1, 24, 6), None, np.array([4, 2, 3], np.int32)],
        {"hidden_size": 6},
        3,
    ),
    Case(
        "LSTM",
        [normal(4, 3, 5)],
        [normal(1, 24, 5), normal(1, 24, 6), None, None, None, None, normal(1, 18)],
        {"hidden_size": 6},
        3,
        free=False,
    ),
]

MATRICES = [
    Case("MatMul", [normal(2, 3, 4), normal(4, 5)]),
    Case("MatMul", [normal(2, 1, 3, 4), normal(5, 4, 2)], free=False),
    Case("MatMul", [normal(4), normal(2, 4, 3)]),
    Case("MatMul", [normal(2, 3, 4), normal(4)]),
    Case("Gemm", [normal(3, 4), normal(4, 5), normal(5)]),
    Case("Gemm", [normal(4, 3), normal(5, 4)], [normal(3, 1)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("Einsum", [normal(2, 3, 4), normal(2, 4, 5)], (), {"equation": "bij,bjk->bik"}),
    Case("Einsum", [normal(2, 3, 4, 5), normal(2, 6, 4, 5)], (), {"equation": "bqhd,bkhd->bhqk"}),
    Case("Einsum", [normal(3, 4), normal(4), normal(3)], (), {"equation": "ij,j,i->"}),
    Case("Einsum", [normal(3, 4), normal(5)], (), {"equation": "ij,k->kij"}),
    Case("Einsum", [normal(2, 3, 3)], (), {"equation": "...ii->...i"}, free=False),
    Case("Einsum", [normal(2, 3, 4)], (), {"equation": "abc->cb"}),
]

NORMALISATIONS = [
    Case("BatchNormalization", [normal(2, 3, 4, 5)], [positive(3), normal(3), normal(3), positive(3)]),
    Case("InstanceNormalization", [normal(2, 3, 4, 5)], [positive(3), normal(3)], {"epsilon": 1e-3}),
    Case("GroupNormalization", [normal(2, 6, 4, 5)], [positive(6), normal(6)], {"num_groups": 3}, free=False),
    Case("LayerNormalization", [normal(2, 3, 8)], [positive(8), normal(8)]),
    Case("LayerNormalization", [normal(2, 3, 8)], [positive(3, 8)], {"axis": 1}, free=False),
    Case("LRN", [normal(2, 7, 3, 3)], (), {"size": 3, "alpha": 0.01}),
    Case("LpNormalization", [normal(2, 3, 4)], (), {"p": 1, "axis": 1}),
    Case("MeanVarianceNormalization", [normal(2, 3, 4, 5)]),
    Case("Softmax", [normal(2, 3, 4)], (), {"axis": 1}),
    Case("Softmax", [normal(2, 3, 4)], (), {"axis": 1}, opset=11),
    Case("LogSoftmax", [normal(2, 3, 4)]),
    Case("Hardmax", [normal(2, 3, 4)], (), {"axis": 1}),
]

MOVEMENT = [
    Case("Transpose", [normal(2, 3, 4)]),
    Case("Transpose", [normal(2, 3, 4)], (), {"perm": [1, 0, 2]}),
    Case("Reshape", [normal(2, 3, 4)], [ints(0, -1)]),
    Case("Reshape", [normal(2, 3, 4)], [ints(-1, 4)], free=False),
    Case("Flatten", [normal(2, 3, 4)], (), {"axis": 2}),
    Case("Squeeze", [normal(2, 1, 4, 1)], [ints(1, -1)], free=False),
    Case("Unsqueeze", [normal(2, 3)], [ints(0, -1)]),
    Case("Expand", [normal(3, 1)], [ints(2, 1, 4)], free=False),
    Case("Tile", [normal(2, 3)], [ints(2, 3)]),
    Case("Concat", [normal(2, 3), normal(2, 5)], (), {"axis": 1}),
    Case("Split", [normal(2, 7)], (), {"axis": 1, "num_outputs": 3}, 3, free=False),
    Case("Split", [normal(2, 6)], (), {"axis": 1, "num_outputs": 3}, 3),
    Case("Split", [normal(2, 7)], [ints(3, 4)], {"axis": -1}, 2),
    Case("Slice", [normal(5, 6)], [ints(1, -4), ints(4, -1)]),
    Case("Slice", [normal(5, 6)], [ints(-1), ints(-100), ints(1), ints(-2)], free=False),
    Case("Slice", [normal(5, 6)], [ints(2), ints(2**63 - 1), ints(-1), ints(2)]),
    Case("Slice", [normal(5, 6)], [ints(7), ints(9), ints(0)], free=False),
    Case("Pad", [normal(3, 4)], [ints(1, 2, 0, 3), np.array(2.5, np.float32)]),
    Case("Pad", [normal(3, 4)], [ints(1, 2, 2, 3)], {"mode": "reflect"}),
    Case("Pad", [normal(3, 4)], [ints(1, 2, 2, 3)], {"mode": "edge"}),
    Case("Pad", [normal(3, 4)], [ints(-1, 2, 1, -2)]),
    Case("Pad", [normal(3, 4)], [ints(1, 1), None, ints(-1)]),
    Case("DepthToSpace", [normal(1, 8, 2, 3)], (), {"blocksize": 2}, free=False),
    Case("DepthToSpace", [normal(1, 8, 2, 3)], (), {"blocksize": 2, "mode": "CRD"}, free=False),
    Case("SpaceToDepth", [normal(1, 2, 4, 6)], (), {"blocksize": 2}),
    Case("Trilu", [normal(2, 4, 5)], [np.array(1, np.int64)], {"upper": 0}),
    Case("ReverseSequence", [normal(4, 3)], [ints(2, 4, 1)]),
]

INDEXING = [
    Case("Gather", [normal(5, 4), whole(2, 3)], (), {"axis": 0}),
    Case("Gather", [normal(5, 4)], [np.array(-1, np.int64)], {"axis": 1}),
    Case("GatherElements", [normal(5, 4), whole(2, 4)], (), {"axis": 0}),
    Case("GatherND", [normal(5, 4, 3)], [np.array([[0, 1], [-1, 3]])]),
    Case("GatherND", [normal(2, 4, 3)], [np.array([[1], [3]])], {"batch_dims": 1}),
    Case("ScatterElements", [normal(5, 4)], [np.array([[0, 2], [1, 3]]), normal(2, 2)], {"axis": 1}),
    Case("ScatterElements", [normal(5, 4)], [np.array([[0, 0]]), normal(1, 2)], {"axis": 1, "reduction": "add"}),
    Case("ScatterND", [normal(5, 4)], [np.array([[1], [3]]), normal(2, 4)]),
    Case("ScatterND", [normal(5, 4)], [np.array([[1], [1]]), normal(2, 4)], {"reduction": "max"}),
    Case("OneHot", [whole(2, 3)], [np.array(5, np.int64), floats(0, 1)], {"axis": 1}),
    Case("TopK", [normal(3, 7)], [ints(4)], {"axis": 1}, 2),
    Case("TopK", [whole(3, 7, high=3)], [ints(4)], {"axis": 1, "largest": 0}, 2),
    Case("NonZero", [whole(3, 4, high=2).astype(np.float32)]),
    Case("Unique", [whole(12)], (), {}, 4),
    Case("Unique", [whole(6, 2, high=2)], (), {"axis": 0, "sorted": 0}, 4),
    Case("Compress", [normal(4, 3)], [np.array([True, False, True, True])], {"axis": 0}),
    Case("ArgMax", [whole(3, 4, high=3)], (), {"axis": 1, "select_last_index": 1}),
    Case("ArgMin", [normal(3, 4)], (), {"axis": 0, "keepdims": 0}),
    Case("CumSum", [normal(3, 4)], [np.array(1, np.int64)], {"exclusive": 1, "reverse": 1}),
    Case(
        "NonMaxSuppression",
        [np.sort(RANDOM.random((2, 9, 4)).astype(np.float32)), RANDOM.random((2, 3, 9)).astype(np.float32)],
        [ints(4), floats(0.3), floats(0.2)],
    ),
    Case(
        "GridSample", [normal(2, 3, 5, 6), normal(2, 4, 3, 2)], (), {"padding_mode": "reflection"}, opset=16, free=False
    ),
    Case(
        "GridSample",
        [normal(2, 3, 5, 6), normal(2, 4, 3, 2)],
        (),
        {"mode": "bicubic", "align_corners": 1},
        opset=16,
        free=False,
    ),
    Case(
        "RoiAlign",
        [normal(2, 3, 9, 9)],
        [floats(1, 1, 6, 7, 0, 2, 8, 5).reshape(2, 4), ints(1, 0)],
        {"output_height": 3, "output_width": 2, "sampling_ratio": 2},
    ),
]


def elementwise(operator: str, *inputs: np.ndarray, **attributes: Any) -> Case:
    return Case(operator, inputs, (), attributes)


ELEMENTWISE = [
    *(
        elementwise(name, normal(3, 4))
        for name in (
            "Abs",
            "Neg",
            "Exp",
            "Relu",
            "Tanh",
            "Sigmoid",
            "Erf",
            "Floor",
            "Ceil",
            "Round",
            "Sign",
            "Sin",
            "Cos",
            "Tan",
            "Atan",
            "Sinh",
            "Cosh",
            "Asinh",
            "Softplus",
            "Softsign",
            "Elu",
            "Selu",
            "Celu",
            "HardSigmoid",
            "HardSwish",
            "LeakyRelu",
            "ThresholdedRelu",
            "Mish",
            "Gelu",
            "Identity",
            "Reciprocal",
            "IsNaN",
            "IsInf",
        )
    ),
    *(elementwise(name, positive(3, 4)) for name in ("Sqrt", "Log")),
    *(elementwise(name, np.tanh(normal(3, 4))) for name in ("Asin", "Acos", "Atanh")),
    elementwise("Acosh", positive(3, 4) + np.float32(1)),
    elementwise("Gelu", normal(3, 4), approximate="tanh"),
    elementwise("LeakyRelu", normal(3, 4), alpha=1.5),
    elementwise("Shrink", normal(3, 4), lambd=0.7, bias=0.2),
    *(elementwise(name, normal(3, 4), normal(4)) for name in ("Add", "Sub", "Mul", "Div", "Less", "GreaterOrEqual")),
    elementwise("PRelu", normal(2, 3, 4), normal(3, 1)),
    elementwise("Pow", positive(3, 4), normal(4)),
    *(Case("Pow", [positive(3, 4)], [np.array(power, np.float32)]) for power in (2.0, 3.0, 0.5, -1.0, 1.0, 1.7)),
    Case("Div", [whole(3, 4, high=20) - 10], [np.array(3)]),
    Case("Mod", [whole(3, 4, high=20) - 10], [np.array(3)]),
    Case("Mod", [normal(3, 4)], [np.array(0.7, np.float32)], {"fmod": 1}),
    elementwise("Where", normal(3, 4) > 0, normal(3, 4), normal(1, 4)),
    elementwise("Max", normal(3, 4), normal(4), normal(3, 1)),
    elementwise("Mean", normal(3, 4), normal(4)),
    Case("Clip", [normal(3, 4)], [np.array(-0.5, np.float32), np.array(0.5, np.float32)]),
    Case("Clip", [normal(3, 4)], [None, np.array(0.5, np.float32)]),
    Case("Clip", [normal(3, 4)], (), {"min": -0.25}, opset=6),
    Case("Cast", [normal(3, 4) * 10], (), {"to": onnx.TensorProto.INT32}),
    Case("Cast", [normal(3, 4)], (), {"to": onnx.TensorProto.FLOAT16}),
    Case("Cast", [normal(3, 4)], (), {"to": onnx.TensorProto.BOOL}),
    *(
        Case(f"Reduce{kind}", [positive(2, 3, 4)], [ints(0, -1)], {"keepdims": keep}, opset=18)
        for kind in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
        for keep in (0, 1)
    ),
    Case("ReduceSum", [normal(2, 3)], (), {"noop_with_empty_axes": 1}, opset=18),
    Case("ReduceMax", [normal(2, 3)], (), {"axes": [1]}, opset=11),
]

QUANTISATION = [
    Case("QuantizeLinear", [normal(3, 4)], [np.array(0.02, np.float32), np.array(100, np.uint8)], opset=13),
    Case("QuantizeLinear", [normal(3, 4)], [floats(0.1, 0.2, 0.3, 0.4), np.zeros(4, np.int8)], {"axis": 1}, opset=13),
    Case(
        "DequantizeLinear",
        [whole(3, 4, high=255, dtype=np.uint8)],
        [np.array(0.1, np.float32), np.array(7, np.uint8)],
        opset=13,
    ),
    Case("DynamicQuantizeLinear", [normal(3, 4)], (), {}, 3, opset=13),
    Case(
        "MatMulInteger",
        [whole(3, 4, high=255, dtype=np.uint8)],
        [whole(4, 5, high=127, dtype=np.int8), np.array(3, np.uint8)],
        opset=13,
    ),
]

CASES = [
    *CONVOLUTIONS,
    *POOLS,
    *RESIZES,
    *RECURRENT,
    *MATRICES,
    *NORMALISATIONS,
    *MOVEMENT,
    *INDEXING,
    *ELEMENTWISE,
    *QUANTISATION,
]


def expected_results(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_operator(case: Case, free: bool) -> None:
    if free and not case.free:
        # Ranks of the batch, a number of channels or a padding would depend on a symbol.
        return
    model = case.model(free)
    context = CompilerContext()
    module = import_model(model, context=context)
    module.verify()
    run_phase(module, context, phase_named("graph"), PipelineOptions(verify_each=True))
    results = interpret_graph(module, case.feeds, context.constants)
    for (name, actual), expected in zip(results.items(), expected_results(case.model(False), case.feeds), strict=True):
        assert actual.dtype == expected.dtype, name
        if expected.dtype.kind in "iub":
            np.testing.assert_array_equal(actual, expected, err_msg=name)
        else:
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5, err_msg=name)
