"""kernel.map against NumPy: layouts, broadcasts, ragged and symbolic sizes, types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, f16, f32, f64, i1, i8, i32, i64
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

N, H, C = symbol("N"), symbol("H"), symbol("C")


def region(types: Sequence[Attribute], build: Callable[..., list[Operation]]) -> Region:
    """A region whose ops ``build`` makes of its arguments; it yields the last one's result."""
    block = Block(arg_types=list(types))
    ops = build(*block.args)
    block.add_ops([*ops, kernel.YieldOp(ops[-1].results[0])])
    return Region(block)


def add_then_relu(*values: SSAValue) -> list[Operation]:
    ops: list[Operation] = []
    total = values[0]
    for value in values[1:]:
        ops.append(arith.AddfOp(total, value))
        total = ops[-1].results[0]
    zero = arith.ConstantOp(FloatAttr(0.0, f32))
    return [*ops, zero, arith.MaximumfOp(total, zero.result)]


CASES = [
    # result shape, operand shapes, result layout, operand layouts
    ([1000], [[1000], [1000]], "a", "a a"),
    ([7], [[7], [1]], "a", "a a"),
    ([], [[], []], "", "_ _"),
    ([2, 3, 5], [[2, 3, 5], [5]], "abc", "abc a"),
    ([2, 3, 33], [[2, 3, 33], [3, 1]], "abc", "abc ab"),
    ([4, 70], [[4, 1], [1, 70]], "ab", "ab ab"),
    ([1, 32, 7, 7], [[1, 32, 7, 7], [32, 1, 1]], "NCHW16c", "NCHW16c abc"),
    ([2, 24, 5, 6], [[2, 24, 5, 6], [2, 24, 5, 6]], "NCHW16c", "NCHW16c abcd"),
    ([2, 24, 5, 6], [[2, 24, 5, 6], [2, 24, 1, 1]], "NCHW16c", "NCHW16c NCHW16c"),
    ([2, 24, 5, 6], [[2, 24, 5, 6], [2, 24, 1, 1]], "NCHW16c", "NCHW16c abcd"),
    ([2, 24, 5, 6], [[2, 24, 5, 6], [2, 24, 1, 1]], "abcd", "NCHW16c NCHW16c"),
    ([2, 40, 9, 11], [[2, 40, 9, 11]], "acdb", "NCHW16c"),
    ([3, 37, 45], [[3, 37, 45]], "abc", "acb"),
    ([20, 30, 40], [[20, 30, 40], [20, 30, 40]], "abc", "cba abc"),
    (["N", 32, "H", 6], [["N", 32, "H", 6], ["N", 32, 1, 1]], "NCHW16c", "NCHW16c abcd"),
    (["N", 24, "H", 6], [["N", 24, "H", 6], ["N", 1, "H", 6]], "abcd", "NCHW16c abcd"),
    (["N", "H"], [["N", "H"], ["H"]], "ab", "ab a"),
    (["N", "H", "C"], [["N", "H", "C"], [1, "H", 1]], "abc", "acb abc"),
    (["N", "C", "H"], [["N", "C", "H"]], "aBc16b", "abc"),
]


def parse(order: str) -> Layout:
    from lamina.dialects.layout_algebra import parse_order

    return Layout("" if order == "_" else parse_order(order))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_add_relu(run_kernel, case: int, threads: int) -> None:
    shape, operand_shapes, order, orders = CASES[case]
    sizes = {"N": 3, "H": 37, "C": 41}
    dims = {"N": N, "H": H, "C": C}
    generator = np.random.default_rng(case)

    def concrete(shape):
        return [sizes.get(size, size) for size in shape]

    def tensor(shape, order):
        return TensorType.of([dims.get(size, size) for size in shape], f32, parse(order))

    arrays = [np.asarray(generator.standard_normal(concrete(s)), np.float32) for s in operand_shapes]
    types = [tensor(s, o) for s, o in zip(operand_shapes, orders.split(), strict=True)]
    result = tensor(shape, order or "_")
    got = run_kernel(
        lambda v: kernel.MapOp(v, result, epilogue=region([f32] * len(v), add_then_relu)),
        list(zip(arrays, types, strict=True)),
        [result],
        symbols={name: sizes[name] for name in sizes},
        threads=threads,
    )[0]
    expected = np.broadcast_to(np.maximum(sum(arrays[1:], arrays[0]), 0), concrete(shape))
    np.testing.assert_array_equal(got, expected)


def apply(run_kernel, arrays, types, result, build, **options) -> np.ndarray:
    """A map without broadcasts, in row-major memory."""
    tensors = [TensorType.of(array.shape, element) for array, element in zip(arrays, types, strict=True)]
    out = TensorType.of(arrays[0].shape, result)
    (got,) = run_kernel(
        lambda v: kernel.MapOp(v, out, epilogue=region(types, build)),
        list(zip(arrays, tensors, strict=True)),
        [out],
        **options,
    )
    return got


