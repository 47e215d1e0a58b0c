"""Rows of models of one node: an operator, the opsets it is as a row has it, its operands and its attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

RANDOM = np.random.default_rng(7)
FIRST, LAST = 7, 28


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, dtype=np.float32)


def positive(*shape: int) -> np.ndarray:
    return RANDOM.uniform(0.1, 0.9, shape).astype(np.float32)


def bools(*shape: int) -> np.ndarray:
    return RANDOM.random(shape) < 0.5


def integers(*shape: int, below: int = 9, dtype: Any = np.int64) -> np.ndarray:
    return RANDOM.integers(0, below, shape).astype(dtype)


def weight(*values: Any, dtype: Any = np.int64) -> Weight:
    return Weight(np.array(values, dtype))


def scalar(value: Any, dtype: Any = np.int64) -> Weight:
    return Weight(np.array(value, dtype))


@dataclass(frozen=True)
class Weight:
    """An operand that is an initializer."""

    array: np.ndarray


@dataclass(frozen=True)
class Row:
    operator: str
    operands: tuple[np.ndarray | Weight | None, ...]
    first: int = FIRST
    """The opsets that the row holds for, both included."""
    last: int = LAST
    outputs: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)

    def model(self, opset: int) -> onnx.ModelProto:
        names = ["" if operand is None else f"x{index}" for index, operand in enumerate(self.operands)]
        node = helper.make_node(self.operator, names, [f"y{i}" for i in range(self.outputs)], **self.attributes)
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in self.feeds().items()
        ]
        weights = [
            numpy_helper.from_array(operand.array, f"x{index}")
            for index, operand in enumerate(self.operands)
            if isinstance(operand, Weight)
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in node.output]
        graph = helper.make_graph([node], "old", infos, results, weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)

    def feeds(self) -> dict[str, np.ndarray]:
        return {f"x{i}": operand for i, operand in enumerate(self.operands) if isinstance(operand, np.ndarray)}

    def opsets(self) -> list[int]:
        """The first opset of each version of the operator's schema that the row holds for."""
        return [v for v in schema_versions()[self.operator] if self.first <= v <= self.last]


