"""Small valid models of many kinds, to damage."""

from __future__ import annotations

import functools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

node, info = helper.make_node, helper.make_tensor_value_info
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def model_of(
    nodes: list[onnx.NodeProto], inputs: dict[str, list[int]], weights: dict[str, np.ndarray]
) -> onnx.ModelProto:
    last = [helper.make_empty_tensor_value_info(nodes[-1].output[0])]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [info(name, FLOAT, dims) for name, dims in inputs.items()], last, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def small_network() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "b": rng.normal(size=4).astype(np.float32),
        "m": rng.normal(size=(4, 5)).astype(np.float32),
        **{name: np.ones(4, np.float32) for name in ("scale", "shift", "mean", "variance")},
    }
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"]),
        node("Relu", ["n"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p"], ["a"]),
        node("Flatten", ["a"], ["f"], axis=1),
        node("Gemm", ["f", "m"], ["g"], alpha=0.5),
        node("Softmax", ["g"], ["y"], axis=1),
    ]
    return model_of(nodes, {"x": [1, 3, 8, 8]}, weights)


def shape_arithmetic() -> onnx.ModelProto:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "i"], ["d"], axis=0),
        node("Concat", ["d", "rest"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["r"]),
        node("Transpose", ["r"], ["q"], perm=[1, 0]),
        node("Slice", ["q", "from", "to", "axes", "steps"], ["z"]),
        node("Expand", ["z", "wide"], ["e"]),
        node("Pad", ["e", "pads"], ["y"], mode="constant"),
    ]
    weights = {"i": whole(0), "rest": whole(-1), "from": whole(1), "to": whole(9), "axes": whole(0), "steps": whole(2),
               "wide": whole(2, 1, 1), "pads": whole(0, 1, 0, 0, 1, 0)}  # fmt: skip
    return model_of(nodes, {"x": [2, 3, 4]}, weights)


def tensor_movement() -> onnx.ModelProto:
    nodes = [
        node("Tile", ["x", "twice"], ["t"]),
        node("Split", ["t", "sizes"], ["a", "b"], axis=1),
        node("Concat", ["b", "a"], ["c"], axis=1),
        node("ReduceMean", ["c", "axes"], ["m"], keepdims=0),
        node("TopK", ["m", "k"], ["v", "places"], axis=-1),
        node("OneHot", ["places", "depth", "values"], ["o"], axis=-1),
        node("MatMul", ["o", "w"], ["p"]),
        node("Resize", ["p", "", "scales"], ["y"], mode="linear"),
    ]
    weights = {"twice": whole(1, 2, 1), "sizes": whole(2, 4), "axes": whole(2), "k": whole(3),
               "depth": np.array(6, np.int64), "values": np.array([0, 1], np.float32), "w": np.ones((6, 4), np.float32),
               "scales": np.array([1, 2, 2], np.float32)}  # fmt: skip
    return model_of(nodes, {"x": [2, 3, 4]}, weights)


def control_flow() -> onnx.ModelProto:
    def body(nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], outputs: list[str]) -> onnx.GraphProto:
        return helper.make_graph(nodes, "b", inputs, [helper.make_empty_tensor_value_info(name) for name in outputs])

    step = body(
        [node("Add", ["s", "x"], ["t"]), node("Identity", ["k"], ["j"])],
        [info("n", INT64, []), info("k", BOOL, []), info("s", FLOAT, [3])],
        ["j", "t", "t"],
    )
    nodes = [
        node("Loop", ["trips", "", "x"], ["l", "all"], body=step),
        node("ReduceSum", ["l"], ["sum"], keepdims=0),
        node("Greater", ["sum", "zero"], ["c"]),
        node(
            "If", ["c"], ["y"],
            then_branch=body([node("Neg", ["l"], ["u"])], [], ["u"]),
            else_branch=body([node("Abs", ["x"], ["v"])], [], ["v"]),
        ),
    ]  # fmt: skip
    return model_of(nodes, {"x": [3]}, {"trips": np.array(2, np.int64), "zero": np.array(0, np.float32)})


def recurrence() -> onnx.ModelProto:
    weights = {"w": np.ones((1, 16, 3), np.float32), "r": np.ones((1, 16, 4), np.float32)}
    nodes = [
        node("LSTM", ["x", "w", "r"], ["h"], hidden_size=4),
        node("LayerNormalization", ["h", "g"], ["y"], axis=-1),
    ]
    return model_of(nodes, {"x": [2, 1, 3]}, {**weights, "g": np.ones(4, np.float32)})


MODELS = (small_network, shape_arithmetic, tensor_movement, control_flow, recurrence)


@functools.cache
def seeds() -> list[onnx.ModelProto]:
    return [build() for build in MODELS]
