"""kernel.gather and kernel.gather_elements against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, i32, i64
from xdsl.ir import Block, Region

SIZES = {"N": 2, "S": 19}
DIMS = {name: symbol(name) for name in SIZES}


def concrete(shape):
    return [SIZES.get(size, size) for size in shape]


def tensor(shape, element=f32):
    return TensorType.of([DIMS.get(size, size) for size in shape], element)


def numbers(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(concrete(shape)), np.float32)


@pytest.mark.parametrize(("element", "dtype"), [(i64, np.int64), (i32, np.int32)])
@pytest.mark.parametrize(
    ("shape", "index_shape", "axis"),
    [
        ([100, 64], [7], 0),
        ([100, 20], ["N", "S"], 0),
        ([3, 10, 5], [4], 1),
        ([3, 10, 5], [], 1),
        ([3, 4, 10], [2, 3], 2),
        ([50], [30], 0),
        (["N", 30, "S"], [3, 2], 1),
    ],
)
def test_gather(run_kernel, shape, index_shape, axis: int, element, dtype) -> None:
    x = numbers(shape)
    size = x.shape[axis]
    indices = np.asarray(np.random.default_rng(1).integers(-size, size, concrete(index_shape)), dtype)
    out = tensor([*shape[:axis], *index_shape, *shape[axis + 1 :]])
    (got,) = run_kernel(
        lambda v: kernel.GatherOp(v, out, axis=axis),
        [(x, tensor(shape)), (indices, tensor(index_shape, element))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    np.testing.assert_array_equal(got, np.take(x, indices, axis))


def test_gather_with_positions_added(run_kernel) -> None:
    table, positions = numbers([50, 48]), numbers([1, "S", 48], 1)
    words = np.random.default_rng(1).integers(0, 50, (2, 19))
    out = tensor(["N", "S", 48])
    block = Block(arg_types=[f32, f32])
    total = arith.AddfOp(*block.args)
    block.add_ops([total, kernel.YieldOp(total.result)])
    (got,) = run_kernel(
        lambda v: kernel.GatherOp(v[:2], out, axis=0, epilogue_ins=v[2:], epilogue=Region(block)),
        [(table, tensor([50, 48])), (words, tensor(["N", "S"], i64)), (positions, tensor([1, "S", 48]))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    np.testing.assert_array_equal(got, table[words] + positions)


def test_index_out_of_range_is_reported(run_kernel) -> None:
    out = tensor([3, 4])
    (got,) = run_kernel(
        lambda v: kernel.GatherOp(v, out, axis=0),
        [(numbers([5, 4]), tensor([5, 4])), (np.array([10**12, -(10**12), 2]), tensor([3], i64))],
        [out],
    )
    np.testing.assert_array_equal(got, numbers([5, 4])[[0, 0, 2]])
    assert run_kernel.report.tolist() in ([6, 10**12], [6, -(10**12)])


@pytest.mark.parametrize(
    ("shape", "index_shape", "axis"), [([5, 7], [5, 3], 1), ([5, 7], [9, 6], 0), (["S", 4], ["S", 1], 1)]
)
def test_gather_elements(run_kernel, shape, index_shape, axis: int) -> None:
    x = numbers(shape)
    size = x.shape[axis]
    indices = np.random.default_rng(1).integers(-size, size, concrete(index_shape))
    out = tensor(index_shape)
    (got,) = run_kernel(
        lambda v: kernel.GatherElementsOp(v, out, axis=axis),
        [(x, tensor(shape)), (indices, tensor(index_shape, i64))],
        [out],
        symbols=SIZES,
        threads=2,
    )
    cut = x[tuple(slice(0, s) if a != axis else slice(None) for a, s in enumerate(indices.shape))]
    np.testing.assert_array_equal(got, np.take_along_axis(cut, indices, axis))
