"""What all walks of a matrix product share: where its operands lie, and what becomes of a tile of its sums."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.gemm_decisions import Gemm
from ...dialects.kernel import BlockGemmOp, GemmOp
from ...dialects.layout import TensorType
from ...dialects.schedule import StageOp
from .loop_nest import Index, LoopNest, Tensor
from .outer_axes import Turn, outer_loops
from .register_tile import ResultTile


@dataclass
class Matrix:
    """One operand as a batch of matrices: element strides of its last two axes and of each batch axis of the result."""

    tensor: Tensor
    row_stride: Index
    column_stride: Index
    batch_strides: list[Index]

    def offset(self, nest: LoopNest, batch: Sequence[Index]) -> Index:
        total = self.tensor.origin
        for index, stride in zip(batch, self.batch_strides, strict=True):
            total = nest.add(total, nest.mul(index, stride))
        return total


class Product:
    """A matrix product's operands, sizes and decisions."""

    def __init__(self, stage: StageOp, nest: LoopNest, kernel: GemmOp):
        self.nest, self.kernel = nest, kernel
        self.a_tensor, self.b_tensor, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        self.decisions = decisions = stage.decided(Gemm)
        self.tile_rows, self.tile_columns = decisions.rows, decisions.columns
        self.row_chunks = decisions.row_chunks
        self.batch = [nest.dim(size) for size in self.y.dims[:-2]]
        self.rows, self.columns = nest.dim(self.y.dims[-2]), nest.dim(self.y.dims[-1])
        self.a = matrix_of(nest, self.a_tensor, kernel.get("transpose_a"), self.y)
        self.depth = nest.dim(self.a_tensor.dims[-2 if kernel.get("transpose_a") else -1])
        self.is_packed = any(piece.block for piece in self.b_tensor.type.layout.pieces)
        self.b = None if self.is_packed else matrix_of(nest, self.b_tensor, kernel.get("transpose_b"), self.y)

    def outer_loops(self, panels: Index) -> AbstractContextManager[Turn]:
        """Over the batch, ``panels`` of columns, and chunks of rows."""
        bounds = {"b": self.batch, "n": [panels], "m": [self.row_chunks]}
        return outer_loops(self.nest, self.decisions, self.kernel, bounds)

    def dimension_of(self, axis: int) -> int:
        """Physical dimension of an axis of y."""
        return next(i for i, piece in enumerate(self.y.type.layout.pieces) if piece.axis == axis % self.y.type.rank)

    def starts(self, batch: Sequence[Index], row: Index, column: Index) -> list[Index]:
        by_axis = [*batch, row, column]
        return [by_axis[piece.axis] for piece in self.y.type.layout.pieces]

    def bias(self, tile: ResultTile) -> SSAValue:
        """The bias of the tile's columns, or zeros, in the tile's shape."""
        nest = self.nest
        if len(self.kernel.ins) < 3:
            return nest.constant(0.0, nest.vector_type(self.kernel.sums_type, tile.shape))
        bias, dimension = nest.operands[2], self.dimension_of(-1)
        shape = [dict(tile.spans).get(dimension, 1)]
        memory = nest.view(bias.memory, nest.add(bias.origin, tile.starts[dimension]), shape, [1])
        return nest.broadcast(nest.load_vector(memory, [0], shape, tile.mask(nest, shape)), tile.shape)


def matrix_of(nest: LoopNest, tensor: Tensor, transposed: bool, y: Tensor) -> Matrix:
    strides: list[Index] = [0] * tensor.type.rank
    for piece, stride in zip(tensor.type.layout.pieces, tensor.strides, strict=True):
        if piece.block:
            raise ValueError(f"a matrix operand in the blocked layout {tensor.type.layout.order}")
        strides[piece.axis] = stride
    missing = y.type.rank - tensor.type.rank
    batch: list[Index] = [
        0 if axis < missing or tensor.dims[axis - missing] == 1 else strides[axis - missing]
        for axis in range(y.type.rank - 2)
    ]
    row, column = (strides[-1], strides[-2]) if transposed else (strides[-2], strides[-1])
    return Matrix(tensor, row, column, batch)


def merge_batch_into_rows(nest: LoopNest, kernel: GemmOp | BlockGemmOp) -> None:
    """Sees [..., M, K] x [K, N] as one product of many rows, where every full-size operand is row-major."""
    a, b, y = nest.operands[0], nest.operands[1], nest.operands[-1]
    if y.type.rank == 2 or b.type.rank != 2 or (isinstance(kernel, GemmOp) and kernel.get("transpose_a")):
        return
    merged = [_as_rows(tensor, y) for tensor in (a, *nest.operands[len(kernel.ins) :])]
    if a.dims[:-1] != y.dims[:-1] or any(tensor is None for tensor in merged):
        return
    nest.operands = [merged[0], *nest.operands[1 : len(kernel.ins)], *merged[1:]]  # pyright: ignore[reportAttributeAccessIssue]


def _as_rows(tensor: Tensor, y: Tensor) -> Tensor | None:
    """The tensor as a matrix whose rows are all rows of y; None where its memory or broadcasting forbids it."""
    if tensor.dims[:-1] == y.dims[:-1] and tensor.type.layout.is_row_major:
        shape = (dims.product(tensor.dims[:-1]), tensor.dims[-1])
    elif all(size == 1 for size in tensor.dims[:-1]) and tensor.type.layout.is_row_major:
        shape = (1, tensor.dims[-1]) if tensor.dims else ()
    else:
        return None
    strides = (tensor.strides[-2] if tensor.type.rank > 1 else 0, tensor.strides[-1]) if shape else ()
    return Tensor(TensorType.of(shape, tensor.element_type), tensor.memory, tensor.origin, strides)
