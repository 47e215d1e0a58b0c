"""kernel.gemm and Winograd convolution against NumPy in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from lamina.dialects import kernel
from lamina.dialects.layout import TensorType
from lamina.dialects.layout_algebra import Layout, parse_order
from lamina.dialects.shape import symbol
from lamina.dialects.winograd import transform_weights
from lamina.machines import host_target
from lamina.passes.kernel.conv_costs import channel_block
from lamina.passes.schedule.choose_tiles import choose_tiles
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import Block, Region, SSAValue

TARGET = host_target()


def numbers(seed: int, shape: Sequence[int]) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(tuple(shape), dtype=np.float32)


def tensor(shape: Sequence[int | str], order: str = "") -> TensorType:
    dims = [symbol(size) if isinstance(size, str) else size for size in shape]
    return TensorType.of(dims, f32, Layout(parse_order(order)) if order else None)


def adding() -> Region:
    """An epilogue that adds its operand."""
    block = Block(arg_types=[f32, f32])
    block.add_op(total := arith.AddfOp(*block.args))
    block.add_op(kernel.YieldOp(total.result))
    return Region(block)


# rows, columns, depth, batch of A, batch of B (None: a packed constant), transposed A and B
PRODUCTS = {
    "tile": (12, 64, 32, (), None, False, False),
    "ragged": (7, 70, 33, (), None, False, False),
    "one row": (1, 100, 64, (), None, False, False),
    "one column": (5, 1, 20, (), None, False, False),
    "packed transposed": (9, 50, 24, (), None, False, True),
    "batch becomes rows": (5, 40, 16, (2, 3), None, False, False),
    "batch of both": (17, 33, 16, (2, 3), (2, 3), False, False),
    "transposed B": (17, 33, 16, (2, 3), (2, 3), False, True),
    "transposed A": (17, 33, 16, (2,), (2,), True, False),
    "broadcast batch": (6, 64, 8, (2, 1), (1, 3), False, False),
    "page-sized rows": (14, 32, 1024, (), None, False, False),
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", PRODUCTS)
def test_gemm(run_kernel, name: str, threads: int) -> None:
    rows, columns, depth, batch_a, batch_b, transpose_a, transpose_b = PRODUCTS[name]
    a = numbers(0, (*batch_a, depth, rows) if transpose_a else (*batch_a, rows, depth))
    b = numbers(1, (*(batch_b or ()), columns, depth) if transpose_b else (*(batch_b or ()), depth, columns))
    width = min(TARGET.gemm_tile[1], -(-columns // TARGET.lanes) * TARGET.lanes)
    packed = f"Ab{width}a" if transpose_b else f"Ba{width}b"
    expected = np.matmul(
        np.swapaxes(a, -1, -2).astype(np.float64) if transpose_a else a.astype(np.float64),
        np.swapaxes(b, -1, -2) if transpose_b else b,
    )
    bias, skip = numbers(2, (columns,)), numbers(3, expected.shape)
    check(
        run_kernel,
        [(a, tensor(a.shape)), (b, tensor(b.shape, "" if batch_b else packed)), (bias, tensor(bias.shape))],
        [(skip, tensor(skip.shape))],
        tensor(expected.shape),
        expected + bias + skip,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        threads=threads,
    )


@pytest.mark.parametrize("rows", [1, 3, 5, 6, 13, 40])
def test_gemm_of_unknown_rows(run_kernel, rows: int) -> None:
    a, b, bias, skip = numbers(0, (rows, 24)), numbers(1, (24, 70)), numbers(2, (70,)), numbers(3, (rows, 70))
    width = min(TARGET.gemm_tile[1], -(-70 // TARGET.lanes) * TARGET.lanes)
    check(
        run_kernel,
        [(a, tensor(["S", 24])), (b, tensor(b.shape, f"Ba{width}b")), (bias, tensor(bias.shape))],
        [(skip, tensor(["S", 70]))],
        tensor(["S", 70]),
        a.astype(np.float64) @ b + bias + skip,
        symbols={"S": rows},
        threads=2,
    )


def check(
    run_kernel,
    inputs: Sequence[tuple[np.ndarray, TensorType]],
    extra: Sequence[tuple[np.ndarray, TensorType]],
    result: TensorType,
    expected: np.ndarray,
    *,
    symbols: dict[str, int] | None = None,
    threads: int = 1,
    op: type[kernel.KernelOp] = kernel.GemmOp,
    **properties,
) -> None:
    """Runs a contraction with the tiles that the compiler chooses; the same bits for every thread count."""

    def make(values: Sequence[SSAValue]) -> kernel.KernelOp:
        return op(values[: len(inputs)], result, epilogue_ins=values[len(inputs) :], epilogue=adding(), **properties)

    operands = [*inputs, *extra]
    stage = run_kernel.stage(make, [type_ for _, type_ in operands], [result])
    choose_tiles(stage, TARGET)
    arguments = {"symbols": symbols, "decisions": stage.decisions}
    (got,) = run_kernel(make, operands, [result], threads=threads, **arguments)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * scale)
    (alone,) = run_kernel(make, operands, [result], threads=1, **arguments)
    np.testing.assert_array_equal(got, alone)


# algorithm, batch, input channels, height and width, output channels
WINOGRAD = {
    "whole tiles": (4, 1, 32, 16, 16, 32),
    "cut tiles": (4, 2, 24, 15, 13, 40),
    "small tiles": (2, 1, 16, 7, 9, 48),
    "one pixel": (2, 1, 16, 1, 1, 16),
    "channels shared": (4, 1, 40, 14, 14, 64),
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", WINOGRAD)
def test_winograd(run_kernel, name: str, threads: int) -> None:
    tile, batch, channels, height, width, outputs = WINOGRAD[name]
    block = channel_block(TARGET)
    x = np.maximum(numbers(0, (batch, channels, height, width)), 0)
    w = numbers(1, (outputs, channels, 3, 3)) / np.float32(3 * np.sqrt(channels))
    bias, skip = numbers(2, (outputs,)), numbers(3, (batch, outputs, height, width))
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    expected = sum(
        np.einsum("nchw,kc->nkhw", padded[:, :, i : i + height, j : j + width], w[:, :, i, j])
        for i in range(3)
        for j in range(3)
    )
    beyond = [-(-size // tile) * tile - size + 1 for size in (height, width)]
    halo = Layout(Layout.channel_blocked(4, block).order, (0, 0, 1, 1), (0, 0, *beyond), halo=True)
    u = transform_weights(w, tile)
    chunk = block * max(n for n in range(1, max(1, TARGET.gemm_tile[1] // block) + 1) if -(-outputs // block) % n == 0)
    blocked = Layout.channel_blocked(4, block)
    check(
        run_kernel,
        [
            (x, TensorType.of(x.shape, f32, halo)),
            (u, tensor(u.shape, f"Cab{chunk}c")),
            (bias, tensor(bias.shape, f"A{block}a")),
        ],
        [(skip, TensorType.of(skip.shape, f32, blocked))],
        TensorType.of(skip.shape, f32, blocked),
        expected + bias[:, None, None] + skip,
        threads=threads,
        op=kernel.ConvOp,
        algorithm=f"winograd{tile}",
        strides=[1, 1],
        pads=[1, 1, 1, 1],
        dilations=[1, 1],
    )
