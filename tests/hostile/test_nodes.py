"""Nodes that contradict ONNX's rules: each is refused, by name, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from lamina.context import CompilerContext
from lamina.errors import InvalidModelError, LaminaError, UnsupportedOperatorError
from lamina.frontend import import_model
from onnx import TensorProto, helper, numpy_helper


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Any],
    weights: dict[str, Any] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    """A model whose output is ``y``; an input is a shape, or a pair of element type and shape."""
    infos = []
    for name, shape in inputs.items():
        kind, dims = shape if isinstance(shape, tuple) else (TensorProto.FLOAT, shape)
        infos.append(helper.make_tensor_value_info(name, kind, dims))
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", infos, [helper.make_empty_tensor_value_info("y")], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def one(
    operator: str, inputs: dict[str, Any], weights: dict[str, Any] | None = None, opset: int = 18, **attributes: Any
) -> onnx.ModelProto:
    names = [*inputs, *(weights or {})]
    return model_of([helper.make_node(operator, names, ["y"], "the_node", **attributes)], inputs, weights, opset)


IMAGE = {"x": [1, 4, 8, 8]}
KERNEL = {"w": np.ones((4, 4, 3, 3), np.float32)}
I64 = np.int64


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, I64)


INVALID = {
    "stride 0": one("Conv", IMAGE, KERNEL, strides=[0, 1]),
    "stride -1": one("Conv", IMAGE, KERNEL, strides=[1, -1]),
    "dilation 0": one("Conv", IMAGE, KERNEL, dilations=[0, 0]),
    "group 0": one("Conv", IMAGE, KERNEL, group=0),
    "group -1": one("Conv", IMAGE, KERNEL, group=-1),
    "group 3": one("Conv", IMAGE, KERNEL, group=3),
    "too few strides": one("Conv", IMAGE, KERNEL, strides=[1]),
    "too many pads": one("Conv", IMAGE, KERNEL, pads=[1] * 6),
    "another kernel": one("Conv", IMAGE, KERNEL, kernel_shape=[5, 5]),
    "unknown padding": one("Conv", IMAGE, KERNEL, auto_pad="SOMEHOW"),
    "channels": one("Conv", {"x": [1, 3, 8, 8]}, KERNEL),
    "kernel larger than image": one("Conv", {"x": [1, 4, 2, 2]}, KERNEL),
    "no image": one("Conv", {"x": [4]}, KERNEL),
    "rank of kernel": one("Conv", IMAGE, {"w": np.ones((4, 4, 3), np.float32)}),
    "length of bias": one("Conv", IMAGE, {**KERNEL, "b": np.ones(3, np.float32)}),
    "pool stride 0": one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[0, 0]),
    "pool kernel 0": one("AveragePool", IMAGE, kernel_shape=[0, 2]),
    "pool kernel -1": one("MaxPool", IMAGE, kernel_shape=[-1, 2]),
    "pool kernel missing": one("MaxPool", IMAGE),
    "pool kernel of rank 1": one("MaxPool", IMAGE, kernel_shape=[2]),
    "pool dilation 0": one("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[0, 1]),
    "pool larger than image": one("MaxPool", IMAGE, kernel_shape=[12, 12]),
    "transposed stride 0": one("ConvTranspose", IMAGE, KERNEL, strides=[0, 1]),
    "transposed group 0": one("ConvTranspose", IMAGE, KERNEL, group=0),
    "matmul": one("MatMul", {"a": [2, 3], "b": [4, 5]}),
    "matmul of scalars": one("MatMul", {"a": [], "b": []}),
    "gemm of rank 3": one("Gemm", {"a": [2, 3, 4], "b": [4, 5]}),
    "broadcast": one("Add", {"a": [2, 3], "b": [4]}),
    "element types differ": one("Add", {"a": [2], "b": (TensorProto.INT64, [2])}),
    "element type": one("Conv", {"x": (TensorProto.INT64, [1, 4, 8, 8])}, KERNEL),
    "truth values added": one("Add", {"a": (TensorProto.BOOL, [2]), "b": (TensorProto.BOOL, [2])}),
    "reshape of impossible size": one("Reshape", {"x": [2, 3]}, {"s": whole(4, 2)}),
    "reshape to what does not divide": one("Reshape", {"x": [2, 3]}, {"s": whole(4, -1)}),
    "reshape of two unknowns": one("Reshape", {"x": [2, 3]}, {"s": whole(-1, -1)}),
    "reshape to -2": one("Reshape", {"x": [2, 3]}, {"s": whole(-2, 3)}),
    "reshape zero beyond rank": one("Reshape", {"x": [2, 3]}, {"s": whole(2, 3, 0)}),
    "reshape by matrix": one("Reshape", {"x": [2, 3]}, {"s": np.array([[3, 2]], I64)}),
    "concat of other sizes": one("Concat", {"a": [2, 3], "b": [3, 3]}, axis=1),
    "concat of other ranks": one("Concat", {"a": [2, 3], "b": [2, 3, 1]}, axis=1),
    "concat axis": one("Concat", {"a": [2, 3], "b": [2, 3]}, axis=2),
    "concat of scalars": one("Concat", {"a": [], "b": []}, axis=0),
    "gather out of range": one("Gather", {"x": [4, 2]}, {"i": whole(1, 4)}),
    "gather one out of range": one("Gather", {"x": [4, 2]}, {"i": np.array(4, I64)}),
    "gather negative out of range": one("Gather", {"x": [4, 2]}, {"i": whole(-5)}),
    "gather by floats": one("Gather", {"x": [4, 2]}, {"i": np.ones(2, np.float32)}),
    "gather axis": one("Gather", {"x": [4, 2]}, {"i": whole(0)}, axis=2),
    "slice step 0": one("Slice", {"x": [8]}, {"a": whole(0), "b": whole(4), "c": whole(0), "d": whole(0)}),
    "slice lengths": one("Slice", {"x": [8]}, {"a": whole(0), "b": whole(4, 4)}),
    "slice axes length": one("Slice", {"x": [8, 8]}, {"a": whole(0, 0), "b": whole(4, 4), "c": whole(0)}),
    "slice axis twice": one("Slice", {"x": [8, 8]}, {"a": whole(0, 0), "b": whole(4, 4), "c": whole(0, 0)}),
    "slice axis": one("Slice", {"x": [8]}, {"a": whole(0), "b": whole(4), "c": whole(3)}),
    "slice of too many axes": one("Slice", {"x": [8]}, {"a": whole(0, 0), "b": whole(4, 4)}),
    "transpose short": one("Transpose", {"x": [2, 3]}, perm=[0]),
    "transpose twice": one("Transpose", {"x": [2, 3]}, perm=[1, 1]),
    "transpose beyond": one("Transpose", {"x": [2, 3]}, perm=[0, 2]),
    "transpose negative": one("Transpose", {"x": [2, 3]}, perm=[-1, 0]),
    "softmax axis": one("Softmax", {"x": [2, 3]}, axis=2),
    "softmax negative axis": one("LogSoftmax", {"x": [2, 3]}, axis=-3),
    "layer norm axis": one("LayerNormalization", {"x": [2, 3]}, {"s": np.ones(3, np.float32)}, axis=5),
    "layer norm scale": one("LayerNormalization", {"x": [2, 3]}, {"s": np.ones(4, np.float32)}),
    "batch norm lengths": one(
        "BatchNormalization", IMAGE, {name: np.ones(3 + (name == "s"), np.float32) for name in "sbmv"}
    ),
    "instance norm lengths": one("InstanceNormalization", IMAGE, {name: np.ones(3, np.float32) for name in "sb"}),
    "reduce axis": one("ReduceSum", {"x": [2, 3]}, {"a": whole(2)}),
    "argmax axis": one("ArgMax", {"x": [2, 3]}, axis=-3),
    "squeeze of size 3": one("Squeeze", {"x": [2, 3]}, {"a": whole(1)}),
    "unsqueeze twice": one("Unsqueeze", {"x": [2, 3]}, {"a": whole(1, 1)}),
    "unsqueeze beyond": one("Unsqueeze", {"x": [2, 3]}, {"a": whole(5)}),
    "flatten axis": one("Flatten", {"x": [2, 3]}, axis=3),
    "expand": one("Expand", {"x": [2, 3]}, {"s": whole(4, 3)}),
    "expand negative": one("Expand", {"x": [1, 3]}, {"s": whole(-4, 3)}),
    "tile length": one("Tile", {"x": [2, 3]}, {"s": whole(2)}),
    "tile negative": one("Tile", {"x": [2, 3]}, {"s": whole(2, -1)}),
    "pad length": one("Pad", {"x": [2, 3]}, {"s": whole(1, 1)}),
    "pad mode": one("Pad", {"x": [2, 3]}, {"s": whole(1, 1, 1, 1)}, mode="somehow"),
    "pad below nothing": one("Pad", {"x": [2, 3]}, {"s": whole(-2, 0, -2, 0)}),
    "split sizes": model_of(
        [helper.make_node("Split", ["x", "s"], ["y", "z"], "the_node")], {"x": [6]}, {"s": whole(2, 3)}
    ),
    "split negative": model_of(
        [helper.make_node("Split", ["x", "s"], ["y", "z"], "the_node")], {"x": [6]}, {"s": whole(-2, 8)}
    ),
    "split number": model_of(
        [helper.make_node("Split", ["x", "s"], ["y", "z"], "the_node")], {"x": [6]}, {"s": whole(2, 2, 2)}
    ),
    "top k of too many": model_of(
        [helper.make_node("TopK", ["x", "k"], ["y", "i"], "the_node")], {"x": [6]}, {"k": whole(7)}
    ),
    "top k negative": model_of(
        [helper.make_node("TopK", ["x", "k"], ["y", "i"], "the_node")], {"x": [6]}, {"k": whole(-1)}
    ),
    "one hot depth": one(
        "OneHot", {"x": (TensorProto.INT64, [2])}, {"d": np.array(-3, I64), "v": np.array([0, 1], np.float32)}
    ),
    "range step 0": one("Range", {}, {"a": np.array(0, I64), "b": np.array(5, I64), "c": np.array(0, I64)}),
    "constant of negative shape": one("ConstantOfShape", {}, {"s": whole(2, -3)}),
    "depth to space": one("DepthToSpace", {"x": [1, 6, 2, 2]}, blocksize=2),
    "depth to space 0": one("DepthToSpace", {"x": [1, 8, 2, 2]}, blocksize=0),
    "space to depth": one("SpaceToDepth", {"x": [1, 6, 3, 3]}, blocksize=2),
    "shape of two inputs": one("Shape", {"x": [2], "z": [3]}),
    "attribute of another type": one("Softmax", {"x": [2, 3]}, axis=[1]),
    "attribute that is unknown": one("Relu", {"x": [2, 3]}, slope=1.0),
    "attribute that is missing": one("Concat", {"x": [2, 3]}),
    "einsum of other sizes": one("Einsum", {"a": [2, 3], "b": [4, 5]}, equation="ij,jk->ik"),
    "einsum of words": one("Einsum", {"a": [2, 3], "b": [4, 5]}, equation="i,,;->->"),
    "where": one("Where", {"c": [2], "a": [2], "b": [2]}),
    "cast to nothing": one("Cast", {"x": [2]}, to=0),
    "cast to 99": one("Cast", {"x": [2]}, to=99),
    "clip of ranges": one("Clip", {"x": [2]}, {"low": np.ones(3, np.float32)}),
    "resize to nothing": model_of(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], "the_node")],
        IMAGE,
        {"s": np.array([1, 1, 0, 1], np.float32)},
    ),
    "resize by negative": model_of(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], "the_node")],
        IMAGE,
        {"s": np.array([1, 1, -2, 2], np.float32)},
    ),
    "resize by two numbers": model_of(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], "the_node")], IMAGE, {"s": np.array([2, 2], np.float32)}
    ),
    "resize mode": model_of(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], "the_node", mode="somehow")],
        IMAGE,
        {"s": np.array([1, 1, 2, 2], np.float32)},
    ),
    "lstm weights": model_of(
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], "the_node", hidden_size=4)],
        {"x": [3, 1, 5]},
        {"w": np.ones((1, 16, 6), np.float32), "r": np.ones((1, 16, 4), np.float32)},
    ),
    "lstm hidden size": model_of(
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], "the_node", hidden_size=-4)],
        {"x": [3, 1, 5]},
        {"w": np.ones((1, 16, 5), np.float32), "r": np.ones((1, 16, 4), np.float32)},
    ),
    "lstm direction": model_of(
        [helper.make_node("LSTM", ["x", "w", "r"], ["y"], "the_node", hidden_size=4, direction="sideways")],
        {"x": [3, 1, 5]},
        {"w": np.ones((1, 16, 5), np.float32), "r": np.ones((1, 16, 4), np.float32)},
    ),
    "trilu of vector": one("Trilu", {"x": [2]}),
    "gather nd of too many": one("GatherND", {"x": [2, 2]}, {"i": np.zeros((1, 3), I64)}),
    "gather elements of another rank": one("GatherElements", {"x": [2, 2]}, {"i": whole(0)}),
    "scatter elements": one("ScatterElements", {"x": [2, 2]}, {"i": whole(0), "u": np.zeros(1, np.float32)}),
    "prelu slope": one("PRelu", {"x": [2, 3]}, {"s": np.ones(4, np.float32)}),
    "cumsum axis": one("CumSum", {"x": [2, 3]}, {"a": np.array(2, I64)}),
    "global pool of matrix": one("GlobalAveragePool", {"x": [3]}),
    "quantize scale": one("QuantizeLinear", {"x": [2, 3]}, {"s": np.ones(4, np.float32), "z": np.zeros(4, np.uint8)}),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_node_is_refused_by_name(name: str) -> None:
    with pytest.raises((InvalidModelError, UnsupportedOperatorError)) as caught:
        import_model(INVALID[name], context=CompilerContext())
    assert isinstance(caught.value, InvalidModelError) or name.startswith("cast")
    message = str(caught.value)
    assert "the_node" in message
    assert "a fault of the compiler" not in message, "the node's converter should say what is wrong"
    assert len(message) < 2000
    assert isinstance(caught.value, LaminaError)
