"""kernel.cumulative_sum against NumPy."""

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
