"""Heads as exporters write them: one compilation serves sizes of 0, 1 and more that are computed from free dims."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

F32, I64 = TensorProto.FLOAT, TensorProto.INT64
RANDOM = np.random.default_rng(0)
node = helper.make_node
Q = RANDOM.standard_normal((1, 6, 8), dtype=np.float32)


def filled(value: Any, shape: str, result: str, kind: int) -> onnx.NodeProto:
    return node("ConstantOfShape", [shape], [result], value=helper.make_tensor("value", kind, [1], [value]))


def size_of(axis: str, result: str) -> list[onnx.NodeProto]:
    return [node("Shape", ["x"], [f"{result}_shape"]), node("Gather", [f"{result}_shape", axis], [result])]


CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "ConstantOfShape of a computed shape, joined": (
        [*size_of("[1]", "m"), node("Concat", ["m", "[4]"], ["shape"], axis=0), filled(2.0, "shape", "twos", F32),
         node("Transpose", ["x"], ["t"], perm=[1, 0]), node("Concat", ["t", "twos"], ["y"], axis=1)],
        [("x", F32, ["N", "M"])],
    ),
    "ConstantOfShape, summed up": (
        [node("Shape", ["x"], ["shape"]), filled(1, "shape", "ones", I64), node("CumSum", ["ones", "1"], ["sums"]),
         node("Cast", ["sums"], ["f"], to=F32), node("Mul", ["f", "x"], ["y"])],
        [("x", F32, ["N", "M"])],
    ),
    "GatherND of given places": (
        [node("GatherND", ["x", "i"], ["y"], batch_dims=1)],
        [("x", F32, ["N", 5, 3]), ("i", I64, ["N", "K", 1])],
    ),
    "GatherND of the best": (
        [node("TopK", ["x", "[3]"], ["values", "places"], axis=1), node("Unsqueeze", ["places", "[-1]"], ["i"]),
         node("Unsqueeze", ["x", "[2]"], ["u"]), node("GatherND", ["u", "i"], ["y"], batch_dims=1)],
        [("x", F32, ["N", 7])],
    ),
    "Expand by the batch": (
        [*size_of("[0]", "n"), node("Concat", ["n", "[6]", "[8]"], ["shape"], axis=0),
         node("Expand", ["q", "shape"], ["e"]), node("Unsqueeze", ["x", "[1]"], ["u"]), node("Add", ["e", "u"], ["y"])],
        [("x", F32, ["N", 8])],
    ),
    "Expand by a shape that is chosen": (
        [node("Shape", ["x"], ["shape"]), filled(1, "[2]", "ones", I64), node("Mul", ["ones", "-1"], ["minus"]),
         node("Equal", ["shape", "minus"], ["is"]), node("Where", ["is", "ones", "shape"], ["chosen"]),
         node("Expand", ["row", "chosen"], ["e"]), node("Mul", ["e", "x"], ["y"])],
        [("x", F32, ["N", 8])],
    ),
    "Squeeze of whatever is 1": (
        [node("Unsqueeze", ["x", "[1]"], ["u"]), node("Squeeze", ["u"], ["y"])],
        [("x", F32, ["N", 3])],
    ),
    "Range and Tile": (
        [*size_of("1", "m"), node("Range", ["0", "m", "1"], ["r"]), node("Unsqueeze", ["r", "[0]"], ["u"]),
         *size_of("[0]", "n"), node("Concat", ["n", "[1]"], ["repeats"], axis=0), node("Tile", ["u", "repeats"], ["t"]),
         node("Cast", ["t"], ["f"], to=F32), node("Add", ["f", "x"], ["y"])],
        [("x", F32, ["N", "M"])],
    ),
}  # fmt: skip
CONSTANTS = {f"[{number}]": np.array([number]) for number in (-1, 0, 1, 2, 3, 4, 6, 8)}
CONSTANTS |= {str(number): np.array(number) for number in (-1, 0, 1)}
CONSTANTS |= {"q": Q, "row": Q[:, 0]}


def model_of(name: str) -> onnx.ModelProto:
    nodes, inputs = CASES[name]
    used = {read for each in nodes for read in each.input}
    weights = [numpy_helper.from_array(array, text) for text, array in CONSTANTS.items() if text in used]
    infos = [helper.make_tensor_value_info(*each) for each in inputs]
    graph = helper.make_graph(nodes, "head", infos, [helper.make_empty_tensor_value_info("y")], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("name", CASES)
def test_sizes_of_0_1_and_more_from_one_compilation(name: str) -> None:
    model = model_of(name)
    executable = lamina.compile(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for rows in (2, 1, 0, 5):
        sizes = {"N": rows, "M": rows + 2, "K": 4}
        feeds = {}
        for given, kind, dims in CASES[name][1]:
            shape = [sizes.get(dim, dim) for dim in dims]
            feeds[given] = RANDOM.integers(-5, 5, shape) if kind == I64 else RANDOM.standard_normal(shape, np.float32)
        (expected,) = session.run(None, feeds)
        found = executable.run(feeds)["y"]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
