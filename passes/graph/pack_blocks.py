"""Multiplies by weights of few bits, or in blocks with a scale each, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.block_products import BITS, LEAST_BLOCK
from ...dialects.graph.types import f32
from ...reference.block_products import packed
from .rewriting import Rewriter, defined_by, graph_blocks, type_of

# Of a matrix with a scale for each column, which blocks repeat: few enough scales to cost nothing.
BLOCK_OF_COLUMNS = 128
FEW_BITS = 4


@dataclass(frozen=True)
class GraphPackBlocksPass(ModulePass):
    """Products by a dequantised constant of 4 bits, or in blocks, become ``graph.block_matmul``.

    before::

        %0 = graph.dequantize %w, %s : (!graph.tensor<2 x 32 x 8 x i8>, !graph.tensor<2 x 1 x 8 x f32>) -> ...
        %1 = graph.reshape %0 : (!graph.tensor<2 x 32 x 8 x f32>) -> !graph.tensor<64 x 8 x f32>
        %2 = graph.matmul %a, %1 : (!graph.tensor<M x 64 x f32>, !graph.tensor<64 x 8 x f32>) -> ...

    after::

        %0 = graph.block_matmul %a, %b, %t : (..., !graph.tensor<8 x 2 x 16 x ui8>, !graph.tensor<8 x 2 x f32>) -> ...

    Blocks must lie along the depth, in a size that the operation has. Numbers with a sign are stored with half of their
    range added to them and to their zero points.
    """

    name = "graph-pack-blocks"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.MatmulOp):
                    pack_blocks(operation, rewriter)


def pack_blocks(matmul: graph.MatmulOp, rewriter: Rewriter) -> None:
    if matmul.transpose_a or type_of(matmul.a).element_type != f32:
        return
    weights = _weights_of(matmul, rewriter)
    if weights is None or weights.block < LEAST_BLOCK or weights.block & (weights.block - 1):
        return
    stored = _stored(weights)
    if stored is None:
        return
    numbers, scales, zeros, bits = stored
    arrays = [packed(numbers, bits), scales, *([] if zeros is None else [zeros])]
    operands = [matmul.a, *(rewriter.constant(matmul, array, weights.name) for array in arrays)]
    rewriter.replace_with(matmul, graph.BlockMatmulOp(operands, bits=bits, block=weights.block))


@dataclass(frozen=True)
class _Weights:
    """Integers [N, blocks, block], with scales and zero points that broadcast to [N, blocks, 1]."""

    name: str
    numbers: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray | None

    @property
    def block(self) -> int:
        return self.numbers.shape[-1]


def _weights_of(matmul: graph.MatmulOp, rewriter: Rewriter) -> _Weights | None:
    """The right of a product, where it is a dequantised constant matrix in blocks along the depth."""
    value, swapped = matmul.b, matmul.transpose_b
    transpose = defined_by(value, graph.TransposeOp)
    if transpose is not None and len(transpose.permutation) == 2:
        value, swapped = transpose.operands[0], swapped != (tuple(transpose.permutation) == (1, 0))
    reshape = defined_by(value, graph.ReshapeOp)
    dequantize = defined_by(value if reshape is None else reshape.operands[0], graph.DequantizeOp)
    if dequantize is None or type_of(value).rank != 2:
        return None
    arrays = [rewriter.array(operand) for operand in dequantize.operands]
    if any(array is None for array in arrays):
        return None
    x, scale, *zero = (array for array in arrays if array is not None)
    name = rewriter.handle(dequantize.operands[0])
    if reshape is None:
        return None if x.ndim != 2 else _of_columns(name, x, scale, zero, swapped)
    columns = type_of(value).dims[0 if swapped else 1]
    order = (0, 1, 2) if swapped else (2, 0, 1)
    if x.ndim != 3 or x.shape[order[0]] != columns or scale.ndim != 3 or scale.shape[order[2]] != 1:
        return None
    parts = [np.broadcast_to(part, scale.shape).transpose(order) for part in (scale, *zero)]
    return _Weights(name, x.transpose(order), parts[0], parts[1] if zero else None)


def _of_columns(name: str, x: np.ndarray, scale: np.ndarray, zero: list[np.ndarray], swapped: bool) -> _Weights | None:
    """A matrix with a scale for each column or one in all, cut into blocks of whole size as far as it goes."""
    depth_axis = 1 if swapped else 0
    if any(part.ndim == 2 and part.shape[depth_axis] != 1 for part in (scale, *zero)) or scale.ndim == 1:
        return None
    x = x if swapped else x.T
    columns, depth = x.shape
    block = next((size for size in (BLOCK_OF_COLUMNS, 64, 32, 16) if depth % size == 0), 0)
    if block == 0:
        return None
    numbers = x.reshape(columns, -1, block)
    parts = [np.broadcast_to(part.reshape(-1, 1, 1), (columns, numbers.shape[1], 1)) for part in (scale, *zero)]
    return _Weights(name, numbers, parts[0], parts[1] if zero else None)


def _stored(weights: _Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int] | None:
    """Numbers without a sign, scales, zero points unless they are half of the range, and bits; None where it pays not.

    A scale for each column of 8 bits is no block.
    """
    numbers = weights.numbers.astype(np.int16)
    zeros = np.zeros_like(weights.scales, np.int16) if weights.zeros is None else weights.zeros.astype(np.int16)
    is_signed = weights.numbers.dtype == np.int8
    has_blocks = (weights.scales != weights.scales[:, :1]).any()
    for bits in BITS:
        half = 1 << (bits - 1)
        offset = half if is_signed else 0
        held, points = numbers + offset, zeros + offset
        if held.min() < 0 or held.max() >= 2 * half or points.min() < 0 or points.max() > 255:
            continue
        if bits > FEW_BITS and not has_blocks:
            return None
        shape = weights.numbers.shape[:2]
        flat = np.ascontiguousarray(np.broadcast_to(points, (*shape, 1))[..., 0]).astype(np.uint8)
        scales = np.ascontiguousarray(np.broadcast_to(weights.scales, (*shape, 1))[..., 0], np.float32)
        return held.astype(np.uint8), scales, None if (flat == half).all() else flat, bits
    return None
