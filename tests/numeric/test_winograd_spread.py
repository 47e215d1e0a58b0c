"""Winograd convolutions of inputs with numbers far apart, and the error that they are allowed."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from lamina.dialects.winograd import TAPS, transform_weights
from lamina.passes.kernel import choose_algorithms, transform_winograd_weights
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
        return np.einsum("nchwij,kcij->nkhw", windows, weights.astype(np.float64), optimize=True)


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
        near = seen(height, width, row, column)
        np.testing.assert_allclose(y[..., ~near], expected[..., ~near], rtol=0, atol=3e-5)
        if np.isfinite(value):
            np.testing.assert_allclose(y[..., near], expected[..., near], rtol=1e-4, atol=2e-6 * abs(value))
        else:
            np.testing.assert_array_equal(y[..., near], expected[..., near].astype(np.float32))


def test_pixels_of_several_tiles_and_of_free_sizes() -> None:
    model, weights = convolution(32, 32, "H", "W")
    executable = lamina.compile(model, threads=2)
    for height, width in ((5, 9), (17, 16)):
        x = np.random.default_rng(2).standard_normal((1, 32, height, width)).astype(np.float32)
        x[0, :, 1, 1], x[0, 5, 4, 8] = np.nan, 1e30
        expected = direct(x, weights)
        calm = np.abs(expected) < 1e3
        np.testing.assert_allclose(executable.run({"x": x})["y"][calm], expected[calm], rtol=0, atol=3e-5)


# Free sizes are run at all of these, fixed ones at some.
SIZES = [(height, width) for height in range(1, 10) for width in (1, 4, 7, 9)]
FIXED_SIZES = [(5, 8), (8, 6), (7, 9), (8, 8)]


def executables(channels: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> dict[tuple, lamina.Executable]:
    """By size; without the taps of the weights, so that what a tile sums directly is 0."""

    def without_taps(weights: np.ndarray, tile: int) -> np.ndarray:
        transformed = transform_weights(weights, tile)
        transformed[-(TAPS**2) :] = 0
        return transformed

    monkeypatch.setattr(choose_algorithms, "applicable_algorithms", lambda kernel, target: [f"winograd{tile}"])
    monkeypatch.setattr(transform_winograd_weights, "transform_weights", without_taps)
    compiled = {
        size: lamina.compile(convolution(channels, 16, *size)[0], winograd_error=np.inf, threads=1)
        for size in (("H", "W"), *FIXED_SIZES)
    }
    return {**dict.fromkeys(SIZES, compiled.pop(("H", "W"))), **compiled}


def sees(size: int, pixel: int) -> np.ndarray:
    """Which outputs along an axis see a pixel."""
    return abs(np.arange(size) - pixel) <= 1


def seen(height: int, width: int, row: int, column: int) -> np.ndarray:
    return np.outer(sees(height, row), sees(width, column))


def tiles_that_see(seen: np.ndarray, tile: int) -> np.ndarray:
    """The outputs of all tiles in which a pixel is seen."""
    result = np.zeros_like(seen)
    for row in range(0, len(seen), tile):
        for column in range(0, seen.shape[1], tile):
            box = np.s_[row : row + tile, column : column + tile]
            result[box] = seen[box].any()
    return result


@pytest.mark.parametrize("tile", [2, 4])
def test_only_tiles_that_see_a_large_pixel_are_summed_directly(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for (height, width), executable in executables(16, tile, monkeypatch).items():
        # Of these, no single result is near 0 by chance.
        calm = np.random.default_rng(2).standard_normal((1, 16, height, width)).astype(np.float32)
        assert np.all(executable.run({"x": calm})["y"])
        for row, column in np.ndindex(height, width):
            touched = seen(height, width, row, column)
            expected = tiles_that_see(touched, tile)[~touched]
            for value in (1e5, np.nan):
                x = calm.copy()
                x[0, 3, row, column] = value
                direct = np.all(executable.run({"x": x})["y"][0] == 0, axis=0)[~touched]
                np.testing.assert_array_equal(direct, expected, f"{height} x {width}, pixel {row}, {column}")


def test_tiles_cut_by_the_edge_keep_large_pixels_to_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose_algorithms, "applicable_algorithms", lambda kernel, target: ["winograd4"])
    model, weights = convolution(16, 16, "H", "W")
    executable = lamina.compile(model, winograd_error=np.inf, threads=1)
    for height, width in SIZES:
        calm = np.random.default_rng(8).standard_normal((1, 16, height, width)).astype(np.float32)
        expected = direct(calm, weights)
        for row, column in np.ndindex(height, width):
            x = calm.copy()
            x[0, 3, row, column] = 1e5
            others = ~seen(height, width, row, column)
            y = executable.run({"x": x})["y"]
            np.testing.assert_allclose(y[..., others], expected[..., others], rtol=0, atol=3e-5)


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
