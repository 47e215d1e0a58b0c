"""Copies a part of a matrix to a panel in scratch memory, whose rows are as long as a tile is wide."""

from __future__ import annotations

import math

from xdsl.ir import SSAValue

from .arithmetic import convert
from .loop_nest import Index, LoopNest
from .tile_access import Span, Tile, load_tile

# Sides of the squares that are transposed in registers, at most.
MOST_LANES = 16


def copy_panel(
    nest: LoopNest,
    source: SSAValue,
    offset: Index,
    strides: tuple[Index, Index],
    panel: SSAValue,
    shape: tuple[Index, int],
    lanes: Index | None,
) -> None:
    """Fills ``panel``, a view of that shape, with what lies from ``offset`` on, at ``strides`` along rows and columns.

    Of each row only ``lanes`` exist, where not all do; zeros take the place of the others. Elements become the panel's.
    """
    row_stride, column_stride = strides
    count, width = shape
    element = panel.type.element_type  # pyright: ignore[reportAttributeAccessIssue]

    def copy(row: Index, rows: Span | None, column: Index, columns: int) -> None:
        exist = None if lanes is None else nest.maximum(nest.sub(lanes, column), 0)
        tile = Tile(rows, Span(columns, exist if exist is None else nest.minimum(exist, columns)))
        place = nest.add(nest.add(offset, nest.mul(row, row_stride)), nest.mul(column, column_stride))
        elements = load_tile(nest, source, place, tile, row_stride, column_stride)
        nest.store_vector(nest.broadcast(convert(nest, elements, element), tile.shape), panel, [row, column])

    if column_stride == 1:
        with nest.loop(0, count) as row:
            copy(row.index, None, 0, width)
        return
    # Squares are transposed in registers; what is left goes row by row.
    side = math.gcd(width, MOST_LANES)
    whole = nest.mul(nest.floordiv(count, side), side)
    with nest.loop(0, whole, side) as row, nest.loop(0, width, side) as column:
        copy(row.index, Span(side), column.index, side)
    with nest.loop(whole, count) as row, nest.loop(0, width, side) as column:
        copy(row.index, None, column.index, side)