@pytest.mark.parametrize("size", [1, 5, 16, 100, 1000])
def test_compare_gives_booleans(run_kernel, size: int) -> None:
    a, b = (np.random.default_rng(seed).integers(-3, 3, size).astype(np.float32) for seed in (0, 1))
    got = apply(run_kernel, [a, b], [f32, f32], i1, lambda x, y: [arith.CmpfOp(x, y, "olt")])
    np.testing.assert_array_equal(got, a < b)
    whole = [np.random.default_rng(seed).integers(-3, 3, size) for seed in (0, 1)]
    got = apply(run_kernel, whole, [i64, i64], i1, lambda x, y: [arith.CmpiOp(x, y, "sge")])
    np.testing.assert_array_equal(got, whole[0] >= whole[1])


@pytest.mark.parametrize("size", [1, 5, 100])
def test_booleans_choose(run_kernel, size: int) -> None:
    generator = np.random.default_rng(0)
    condition = generator.integers(0, 2, size).astype(bool)
    a, b = (generator.standard_normal(size).astype(np.float32) for _ in range(2))
    got = apply(run_kernel, [condition, a, b], [i1, f32, f32], f32, lambda c, x, y: [arith.SelectOp(c, x, y)])
    np.testing.assert_array_equal(got, np.where(condition, a, b))


def test_boolean_that_is_broadcast(run_kernel) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (3, 1, 19)).astype(bool)
    x = np.random.default_rng(1).standard_normal((3, 5, 19)).astype(np.float32)
    out = TensorType.of([3, 5, 19], f32)

    def choose(c, value):
        low = arith.ConstantOp(FloatAttr(-1e4, f32))
        return [low, arith.SelectOp(c, value, low.result)]

    (got,) = run_kernel(
        lambda v: kernel.MapOp(v, out, epilogue=region([i1, f32], choose)),
        [(mask, TensorType.of([3, 1, 19], i1)), (x, TensorType.of([3, 5, 19], f32))],
        [out],
    )
    np.testing.assert_array_equal(got, np.where(mask, x, np.float32(-1e4)))


@pytest.mark.parametrize(
    ("source", "result", "cast"),
    [
        (i64, f32, arith.SIToFPOp),
        (i32, f32, arith.SIToFPOp),
        (i8, f32, arith.SIToFPOp),
        (f32, i32, arith.FPToSIOp),
        (f32, i64, arith.FPToSIOp),
        (i64, i32, arith.TruncIOp),
        (i32, i64, arith.ExtSIOp),
        (f32, f64, arith.ExtFOp),
        (f64, f32, arith.TruncFOp),
        (f32, f16, arith.TruncFOp),
        (f16, f32, arith.ExtFOp),
        (i1, f32, arith.UIToFPOp),
        (i1, i64, arith.ExtUIOp),
    ],
)
@pytest.mark.parametrize("size", [3, 77, 640])
def test_casts(run_kernel, source, result, cast, size: int) -> None:
    dtypes = {i1: bool, i8: np.int8, i32: np.int32, i64: np.int64, f16: np.float16, f32: np.float32, f64: np.float64}
    numbers = np.random.default_rng(0).uniform(-100, 100, size)
    x = (numbers > 0) if source == i1 else numbers.astype(dtypes[source])
    got = apply(run_kernel, [x], [source], result, lambda value: [cast(value, result)])
    np.testing.assert_array_equal(got, x.astype(dtypes[result]))


def test_tuned_width(run_kernel) -> None:
    x = np.random.default_rng(0).standard_normal(1003).astype(np.float32)
    for decisions in ({"lanes": 4}, {"lanes": 8, "unroll": 1}, {"lanes": 16, "unroll": 8}):
        got = apply(run_kernel, [x, x], [f32, f32], f32, lambda a, b: [arith.AddfOp(a, b)], decisions=decisions)
        np.testing.assert_array_equal(got, x + x)


@pytest.mark.parametrize("order", ["ab", "aB16b"])
@pytest.mark.parametrize("shape", [["N", 21], [4, 24], [3, "H"]])
def test_integer_division_never_sees_unused_lanes(run_kernel, shape, order: str) -> None:
    sizes, dims = {"N": 3, "H": 21}, {"N": N, "H": H}
    concrete = [sizes.get(size, size) for size in shape]
    generator = np.random.default_rng(0)
    a, b = generator.integers(-1000, 1000, concrete), generator.integers(1, 50, concrete)
    type_ = TensorType.of([dims.get(size, size) for size in shape], i64, Layout(order))

    def divide(x, y):
        quotient = arith.DivSIOp(x, y)
        rest = arith.RemSIOp(x, y)
        return [quotient, rest, arith.AddiOp(quotient.result, rest.result)]

    (got,) = run_kernel(
        lambda v: kernel.MapOp(v, type_, epilogue=region([i64, i64], divide)),
        [(a, type_), (b, type_)],
        [type_],
        symbols=sizes,
    )
    np.testing.assert_array_equal(got, (a / b).astype(np.int64) + np.fmod(a, b))
