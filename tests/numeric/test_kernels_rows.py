"""kernel.softmax and kernel.layer_norm against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import symbol
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import Block, Region

SIZES = {"N": 3, "S": 77}
DIMS = {name: symbol(name) for name in SIZES}
SHAPES = [
    ([5, 1000], "ab"),
    ([2, 3, 7], "abc"),
    ([2, 3, 16], "abc"),
    ([2, 197, 197], "abc"),
    ([300, 1], "ab"),
    (["N", 4, "S", "S"], "abcd"),
    (["N", "S", 768], "abc"),
    (["N", 4, "S", 12], "acbd"),
]


def concrete(shape):
    return [SIZES.get(size, size) for size in shape]


def tensor(shape, order):
    return TensorType.of([DIMS.get(size, size) for size in shape], f32, Layout(parse_order(order)))


def numbers(shape, seed=0):
    return np.asarray(np.random.default_rng(seed).standard_normal(concrete(shape)) * 3, np.float32)


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("shape", "order"), SHAPES)
def test_softmax(run_kernel, shape, order, threads: int) -> None:
    x, type_ = numbers(shape), tensor(shape, order)
    (got,) = run_kernel(lambda v: kernel.SoftmaxOp(v, type_), [(x, type_)], [type_], symbols=SIZES, threads=threads)
    np.testing.assert_allclose(got, softmax(x), rtol=1e-5, atol=1e-8)


def test_softmax_of_masked_rows(run_kernel) -> None:
    x, type_ = numbers([4, 40]), tensor([4, 40], "ab")
    x[:, 7:] = -np.inf
    x[1] = 1e4
    (got,) = run_kernel(lambda v: kernel.SoftmaxOp(v, type_), [(x, type_)], [type_])
    np.testing.assert_allclose(got, softmax(x), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize(("shape", "order"), SHAPES)
def test_layer_norm(run_kernel, shape, order, axis: int) -> None:
    if order == "acbd" and axis == 1:
        return
    x, type_ = numbers(shape) + 2, tensor(shape, order)
    inner = shape[axis:]
    scale, bias = numbers(inner, 1), numbers(inner, 2)
    row = tensor(inner, "abcd"[: len(inner)])
    (got,) = run_kernel(
        lambda v: kernel.LayerNormOp(v, type_, axis=axis % len(shape), epsilon=1e-5),
        [(x, type_), (scale, row), (bias, row)],
        [type_],
        symbols=SIZES,
        threads=2,
    )
    axes = tuple(range(axis % len(shape), len(shape)))
    wide = x.astype(np.float64)
    mean, variance = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
    np.testing.assert_allclose(got, (wide - mean) / np.sqrt(variance + 1e-5) * scale + bias, rtol=1e-4, atol=2e-5)


def test_layer_norm_epilogue(run_kernel) -> None:
    type_, row = tensor([6, 100], "ab"), tensor([100], "a")
    x, scale, bias, skip = numbers([6, 100]), numbers([100], 1), numbers([100], 2), numbers([6, 100], 3)
    block = Block(arg_types=[f32, f32])
    total = arith.AddfOp(*block.args)
    block.add_ops([total, kernel.YieldOp(total.result)])
    (got,) = run_kernel(
        lambda v: kernel.LayerNormOp(v[:3], type_, axis=1, epsilon=1e-5, epilogue_ins=v[3:], epilogue=Region(block)),
        [(x, type_), (scale, row), (bias, row), (skip, type_)],
        [type_],
    )
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * scale + bias + skip
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-5)
