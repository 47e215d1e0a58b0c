"""Sums of many elements are nearly as exact as short ones. Equal ones are the worst: all roundings go one way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
import numpy as np
import pytest
from onnx import helper, numpy_helper

TENTH = np.float32(0.1)


def run(operator: str, inputs: Sequence[np.ndarray], shapes: Sequence[Any] = (), **attributes: Any) -> np.ndarray:
    """One node; integers are weights, ``shapes`` replace those of the inputs."""
    names = [f"x{place}" for place in range(len(inputs))]
    feeds = {name: values for name, values in zip(names, inputs) if values.dtype != np.int64}
    infos = [
        helper.make_tensor_value_info(name, 1, shape or list(feeds[name].shape))
        for name, shape in zip(feeds, [*shapes, *[None] * len(feeds)])
    ]
    weights = [numpy_helper.from_array(values, name) for name, values in zip(names, inputs) if name not in feeds]
    node = helper.make_node(operator, names, ["y"], **attributes)
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", 1, None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return lamina.compile(model).run(feeds)["y"]


def axes(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(
    ("shape", "reduced", "sizes"),
    [
        ((4_000_000,), (0,), None),
        ((4_000_000,), (0,), ["N"]),
        ((100_000, 40), (0,), None),
        ((100_000, 3), (0,), ["N", 3]),
        ((3, 1000, 5, 700), (0, 1), None),
        ((3, 1000, 5, 700), (1, 3), None),
        ((3, 1000, 5, 700), (0, 1, 3), ["A", "B", "C", "D"]),
    ],
)
def test_reductions(shape: tuple[int, ...], reduced: tuple[int, ...], sizes: Any) -> None:
    x = np.full(shape, TENTH)
    expected = float(TENTH) * np.prod([shape[axis] for axis in reduced])
    np.testing.assert_allclose(run("ReduceSum", [x, axes(*reduced)], [sizes]), expected, rtol=4e-6)


def test_random_numbers_in_blocks_of_every_size() -> None:
    """Every length around the blocks gives each element once."""
    generator = np.random.default_rng(1)
    for length in (255, 256, 257, 16383, 16384, 16385, 16448, 33000):
        x = generator.standard_normal((2, length)).astype(np.float32)
        expected = x.astype(np.float64)
        np.testing.assert_allclose(run("ReduceSum", [x, axes(1)], [[2, "N"]])[:, 0], expected.sum(1), atol=1e-3)
        np.testing.assert_allclose(run("ReduceSum", [x, axes(1)])[:, 0], expected.sum(1), atol=1e-3)
        np.testing.assert_allclose(run("ReduceSum", [x.T.copy(), axes(0)])[0], expected.sum(1), atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1])
def test_long_products(axis: int) -> None:
    """Also of factors far apart, whose product is a number all the same."""
    factors = np.random.default_rng(3).uniform(0.99, 1.01, (3, 100_000)).astype(np.float32)
    factors[:, [5, 7_000]], factors[:, [80_000, 99_999]] = 1e25, 1e-25
    x = factors if axis else factors.T.copy()
    expected = np.prod(x.astype(np.longdouble), axis, keepdims=True)
    np.testing.assert_allclose(run("ReduceProd", [x, axes(axis)]), expected.astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("window", [(600, 700), (1, 300_000), (150_000, 2)])
def test_pools(window: tuple[int, int]) -> None:
    x = np.full((1, 2, *window), TENTH)
    np.testing.assert_allclose(run("AveragePool", [x], kernel_shape=window), TENTH, rtol=4e-6)
    np.testing.assert_allclose(run("GlobalAveragePool", [x]), TENTH, rtol=4e-6)


def test_rows() -> None:
    length = 600_000
    np.testing.assert_allclose(run("Softmax", [np.full((2, length), TENTH)]), 1 / length, rtol=4e-6)
    x = np.random.default_rng(0).uniform(1, 2, (2, length)).astype(np.float32)
    wide = x.astype(np.float64)
    expected = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(run("LayerNormalization", [x, np.ones(length, np.float32)]), expected, atol=2e-6)


@pytest.mark.parametrize("depth", [1024, 1025, 20_000])
@pytest.mark.parametrize("is_free", [False, True])
def test_products(depth: int, is_free: bool) -> None:
    shapes = [[7, "K"], ["K", 70]] if is_free else []
    y = run("MatMul", [np.full((7, depth), TENTH), np.full((depth, 70), TENTH)], shapes)
    np.testing.assert_allclose(y, float(TENTH) ** 2 * depth, rtol=2e-5)


@pytest.mark.parametrize(
    ("x", "w", "group"),
    [
        ((1, 20_000, 3, 20), (4, 20_000, 1, 1), 1),
        ((1, 3000, 5, 5), (16, 3000, 3, 3), 1),
        ((1, 8, 120, 120), (8, 8, 110, 110), 1),
        ((1, 16, 200, 200), (16, 1, 190, 190), 16),
        ((2, 3, 300, 7), (5, 3, 299, 7), 1),
    ],
)
def test_convolutions(x: tuple[int, ...], w: tuple[int, ...], group: int) -> None:
    expected = float(TENTH) ** 2 * np.prod(w[1:])
    np.testing.assert_allclose(run("Conv", [np.full(x, TENTH), np.full(w, TENTH)], group=group), expected, rtol=8e-5)


def test_windows_in_blocks() -> None:
    """Each product counts once, also where borders and what blocks leave over cut the window."""
    generator = np.random.default_rng(2)
    x, w = (generator.standard_normal(shape).astype(np.float32) for shape in ((1, 2, 100, 90), (3, 2, 97, 91)))
    y = run("Conv", [x, w], pads=[2, 3, 1, 2])
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (2, 1), (3, 2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
    np.testing.assert_allclose(y, np.einsum("ncyxij,ocij->noyx", windows, w), atol=2e-3)


@pytest.mark.parametrize("attributes", [{}, {"exclusive": 1}, {"reverse": 1}])
def test_running_sums(attributes: dict[str, int]) -> None:
    count = 500_000
    expected = float(TENTH) * (np.arange(count) + (0 if "exclusive" in attributes else 1))
    expected = expected[::-1] if "reverse" in attributes else expected
    y = run("CumSum", [np.full(count, TENTH), axes(0)], **attributes)
    np.testing.assert_allclose(y, expected, rtol=1e-7)


def test_infinities() -> None:
    x = np.full((4, 100_000), TENTH)
    x[0, 5], x[1, 70_000], x[2, [3, 90_000]] = np.inf, -np.inf, [np.inf, -np.inf]
    x[3] = 3e38
    expected = np.array([np.inf, -np.inf, np.nan, np.inf], np.float32)
    np.testing.assert_array_equal(run("ReduceSum", [x, axes(1)])[:, 0], expected)
    np.testing.assert_array_equal(run("ReduceSum", [x.T.copy(), axes(0)])[0], expected)
