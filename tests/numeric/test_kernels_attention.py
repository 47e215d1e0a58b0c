"""kernel.attention against its formula in NumPy: strips of queries and single ones, known sizes and free ones."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, f32, i1
from xdsl.ir import Block, Region

SIZES = {"N": 2, "S": 21, "T": 37, "ONE": 1}
DIMS = {name: symbol(name) for name in SIZES}
# queries, keys, values, mask, layout of all three
CASES = {
    "known": ([2, 3, 70, 24], [2, 3, 50, 24], [2, 3, 50, 24], [1, 1, 50], "abcd"),
    "in another order": ([1, 3, 16, 32], [1, 3, 45, 32], [1, 3, 45, 32], [16, 1], "acbd"),
    "free": (["N", 3, "S", 20], ["N", 3, "T", 20], ["N", 3, "T", 70], ["N", 1, "S", "T"], "acbd"),
    "grouped": (["N", 6, "S", 16], ["N", 2, "T", 16], ["N", 2, "T", 16], ["T"], "abcd"),
    "shared": ([2, 3, 20, 16], [1, 1, 18, 16], [18, 8], [3, 20, 18], "abcd"),
    "no batch": (["S", 16], ["T", 16], ["T", 16], [], "ab"),
    "one query": (["N", 6, 1, 40], ["N", 2, "T", 40], ["N", 2, "T", 24], ["N", 1, 1, "T"], "acbd"),
    "one free query": (["N", 3, "ONE", 16], ["N", 3, "T", 16], ["N", 3, "T", 16], ["ONE", "T"], "abcd"),
}


def concrete(shape):
    return [SIZES.get(size, size) for size in shape]


def tensor(shape, order):
    order = order if len(order) == len(shape) else "abcd"[: len(shape)]
    return TensorType.of([DIMS.get(size, size) for size in shape], f32, Layout(parse_order(order)))


def numbers(shape, seed):
    return np.asarray(np.random.default_rng(seed).standard_normal(concrete(shape)), np.float32)


def half_and_more() -> Region:
    """score / 2 + mask."""
    block = Block(arg_types=[f32, f32])
    half = arith.ConstantOp(FloatAttr(0.5, f32))
    scaled = arith.MulfOp(block.args[0], half.result)
    total = arith.AddfOp(scaled.result, block.args[1])
    block.add_ops([half, scaled, total, kernel.YieldOp(total.result)])
    return Region(block)


def attention(q, k, v, mask, zero_empty=False):
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    if q.ndim > 2 and k.ndim > 2 and k.shape[-3] not in (1, q.shape[-3]):
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = q @ k.swapaxes(-1, -2) / 2 + mask
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
    return (np.nan_to_num(weights) if zero_empty else weights) @ v


def run(run_kernel, case, mask=None, threads=1, plan=None, **properties):
    *shapes, mask_shape, order = case
    operands = [(numbers(shape, seed), tensor(shape, order)) for seed, shape in enumerate(shapes)]
    mask = numbers(mask_shape, 9) if mask is None else mask
    operands.append((mask, TensorType.of(tensor(mask_shape, order).dims, f32)))
    result = tensor([*shapes[0][:-1], shapes[2][-1]], order)
    (got,) = run_kernel(
        lambda v: kernel.AttentionOp(v[:3], result, epilogue_ins=v[3:], epilogue=half_and_more(), **properties),
        operands,
        [result],
        symbols=SIZES,
        threads=threads,
        decisions=plan,
    )
    return got, attention(*(array for array, _ in operands), **properties)


@pytest.mark.parametrize("name", CASES)
def test_attention(run_kernel, name: str) -> None:
    got, expected = run(run_kernel, CASES[name])
    np.testing.assert_allclose(got, expected, rtol=0, atol=3e-6)
    shared, _ = run(run_kernel, CASES[name], threads=3)
    np.testing.assert_array_equal(shared, got)


@pytest.mark.parametrize(
    ("name", "block", "zero_empty"),
    [("known", 16, False), ("known", 0, True), ("free", 16, True), ("one free query", 0, True)],
)
def test_masked_rows_and_blocks(run_kernel, name: str, block: int, zero_empty: bool) -> None:
    """Blocks of which a query reads no key, queries that read none at all, scores that grow from block to block."""
    case = CASES[name]
    mask = np.broadcast_to(numbers(case[3], 9), np.broadcast_shapes(concrete(case[3]), (1, 1))).copy()
    mask += np.arange(mask.shape[-1], dtype=np.float32)
    mask[..., :, 3:20] = -np.inf
    mask[..., :1, :] = -np.inf
    mask = mask.reshape(concrete(case[3]))
    got, expected = run(run_kernel, case, mask, plan={"key_block": block}, zero_empty=zero_empty)
    np.testing.assert_allclose(got, expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize(("lowest", "block"), [(-np.inf, 16), (-3.4e38, 0)])
def test_keys_that_no_query_of_a_strip_reads(run_kernel, lowest: float, block: int) -> None:
    """A window that moves along with the queries, then queries that read nothing, whose weights may all be the same."""
    case = (["N", 3, "S", 20], ["N", 3, "T", 20], ["N", 3, "T", 24], ["N", 1, "S", "T"], "abcd")
    ahead = np.arange(SIZES["T"]) - np.arange(SIZES["S"])[:, None]
    reads = np.broadcast_to((ahead <= 8) & (ahead > 2), concrete(case[3])).copy()
    plan = {"strip": 4, "rows": 4, "columns": 16, "keys": 4, "key_block": block, "skip_lanes": 8}
    for empty in (False, True):
        reads[:, :, :3] &= not empty
        mask = np.where(reads, 0, lowest).astype(np.float32)
        got, expected = run(run_kernel, case, mask, plan=plan)
        np.testing.assert_allclose(got, expected, rtol=0, atol=3e-6)
    # Nothing is seen of what all queries of a strip leave out.
    if lowest == -np.inf:
        assert np.isnan(got[:, :, :3]).all() and np.isfinite(got[:, :, 3:]).all()


@pytest.mark.parametrize("queries", [2, 20])
def test_no_keys(run_kernel, queries: int) -> None:
    """Sums of no products are 0."""
    sizes = SIZES | {"T": 0, "S": queries}
    q, k = np.ones((2, queries, 16), np.float32), np.ones((2, 0, 16), np.float32)
    types = [tensor([2, "S", 16], "abc"), tensor([2, "T", 16], "abc")]
    (got,) = run_kernel(
        lambda v: kernel.AttentionOp([v[0], v[1], v[1]], types[0]),
        list(zip((q, k), types)),
        [types[0]],
        symbols=sizes,
    )
    np.testing.assert_array_equal(got, np.zeros_like(q))


@pytest.mark.parametrize("name", ["grouped", "one query"])
def test_named_rows_are_empty(run_kernel, name: str) -> None:
    *shapes, _, order = CASES[name]
    operands = [(numbers(shape, seed), tensor(shape, order)) for seed, shape in enumerate(shapes)]
    empty = np.random.default_rng(3).random(concrete([shapes[0][0], 1, shapes[0][2], 1])) < 0.5
    result = tensor([*shapes[0][:-1], shapes[2][-1]], order)
    operands.append((empty, TensorType.of(tensor([shapes[0][0], 1, shapes[0][2], 1], order).dims, i1)))
    (got,) = run_kernel(lambda v: kernel.AttentionOp(v, result), operands, [result], symbols=SIZES)
    q, k, v = (array for array, _ in operands[:3])
    np.testing.assert_allclose(got, np.where(empty, 0, attention(2 * q, k, v, 0)), rtol=0, atol=3e-6)
