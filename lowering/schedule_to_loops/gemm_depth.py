"""Matrix product with lanes along the depth: each sum of a tile is a vector of partial sums until the end.

::

    for batch, panel of columns, chunk of rows
      for tile of columns, for tile of rows
        parts[rows][columns][lanes] = 0
        for block of k, in steps of lanes
          parts += a[rows, k ... k + lanes] * b[k ... k + lanes, columns]
        sums[rows][columns] = bias + the sums of parts
        y[row, column] = epilogue(sums)

Products of few rows or few columns leave no lane idle so, and read both matrices in the order of memory, in which the
elements of a row of A must lie side by side, and those of a column of B, unless its panels are copied so. What is left
of the depth after whole vectors is read by a mask. Tiles cover just the rows and columns that there are.

Decisions: as in ``gemm.py``, whose ``depth_lanes`` lead here, for as many rows as ``depth_rows`` allow; ``columns`` are
shared out as panels are, in tiles of ``depth_columns``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xdsl.ir import Attribute, SSAValue

from ...dialects.gemm_decisions import MATRIX_BLOCK
from ...dialects.kernel import GemmOp
from ...dialects.multi_reduction import MultiReductionOp
from ...dialects.schedule import StageOp
from .arithmetic import accumulator_element, convert
from .contraction import FEW_ELEMENTS, Contraction, RowTiles, unroll_of
from .gemm_product import Matrix, Product
from .long_sums import product_turns, sum_in_blocks
from .loop_nest import Index, LoopNest
from .register_tile import ResultTile, for_each_tile, piece_strides, store_result_tile
from .tile_access import Span, Tile, load_tile, store_tile


class DepthInLanes(Product):
    """Lanes are places along the depth: rows of a, each as a vector, by columns of b."""

    def __init__(self, stage: StageOp, nest: LoopNest, kernel: GemmOp):
        super().__init__(stage, nest, kernel)
        self.copied: SSAValue | None = None
        if self.decisions.has_depth_only and self.decisions.copies(kernel):
            size = nest.mul(self.depth, self.tile_columns)
            self.copied = nest.scratch_memory(self.b_tensor.element_type, 0, size)

    def lower(self) -> None:
        nest, panel_columns = self.nest, self.tile_columns
        panels = nest.ceildiv(self.columns, panel_columns)
        with self.outer_loops(panels) as turn:
            batch, chunk = turn.indices["b"], turn.index("m")
            first = nest.mul(turn.index("n"), panel_columns)
            is_whole = isinstance(self.columns, int) and self.columns % panel_columns == 0
            count = panel_columns if is_whole else nest.minimum(nest.sub(self.columns, first), panel_columns)
            tile_rows = 1 if self.decisions.depth_rows else self.tile_rows
            rows = RowTiles.of_chunk(nest, self.rows, tile_rows, chunk, self.row_chunks)
            tile_columns = self.decisions.depth_columns or panel_columns
            right = self._right(batch, first)
            copied = self.copied
            if copied is not None:
                with turn.once_for_all("m"):
                    for_each_tile(nest, count, tile_columns, lambda *tile: self._copy(copied, batch, first, *tile))

            def contract(column: Index, columns: int) -> None:
                self._contract(batch, rows, nest.add(first, column), columns, right(column))

            for_each_tile(nest, count, tile_columns, contract)

    def _right(self, batch: Sequence[Index], first: Index) -> Callable[[Index], _Place]:
        """Where a column of a panel lies, which begins with column ``first``: in B, or in the copy of the panel."""
        nest, b, copied = self.nest, self._whole_b, self.copied
        if copied is not None:
            return lambda column: _Place(copied, nest.mul(column, self.depth), self.depth)
        begin = nest.add(b.offset(nest, batch), nest.mul(first, b.column_stride))
        memory = self.b_tensor.memory
        return lambda column: _Place(memory, nest.add(begin, nest.mul(column, b.column_stride)), b.column_stride)

    @property
    def _whole_b(self) -> Matrix:
        assert self.b is not None, "lanes along the depth, and B is packed in panels of columns"
        return self.b

    def _copy(self, copied: SSAValue, batch: Sequence[Index], first: Index, column: Index, columns: int) -> None:
        """Copies columns of a panel of B, each to neighbouring elements."""
        nest, lanes, b = self.nest, self.decisions.depth_lanes, self._whole_b
        begin = nest.add(b.offset(nest, batch), nest.mul(nest.add(first, column), b.column_stride))

        def copy(place: Index, span: Span) -> None:
            tile = Tile(Span(columns), span)
            source = nest.add(begin, nest.mul(place, b.row_stride))
            elements = load_tile(nest, self.b_tensor.memory, source, tile, b.column_stride, b.row_stride)
            target = nest.add(nest.mul(column, self.depth), place)
            store_tile(nest, nest.broadcast(elements, tile.shape), copied, target, tile, self.depth, 1)

        whole = nest.mul(nest.floordiv(self.depth, lanes), lanes)
        with nest.loop(0, whole, lanes) as loop:
            copy(loop.index, Span(lanes))
        rest = nest.sub(self.depth, whole)
        if rest != 0:
            copy(whole, Span(lanes, rest))

    def _contract(self, batch: Sequence[Index], rows: RowTiles, column: Index, columns: int, place: _Place) -> None:
        nest, sums = self.nest, accumulator_element(self.kernel.sums_type)
        has_lane_rows = columns == 1 and self._rows_lie_side_by_side()

        def tile_of(row: Index, count: int) -> ResultTile:
            spans = [(self.dimension_of(-2), count)]
            return ResultTile(
                starts=self.starts(batch, row, column),
                spans=spans if has_lane_rows else [*spans, (self.dimension_of(-1), columns)],
            )

        def finish(row: Index, count: int, total: SSAValue) -> None:
            total = convert(nest, total, self.kernel.sums_type)
            store_result_tile(nest, self.kernel, total, self.y, tile_of(row, count))

        def left(row: Index, count: int) -> Vectors:
            offset = nest.add(self.a.offset(nest, batch), nest.mul(row, self.a.row_stride))
            others = [(count, self.a.row_stride)] if has_lane_rows else [(count, self.a.row_stride), (1, 1)]
            return Vectors(self.a_tensor.memory, offset, others, sums)

        def right() -> Vectors:
            others = [] if has_lane_rows else [(columns, place.column_stride)]
            return Vectors(place.memory, place.offset, others, sums)

        Contraction(
            rows=rows,
            summed=LaneSum([self.depth], self.decisions.depth_lanes),
            left=left,
            right=lambda *_: right(),
            start=lambda row, count: convert(nest, self.bias(tile_of(row, count)), sums),
            finish=finish,
        ).write(nest)

    def _rows_lie_side_by_side(self) -> bool:
        """Whether rows of y, and of what its epilogue reads beside, are neighbours in memory."""
        first, dimension = len(self.kernel.ins), self.dimension_of(-2)
        extra = self.nest.operands[first : first + len(self.kernel.epilogue_ins)]
        strides = [piece_strides(self.nest, operand, self.y)[dimension] for operand in extra]
        return self.y.strides[dimension] == 1 and all(stride in (None, 1) for stride in strides)


@dataclass(frozen=True)
class _Place:
    """Where columns lie: the first of them, and elements from one to the next."""

    memory: SSAValue
    offset: Index
    column_stride: Index


@dataclass(frozen=True)
class Vectors:
    """Rows or columns of an operand that are read as vectors along the depth, as ``element``.

    ``others`` are the dimensions before the depth: their sizes, and elements between neighbours.
    """

    memory: SSAValue
    offset: Index
    others: Sequence[tuple[int, Index]]
    element: Attribute
    view: SSAValue | None = None

    def reader(self, nest: LoopNest, bounds: Sequence[Index]) -> Vectors:
        sizes, strides = [size for size, _ in self.others], [stride for _, stride in self.others]
        return replace(self, view=nest.view(self.memory, self.offset, [*sizes, *bounds], [*strides, 1]))

    def read(self, nest: LoopNest, place: Index, lanes: int, count: Index | None = None) -> SSAValue:
        """``lanes`` elements from a place along the depth, zeros beyond the first ``count``."""
        assert self.view is not None
        shape = [*(size for size, _ in self.others), lanes]
        mask = None if count is None else nest.mask(shape, [*shape[:-1], count])
        return convert(nest, nest.load_vector(self.view, [0] * (len(shape) - 1) + [place], shape, mask), self.element)


@dataclass(frozen=True)
class LaneSum:
    """Sums over the depth in vectors of ``lanes`` partial sums each."""

    bounds: Sequence[Index]
    lanes: int

    def add(self, nest: LoopNest, start: SSAValue, left: Vectors, right: Vectors) -> SSAValue:
        """``start``, rows by columns (or rows alone, of one column), plus all products."""
        (depth,) = self.bounds
        shape = [*start.type.get_shape(), self.lanes]  # pyright: ignore[reportAttributeAccessIssue]
        zero = nest.constant(0, nest.vector_type(left.element, shape))
        turns = nest.floordiv(depth, self.lanes)
        whole = nest.mul(turns, self.lanes)

        def add(place: Index, sums: SSAValue, count: Index | None = None) -> SSAValue:
            a, b = (factor.read(nest, place, self.lanes, count) for factor in (left, right))
            return nest.fma(nest.broadcast(a, shape), nest.broadcast(b, shape), sums)

        (block,) = product_turns([turns], MATRIX_BLOCK)
        unroll = unroll_of(zero, turns, FEW_ELEMENTS)
        parts = sum_in_blocks(
            nest, 0, turns, zero, block, lambda turn, sums: add(nest.mul(turn, self.lanes), sums), unroll
        )
        rest = nest.sub(depth, whole)
        if rest != 0:
            parts = add(whole, parts, rest)
        return nest.insert(MultiReductionOp(parts, start))