@cache
def schema_versions() -> dict[str, list[int]]:
    """Of each operator the opsets, from 7 on, that another version of it begins with."""
    versions: dict[str, list[int]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.domain:
            versions.setdefault(schema.name, []).append(schema.since_version)
    return {name: _reachable(sorted(found)) for name, found in versions.items()}


def _reachable(versions: list[int]) -> list[int]:
    later = [version for version in versions if version > FIRST]
    return ([FIRST] if versions[0] <= FIRST else []) + later


def row(
    operator: str, *operands: Any, first: int = FIRST, last: int = LAST, outputs: int = 1, **attributes: Any
) -> Row:
    return Row(operator, operands, first, last, outputs, attributes)


IMAGE = floats(1, 4, 6, 6)
TABLE = floats(3, 4, 5)

UNARY = [
    "Abs", "Atan", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish", "Hardmax", "Identity",
    "IsNaN", "LeakyRelu", "Mish", "Neg", "Relu", "Round", "Selu", "Shape", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
    "Size", "Softplus", "Softsign", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Gelu", "Celu", "IsInf", "Cosh",
    "Asinh", "Flatten", "Softmax", "LogSoftmax", "ReduceMax", "ReduceMean", "ReduceSum", "Dropout", "Transpose",
]  # fmt: skip

ELEMENTWISE = [
    *(row(operator, TABLE) for operator in UNARY),
    *(row(operator, positive(3, 4)) for operator in ("Log", "Sqrt", "Reciprocal", "Acos", "Asin", "Atanh")),
    row("Acosh", positive(3, 4) + 1),
    *(row(operator, TABLE, floats(4, 1)) for operator in ("Add", "Sub", "Mul", "Div", "Less", "Greater", "PRelu")),
    *(row(operator, TABLE, floats(4, 1)) for operator in ("GreaterOrEqual", "LessOrEqual")),
    *(row(operator, TABLE, TABLE[0], floats(4, 1), first=8) for operator in ("Max", "Min", "Sum", "Mean")),
    *(row(operator, TABLE, floats(3, 4, 5), last=7) for operator in ("Max", "Min", "Sum", "Mean")),
    *(row(operator, bools(3, 4), bools(4)) for operator in ("And", "Or", "Xor")),
    row("Not", bools(3, 4)),
    row("Equal", integers(3, 4), integers(4)),
    row("Equal", bools(3, 4), bools(4)),
    row("Equal", floats(3, 4), floats(4), first=11),
    row("Less", integers(3, 4), integers(4), first=9),
    row("Greater", integers(3, 4, dtype=np.int32), integers(4, dtype=np.int32), first=9),
    row("Pow", positive(3, 4), floats(4)),
    row("Pow", positive(3, 4), integers(4), first=12),
    row("Mod", integers(3, 4), integers(4) + 1, last=27),
    row("Mod", floats(3, 4), positive(4), fmod=1),
    row("BitShift", integers(3, 4, dtype=np.uint8), integers(3, 4, below=4, dtype=np.uint8), direction="LEFT"),
    row("Where", bools(3, 4), floats(3, 4), floats(4)),
    row("Clip", TABLE, last=10),
    row("Clip", TABLE, last=10, min=-0.5, max=0.25),
    row("Clip", TABLE, last=10, max=0.25),
    row("Clip", TABLE, scalar(-0.5, np.float32), scalar(0.25, np.float32), first=11),
    row("Clip", TABLE, None, scalar(0.25, np.float32), first=11),
    row("Clip", integers(3, 4), scalar(2), scalar(4), first=12),
    row("Cast", TABLE * 3, to=onnx.TensorProto.INT32),
    row("Cast", integers(3, 4), to=onnx.TensorProto.BOOL),
    row("Cast", TABLE, to=onnx.TensorProto.FLOAT16),
    row("CastLike", TABLE, integers(1)),
    *(row(operator, TABLE, axis=axis) for operator in ("Softmax", "LogSoftmax", "Hardmax") for axis in (0, 1, 2)),
    *(row(operator, TABLE, first=11, axis=-2) for operator in ("Softmax", "LogSoftmax", "Hardmax")),
    row("Dropout", TABLE, last=11, outputs=2, ratio=0.3),
    row("Dropout", TABLE, scalar(0.3, np.float32), first=12, outputs=2),
    row("Flatten", TABLE, axis=2),
    row("Flatten", TABLE, first=11, axis=-1),
    row("PRelu", IMAGE, floats(4, 1, 1)),
    row("LRN", IMAGE, size=3),
    row("DynamicQuantizeLinear", TABLE, outputs=3),
    row("DequantizeLinear", integers(3, 4, dtype=np.uint8), scalar(0.5, np.float32), scalar(3, np.uint8)),
    row("DequantizeLinear", integers(3, 4, dtype=np.int8), weight(0.5, 1, 2, dtype=np.float32), first=13, axis=0),
    row("QuantizeLinear", TABLE, scalar(0.5, np.float32), scalar(3, np.uint8)),
    row("QuantizeLinear", TABLE, weight(0.5, 1, 2, 3, dtype=np.float32), first=13, axis=1),
    row("CumSum", TABLE, scalar(1), reverse=1, exclusive=1),
]

MOVEMENT = [
    row("Concat", TABLE, TABLE, axis=1),
    row("Concat", TABLE, TABLE, first=11, axis=-1),
    row("Constant", value=numpy_helper.from_array(floats(2, 3))),
    row("Constant", first=12, value_floats=[1.0, 2.5]),
    row("ConstantOfShape", weight(2, 3), value=numpy_helper.from_array(np.array([7], np.int64))),
    row("Expand", floats(3, 1), weight(2, 1, 6)),
    row("EyeLike", floats(3, 5), k=1, dtype=onnx.TensorProto.INT64),
    row("DepthToSpace", IMAGE, blocksize=2),
    row("DepthToSpace", IMAGE, first=11, blocksize=2, mode="CRD"),
    row("SpaceToDepth", IMAGE, blocksize=2),
    row("Gather", TABLE, weight(0, 2, 1), axis=1),
    row("Gather", TABLE, weight(-1, 0), first=11, axis=0),
    row("GatherElements", TABLE, integers(3, 2, 5, below=4), axis=1),
    row("GatherND", TABLE, integers(2, 2, below=3)),
    row("GatherND", TABLE, integers(3, 1, below=4), first=12, batch_dims=1),
    row("Scatter", TABLE, scalar([[[0, 1, 2]]]), floats(1, 1, 3), last=10, axis=2),
    row("ScatterElements", TABLE, scalar([[[0, -1, 2]]]), floats(1, 1, 3), axis=2),
    row("ScatterElements", TABLE, scalar([[[0, 0, 2]]]), floats(1, 1, 3), first=16, axis=2, reduction="add"),
    row("ScatterElements", TABLE, scalar([[[0, 0, 2]]]), floats(1, 1, 3), first=18, axis=2, reduction="max"),
    row("ScatterND", TABLE, scalar([[0, 1], [2, 3]]), floats(2, 5)),
    row("ScatterND", TABLE, scalar([[0, 1], [0, 1]]), floats(2, 5), first=16, reduction="mul"),
    row("ScatterND", TABLE, scalar([[0, 1], [0, 1]]), floats(2, 5), first=18, reduction="min"),
    row("Reshape", TABLE, weight(0, -1)),
    row("Reshape", TABLE, weight(60, 1), first=14, allowzero=1),
    row("Shape", TABLE, first=15, start=1, end=-1),
    row("Slice", TABLE, last=9, starts=[1, -3], ends=[100, -1], axes=[0, 2]),
    row("Slice", TABLE, last=9, starts=[1, 0], ends=[3, 2]),
    row("Slice", TABLE, weight(1, -1), weight(100, -9), weight(0, 2), weight(1, -2), first=10),
    row("Split", TABLE, last=12, outputs=2, axis=1, split=[1, 3]),
    row("Split", TABLE, last=12, outputs=2, axis=1),
    row("Split", TABLE, first=11, last=12, outputs=2, axis=-2),
    row("Split", TABLE, weight(1, 3), first=13, outputs=2, axis=1),
    row("Split", TABLE, first=13, last=17, outputs=2, axis=1),
    row("Split", TABLE, first=18, outputs=3, axis=2, num_outputs=3),
    row("Squeeze", floats(1, 3, 1), last=12, axes=[2]),
    row("Squeeze", floats(1, 3, 1), last=12),
    row("Squeeze", floats(1, 3, 1), first=11, last=12, axes=[-1]),
    row("Squeeze", floats(1, 3, 1), weight(-1), first=13),
    row("Unsqueeze", TABLE, last=12, axes=[0, 4]),
    row("Unsqueeze", TABLE, first=11, last=12, axes=[-1, 1]),
    row("Unsqueeze", TABLE, weight(-1, 1), first=13),
    row("Tile", TABLE, weight(1, 2, 3)),
    row("Transpose", TABLE, perm=[2, 0, 1]),
    row("Trilu", TABLE, scalar(1), upper=0),
    row("OneHot", weight(0, 2, 1), scalar(4), weight(2, 5, dtype=np.float32), axis=0),
    row("OneHot", weight(0, 2, -1), scalar(4), weight(2, 5, dtype=np.float32), first=11, axis=-1),
    row("NonZero", integers(3, 4, below=2)),
    row("Compress", TABLE, weight(True, False, True, dtype=np.bool_), axis=1),
    row("Compress", TABLE, weight(True, False, True, dtype=np.bool_)),
    row("Unique", integers(9, below=4), outputs=4),
    row("ReverseSequence", floats(4, 3, 2), weight(1, 3, 4)),
    row("Range", scalar(1.0, np.float32), scalar(9.0, np.float32), scalar(1.5, np.float32)),
    row("TopK", TABLE, last=9, outputs=2, k=2),
    row("TopK", TABLE, last=9, outputs=2, k=3, axis=1),
    row("TopK", TABLE, weight(3), first=10, outputs=2, axis=1),
    row("TopK", TABLE, weight(3), first=11, outputs=2, axis=1, largest=0),
    *(row("Pad", TABLE, last=10, mode=m, pads=[0, 1, 2, 0, 2, 1]) for m in ("constant", "edge", "reflect")),
    row("Pad", TABLE, last=10, pads=[0, 1, -2, 0, 2, 1], value=1.5),
    row("Pad", TABLE, weight(0, 1, 2, 0, 2, 1), scalar(1.5, np.float32), first=11),
    row("Pad", TABLE, weight(1, -1), None, weight(1), first=18),
    row("Pad", TABLE, weight(1, 3), None, weight(-1), first=19, mode="wrap"),
]

SIMPLE_REDUCTIONS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"]

REDUCTIONS = [
    *(row(f"Reduce{kind}", positive(3, 4, 5), last=17, axes=[0, 2]) for kind in SIMPLE_REDUCTIONS),
    *(row(f"Reduce{kind}", positive(3, 4, 5), last=17, axes=[1], keepdims=0) for kind in SIMPLE_REDUCTIONS),
    *(row(f"Reduce{kind}", positive(3, 4, 5), first=11, last=17, axes=[-1]) for kind in SIMPLE_REDUCTIONS),
    *(row(f"Reduce{kind}", positive(3, 4, 5), weight(-1, 0), first=18) for kind in SIMPLE_REDUCTIONS),
    *(row(f"Reduce{kind}", positive(3, 4, 5), first=18, noop_with_empty_axes=1) for kind in SIMPLE_REDUCTIONS),
    *(row(f"Reduce{kind}", positive(3, 4, 5)) for kind in SIMPLE_REDUCTIONS),
    row("ReduceSum", TABLE, last=12, axes=[0, 2]),
    row("ReduceSum", TABLE, weight(-1, 0), first=13, keepdims=0),
    row("ReduceMax", integers(3, 4, dtype=np.uint8), first=12, last=17, axes=[1]),
    *(row(operator, TABLE, axis=1, keepdims=0) for operator in ("ArgMax", "ArgMin")),
    *(row(operator, TABLE, first=11, axis=-1) for operator in ("ArgMax", "ArgMin")),
    *(row(o, integers(5, 6, below=3) + 0.0, first=12, axis=1, select_last_index=1) for o in ("ArgMax", "ArgMin")),
    row("LpNormalization", TABLE, axis=1, p=1),
    row("MeanVarianceNormalization", IMAGE),
    row("MeanVarianceNormalization", IMAGE, axes=[1, 2]),
    row("GlobalAveragePool", IMAGE),
    row("GlobalMaxPool", IMAGE),
    row("GlobalLpPool", IMAGE, p=1),
    row("Det", floats(2, 3, 3)),
    row("Einsum", TABLE, floats(5, 2), equation="abc,cd->abd"),
    row("LayerNormalization", TABLE, floats(5), floats(5)),
    row("InstanceNormalization", IMAGE, floats(4), floats(4)),
    row("GroupNormalization", IMAGE, floats(2), floats(2), last=20, num_groups=2),
    row("GroupNormalization", IMAGE, floats(4), floats(4), first=21, num_groups=2),
    row("BatchNormalization", IMAGE, floats(4), floats(4), floats(4), positive(4), epsilon=1e-3),
    row("BatchNormalization", IMAGE, floats(4), floats(4), floats(4), positive(4), last=8, spatial=1),
    row("BatchNormalization", IMAGE, *(positive(4, 6, 6) for _ in range(4)), last=8, spatial=0),
    row("SoftmaxCrossEntropyLoss", floats(3, 5), weight(0, 4, 2)),
    row("NegativeLogLikelihoodLoss", floats(3, 5), weight(0, 4, 2)),
]

BOXES = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1]]], np.float32)
SCORES = np.array([[[0.9, 0.75, 0.6, 0.95]]], np.float32)
REGIONS = np.array([[0, 0, 4, 5], [1, 2, 6, 6]], np.float32)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def recurrent(operator: str, direction: str, **attributes: Any) -> Row:
    ways = 2 if direction == "bidirectional" else 1
    gates = GATES[operator]
    operands = floats(5, 2, 3), floats(ways, gates * 4, 3), floats(ways, gates * 4, 4), floats(ways, gates * 8)
    outputs = 3 if operator == "LSTM" else 2
    return row(operator, *operands, outputs=outputs, hidden_size=4, direction=direction, **attributes)


