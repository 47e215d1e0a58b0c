"""Squeeze without axes, which drops a free axis only where it has length 1: one compile serves all sizes."""

from __future__ import annotations

import lamina
import numpy as np
import pytest
from one_node import model_of
from onnx import ModelProto, helper, numpy_helper
from other_engines import assert_same, reference

node = helper.make_node
SQUEEZE = node("Squeeze", ["x"], ["s"])
RNG = np.random.default_rng(0)
WEIGHTS = {
    "w": RNG.standard_normal((4, 3)).astype(np.float32),
    "b": RNG.standard_normal(3).astype(np.float32),
    "k": RNG.standard_normal(4).astype(np.float32),
    "shape": np.array([-1, 2], np.int64),
    "last": np.array([-1], np.int64),
    "first": np.array([0], np.int64),
}


def model(nodes: list, dims: list[int | str], opset: int = 18) -> ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in WEIGHTS.items()]
    infos = [helper.make_tensor_value_info("x", 1, dims)]
    results = [helper.make_empty_tensor_value_info(nodes[-1].output[0])]
    graph = helper.make_graph(nodes, "g", infos, results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def check(model: ModelProto, *shapes: tuple[int, ...]) -> None:
    executable = lamina.compile(model, threads=1)
    for shape in shapes:
        feeds = {"x": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
        expected = reference(model, feeds)
        assert expected is not None
        assert_same(executable.run(feeds), expected)


POOLED = [(1, 4, 1, 1), (3, 4, 1, 1), (2, 4, 1, 1)]


@pytest.mark.parametrize(
    "tail",
    [
        [],
        [node("MatMul", ["s", "w"], ["m"]), node("Add", ["m", "b"], ["a"]), node("Softmax", ["a"], ["y"], axis=-1)],
        [node("Mul", ["s", "k"], ["m"]), node("Sigmoid", ["m"], ["c"]), node("Add", ["c", "s"], ["y"])],
        [node("ReduceMean", ["s", "last"], ["y"], keepdims=0)],
        [node("ReduceSum", ["s"], ["y"], keepdims=0)],
        [node("ArgMax", ["s"], ["y"], axis=-1)],
        [node("Reshape", ["s", "shape"], ["y"])],
        [node("Unsqueeze", ["s", "first"], ["u"]), node("Concat", ["u", "u"], ["y"], axis=-1)],
        [node("Unsqueeze", ["s", "last"], ["u"]), node("Squeeze", ["u"], ["y"])],
        [node("Size", ["s"], ["y"])],
    ],
)
def test_what_follows_at_any_size(tail: list) -> None:
    check(model([SQUEEZE, *tail], ["N", 4, 1, 1]), *POOLED)


@pytest.mark.parametrize("opset", [11, 18])
def test_several_free_axes(opset: int) -> None:
    shapes = [(n, 1, m, 4) for n in (1, 2) for m in (1, 3)]
    check(model([SQUEEZE, node("Mul", ["s", "k"], ["y"])], ["N", 1, "M", 4], opset), *shapes)
    check(model_of("Squeeze", {"x": ["A", "B"]}, opset=opset), (1, 1), (2, 1), (1, 3), (2, 3))


@pytest.mark.parametrize(
    "tail",
    [node("Shape", ["s"], ["y"]), node("Transpose", ["s"], ["y"], perm=[1, 0]), node("Flatten", ["s"], ["y"])],
    ids=["shape", "transpose", "flatten"],
)
def test_what_depends_on_the_rank_is_refused_at_size_one(tail) -> None:
    refused = model([SQUEEZE, tail], ["N", 4, 1, 1])
    check(refused, *POOLED[1:])
    with pytest.raises(lamina.LaminaError, match="to run size 1, fix the size of N"):
        lamina.compile(refused).run({"x": np.ones(POOLED[0], np.float32)})
    fixed = lamina.compile(model([SQUEEZE, node("Flatten", ["s"], ["y"])], ["N", 4, 1, 1]), shapes={"N": 1})
    assert fixed.run({"x": np.ones(POOLED[0], np.float32)})["y"].shape == (4, 1)


def test_a_saved_model_knows_its_vanishing_axes(tmp_path) -> None:
    lamina.compile(model([SQUEEZE], ["N", 4, 1, 1])).save(tmp_path / "m.lamina")
    loaded = lamina.load(tmp_path / "m.lamina")
    assert [loaded.run({"x": np.ones(shape, np.float32)})["s"].shape for shape in POOLED] == [(4,), (3, 4), (2, 4)]
