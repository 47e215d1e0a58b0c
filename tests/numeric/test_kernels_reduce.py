"""kernel.reduce and kernel.arg_reduce against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import f16, f32, i32, i64
from xdsl.ir import Block, Region

SIZES = {"N": 2, "H": 37, "C": 35}
DIMS = {name: symbol(name) for name in SIZES}
FUNCTIONS = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod}


def concrete(shape):
    return [SIZES.get(size, size) for size in shape]


def tensor(shape, order, element=f32):
    return TensorType.of([DIMS.get(size, size) for size in shape], element, Layout(parse_order(order)))


def numbers(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(concrete(shape)), np.float32)


CASES = [
    ([1000], "a", [0]),
    ([3, 1000], "ab", [1]),
    ([3, 1000], "ab", [0]),
    ([200, 37], "ab", [0]),
    ([3, 7], "ab", [0, 1]),
    ([2, 32, 7, 7], "NCHW16c", [2, 3]),
    ([2, 24, 7, 7], "NCHW16c", [2, 3]),
    ([2, 24, 7, 7], "NCHW16c", [1]),
    ([2, 24, 7, 7], "NCHW16c", [0, 1, 2, 3]),
    ([2, 24, 7, 7], "abcd", [2, 3]),
    ([2, 24, 7, 7], "abcd", [1]),
    ([2, 3, 4, 5], "abcd", [1, 3]),
    ([2, 3, 4, 5], "acdb", [2, 3]),
    ([2, 3, 4, 5], "dcba", [1, 2]),
    (["N", "C", "H"], "abc", [2]),
    (["N", "C", "H"], "abc", [1]),
    (["N", "C", "H"], "abc", [0, 2]),
    (["N", "C", "H", 5], "NCHW16c", [2, 3]),
    (["N", "C", "H", 5], "NCHW16c", [1]),
]


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize(("shape", "order", "axes"), CASES)
def test_reduce(run_kernel, shape, order, axes, kind: str) -> None:
    if kind in ("min", "prod") and len(shape) == 4 and order == "abcd":
        return
    x = numbers(shape)
    if kind == "prod":
        x = 1 + x / 100
    out = tensor([1 if axis in axes else size for axis, size in enumerate(shape)], order)
    (got,) = run_kernel(
        lambda v: kernel.ReduceOp(v, out, kind=kind, axes=axes),
        [(x, tensor(shape, order))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    expected = FUNCTIONS[kind](x.astype(np.float64), axis=tuple(axes), keepdims=True)
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=2e-5 if kind == "sum" else 1e-6)


def test_result_does_not_depend_on_the_number_of_threads(run_kernel) -> None:
    x, out = numbers([50, 3000]), tensor([50, 1], "ab")
    results = [
        run_kernel(
            lambda v: kernel.ReduceOp(v, out, kind="sum", axes=[1]),
            [(x, tensor([50, 3000], "ab"))],
            [out],
            threads=threads,
        )[0]
        for threads in (1, 2, 3, 7)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_epilogue_into_another_layout(run_kernel) -> None:
    x, bias = numbers([2, 24, 5, 6]), numbers([24, 1, 1], 1)
    out = tensor([2, 24, 1, 1], "abcd")
    block = Block(arg_types=[f32, f32])
    total = arith.AddfOp(*block.args)
    block.add_ops([total, kernel.YieldOp(total.result)])
    (got,) = run_kernel(
        lambda v: kernel.ReduceOp(v[:1], out, kind="mean", axes=[2, 3], epilogue_ins=v[1:], epilogue=Region(block)),
        [(x, tensor([2, 24, 5, 6], "NCHW16c")), (bias, tensor([24, 1, 1], "abc"))],
        [out],
    )
    np.testing.assert_allclose(got, x.mean((2, 3), keepdims=True) + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("element", "dtype"), [(i64, np.int64), (i32, np.int32), (f16, np.float16)])
@pytest.mark.parametrize("axes", [[0], [1]])
def test_reduce_other_types(run_kernel, element, dtype, axes) -> None:
    x = np.random.default_rng(0).integers(-50, 50, (9, 133)).astype(dtype)
    out = tensor([1 if axis in axes else size for axis, size in enumerate(x.shape)], "ab", element)
    for kind in ("sum", "max", "min"):
        (got,) = run_kernel(
            lambda v, kind=kind: kernel.ReduceOp(v, out, kind=kind, axes=axes),
            [(x, tensor(x.shape, "ab", element))],
            [out],
        )
        np.testing.assert_array_equal(got, FUNCTIONS[kind](x, axis=tuple(axes), keepdims=True))


def test_sum_over_nothing_is_zero(run_kernel) -> None:
    out = tensor([3, 1], "ab")
    (got,) = run_kernel(
        lambda v: kernel.ReduceOp(v, out, kind="sum", axes=[1]),
        [(np.zeros((3, 0), np.float32), tensor([3, 0], "ab"))],
        [out],
    )
    np.testing.assert_array_equal(got, 0)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize(
    ("shape", "order", "axis"),
    [
        ([5, 1000], "ab", 1),
        ([5, 7], "ab", 1),
        ([50, 33], "ab", 0),
        (["N", "H", "C"], "abc", 2),
        (["N", "H", "C"], "abc", 1),
        ([2, 40, 3, 5], "NCHW16c", 1),
    ],
)
def test_arg_reduce(run_kernel, shape, order, axis: int, kind: str, last: bool) -> None:
    x = np.round(numbers(shape) * 3)
    out = tensor([1 if a == axis else size for a, size in enumerate(shape)], order, i64)
    (got,) = run_kernel(
        lambda v: kernel.ArgReduceOp(v, out, kind=kind, axis=axis, last=last),
        [(x, tensor(shape, order))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    find = np.argmax if kind == "max" else np.argmin
    expected = find(x, axis=axis) if not last else x.shape[axis] - 1 - find(np.flip(x, axis), axis=axis)
    np.testing.assert_array_equal(got, np.expand_dims(expected, axis))