PRODUCTS = [
    row("MatMul", TABLE, floats(5, 2)),
    row("Gemm", floats(3, 4), floats(5, 4), floats(5), transB=1, alpha=0.5, beta=2.0),
    row("Gemm", floats(3, 4), floats(4, 5), first=11),
    row("MatMulInteger", integers(3, 4, dtype=np.uint8), integers(4, 2, dtype=np.uint8)),
    row("ConvInteger", integers(1, 1, 4, 4, dtype=np.uint8), integers(1, 1, 2, 2, dtype=np.uint8)),
    row("Conv", IMAGE, floats(2, 4, 3, 3), floats(2), pads=[1, 1, 1, 1]),
    row("Conv", IMAGE, floats(2, 4, 3, 3), auto_pad="SAME_LOWER", strides=[2, 2]),
    row("ConvTranspose", IMAGE, floats(4, 2, 3, 3), strides=[2, 2]),
    row("ConvTranspose", IMAGE, floats(4, 2, 3, 3), strides=[2, 2], output_shape=[12, 13]),
    row("ConvTranspose", IMAGE, floats(4, 2, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    *(
        row(operator, IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 1])
        for operator in ("AveragePool", "MaxPool", "LpPool")
    ),
    row("AveragePool", IMAGE, kernel_shape=[2, 3], pads=[1, 1, 0, 1], count_include_pad=1),
    row("AveragePool", IMAGE, first=10, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    row("AveragePool", IMAGE, first=19, kernel_shape=[2, 2], dilations=[2, 2]),
    row("AveragePool", IMAGE, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    row("MaxPool", IMAGE, first=8, outputs=2, kernel_shape=[2, 2], strides=[2, 2]),
    row("MaxPool", IMAGE, first=8, outputs=2, kernel_shape=[2, 2], strides=[2, 2], storage_order=1),
    row("MaxPool", IMAGE, first=10, kernel_shape=[2, 2], dilations=[2, 2], ceil_mode=1),
    row("MaxPool", integers(1, 1, 4, 4, dtype=np.uint8), first=12, kernel_shape=[2, 2]),
    row("MaxUnpool", floats(1, 1, 2, 2), scalar([[[[0, 3], [8, 15]]]]), kernel_shape=[2, 2], strides=[2, 2]),
    row("MaxRoiPool", IMAGE, np.array([[0, 0, 0, 3, 4], [0, 1, 2, 5, 5]], np.float32), pooled_shape=[2, 3]),
    row("RoiAlign", IMAGE, REGIONS, weight(0, 0), output_height=2, output_width=3, sampling_ratio=2),
    row("RoiAlign", IMAGE, REGIONS, weight(0, 0), first=16, coordinate_transformation_mode="output_half_pixel"),
    row("NonMaxSuppression", BOXES, SCORES, scalar(3), scalar(0.5, np.float32), scalar(0.0, np.float32)),
    row("GridSample", IMAGE, floats(1, 3, 3, 2), last=19, mode="bilinear"),
    row("GridSample", IMAGE, floats(1, 3, 3, 2), last=19, mode="bicubic", padding_mode="border"),
    row("GridSample", IMAGE, floats(1, 3, 3, 2), first=20, mode="linear", align_corners=1),
    *(row("Upsample", IMAGE, last=8, mode=mode, scales=[1.0, 1.0, 2.0, 1.5]) for mode in ("nearest", "linear")),
    row("Upsample", IMAGE, weight(1, 1, 2, 1.5, dtype=np.float32), first=9, last=9, mode="linear"),
    row("Upsample", IMAGE, weight(1, 1, 2, 1.5, dtype=np.float32), first=9, last=9, mode="nearest"),
    row("Resize", IMAGE, weight(1, 1, 2, 1.5, dtype=np.float32), last=10, mode="linear"),
    row("Resize", IMAGE, weight(1, 1, 0.6, 1.5, dtype=np.float32), last=10),
    row("Resize", IMAGE, None, weight(1, 1, 0.6, 1.5, dtype=np.float32), first=13, mode="cubic"),
    row("Resize", IMAGE, weight(dtype=np.float32), weight(1, 1, 0.6, 1.5, dtype=np.float32), first=11),
    row("Resize", IMAGE, None, None, weight(7, 9), first=18, mode="linear", axes=[2, 3]),
    *(recurrent(operator, way) for operator in GATES for way in ("forward", "reverse", "bidirectional")),
    recurrent("GRU", "forward", linear_before_reset=1),
    recurrent("LSTM", "forward", input_forget=1),
    recurrent("RNN", "forward", activations=["Relu"], clip=0.5),
    row("DFT", floats(1, 6, 1), last=19, axis=1),
    row("DFT", floats(1, 6, 1), None, scalar(1), first=20),
]


def body(inputs: list[tuple[str, Any]], outputs: list[str], *nodes: onnx.NodeProto) -> onnx.GraphProto:
    """A graph whose inputs are of an element type each: floats of any shape, others scalars."""
    shapes = {onnx.TensorProto.FLOAT: None}
    infos = [helper.make_tensor_value_info(name, code, shapes.get(code, ())) for name, code in inputs]
    kinds = {"go": onnx.TensorProto.BOOL}
    results = [helper.make_tensor_value_info(name, kinds.get(name, onnx.TensorProto.FLOAT), None) for name in outputs]
    return helper.make_graph(nodes, "body", infos, results)


STATE = ("state", onnx.TensorProto.FLOAT)
SUMMED = [helper.make_node("Add", ["state", "scanned"], ["sum"]), helper.make_node("Neg", ["sum"], ["all"])]
SCANNED = body([STATE, ("scanned", onnx.TensorProto.FLOAT)], ["sum", "all"], *SUMMED)
ROUND = body(
    [("number", onnx.TensorProto.INT64), ("before", onnx.TensorProto.BOOL), STATE],
    ["go", "sum", "all"],
    helper.make_node("Identity", ["before"], ["go"]),
    helper.make_node("Add", ["state", "state"], ["sum"]),
    helper.make_node("Neg", ["sum"], ["all"]),
)
BRANCHES = [
    body([], ["all"], helper.make_node("Constant", [], ["all"], value=numpy_helper.from_array(floats(2, 3))))
    for _ in range(2)
]

CONTROL = [
    *(row("If", np.array(taken), then_branch=BRANCHES[0], else_branch=BRANCHES[1]) for taken in (True, False)),
    row("Loop", scalar(3), scalar(True, np.bool_), floats(2, 3), outputs=2, body=ROUND),
    row("Scan", floats(3), floats(4, 3), first=9, outputs=2, body=SCANNED, num_scan_inputs=1),
    row("Scan", floats(3), floats(4, 3), first=9, outputs=2, body=SCANNED, num_scan_inputs=1, scan_output_axes=[1]),
    row("Scan", None, floats(2, 3), floats(2, 4, 3), last=8, outputs=2, body=SCANNED, num_scan_inputs=1),
    row(
        "Scan", None, floats(2, 3), floats(2, 4, 3), last=8, outputs=2, body=SCANNED, num_scan_inputs=1, directions=[1]
    ),
    *(
        row("Scan", lengths, floats(2, 3), floats(2, 4, 3), last=8, outputs=2, body=SCANNED, num_scan_inputs=1)
        for lengths in (weight(2, 4), np.array([4, 1]))
    ),
]

ROWS = [*ELEMENTWISE, *MOVEMENT, *REDUCTIONS, *PRODUCTS, *CONTROL]
