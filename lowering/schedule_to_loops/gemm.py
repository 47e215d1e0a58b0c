"""Matrix product: panels of B outermost, tiles of rows inside, the whole reduction in registers.

::

    for batch, panel of B's columns            (K x columns of B stay in L2)
      pack the panel, where B's columns are not contiguous
      for tile of rows
        sums[rows][columns] = bias
        for block of k:  for k in it:  part += a[row, k] * b[k, column];  sums += part
        y[row, column] = epilogue(sums)

B is packed in panels at compile time (layout ``Ba64b``: [N/64][K][64]), or read where it lies. A and the
result may have any strides, so transposes and head splits are free. Leading axes of A become rows where
B has none and the memory allows it.

Decisions: ``rows`` and ``columns`` of a tile at most; ``row_chunks``: pieces of the rows that threads share beside
panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.decisions import Gemm
from ...dialects.kernel import GemmOp
from ...dialects.layout import TensorType
from ...dialects.schedule import StageOp
from .halo import fill_halo
from .long_sums import MATRIX_BLOCK
from .loop_nest import Index, LoopNest, Tensor
from .register_tile import ResultTile, for_each_tile, store_result_tile, sum_products


@dataclass
class _Matrix:
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


def lower_gemm(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, GemmOp)
    _merge_batch_into_rows(nest, kernel)
    y = nest.operands[-1]
    fill_halo(nest, y)
    _Gemm(stage, nest, kernel).lower()


class _Gemm:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: GemmOp):
        self.nest, self.kernel = nest, kernel
        self.a_tensor, self.b_tensor, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        decisions = stage.decided(Gemm)
        self.tile_rows, self.tile_columns = decisions.rows, decisions.columns
        self.row_chunks = decisions.row_chunks
        self.batch = [nest.dim(size) for size in self.y.dims[:-2]]
        self.rows, self.columns = nest.dim(self.y.dims[-2]), nest.dim(self.y.dims[-1])
        self.a = _matrix(nest, self.a_tensor, kernel.get("transpose_a"), self.y)
        self.depth = nest.dim(self.a_tensor.dims[-2 if kernel.get("transpose_a") else -1])
        self.is_packed = any(piece.block for piece in self.b_tensor.type.layout.pieces)
        self.b = None if self.is_packed else _matrix(nest, self.b_tensor, kernel.get("transpose_b"), self.y)
        self.is_ragged = not isinstance(self.columns, int) or self.columns % self.tile_columns != 0

    def lower(self) -> None:
        nest = self.nest
        panels = nest.ceildiv(self.columns, self.tile_columns)
        with nest.forall([*self.batch, panels, self.row_chunks]) as indices:
            *batch, panel, chunk = indices
            column = nest.mul(panel, self.tile_columns)
            lanes = nest.minimum(nest.sub(self.columns, column), self.tile_columns) if self.is_ragged else None
            b_view, b_mask = self._panel(batch, panel, column, lanes)

            def compute_tile(row: Index, rows: int) -> None:
                tile = ResultTile(starts=self._starts(batch, row, column), spans=self._spans(rows), lanes=lanes)
                sums = self._accumulate(self._bias(tile), batch, row, rows, b_view, b_mask)
                store_result_tile(nest, self.kernel, sums, self.y, tile)

            if self.row_chunks == 1:
                for_each_tile(nest, self.rows, self.tile_rows, compute_tile)
                return
            chunk_rows = nest.ceildiv(self.rows, self.row_chunks)
            begin = nest.minimum(nest.mul(chunk, chunk_rows), self.rows)
            count = nest.minimum(nest.sub(self.rows, begin), chunk_rows)
            for_each_tile(nest, count, self.tile_rows, compute_tile, begin)

    def _dimension_of(self, axis: int) -> int:
        """Physical dimension of an axis of y."""
        return next(i for i, piece in enumerate(self.y.type.layout.pieces) if piece.axis == axis % self.y.type.rank)

    def _starts(self, batch: Sequence[Index], row: Index, column: Index) -> list[Index]:
        by_axis = [*batch, row, column]
        return [by_axis[piece.axis] for piece in self.y.type.layout.pieces]

    def _spans(self, rows: int) -> list[tuple[int, int]]:
        return [(self._dimension_of(-2), rows), (self._dimension_of(-1), self.tile_columns)]

    def _bias(self, tile: ResultTile) -> SSAValue:
        nest = self.nest
        if len(self.kernel.ins) < 3:
            return nest.constant(0.0, nest.vector_type(self.y.element_type, tile.shape))
        bias = nest.operands[2]
        column = tile.starts[self._dimension_of(-1)]
        memory = nest.view(bias.memory, nest.add(bias.origin, column), [self.tile_columns], [1])
        row = nest.load_vector(memory, [0], [self.tile_columns], tile.mask(nest, [self.tile_columns]))
        return nest.broadcast(row, tile.shape)

    def _panel(
        self, batch: Sequence[Index], panel: Index, column: Index, lanes: Index | None
    ) -> tuple[SSAValue, SSAValue | None]:
        """The panel of B as [k][1][column], and the mask of its columns where reading beyond them is not allowed."""
        nest, width = self.nest, self.tile_columns
        if self.b is None:
            offset = nest.add(self.b_tensor.origin, nest.mul(nest.mul(panel, self.depth), width))
            return nest.view(self.b_tensor.memory, offset, [self.depth, 1, width], [width, width, 1]), None
        offset = self.b.offset(nest, batch)
        if self.b.column_stride == 1:
            offset = nest.add(offset, column)
            mask = None if lanes is None else nest.mask([1, width], [1, lanes])
            return nest.view(self.b_tensor.memory, offset, [self.depth, 1, width], [self.b.row_stride, 0, 1]), mask
        packed = nest.scratch_array(self.b_tensor.element_type, 0, [self.depth, 1, width])
        source = nest.view(
            self.b_tensor.memory,
            nest.add(offset, nest.mul(column, self.b.column_stride)),
            [width, self.depth],
            [self.b.column_stride, self.b.row_stride],
        )
        with nest.loops([width if lanes is None else lanes, self.depth]) as (lane, k):
            nest.store(nest.load(source, [lane, k]), packed, [k, 0, lane])
        return packed, None

    def _accumulate(
        self, start: SSAValue, batch: Sequence[Index], row: Index, rows: int, b_view: SSAValue, b_mask: SSAValue | None
    ) -> SSAValue:
        nest = self.nest
        offset = nest.add(self.a.offset(nest, batch), nest.mul(row, self.a.row_stride))
        a_view = nest.view(
            self.a_tensor.memory, offset, [self.depth, rows, 1], [self.a.column_stride, self.a.row_stride, 1]
        )

        def column_of_a(indices: Sequence[Index]) -> SSAValue:
            return nest.load_vector(a_view, [indices[0], 0, 0], [rows, 1])

        def row_of_b(indices: Sequence[Index]) -> SSAValue:
            return nest.load_vector(b_view, [indices[0], 0, 0], [1, self.tile_columns], b_mask)

        # A tile of few rows has too few products a turn to hide the loop's own instructions.
        unroll = 4 if rows * self.tile_columns < 128 and isinstance(self.depth, int) and self.depth % 4 == 0 else 1
        return sum_products(nest, start, [self.depth], column_of_a, row_of_b, unroll, MATRIX_BLOCK)


def _matrix(nest: LoopNest, tensor: Tensor, transposed: bool, y: Tensor) -> _Matrix:
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
    return _Matrix(tensor, row, column, batch)


def _merge_batch_into_rows(nest: LoopNest, kernel: GemmOp) -> None:
    """Sees [..., M, K] x [K, N] as one product of many rows, where every full-size operand is row-major."""
    a, b, y = nest.operands[0], nest.operands[1], nest.operands[-1]
    if y.type.rank == 2 or b.type.rank != 2 or kernel.get("transpose_a"):
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
