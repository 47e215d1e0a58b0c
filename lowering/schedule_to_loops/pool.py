"""kernel.pool: the largest or mean element under a window that slides over the spatial axes.

::

    for batch, channel block, output row, shared
      for output columns whose window lies inside, in tiles
        acc[columns][lanes]
        for rows of the window that lie inside:  for its columns (written out):  acc = max(acc, x[...])
        y = epilogue(acc)
      for the columns at either edge:  the same, one by one, with the window's columns cut to those inside

Lanes run along the channels where they are innermost (NCHW16c, NHWC), otherwise along output columns.
Narrow floats are averaged in f32; long sums go in blocks (``long_sums``).

Decisions: ``lanes`` of a vector; ``columns`` of a tile; ``share``: what threads share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects.decisions import Pool
from ...dialects.image_rows import ROWS_AXIS
from ...dialects.kernel import PoolOp
from ...dialects.layout_algebra import Layout
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from ...dialects.shared_attributes import vector_type
from .arithmetic import accumulator_element, combine_numbers, convert, divide, identity
from .element_loops import Position, for_each_span, outer_loops, walk_origins
from .elementwise import operand_positions
from .halo import fill_halo
from .long_sums import block_turns, loop_in_blocks
from .loop_nest import Index, LoopNest
from .operand_access import LoopDimension, Operand, iteration_dimensions, merge_dimensions, tracked
from .tile_access import Span, Tile, load_tile, store_tile

# Wider windows go in a loop instead of being written out.
_MOST_TAPS_WRITTEN_OUT = 8


def lower_pool(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, PoolOp)
    _Pool(stage, nest, kernel).lower()


class _Pool:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: PoolOp):
        self.nest, self.kernel = nest, kernel
        self.kind = "max" if kernel.get("kind") == "max" else "sum"
        self.window, self.steps = kernel.get("window"), kernel.get("strides")
        self.dilations = kernel.get("dilations")
        self.spatial = len(self.window)
        self.lower_pads, self.upper_pads = kernel.get("pads")[: self.spatial], kernel.get("pads")[self.spatial :]
        positions = operand_positions(stage)
        x, y = nest.operands[positions[0]], nest.operands[-1]
        source = Operand(x, (0, 0, *(-pad for pad in self.lower_pads)), (1, 1, *self.steps), repeats=False)
        extras = [Operand(nest.operands[position]) for position in positions[1:]]
        self.operands = [source, *extras, Operand(y)]
        if any(x.type.layout.block_of(axis) for axis in range(2, x.type.rank)):
            raise ValueError(f"kernel.pool cannot slide over blocks: {x.type}")
        self.element = accumulator_element(x.element_type)
        self.turns = block_turns(self.kind, self.element, self.window)
        self.sizes = [nest.dim(size) for size in x.dims[2:]]
        self.strides = [nest.dim(source.strides_of(axis)[1]) for axis in range(2, x.type.rank)]
        decisions = stage.decided(Pool)
        self.lanes, self.tile_columns = decisions.lanes, decisions.columns
        by_rows = decisions.share == "rows"
        fill_halo(nest, y, by_rows)
        space = _unmerged_space(y.dims, y.type.layout, self.operands)
        self.origins = walk_origins(nest, y.type.rank, space, self.operands)
        last = len(self.window) + 1
        self.pixels = next((d for d in space if d.axis == last), LoopDimension(1, (0,) * len(self.operands), last))
        self.channels = space[-1] if space and space[-1].axis == 1 else None
        inner = (self.pixels, self.channels)
        outer = [d for d in space if not any(d is other for other in inner)]
        if by_rows:
            self.outer = [replace(d, is_shared=d.axis in (0, ROWS_AXIS)) for d in outer]
        else:
            self.outer = merge_dimensions(outer)

    def lower(self) -> None:
        with outer_loops(self.nest, self.outer, self.origins) as position:
            if self.channels is None:
                self._row(position, None)
                return
            channels = self.channels

            def at(start: Index, span: Span) -> None:
                self._row(position.moved(self.nest, channels, start), span)

            for_each_span(self.nest, channels, position, self.lanes, self.lanes, at)

    # --- one row of outputs ---------------------------------------------------------------------------------

    def _row(self, position: Position, lanes: Span | None) -> None:
        """All output columns of a row: the inside in tiles, then both edges in one loop."""
        nest = self.nest
        size, step, pad = self.sizes[-1], self.steps[-1], self.lower_pads[-1]
        columns = nest.dim(self.pixels.size)
        reach = (self.window[-1] - 1) * self.dilations[-1]
        begin = nest.minimum(-(-pad // step), columns)
        fitting = nest.floordiv(nest.maximum(nest.add(size, pad - reach - 1 + step), 0), step)
        end = nest.maximum(begin, nest.minimum(fitting, columns))
        full: list[tuple[Index, Index]] = [(0, self.window[-1])]
        _for_range(nest, begin, end, self.tile_columns, lambda at, count: self._tile(position, at, count, lanes, full))
        with nest.loop(0, nest.add(begin, nest.sub(columns, end))) as loop:
            is_right = nest.maximum(nest.minimum(nest.add(nest.sub(loop.index, begin), 1), 1), 0)
            column = nest.add(loop.index, nest.mul(is_right, nest.sub(end, begin)))
            taps = [self._taps_inside(len(self.window) - 1, column)]
            self._tile(position, column, 1, lanes, taps)

    def _taps_inside(self, axis: int, output: Index) -> tuple[Index, Index]:
        """Positions of the window that lie on elements of x, along a spatial axis."""
        nest = self.nest
        start = nest.sub(nest.mul(output, self.steps[axis]), self.lower_pads[axis])
        return self._clamped(axis, nest.maximum(nest.sub(0, start), 0), nest.sub(self.sizes[axis], start))

    def _clamped(self, axis: int, begin: Index, end: Index) -> tuple[Index, Index]:
        """The taps in [begin, end) elements from the window's start."""
        nest, dilation = self.nest, self.dilations[axis]
        first = nest.ceildiv(begin, dilation)
        last = nest.minimum(nest.ceildiv(nest.maximum(end, 0), dilation), self.window[axis])
        return nest.minimum(first, self.window[axis]), last

    def _taps_counted(self, axis: int, output: Index) -> Index:
        """By how many the mean divides along an axis, where the window can lie partly outside."""
        nest = self.nest
        if not self.kernel.get("count_include_pad"):
            begin, end = self._taps_inside(axis, output)
            return nest.sub(end, begin)
        start = nest.sub(nest.mul(output, self.steps[axis]), self.lower_pads[axis])
        padded_end = nest.add(self.sizes[axis], self.upper_pads[axis])
        return self._clamped(axis, 0, nest.sub(padded_end, start))[1]

    # --- one tile of outputs ---------------------------------------------------------------------------------

    def _tile(
        self, row: Position, column: Index, count: int, lanes: Span | None, last_taps: list[tuple[Index, Index]]
    ) -> None:
        nest = self.nest
        position = row.moved(nest, self.pixels, column)
        tile = Tile(None, Span(count)) if lanes is None else Tile(Span(count) if count > 1 else None, lanes)
        outputs = [position.reached.get(("window", axis + 2), 0) for axis in range(self.spatial)]
        taps = [self._taps_inside(axis, outputs[axis]) for axis in range(self.spatial - 1)] + last_taps
        least = 0 if self.kernel.unsigned is not None else identity(self.kind, self.element)
        start = nest.constant(least, vector_type(self.element, tile.shape))
        value = self._taps(taps, 0, position.offsets[0], tile, start)
        if self.kernel.get("kind") != "max":
            value = divide(nest, value, self._count(outputs, last_taps[0]))
        self._store(value, position, tile)

    def _count(self, outputs: Sequence[Index], last_taps: tuple[Index, Index]) -> Index:
        total: Index = 1
        for axis, output in enumerate(outputs):
            is_whole = last_taps == (0, self.window[-1]) and axis == self.spatial - 1
            counted = self.window[axis] if is_whole else self._taps_counted(axis, output)
            total = self.nest.mul(total, counted)
        return total

    def _taps(
        self, taps: Sequence[tuple[Index, Index]], axis: int, offset: Index, tile: Tile, start: SSAValue
    ) -> SSAValue:
        """``start`` combined with the elements under the taps from a spatial axis on."""
        nest = self.nest
        if axis == len(taps):
            return self._combined(start, self._load(0, offset, tile))
        stride = nest.mul(self.strides[axis], self.dilations[axis])
        begin, end = taps[axis]
        written_out = axis == len(taps) - 1 and isinstance(end, int) and end <= _MOST_TAPS_WRITTEN_OUT and begin == 0
        if written_out:
            assert isinstance(end, int)
            for tap in range(end):
                start = self._taps(taps, axis + 1, nest.add(offset, nest.mul(stride, tap)), tile, start)
            return start

        def turn(index: Index, carried: list[SSAValue]) -> list[SSAValue]:
            here = nest.add(offset, nest.mul(stride, index))
            return [self._taps(taps, axis + 1, here, tile, carried[0])]

        return loop_in_blocks(nest, begin, end, 1, [start], self.turns[axis], turn)[0]

    def _combined(self, left: SSAValue, right: SSAValue) -> SSAValue:
        if self.kernel.unsigned is not None:
            return self.nest.insert(arith.MaxUIOp(left, right))
        return combine_numbers(self.nest, self.kind, left, right)

    def _tile_strides(self, operand: int) -> tuple[Index, Index]:
        along = self.nest.dim(self.pixels.strides[operand])
        if self.channels is None:
            return 0, along
        return along, self.nest.dim(self.channels.strides[operand])

    def _load(self, operand: int, offset: Index, tile: Tile, widen: bool = True) -> SSAValue:
        nest = self.nest
        loaded = load_tile(nest, self.operands[operand].memory, offset, tile, *self._tile_strides(operand))
        value = nest.broadcast(loaded, tile.shape)
        return convert(nest, value, self.element) if widen else value

    def _store(self, value: SSAValue, position: Position, tile: Tile) -> None:
        nest, kernel, result = self.nest, self.kernel, self.operands[-1]
        if kernel.has_epilogue:
            count = len(kernel.epilogue_ins)
            extras = [self._load(k, position.offsets[k], tile, widen=False) for k in range(1, 1 + count)]
            value = convert(nest, value, kernel.epilogue.block.args[0].type)
            value = nest.call_region(kernel.epilogue, [value, *extras])
        value = convert(nest, value, result.element_type)
        store_tile(nest, value, result.memory, position.offsets[-1], tile, *self._tile_strides(-1))


def _unmerged_space(shape: Sequence[Dim], layout: Layout, operands: Sequence[Operand]) -> list[LoopDimension]:
    """The space of y, in which each spatial dimension records how far it is (and so is never merged)."""
    space = iteration_dimensions(shape, layout, operands)
    return [tracked(dimension) if dimension.axis >= 2 else dimension for dimension in space]


def _for_range(nest: LoopNest, begin: Index, end: Index, width: int, body: Callable[[Index, int], None]) -> None:
    """Calls ``body(start, size)`` for spans of ``width`` in [begin, end), then for what is left."""
    length = nest.sub(end, begin)
    whole = nest.add(begin, nest.mul(nest.floordiv(length, width), width))
    with nest.loop(begin, whole, width) as loop:
        body(loop.index, width)
    if isinstance(whole, int) and isinstance(end, int):
        if end > whole:
            body(whole, end - whole)
        return
    with nest.loop(whole, end) as loop:
        body(loop.index, 1)
