"""Winograd convolutions of inputs with numbers far apart, and the error that they are allowed."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.passes.kernel.winograd_error import estimate_error, examine_error
from onnx import TensorProto, helper, numpy_helper

# Channels in and out, height, width.
SHAPES = {"whole tiles": (32, 32, 16, 16), "cut tiles": (24, 40, 15, 17), "many channels": (64, 96, 28, 28)}
PLACES = ((0, 0), (2, 3), (7, 7), (5, 10), (14, 12))


def convolution(channels: int, outputs: int, *size: int | str) -> tuple[onnx.ModelProto, np.ndarray]:
    numbers = np.random.default_rng(0)
    weights = (numbers.standard_normal((outputs, channels, 3, 3)) / (3 * np.sqrt(channels))).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, *size])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), weights


def direct(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The definition in float64."""
    height, width = x.shape[2:]
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    assert windows.shape[2:4] == (height, width)
    with np.errstate(invalid="ignore"):
        return np.einsum("nchwij,kcij->nkhw", windows, weights.astype(np.float64))


def algorithms(executable: lamina.Executable) -> list[str]:
    stages = [stage for segment in executable.program.segments.values() for stage in segment.stages]
    return [stage.function.split("_")[1] for stage in stages if stage.function.startswith("conv_")]


@pytest.mark.parametrize("value", [1e5, 1e10, 3e38, -3e38, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", SHAPES)
def test_one_pixel_is_felt_where_it_is_seen_alone(name: str, value: float) -> None:
    channels, outputs, height, width = SHAPES[name]
    model, weights = convolution(channels, outputs, height, width)
    executable = lamina.compile(model)
    assert algorithms(executable)[0].startswith("winograd")
    calm = np.random.default_rng(1).standard_normal((1, channels, height, width)).astype(np.float32)
    for row, column in PLACES:
        x = calm.copy()
        x[0, 3, row, column] = value
        y = executable.run({"x": x})["y"]
        expected = direct(x, weights)
        seen = np.zeros((height, width), bool)
        seen[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
        np.testing.assert_allclose(y[..., ~seen], expected[..., ~seen], rtol=0, atol=3e-5)
        if np.isfinite(value):
            np.testing.assert_allclose(y[..., seen], expected[..., seen], rtol=1e-4, atol=2e-6 * abs(value))
        else:
            np.testing.assert_array_equal(y[..., seen], expected[..., seen].astype(np.float32))


def test_pixels_of_several_tiles_and_of_free_sizes() -> None:
    model, weights = convolution(32, 32, "H", "W")
    executable = lamina.compile(model, threads=2)
    for height, width in ((5, 9), (17, 16)):
        x = np.random.default_rng(2).standard_normal((1, 32, height, width)).astype(np.float32)
        x[0, :, 1, 1], x[0, 5, 4, 8] = np.nan, 1e30
        expected = direct(x, weights)
        calm = np.abs(expected) < 1e3
        np.testing.assert_allclose(executable.run({"x": x})["y"][calm], expected[calm], rtol=0, atol=3e-5)


@pytest.mark.parametrize(("tile", "bound"), [(2, 1.5), (4, 3.0)])
@pytest.mark.parametrize("channels", [16, 64, 256])
def test_the_estimate_is_what_the_kernel_is_off_by(channels: int, tile: int, bound: float) -> None:
    weights = np.random.default_rng(3).standard_normal((32, channels, 3, 3)).astype(np.float32)
    error = examine_error(weights, tile)
    assert 0 < estimate_error(weights, tile) == round(max(error.random, error.rectified), 1) <= bound
    assert error.adversarial < 10
    assert 0 < error.spread < 1e-5


def test_the_budget_decides() -> None:
    model, weights = convolution(64, 64, 28, 28)
    x = np.maximum(np.random.default_rng(4).standard_normal((1, 64, 28, 28)), 0).astype(np.float32)
    expected = direct(x, weights)
    errors = {}
    for budget in (3.0, 0.0):
        executable = lamina.compile(model, winograd_error=budget)
        (algorithm,) = algorithms(executable)
        assert algorithm.startswith("winograd") == bool(budget)
        errors[budget] = float(np.sqrt(np.mean(np.square(executable.run({"x": x})["y"] - expected))))
    assert errors[3.0] <= 3 * errors[0.0]
