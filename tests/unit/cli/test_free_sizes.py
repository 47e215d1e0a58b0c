from __future__ import annotations

import lamina
import numpy as np
import pytest
from lamina.cli.free_sizes import assumed_sizes, fitting_sizes
from one_node import model_of
from onnx import ModelProto, TensorProto, helper


def test_pictures_sentences_and_batches() -> None:
    shapes = [("N", 3, "H", "W"), ("N", "length"), ("n_batches", "frames", 80)]
    sizes = {"N": 1, "H": 224, "W": 224, "length": 64, "n_batches": 1, "frames": 64}
    assert assumed_sizes(shapes) == sizes


def test_a_dim_in_several_places_has_the_smallest_size() -> None:
    assert assumed_sizes([(1, 3, "S", "S"), ("S",)]) == {"S": 1}


def test_what_is_never_bound_alone_is_one() -> None:
    assert assumed_sizes([("N", "past + length", 4), ("N", "length")]) == {"N": 1, "past": 1, "length": 64}


def one_line_of_text() -> ModelProto:
    """A picture whose height is one window of 16 rows, as of recognition of text; the axis is then taken away."""
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[16, 1], strides=[16, 1]),
        helper.make_node("Squeeze", ["p", "axis"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [2])
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [axis])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_sizes_are_those_that_the_model_takes() -> None:
    program = lamina.compile(one_line_of_text()).program
    sizes = fitting_sizes(program)
    assert sizes["N"] == 1 and sizes["W"] == 224 and 16 <= sizes["H"] < 32
    assert fitting_sizes(program, {"H": 20})["H"] == 20


@pytest.mark.parametrize("window", [100, 1000])
def test_what_is_too_short_for_a_window_is_longer(window: int) -> None:
    weights = {"w": np.ones((1, 1, window), np.float32)}
    executable = lamina.compile(model_of("Conv", {"x": ["N", 1, "T"]}, weights))
    sizes = fitting_sizes(executable.program)
    assert sizes["T"] >= window
    assert executable.run({"x": np.ones((1, 1, sizes["T"]), np.float32)})


def test_sizes_that_are_said_stay() -> None:
    program = lamina.compile(model_of("Conv", {"x": ["N", 1, "T"]}, {"w": np.ones((1, 1, 100), np.float32)})).program
    assert fitting_sizes(program, {"T": 7}) == {"N": 1, "T": 7}
