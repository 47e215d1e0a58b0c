"""kernel.lstm and kernel.cumulative_sum against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import symbol
from xdsl.dialects.builtin import f32, i64

SIZES = {"N": 5, "T": 6}
DIMS = {name: symbol(name) for name in SIZES}


def concrete(shape):
    return [SIZES.get(size, size) for size in shape]


def tensor(shape, order=None, element=f32):
    layout = None if order is None else Layout(parse_order(order))
    return TensorType.of([DIMS.get(size, size) for size in shape], element, layout)


def numbers(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(concrete(shape)), np.float32)


def lstm(projected, weights, h, c, reverse):
    steps, _, _ = projected.shape
    hidden = h.shape[1]
    result = np.zeros((steps, *h.shape))
    h, c = h.astype(np.float64), c.astype(np.float64)
    for step in reversed(range(steps)) if reverse else range(steps):
        gates = projected[step] + h @ weights
        i, o, f, g = (gates[:, k * hidden : (k + 1) * hidden] for k in range(4))
        i, o, f = (1 / (1 + np.exp(-value)) for value in (i, o, f))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        result[step] = h
    return result, h, c


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("steps", "batch", "hidden"),
    [(7, 1, 32), (1, 1, 128), (4, 3, 20), (5, 9, 16), ("T", "N", 48), ("T", 1, 10), (1, "N", 64)],
)
def test_lstm(run_kernel, steps, batch, hidden: int, threads: int, reverse: bool) -> None:
    shapes = [[steps, batch, 4 * hidden], [hidden, 4 * hidden], [batch, hidden], [batch, hidden]]
    arrays = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    arrays[1] /= np.float32(np.sqrt(hidden))
    outs = [tensor([steps, batch, hidden]), tensor([batch, hidden]), tensor([batch, hidden])]
    got = run_kernel(
        lambda v: kernel.LstmOp(v, outs, reverse=reverse),
        [(array, tensor(shape)) for array, shape in zip(arrays, shapes, strict=True)],
        outs,
        symbols=SIZES,
        threads=threads,
    )
    for have, want in zip(got, lstm(*arrays, reverse), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("shape", "order", "axis"),
    [
        ([4, 30], "ab", 1),
        ([30, 41], "ab", 0),
        ([3, 6, 20], "abc", 1),
        (["N", "T"], "ab", 1),
        ([2, 24, 5, 6], "NCHW16c", 2),
    ],
)
def test_cumulative_sum(run_kernel, shape, order, axis: int, reverse: bool, exclusive: bool) -> None:
    x = np.random.default_rng(0).integers(-9, 9, concrete(shape)).astype(np.float32)
    type_ = tensor(shape, order)
    (got,) = run_kernel(
        lambda v: kernel.CumulativeSumOp(v, type_, axis=axis, reverse=reverse, exclusive=exclusive),
        [(x, type_)],
        [type_],
        symbols=SIZES,
        threads=2,
    )
    turned = np.flip(x, axis) if reverse else x
    expected = np.cumsum(turned, axis) - (turned if exclusive else 0)
    np.testing.assert_array_equal(got, np.flip(expected, axis) if reverse else expected)


def test_cumulative_sum_of_integers(run_kernel) -> None:
    x = np.random.default_rng(0).integers(-(2**40), 2**40, (3, 17))
    type_ = tensor([3, 17], element=i64)
    (got,) = run_kernel(lambda v: kernel.CumulativeSumOp(v, type_, axis=1), [(x, type_)], [type_])
    np.testing.assert_array_equal(got, np.cumsum(x, 1))
