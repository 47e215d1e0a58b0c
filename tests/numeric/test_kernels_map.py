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
from xdsl.dialects.builtin import FloatAttr, f32
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
