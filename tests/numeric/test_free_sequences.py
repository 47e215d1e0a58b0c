"""Sequences of parts of an axis of free size, and scans over one."""

from __future__ import annotations

import functools
import json

import lamina
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.onnx_pb import ModelProto, NodeProto

Array = np.ndarray
RNG = np.random.default_rng(0)
info = helper.make_tensor_value_info


def random(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def graph_of(nodes: list[NodeProto], outputs: list[str], **integers: int | list[int]) -> ModelProto:
    """Of x [n, 3], a position p and integers that are known."""
    inputs = [info("x", TensorProto.FLOAT, ["n", 3])]
    if any("p" in node.input for node in nodes):
        inputs.append(info("p", TensorProto.INT64, []))
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in integers.items()]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info(y) for y in outputs], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@functools.cache
def compiled(model: bytes, shapes: str) -> lamina.Executable:
    """``shapes`` as JSON."""
    return lamina.compile(model, shapes=json.loads(shapes), threads=1)


def at_both(model: ModelProto, **feeds: Array) -> list[list[Array] | str]:
    """Results, or the error, of the model with free sizes and with those of the feeds."""
    shapes = {name: list(array.shape) for name, array in feeds.items()}
    found: list[list[Array] | str] = []
    for fixed in ({}, shapes):
        try:
            executable = compiled(model.SerializeToString(), json.dumps(fixed))
            found.append(list(executable.run(feeds).values()))
        except lamina.LaminaError as error:
            found.append(str(error))
    return found


def assert_gives(model: ModelProto, expected: list[Array | int], **feeds: Array) -> None:
    for found in at_both(model, **feeds):
        assert not isinstance(found, str), found
        for value, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6, strict=isinstance(wanted, np.ndarray))


def assert_refused(model: ModelProto, **feeds: Array) -> None:
    for found in at_both(model, **feeds):
        assert isinstance(found, str)
        assert any(words in found for words in ("out of range", "must be", "empty", "picks index")), found


@pytest.mark.parametrize("size", [3, 4, 101])
def test_parts(size: int) -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x", "two"], ["s"]),
        helper.make_node("SequenceAt", ["s", "one"], ["a"]),
        helper.make_node("SequenceAt", ["s", "last"], ["b"]),
        helper.make_node("SequenceLength", ["s"], ["c"]),
        helper.make_node("ConcatFromSequence", ["s"], ["d"], axis=-2),
    ]
    x = random(size, 3)
    last = x[(size - 1) // 2 * 2 :]
    expected = [x[2:4], last, -(-size // 2), x]
    assert_gives(graph_of(nodes, ["a", "b", "c", "d"], two=2, one=1, last=-1), expected, x=x)


def test_positions_beyond_the_parts() -> None:
    split = helper.make_node("SplitToSequence", ["x", "two"], ["s"])
    at = graph_of([split, helper.make_node("SequenceAt", ["s", "place"], ["a"])], ["a"], two=2, place=1)
    before = graph_of([split, helper.make_node("SequenceAt", ["s", "place"], ["a"])], ["a"], two=2, place=-2)
    for size in (0, 1, 2):
        assert_refused(at, x=random(size, 3))
        assert_refused(before, x=random(size, 3))
    assert_refused(graph_of([split, helper.make_node("ConcatFromSequence", ["s"], ["d"], axis=0)], ["d"], two=2),
                   x=random(0, 3))  # fmt: skip
    count = graph_of([split, helper.make_node("SequenceLength", ["s"], ["c"])], ["c"], two=2)
    assert_gives(count, [0], x=random(0, 3))
    with pytest.raises(lamina.LaminaError, match="must be at least 1"):
        lamina.compile(graph_of([split, helper.make_node("SequenceLength", ["s"], ["c"])], ["c"], two=0))


@pytest.mark.parametrize("keepdims", [0, 1])
def test_rows(keepdims: int) -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["s"], keepdims=keepdims),
        helper.make_node("SequenceAt", ["s", "p"], ["a"]),
        helper.make_node("ConcatFromSequence", ["s"], ["b"], axis=-1, new_axis=1),
    ]
    model = graph_of(nodes, ["a", "b"])
    x = random(5, 3)
    rows = list(x[:, None] if keepdims else x)
    for place in (0, 4, -5):
        assert_gives(model, [rows[place], np.stack(rows, axis=-1)], x=x, p=np.array(place))
    for place in (5, -6):
        assert_refused(model, x=x, p=np.array(place))


def test_a_body_for_each_row() -> None:
    body = helper.make_graph(
        [helper.make_node("ReduceSum", ["r"], ["t"]), helper.make_node("Add", ["r", "w"], ["u"])],
        "body",
        [info("r", TensorProto.FLOAT, [3]), info("w", TensorProto.FLOAT, [3])],
        [info("t", TensorProto.FLOAT, [1]), info("u", TensorProto.FLOAT, [3])],
    )
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["s"], keepdims=0),
        helper.make_node("SequenceMap", ["s", "s"], ["v", "w"], body=body),
        helper.make_node("ConcatFromSequence", ["v"], ["a"], axis=0, new_axis=1),
        helper.make_node("ConcatFromSequence", ["w"], ["b"], axis=1, new_axis=1),
    ]
    for size in (1, 4):
        x = random(size, 3)
        assert_gives(graph_of(nodes, ["a", "b"]), [x.sum(1, keepdims=True), np.stack(list(2 * x), 1)], x=x)


@pytest.mark.parametrize("size", [0, 1, 5, 300])
def test_scans(size: int) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Add", ["sum", "a"], ["next"]),
            helper.make_node("Mul", ["next", "b"], ["o"]),
            helper.make_node("Identity", ["next"], ["q"]),
        ],
        "body",
        [info(name, TensorProto.FLOAT, [3]) for name in ("sum", "a", "b")],
        [info(name, TensorProto.FLOAT, [3]) for name in ("next", "o", "q")],
    )
    scan = helper.make_node(
        "Scan",
        ["start", "x", "z"],
        ["y0", "y1", "y2"],
        body=body,
        num_scan_inputs=2,
        scan_input_axes=[0, -1],
        scan_input_directions=[0, 1],
        scan_output_axes=[1, 0],
        scan_output_directions=[1, 0],
    )
    start = helper.make_node("ReduceSum", ["x", "zero"], ["start"], keepdims=0)
    turned = helper.make_node("Transpose", ["x"], ["z"])
    x = random(size, 3)
    model = graph_of([start, turned, scan], ["y0", "y1", "y2"], zero=[0])
    sums = x.sum(0) + np.cumsum(x, axis=0)
    expected = [sums[-1] if size else np.zeros(3, np.float32), (sums * x[::-1])[::-1].T, sums]
    for found in at_both(model, x=x):
        assert not isinstance(found, str), found
        for value, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-4, atol=1e-3, strict=True)
