"""kernel.reduce: sums, means, products and extrema over axes.

Lanes run along the axis in which x is contiguous. Where that axis stays, each lane is one result (and
several rows are summed at once); where it is reduced, a tile of partial results is combined at the end::

    for the axes that stay, shared                for the axes that stay, shared
      sums[4][lanes] = 0                            sums[4 * lanes] = 0
      for the reduced axes: sums += x[4][lanes]     for the reduced axes: sums += x[4 * lanes]
      y[lanes] = epilogue(rows of sums)             y = epilogue(lanes of sums)

A reduction is never split among threads, so the result does not depend on their number. Partial results
are as many as a tile has elements, and long sums go in blocks (``long_sums``), which keeps them accurate; narrow floats
are summed in f32, narrow integers in i32, and products of floats taken in f64.

Decisions: ``lanes`` of a vector; ``unroll`` vectors of partial results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import AnyFloat, VectorType, f64
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.decisions import Lanes, Reduction
from ...dialects.kernel import KernelOp, ReduceOp
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from .arithmetic import (
    accumulator_element,
    combine,
    combine_all,
    convert,
    divide,
    identity,
    reduce_lanes,
    rows_of,
    select,
)
from .element_loops import (
    Position,
    Stretch,
    add_chunks,
    for_each_span,
    outer_loops,
    stretches_of,
    walk_origins,
    walk_stretch,
)
from .elementwise import operand_positions
from .halo import fill_halo
from .long_sums import block_turns, loop_in_blocks
from .loop_nest import Index, LoopNest
from .operand_access import LoopDimension, Operand, iteration_dimensions, merge_dimensions
from .tile_access import Span, Tile, load_tile, store_tile


def lower_reduce(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ReduceOp)
    _Reduction(stage, nest, kernel, kernel.get("kind"), kernel.get("axes")).lower()


class ReductionWalk:
    """The space of x, split in the dimensions that stay and those that are reduced; lanes along ``columns``."""

    def __init__(self, stage: StageOp, nest: LoopNest, kernel: KernelOp, axes: Sequence[int]):
        self.nest, self.kernel = nest, kernel
        tensors = [nest.operands[position] for position in operand_positions(stage)]
        if isinstance(kernel, ReduceOp) and kernel.unsigned is not None:
            tensors[0] = nest.typed(tensors[0], kernel.in_type(0).element_type)
        self.operands = [Operand(tensor) for tensor in tensors]
        self.operands.append(Operand(nest.operands[-1]))
        x = self.operands[0]
        self.axes = tuple(axis % x.layout.rank for axis in axes)
        decisions = stage.decided(Lanes)
        self.lanes = decisions.lanes
        self.unroll = decisions.unroll if isinstance(decisions, Reduction) else 4
        fill_halo(nest, nest.operands[-1])
        space = iteration_dimensions(x.shape, x.layout, self.operands, self.axes)
        self.origins = walk_origins(nest, x.layout.rank, space, self.operands)
        self.kept = merge_dimensions([dimension for dimension in space if dimension.axis not in self.axes])
        self.reduced = merge_dimensions([dimension for dimension in space if dimension.axis in self.axes])
        unit = LoopDimension(1, (0,) * len(self.operands))
        if not self.reduced:
            self.reduced = [unit]
        self.lanes_stay = bool(self.kept) and (
            self.kept[-1].strides[0] == 1 or not any(dimension.strides[0] == 1 for dimension in self.reduced)
        )
        self.columns = self.kept.pop() if self.lanes_stay else unit
        if self.lanes_stay:
            self.kept, _, self.columns = add_chunks(self.kept, None, self.columns, 1, self.lanes * self.unroll)
        else:
            self._put_last(next((d for d in self.reduced if d.strides[0] == 1), self.reduced[-1]))

    def _put_last(self, dimension: LoopDimension) -> None:
        """Makes a reduced dimension the innermost one, unless a later one's end depends on it."""
        later = self.reduced[self.reduced.index(dimension) + 1 :]
        if dimension.group is None or all(d.group != dimension.group for d in later):
            self.reduced.remove(dimension)
            self.reduced.append(dimension)

    def strides(self, operand: int, rows: LoopDimension | None, columns: LoopDimension) -> tuple[Index, Index]:
        nest = self.nest
        return (0 if rows is None else nest.dim(rows.strides[operand])), nest.dim(columns.strides[operand])

    def store(self, value: SSAValue, position: Position, columns: Span) -> None:
        """Applies the epilogue to one result a lane (a scalar for one result) and stores it."""
        nest, kernel, tile = self.nest, self.kernel, Tile(None, columns)
        count = len(kernel.ins)
        value = nest.broadcast(value, tile.shape)
        if kernel.has_epilogue:
            extras = []
            for operand in range(count, count + len(kernel.epilogue_ins)):
                strides = self.strides(operand, None, self.columns)
                loaded = load_tile(nest, self.operands[operand].memory, position.offsets[operand], tile, *strides)
                extras.append(nest.broadcast(loaded, tile.shape))
            value = convert(nest, value, kernel.epilogue.block.args[0].type)
            value = nest.call_region(kernel.epilogue, [value, *extras])
        else:
            value = convert(nest, value, self.operands[-1].element_type)
        strides = self.strides(-1, None, self.columns)
        store_tile(nest, value, self.operands[-1].memory, position.offsets[-1], tile, *strides)

    def for_each_result(self, compute: Callable[[Position, Span], SSAValue], width: int) -> None:
        """Calls ``compute`` for every span of results and stores what it gives."""
        nest = self.nest
        with outer_loops(nest, self.kept, self.origins) as outer:

            def at(start: Index, span: Span) -> None:
                position = outer.moved(nest, self.columns, start)
                self.store(compute(position, span), position, span)

            for_each_span(nest, self.columns, outer, width, self.lanes, at)


