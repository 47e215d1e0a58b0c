"""Kernels that move elements, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel, layout
from lamina.dialects.layout import TensorType, window_type
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import parse_dimension, symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, i1, i8, i64
from xdsl.ir import Block, Region

N, H, C = symbol("N"), symbol("H"), symbol("C")
SIZES = {"N": 2, "H": 19, "C": 35}
DIMS = {"N": N, "H": H, "C": C}


def concrete(shape):
    return [SIZES.get(size, size) for size in shape]


def tensor(shape, order, element=f32, **margins):
    base = Layout(parse_order(order))
    return TensorType.of(
        [DIMS.get(size, size) for size in shape], element, base.with_margins(**margins) if margins else base
    )


def numbers(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(concrete(shape)), np.float32)


CONVERTS = [
    ([2, 32, 7, 9], "abcd", "NCHW16c"),
    ([2, 32, 7, 9], "NCHW16c", "abcd"),
    ([1, 24, 12, 12], "abcd", "NCHW16c"),
    ([1, 24, 12, 12], "NCHW16c", "abcd"),
    ([1, 3, 12, 12], "abcd", "NCHW16c"),
    ([2, 8, 5, 5], "NCHW16c", "abcd"),
    (["N", 8, "H", 5], "NCHW16c", "abcd"),
    ([2, 1, 5, 40], "NCHW16c", "abcd"),
    ([1, 3, 40, 12], "abcd", "acdb"),
    ([2, 40, 6, 5], "NCHW16c", "acdb"),
    ([2, 40, 6, 5], "acdb", "NCHW16c"),
    ([2, 40, 6, 5], "NCHW8c", "NCHW16c"),
    ([2, 40, 6, 5], "NCHW16c", "NCHW8c"),
    ([70, 45], "ba", "ab"),
    ([45, 70], "ba", "aB64b"),
    ([3, 12, 20, 30], "acbd", "abcd"),
    ([3, 12, 20, 30], "abdc", "abcd"),
    ([40, 24, 3, 3], "abcd", "ABcd16b32a"),
    (["N", "C", "H", 9], "abcd", "NCHW16c"),
    (["N", "C", "H", 9], "NCHW16c", "abcd"),
    (["N", 32, "H", "H"], "abcd", "NCHW16c"),
    (["N", 32, "H", "H"], "NCHW16c", "abcd"),
    (["H", "C"], "ba", "ab"),
    (["N", "H", 12, 16], "acbd", "abcd"),
]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("shape", "source", "result"), CONVERTS)
def test_convert(run_kernel, shape, source, result, threads: int) -> None:
    x = numbers(shape)
    out = tensor(shape, result)
    (got,) = run_kernel(
        lambda v: layout.ConvertOp(v[0], out.layout),
        [(x, tensor(shape, source))],
        [out],
        symbols=SIZES,
        threads=threads,
    )
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("halo", [True, False])
@pytest.mark.parametrize("shape", [[2, 32, 7, 9], ["N", 32, "H", 5]])
@pytest.mark.parametrize("order", ["NCHW16c", "abcd"])
def test_convert_writes_a_halo_and_no_window(run_kernel, shape, order, halo: bool) -> None:
    x = numbers(shape)
    out = tensor(shape, order, lower=[0, 0, 1, 2], upper=[0, 0, 3, 1], halo=halo)
    (got,) = run_kernel(
        lambda v: layout.ConvertOp(v[0], out.layout), [(x, tensor(shape, "abcd"))], [out], symbols=SIZES, threads=2
    )
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("parts", "axis", "order"),
    [
        ([[2, 16, 5, 6], [2, 32, 5, 6]], 1, "NCHW16c"),
        ([[2, 24, 5, 6], [2, 10, 5, 6], [2, 3, 5, 6]], 1, "NCHW16c"),
        ([[2, 3, 4], [2, 5, 4]], 1, "abc"),
        ([[2, 3, 4], [2, 3, 9]], 2, "abc"),
        ([["N", "C", 4], ["N", "H", 4]], 1, "abc"),
        ([["H", 4], ["C", 4]], 0, "ab"),
    ],
)
def test_concat(run_kernel, parts, axis: int, order: str, threads: int) -> None:
    arrays = [numbers(shape, seed) for seed, shape in enumerate(parts)]
    types = [tensor(shape, order) for shape in parts]
    total = list(types[0].dims)
    total[axis] = sum((type_.dims[axis] for type_ in types[1:]), types[0].dims[axis])
    out = TensorType.of(total, f32, types[0].layout)
    (got,) = run_kernel(
        lambda v: kernel.ConcatOp(v, out, axis=axis),
        list(zip(arrays, types, strict=True)),
        [out],
        symbols=SIZES,
        threads=threads,
    )
    np.testing.assert_array_equal(got, np.concatenate(arrays, axis))


@pytest.mark.parametrize(
    ("shape", "order", "starts", "steps", "sizes"),
    [
        ([4, 50], "ab", [1, 3], [1, 2], [3, 20]),
        ([4, 50], "ab", [3, 49], [-1, -1], [4, 50]),
        ([2, 40, 6, 5], "NCHW16c", [0, 16, 0, 0], [1, 1, 1, 1], [2, 24, 6, 5]),
        ([2, 40, 6, 5], "NCHW16c", [0, 5, 1, 0], [1, 1, 2, 1], [2, 30, 2, 5]),
        ([2, 40, 6, 5], "NCHW16c", [0, 39, 0, 4], [1, -3, 1, -2], [1, 13, 6, 3]),
        (["N", "H", 8], "abc", [0, "H-1", 0], [1, -1, 1], ["N", "H", 8]),
    ],
)
def test_slice(run_kernel, shape, order, starts, steps, sizes) -> None:
    x = numbers(shape)
    first = [SIZES["H"] - 1 if start == "H-1" else start for start in starts]
    out = tensor(sizes, order)
    (got,) = run_kernel(
        lambda v: kernel.SliceOp(
            v, out, starts=[parse_dimension(s) if isinstance(s, str) else s for s in starts], steps=steps
        ),
        [(x, tensor(shape, order))],
        [out],
        symbols=SIZES,
    )
    index = np.ix_(
        *[start + step * np.arange(size) for start, step, size in zip(first, steps, concrete(sizes), strict=True)]
    )
    np.testing.assert_array_equal(got, x[index])


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    ("shape", "order", "lower", "upper"),
    [
        ([5, 40], "ab", [1, 2], [0, 3]),
        ([2, 3, 7, 5], "abcd", [0, 0, 2, 1], [0, 1, 1, 4]),
        ([2, 24, 7, 5], "NCHW16c", [0, 0, 2, 1], [0, 0, 1, 4]),
        (["N", 4, "H"], "abc", [0, 1, 3], [1, 0, 2]),
        ([6, 9], "ab", [-1, 2], [2, -3]),
    ],
)
def test_pad(run_kernel, shape, order, lower, upper, mode: str) -> None:
    x = numbers(shape)
    sizes = [DIMS.get(s, s) + lo + hi for s, lo, hi in zip(shape, lower, upper, strict=True)]
    out = TensorType.of(sizes, f32, Layout(parse_order(order)))
    (got,) = run_kernel(
        lambda v: kernel.PadOp(v, out, lower=lower, upper=upper, mode=mode, value=2.5),
        [(x, tensor(shape, order))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    cropped = x[
        tuple(slice(max(-lo, 0), size - max(-hi, 0)) for lo, hi, size in zip(lower, upper, x.shape, strict=True))
    ]
    widths = [(max(lo, 0), max(hi, 0)) for lo, hi in zip(lower, upper, strict=True)]
    if mode == "constant":
        expected = np.pad(cropped, widths, constant_values=2.5)
    elif any(amount < 0 for amount in (*lower, *upper)):
        return
    else:
        expected = np.pad(cropped, widths, mode=mode)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("shape", "result"), [([1, 5], [7, 5]), ([4, 1], [3, 4, 30]), (["N", 1, 1], ["N", "H", "C"]), ([1], [2, 3])]
)
def test_broadcast(run_kernel, shape, result) -> None:
    x = numbers(shape)
    orders = ["abcd"[: len(s)] for s in (shape, result)]
    out = tensor(result, orders[1])
    (got,) = run_kernel(lambda v: kernel.BroadcastOp(v, out), [(x, tensor(shape, orders[0]))], [out], symbols=SIZES)
    np.testing.assert_array_equal(got, np.broadcast_to(x, concrete(result)))


@pytest.mark.parametrize("element", [i1, i8, i64])
def test_convert_moves_every_type(run_kernel, element) -> None:
    x = np.random.default_rng(0).integers(0, 2, (3, 5, 21)).astype({i1: bool, i8: np.int8, i64: np.int64}[element])
    out = tensor([3, 5, 21], "abc", element)
    (got,) = run_kernel(lambda v: layout.ConvertOp(v[0], out.layout), [(x, tensor([3, 5, 21], "acb", element))], [out])
    np.testing.assert_array_equal(got, x)


def test_dim_values(run_kernel) -> None:
    out = TensorType.of([4], i64)
    (got,) = run_kernel(
        lambda v: kernel.DimValuesOp(v, out, values=[N, 5, H * 2, parse_dimension("(C - 1) floordiv 2 + 1")]),
        [],
        [out],
        symbols=SIZES,
    )
    assert got.tolist() == [2, 5, 38, 18]


def test_range(run_kernel) -> None:
    scalar = TensorType.of([], f32)
    out = TensorType.of([H], f32)
    (got,) = run_kernel(
        lambda v: kernel.RangeOp(v, out),
        [(np.float32(1.5).reshape(()), scalar), (np.float32(-0.25).reshape(()), scalar)],
        [out],
        symbols=SIZES,
        threads=2,
    )
    np.testing.assert_array_equal(got, np.float32(1.5) + np.arange(19, dtype=np.float32) * np.float32(-0.25))


def test_window_of_a_larger_tensor_is_read_in_place(run_kernel) -> None:
    whole = tensor([4, 30], "ab")
    part = window_type(whole, [1, 5], [2, 17])
    out = TensorType.of([2, 17], f32)
    x = numbers([2, 17])
    (got,) = run_kernel(lambda v: layout.ConvertOp(v[0], out.layout), [(x, part)], [out])
    np.testing.assert_array_equal(got, x)


def test_concat_applies_its_epilogue_to_every_part(run_kernel) -> None:
    shapes = [[2, 24, 5, 6], [2, 10, 5, 6]]
    arrays = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    scale, skip = numbers([34, 1, 1], 2), numbers([2, 34, 5, 6], 3)
    out = tensor([2, 34, 5, 6], "NCHW16c")
    block = Block(arg_types=[f32, f32, f32])
    product = arith.MulfOp(block.args[0], block.args[1])
    total = arith.AddfOp(product.result, block.args[2])
    block.add_ops([product, total, kernel.YieldOp(total.result)])
    (got,) = run_kernel(
        lambda v: kernel.ConcatOp(v[:2], out, axis=1, epilogue_ins=v[2:], epilogue=Region(block)),
        [
            *((array, tensor(shape, "NCHW16c")) for array, shape in zip(arrays, shapes, strict=True)),
            (scale, tensor([34, 1, 1], "abc")),
            (skip, out),
        ],
        [out],
        threads=2,
    )
    np.testing.assert_array_equal(got, np.concatenate(arrays, 1) * scale + skip)


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_pad_applies_its_epilogue_to_the_border(run_kernel, mode: str) -> None:
    x, bias = numbers([3, 20]), numbers([24], 1)
    out = tensor([3, 24], "ab")
    block = Block(arg_types=[f32, f32])
    total = arith.AddfOp(*block.args)
    block.add_ops([total, kernel.YieldOp(total.result)])
    (got,) = run_kernel(
        lambda v: kernel.PadOp(
            v[:1], out, lower=[0, 1], upper=[0, 3], mode=mode, epilogue_ins=v[1:], epilogue=Region(block)
        ),
        [(x, tensor([3, 20], "ab")), (bias, tensor([24], "a"))],
        [out],
    )
    np.testing.assert_array_equal(got, np.pad(x, [(0, 0), (1, 3)], mode=mode) + bias)
