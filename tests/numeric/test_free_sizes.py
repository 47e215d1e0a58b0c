"""One compilation for every size: tiles of falling sizes, partly filled blocks, shapes computed from sizes."""

from __future__ import annotations

import itertools

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.lowering.schedule_to_loops.register_tile import falling_sizes
from onnx import TensorProto, helper

# Channels in and out, window, stride.
CONVOLUTIONS = ((3, 32, 3, 2), (32, 64, 3, 1), (64, 64, 1, 1), (64, 48, 3, 1), (48, 32, 3, 2), (32, 16, 1, 1))


@pytest.fixture(scope="module")
def picture_model() -> onnx.ModelProto:
    """Convolutions with ReLU for pictures [batch, 3, height, width]."""
    numbers = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for index, (channels, outputs, window, stride) in enumerate(CONVOLUTIONS):
        shape = (outputs, channels, window, window)
        weight = (numbers.standard_normal(shape) / np.sqrt(channels * window**2)).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(weight, f"w{index}"))
        pads, strides = [window // 2] * 4, [stride] * 2
        nodes.append(helper.make_node("Conv", [value, f"w{index}"], [f"c{index}"], pads=pads, strides=strides))
        value = "y" if index == len(CONVOLUTIONS) - 1 else f"r{index}"
        nodes.append(helper.make_node("Relu", [f"c{index}"], [value]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, "height", "width"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "picture", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("threads", [1, 2])
def test_every_size_of_a_picture(picture_model: onnx.ModelProto, threads: int) -> None:
    executable = lamina.compile(picture_model, threads=threads)
    session = onnxruntime.InferenceSession(picture_model.SerializeToString(), providers=["CPUExecutionProvider"])
    numbers = np.random.default_rng(1)
    sizes = [(1, 9, width) for width in range(1, 66)] + [(2, height, 33) for height in (1, 2, 5, 13, 40)]
    for batch, height, width in sizes:
        x = numbers.standard_normal((batch, 3, height, width)).astype(np.float32)
        (expected,) = session.run(None, {"x": x})
        found = executable.run({"x": x})["y"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_convolutions_of_free_sizes_use_winograd(picture_model: onnx.ModelProto) -> None:
    functions = [
        s.function for segment in lamina.compile(picture_model).program.segments.values() for s in segment.stages
    ]
    assert sum("winograd" in function for function in functions) == 2


@pytest.mark.parametrize("largest", [1, 2, 6, 8, 13, 27])
def test_sizes_fall_by_halves_to_one(largest: int) -> None:
    sizes = falling_sizes(largest)
    assert (sizes[0], sizes[-1]) == (largest, 1)
    assert all(larger > smaller for larger, smaller in itertools.pairwise(sizes))
    assert all(2 * smaller >= larger for larger, smaller in itertools.pairwise(sizes) if smaller > 1)


def model_of(
    nodes: list[onnx.NodeProto], dims: list[int | str], **constants: np.ndarray | np.generic
) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "sizes", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_range_up_to_a_size_cast_to_float_needs_no_host() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["width"]),
        helper.make_node("Cast", ["width"], ["limit"], to=TensorProto.FLOAT),
        helper.make_node("Range", ["zero", "limit", "step"], ["y"]),
    ]
    constants = {"one": np.array(1), "zero": np.float32(0), "step": np.float32(1)}
    executable = lamina.compile(model_of(nodes, ["H", "W"], **constants))
    assert [type(step).__name__ for step in executable.program.body.steps] == ["Call"]
    np.testing.assert_array_equal(
        executable.run({"x": np.ones((2, 7), np.float32)})["y"], np.arange(7, dtype=np.float32)
    )