class _Reduction(ReductionWalk):
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ReduceOp, kind: str, axes: Sequence[int]):
        super().__init__(stage, nest, kernel, axes)
        self.kind = kind
        self.combining = "sum" if kind == "mean" else kind
        own = self.operands[0].element_type
        # Blocks do nothing for long products, each factor of which rounds by its share of the product.
        in_f64 = kind == "prod" and isinstance(own, AnyFloat)
        summed_as = kernel.sums_type if kernel.sums_narrow else own
        self.element = f64 if in_f64 else accumulator_element(summed_as)
        narrow = isinstance(self.columns.size, int) and self.columns.size <= self.lanes
        self.column_tile = self.lanes if narrow else self.lanes * self.unroll
        if self.lanes_stay:
            self.tile, self.mask_lanes = (self.unroll if narrow else 1), 0
        else:
            self.tile, self.mask_lanes = self.lanes * self.unroll, self.lanes

    def lower(self) -> None:
        self.for_each_result(self._reduce, self.column_tile)

    def _reduce(self, position: Position, columns: Span) -> SSAValue:
        *outer, inner = self.reduced
        groups = [dimension.group for dimension in outer if dimension.group is not None]
        segments = stretches_of(inner, inner.group in groups, self.tile, self.mask_lanes)
        tiles = dims.ceildiv(inner.size, self.tile)
        self.turns = block_turns(self.combining, self.element, [*(dimension.size for dimension in outer), tiles])
        sums = [self._neutral(self._tile(Span(segment.size), columns).shape) for segment in segments]
        sums = self._loops(outer, inner, segments, position, columns, sums)
        return self._finish([self._collapse(value) for value in sums], columns)

    def _neutral(self, shape: Sequence[int]) -> SSAValue:
        return self.nest.constant(identity(self.combining, self.element), vector_type(self.element, shape))

    def _tile(self, along: Span, columns: Span) -> Tile:
        """The tile of x: spans of results by spans of the innermost reduced dimension."""
        if not self.lanes_stay:
            return Tile(None, along)
        return Tile(along if along.size > 1 else None, columns)

    def _loops(
        self,
        outer: Sequence[LoopDimension],
        inner: LoopDimension,
        segments: Sequence[Stretch],
        position: Position,
        columns: Span,
        sums: list[SSAValue],
    ) -> list[SSAValue]:
        nest, turns = self.nest, self.turns[-1 - len(outer)]
        if outer:

            def turn(index: Index, carried: list[SSAValue]) -> list[SSAValue]:
                moved = position.moved(nest, outer[0], index)
                return self._loops(outer[1:], inner, segments, moved, columns, carried)

            return loop_in_blocks(nest, 0, position.bound(nest, outer[0]), 1, sums, turns, turn)
        result: list[SSAValue] = []
        for segment, start_value in zip(segments, sums, strict=True):

            def step(start: Index, span: Span, carried: list[SSAValue]) -> list[SSAValue]:
                value = self._load(position.moved(nest, inner, start), inner, span, columns)
                return [combine(nest, self.combining, carried[0], value)]

            result += walk_stretch(nest, segment, inner, position, self.tile, step, [start_value], turns)
        return result

    def _load(self, position: Position, inner: LoopDimension, along: Span, columns: Span) -> SSAValue:
        nest, tile = self.nest, self._tile(along, columns)
        strides = self.strides(0, inner, self.columns) if self.lanes_stay else self.strides(0, None, inner)
        loaded = load_tile(nest, self.operands[0].memory, position.offsets[0], tile, *strides)
        value = convert(nest, nest.broadcast(loaded, tile.shape), self.element)
        if self.lanes_stay or along.count is None or self.combining == "sum":
            return value
        mask = tile.mask(nest)
        assert mask is not None
        return select(nest, mask, value, self._neutral(tile.shape))

    def _collapse(self, sums: SSAValue) -> SSAValue:
        """One result a lane, or the one result, of a tile of partial ones."""
        assert isinstance(sums.type, VectorType)
        if not self.lanes_stay:
            return reduce_lanes(self.nest, self.combining, sums)
        if len(sums.type.get_shape()) == 1:
            return sums
        return combine_all(self.nest, self.combining, rows_of(self.nest, sums))

    def _finish(self, parts: Sequence[SSAValue], columns: Span) -> SSAValue:
        nest = self.nest
        shape = Tile(None, columns).shape
        total = combine_all(nest, self.combining, parts) if parts else self._neutral(shape)
        if self.kind != "mean":
            return total
        x = self.operands[0]
        count = nest.dim(dims.product(x.shape[axis] for axis in self.axes))
        return divide(nest, total, count)
