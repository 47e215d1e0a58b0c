"""kernel.pool against NumPy: layouts, pads, strides, dilations, ranks, symbolic sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects import shape as dims
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.ir import Block, Region

SIZES = {"N": 2, "H": 19, "W": 23}
DIMS = {name: symbol(name) for name in SIZES}


def pool(x, kind, window, strides, pads, dilations, include_pad, out_shape):
    rank = len(window)
    result = np.zeros(out_shape, np.float64)
    for out in itertools.product(*(range(size) for size in out_shape[2:])):
        values, counted = [], 1
        ranges = []
        for axis in range(rank):
            start = out[axis] * strides[axis] - pads[axis]
            places = [start + k * dilations[axis] for k in range(window[axis])]
            size = x.shape[2 + axis]
            ranges.append([p for p in places if 0 <= p < size])
            inside = [p for p in places if p < size + pads[rank + axis]] if include_pad else ranges[-1]
            counted *= len(inside)
        values = x[(slice(None), slice(None), *np.ix_(*ranges))].reshape(*x.shape[:2], -1).astype(np.float64)
        result[(slice(None), slice(None), *out)] = values.max(-1) if kind == "max" else values.sum(-1) / counted
    return result


CASES = [
    # shape, window, strides, pads, dilations, ceil
    ([1, 32, 12, 13], [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], False),
    ([2, 24, 12, 13], [3, 3], [2, 2], [0, 0, 0, 0], [1, 1], True),
    ([1, 16, 14, 35], [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], False),
    ([1, 16, 9, 9], [5, 5], [1, 1], [2, 2, 2, 2], [1, 1], False),
    ([1, 3, 9, 11], [3, 2], [1, 2], [2, 0, 0, 1], [2, 3], False),
    ([1, 16, 4, 4], [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], False),
    ([1, 16, 1, 1], [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], False),
    ([1, 16, 12, 40], [9, 11], [3, 3], [4, 5, 4, 5], [1, 1], False),
    ([2, 5, 50], [3], [2], [1, 1], [1], False),
    ([1, 16, 6, 7, 8], [2, 3, 3], [2, 1, 2], [0, 1, 1, 0, 1, 1], [1, 1, 1], False),
    (["N", 16, "H", "W"], [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], False),
    (["N", 7, "H", "W"], [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], True),
]


def output_dims(shape, window, strides, pads, dilations, ceil):
    result = [DIMS.get(size, size) for size in shape[:2]]
    for axis, size in enumerate(shape[2:]):
        span = dims.add(
            DIMS.get(size, size), pads[axis] + pads[len(window) + axis] - (window[axis] - 1) * dilations[axis] - 1
        )
        result.append(dims.add((dims.ceildiv if ceil else dims.floordiv)(span, strides[axis]), 1))
    return result


@pytest.mark.parametrize("order", ["blocked", "row", "last"])
@pytest.mark.parametrize("kind", ["max", "average", "average with pads"])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_pool(run_kernel, case: int, kind: str, order: str) -> None:
    shape, window, strides, pads, dilations, ceil = CASES[case]
    rank = len(shape)
    letters = "abcde"[:rank]
    text = {"blocked": f"aB{letters[2:]}16b", "row": letters, "last": f"a{letters[2:]}b"}[order]
    if order == "last" and rank != 4:
        return
    layout = Layout(text)
    out = TensorType.of(output_dims(shape, window, strides, pads, dilations, ceil), f32, layout)
    x = np.random.default_rng(case).standard_normal([SIZES.get(s, s) for s in shape]).astype(np.float32)
    include = kind == "average with pads"
    name = kind.split()[0]
    (got,) = run_kernel(
        lambda v: kernel.PoolOp(
            v, out, kind=name, window=window, strides=strides, pads=pads, dilations=dilations, count_include_pad=include
        ),
        [(x, TensorType.of([DIMS.get(s, s) for s in shape], f32, layout))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    expected = pool(x, name, window, strides, pads, dilations, include, got.shape)
    np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-6)


def test_pool_between_halos_with_epilogue(run_kernel) -> None:
    base = Layout(parse_order("NCHW16c"))
    source = TensorType.of([1, 16, 8, 9], f32, base.with_margins([0, 0, 1, 1], [0, 0, 1, 1], True))
    out = TensorType.of([1, 16, 4, 5], f32, base.with_margins([0, 0, 2, 1], [0, 0, 2, 1], True))
    x = np.random.default_rng(0).standard_normal((1, 16, 8, 9)).astype(np.float32)
    skip = np.random.default_rng(1).standard_normal((1, 16, 4, 5)).astype(np.float32)
    block = Block(arg_types=[f32, f32])
    total = arith.AddfOp(*block.args)
    zero = arith.ConstantOp(FloatAttr(0.0, f32))
    relu = arith.MaximumfOp(total.result, zero.result)
    block.add_ops([total, zero, relu, kernel.YieldOp(relu.result)])
    (got,) = run_kernel(
        lambda v: kernel.PoolOp(
            v[:1],
            out,
            kind="max",
            window=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
            dilations=[1, 1],
            epilogue_ins=v[1:],
            epilogue=Region(block),
        ),
        [(x, source), (skip, TensorType.of([1, 16, 4, 5], f32))],
        [out],
    )
    expected = pool(x, "max", [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], False, (1, 16, 4, 5))
    np.testing.assert_allclose(got, np.maximum(expected + skip, 0), rtol=1e-6)
