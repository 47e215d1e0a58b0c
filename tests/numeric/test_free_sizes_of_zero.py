"""Free dims that are 0 or less than a model expects at run time: the right result, or an error that says so."""

import itertools

import lamina
import numpy as np
import onnx
import pytest
from lamina.pipeline import PipelineOptions
from one_node import model_of
from onnx import TensorProto, helper, numpy_helper

LEAST = -(2**31)
SLICES = ((-1, 2**31, 1), (0, -2, -1), (0, LEAST, -1), (1, 2**31, 1), (2, 0, -1), (-2, -1, 1), (-1, LEAST, -2))
SEQUENCES = [(one,) for one in SLICES] + list(itertools.product(SLICES[:5], SLICES[:5]))


def sliced(bounds) -> onnx.ModelProto:
    """Slices of the only axis, of free size N, one after another: (start, end, step) each."""
    nodes, constants, name = [], [], "x"
    for index, (start, end, step) in enumerate(bounds):
        operands = []
        for role, value in (("start", start), ("end", end), ("axis", 0), ("step", step)):
            operands.append(f"{role}{index}")
            constants.append(numpy_helper.from_array(np.array([value], np.int64), operands[-1]))
        result = "y" if index == len(bounds) - 1 else f"y{index}"
        nodes.append(helper.make_node("Slice", [name, *operands], [result]))
        name = result
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "slices", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def expected(x: np.ndarray, bounds) -> np.ndarray:
    for start, end, step in bounds:
        x = x[slice(start, None if end == LEAST else end, step)]
    return x


@pytest.mark.parametrize("bounds", SEQUENCES, ids=str)
def test_slices(bounds):
    executable = lamina.compile(sliced(bounds))
    for size in (0, 1, 2, 5):
        x = np.arange(1, size + 1, dtype=np.float32)
        try:
            result = executable.run({"x": x})["y"]
        except lamina.LaminaError as error:
            assert size < 5 and "the axis is not empty" in str(error)
        else:
            np.testing.assert_array_equal(result, expected(x, bounds))


def positions(size: int, start: int, end: int, step: int) -> list[int]:
    """Those that a slice takes of an axis, by the specification: bounds are clamped to the axis."""
    low, high = (0, size) if step > 0 else (0, size - 1)
    first = min(max(start + size if start < 0 else start, low), high)
    low = 0 if step > 0 else -1
    last = min(max(end + size if end < 0 else end, low), high)
    return list(range(first, last, step))


@pytest.mark.parametrize("start", [0, 3, 9, -9, LEAST])
def test_bounds_far_outside(start: int) -> None:
    """Of an axis that is free, one of a single element and one of five, all with the same bounds."""
    cases = list(itertools.product((2, 9, -2, LEAST), (1, 3, -1, -2)))
    tensors = [numpy_helper.from_array(np.full(3, n, np.int64), str(n)) for n in {start, *sum(cases, ())}]
    tensors.append(numpy_helper.from_array(np.arange(3), "axes"))
    nodes = [
        helper.make_node("Slice", ["x", str(start), str(end), "axes", str(step)], [f"{end} {step}"])
        for end, step in cases
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 5])
    outputs = [helper.make_empty_tensor_value_info(node.output[0]) for node in nodes]
    graph = helper.make_graph(nodes, "g", [x], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    executable = lamina.compile(model, options=PipelineOptions(checked=True))
    for size in (0, 1, 4):
        array = np.arange(5 * size, dtype=np.float32).reshape(size, 1, 5)
        found = executable.run({"x": array})
        for end, step in cases:
            taken = np.ix_(*(positions(length, start, end, step) for length in array.shape))
            np.testing.assert_array_equal(found[f"{end} {step}"], array[taken])


@pytest.mark.parametrize("divisor", [2, -2, 3])
def test_a_computed_size_is_rounded_towards_zero(divisor):
    """Shape(x)[0] - 5, divided as integers are."""
    constants = [
        numpy_helper.from_array(np.array([5], np.int64), "five"),
        numpy_helper.from_array(np.array([divisor], np.int64), "divisor"),
    ]
    nodes = [
        helper.make_node("Shape", ["x"], ["size"]),
        helper.make_node("Sub", ["size", "five"], ["less"]),
        helper.make_node("Div", ["less", "divisor"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [1])
    graph = helper.make_graph(nodes, "size", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    executable = lamina.compile(model)
    for size in (0, 1, 2, 4, 5, 6, 9):
        result = executable.run({"x": np.zeros(size, np.float32)})["y"]
        assert result.tolist() == [int((size - 5) / divisor)]


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("pads", [(2, 0), (0, 1), (0, 0), (-1, 2), (2, -1)], ids=str)
def test_a_border_of_nothing(mode: str, pads: tuple[int, int]) -> None:
    """Only numbers can be added to an axis without elements; pads that cut may leave it without."""
    before, after = pads
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])
    tensors = [numpy_helper.from_array(np.array([before, 0, after, 0]), "pads")]
    nodes = [helper.make_node("Pad", ["x", "pads"], ["y"], mode=mode)]
    graph = helper.make_graph(nodes, "g", [x], [helper.make_empty_tensor_value_info("y")], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    executable = lamina.compile(model, options=PipelineOptions(checked=True))
    for size in (0, 1, 3):
        array = np.arange(3 * size, dtype=np.float32).reshape(size, 3)
        left = size + min(before, 0) + min(after, 0)
        if mode == "constant" and left < 0:
            wanted = np.zeros((size + before + after, 3), np.float32)
        elif mode != "constant" and left < 1 and max(before, after) > 0:
            with pytest.raises(lamina.LaminaError):
                executable.run({"x": array})
            continue
        else:
            cut = array[max(-before, 0) : size - max(-after, 0)]
            wanted = np.pad(cut, [(max(before, 0), max(after, 0)), (0, 0)], mode)
        np.testing.assert_array_equal(executable.run({"x": array})["y"], wanted)


@pytest.mark.parametrize("operator", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_a_recurrence_over_no_steps_ends_as_it_began(operator: str, direction: str) -> None:
    gates, states = {"RNN": (1, 1), "GRU": (3, 1), "LSTM": (4, 2)}[operator]
    sizes = {"w": (1, 4 * gates, 3), "r": (1, 4 * gates, 4)}
    weights = {name: np.ones(shape, np.float32) for name, shape in sizes.items()}
    start = {name: np.full((1, 2, 4), value, np.float32) for name, value in (("h", 1.5), ("c", -2.5))[:states]}
    order = ",".join(["x,w,r,,", *start])
    model = model_of(
        operator, {"x": ["N", 2, 3]}, weights | start, order, 1 + states, hidden_size=4, direction=direction
    )
    found = lamina.compile(model, options=PipelineOptions(checked=True)).run({"x": np.zeros((0, 2, 3), np.float32)})
    assert found["y0"].shape == (0, 1, 2, 4)
    for index, state in enumerate(start.values(), 1):
        np.testing.assert_array_equal(found[f"y{index}"], state)
