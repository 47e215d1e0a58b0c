"""Loads and stores of tiles in a walk over an iteration space.

A ``Tile`` is a box of one or two dimensions of the space: ``rows`` by ``columns``, each with the operands'
strides along it. Every operand gives a vector of the tile's shape by the cheapest access there is:
contiguous vectors, one scalar repeated, columns transposed in registers, or lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import vector
from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, BoolAttr
from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from .loop_nest import Index, LoopNest


@dataclass(frozen=True)
class Span:
    """A tile's part of one dimension: ``size`` places of which the first ``count`` count (None: all)."""

    size: int
    count: Index | None = None

    @property
    def filled(self) -> Index:
        return self.size if self.count is None else self.count


@dataclass(frozen=True)
class Tile:
    """``rows`` is None for a one-dimensional tile. Only columns can be partly filled."""

    rows: Span | None
    columns: Span

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.columns.size,) if self.rows is None else (self.rows.size, self.columns.size)

    def mask(self, nest: LoopNest, transposed: bool = False) -> SSAValue | None:
        if self.columns.count is None:
            return None
        spans = [span for span in (self.rows, self.columns) if span is not None]
        if transposed:
            spans.reverse()
        return nest.mask([span.size for span in spans], [span.filled for span in spans])


def load_tile(
    nest: LoopNest, memory: SSAValue, offset: Index, tile: Tile, row_stride: Index, column_stride: Index
) -> SSAValue:
    """The elements of an operand for a tile; ``LoopNest.broadcast`` adds the copies of what has stride 0."""
    rows, columns = tile.rows, tile.columns
    if rows is None or row_stride == 0:
        return _load_row(nest, memory, offset, columns, column_stride)
    if column_stride == 0:
        column = nest.view(memory, offset, [rows.size, 1], [row_stride, 1])
        return nest.load_vector(column, [0, 0], [rows.size, 1])
    if column_stride == 1 or columns.size == 1:
        view = nest.view(memory, offset, tile.shape, [row_stride, 1])
        if columns.count is None:
            return nest.load_vector(view, [0, 0], tile.shape)
        return _transfer_read(nest, view, tile.shape, [0, 1], tile.mask(nest))
    if row_stride == 1:
        view = nest.view(memory, offset, [columns.size, rows.size], [column_stride, 1])
        return _transfer_read(nest, view, tile.shape, [1, 0], tile.mask(nest, transposed=True))
    view = nest.view(memory, offset, tile.shape, [row_stride, column_stride])
    return _transfer_read(nest, view, tile.shape, [0, 1], tile.mask(nest))


def _load_row(nest: LoopNest, memory: SSAValue, offset: Index, columns: Span, stride: Index) -> SSAValue:
    """One row: a scalar where the stride is 0."""
    if stride == 0:
        return nest.load(nest.view(memory, offset, [1], [1]), [0])
    row = Tile(None, columns)
    if stride == 1 or columns.size == 1:
        return nest.load_vector(nest.view(memory, offset, [columns.size], [1]), [0], row.shape, row.mask(nest))
    view = nest.view(memory, offset, [columns.size], [stride])
    return _transfer_read(nest, view, row.shape, [0], row.mask(nest))


def store_tile(
    nest: LoopNest,
    value: SSAValue,
    memory: SSAValue,
    offset: Index,
    tile: Tile,
    row_stride: Index,
    column_stride: Index,
) -> None:
    """Writes a tile; no two of its elements may share a place."""
    strides = [column_stride] if tile.rows is None else [row_stride, column_stride]
    shape, mask = tile.shape, tile.mask(nest)
    if column_stride == 1 or tile.columns.size == 1:
        strides[-1] = 1
        if mask is None or len(shape) == 1:
            nest.store_vector(value, nest.view(memory, offset, shape, strides), [0] * len(shape), mask)
            return
    view = nest.view(memory, offset, shape, strides)
    _transfer_write(nest, value, view, list(range(len(shape))), mask)


def _in_bounds(rank: int) -> ArrayAttr[BoolAttr]:
    return ArrayAttr([BoolAttr.from_bool(True)] * rank)


def _permutation(rank: int, order: Sequence[int]) -> AffineMapAttr:
    return AffineMapAttr(AffineMap(rank, 0, tuple(AffineExpr.dimension(index) for index in order)))


def _transfer_read(
    nest: LoopNest, view: SSAValue, shape: Sequence[int], order: Sequence[int], mask: SSAValue | None
) -> SSAValue:
    element = view.type.element_type  # pyright: ignore[reportAttributeAccessIssue]
    rank = len(shape)
    return nest.insert(
        vector.TransferReadOp(
            view,
            nest.values([0] * rank),
            nest.constant(0, element),
            nest.vector_type(element, shape),
            _in_bounds(rank),
            _permutation(rank, order),
            mask,
        )
    )


def _transfer_write(
    nest: LoopNest, value: SSAValue, view: SSAValue, order: Sequence[int], mask: SSAValue | None
) -> None:
    rank = len(order)
    nest.insert(
        vector.TransferWriteOp(
            value, view, nest.values([0] * rank), _in_bounds(rank), mask, permutation_map=_permutation(rank, order)
        )
    )
