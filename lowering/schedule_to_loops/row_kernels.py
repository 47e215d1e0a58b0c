"""kernel.softmax and kernel.layer_norm: a few passes over each row, which stays in the innermost cache.

::

    for rows, shared
      softmax:     m = max(x);  y = e = exp(x - m), s = sum(e);  y = epilogue(y * (1 / s))
      layer_norm:  m = mean(x);  v = mean((x - m)^2);  y = epilogue((x - m) * (1 / sqrt(v + epsilon)) * scale + bias)

A row of known length that fits in registers is loaded once and stays there. Arithmetic is in f32.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile; ``row_vectors``: rows of at most so many vectors
stay in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, math
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.decisions import Rows, Softmax
from ...dialects.kernel import KernelOp, LayerNormOp, SoftmaxOp
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from .arithmetic import (
    accumulator_element,
    combine_all,
    combine_numbers,
    convert,
    identity,
    index_as,
    reduce_lanes,
    select,
)
from .element_loops import Position, outer_loops, stretches_of, walk_origins, walk_stretch
from .elementwise import operand_positions
from .halo import fill_halo
from .long_sums import block_turns
from .loop_nest import Index, LoopNest
from .operand_access import LoopDimension, Operand, iteration_dimensions, merge_dimensions
from .tile_access import Span, Tile, load_tile, store_tile


def lower_softmax(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, SoftmaxOp)
    rows = _Rows(stage, nest, kernel, kernel.type.rank - 1, stage.decided(Softmax))
    rows.for_each(lambda position: _softmax_in_registers(rows, position) if rows.fits else _softmax(rows, position))


def lower_layer_norm(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, LayerNormOp)
    rows = _Rows(stage, nest, kernel, kernel.get("axis") % kernel.type.rank, stage.decided(Rows))
    rows.for_each(lambda position: _layer_norm(rows, position, kernel.get("epsilon")))


@dataclass(frozen=True)
class _Part:
    """A tile's part of a row: where it starts and which of its lanes count."""

    position: Position
    tile: Tile


class _Rows:
    """The rows of x and y: a walk over them, and passes over the elements of one."""

    def __init__(self, stage: StageOp, nest: LoopNest, kernel: KernelOp, axis: int, decisions: Rows):
        self.nest, self.kernel = nest, kernel
        positions = operand_positions(stage)
        self.operands = [*(Operand(nest.operands[position]) for position in positions), Operand(nest.operands[-1])]
        x = self.operands[0]
        self.lanes = decisions.lanes
        self.element = accumulator_element(x.element_type)
        fill_halo(nest, nest.operands[-1])
        space = iteration_dimensions(x.shape, x.layout, self.operands, range(axis, x.layout.rank))
        self.origins = walk_origins(nest, x.layout.rank, space, self.operands)
        self.outer = merge_dimensions([dimension for dimension in space if dimension.axis < axis])
        row = merge_dimensions([dimension for dimension in space if dimension.axis >= axis])
        if len(row) > 1 or any(dimension.offsets or dimension.group for dimension in row):
            raise ValueError(f"{kernel.name} needs rows with one stride, got {x.tensor.type} and {kernel.type}")
        self.row = row[0] if row else LoopDimension(1, (0,) * len(self.operands))
        self.length = nest.dim(dims.product(x.shape[axis:]))
        most = decisions.row_vectors * self.lanes
        self.fits = isinstance(self.length, int) and 0 < self.length <= most
        self.width = -(-self.length // self.lanes) * self.lanes if isinstance(self.length, int) and self.fits else 0
        self.width = self.width or self.lanes * decisions.unroll

    def for_each(self, compute: Callable[[Position], None]) -> None:
        with outer_loops(self.nest, self.outer, self.origins) as position:
            compute(position)

    # --- passes over one row ----------------------------------------------------------------------------

    def fold(self, kind: str, position: Position, element: Callable[[_Part], SSAValue]) -> SSAValue:
        """Combines what ``element`` gives for each part of the row to one scalar."""
        nest = self.nest
        partial: list[SSAValue] = []
        (turns,) = block_turns(kind, self.element, [dims.ceildiv(self.row.size, self.width)])
        for segment in stretches_of(self.row, False, self.width, self.lanes):
            neutral = self.constant(identity(kind, self.element), [segment.size])

            def step(start: Index, span: Span, carried: list[SSAValue]) -> list[SSAValue]:
                part = self._part(position, start, span)
                return [combine_numbers(nest, kind, carried[0], self.masked(part, element(part), kind))]

            partial += walk_stretch(
                nest, segment, self.row, position, self.width, step, [neutral], turns, keeps_lost=False
            )
        if not partial:
            return self.constant(identity(kind, self.element), None)
        return combine_all(nest, kind, [reduce_lanes(nest, kind, value) for value in partial])

    def masked(self, part: _Part, value: SSAValue, kind: str) -> SSAValue:
        mask = part.tile.mask(self.nest)
        if mask is None:
            return value
        return select(self.nest, mask, value, self.constant(identity(kind, self.element), part.tile.shape))

    def each(self, position: Position, action: Callable[[_Part], None]) -> None:
        """Calls ``action`` for every part of the row."""

        def step(start: Index, span: Span, _: list[SSAValue]) -> Sequence[SSAValue]:
            action(self._part(position, start, span))
            return ()

        for segment in stretches_of(self.row, False, self.width, self.lanes):
            walk_stretch(self.nest, segment, self.row, position, self.width, step)

    def only_part(self, position: Position) -> _Part:
        """The whole of a row that fits in one tile."""
        (segment,) = stretches_of(self.row, False, self.width, self.lanes)
        return self._part(position, 0, Span(segment.size, segment.count if segment.is_masked else None))

    def _part(self, position: Position, start: Index, span: Span) -> _Part:
        return _Part(position.moved(self.nest, self.row, start), Tile(None, span))

    # --- elements ------------------------------------------------------------------------------------------

    def constant(self, number: float, shape: Sequence[int] | None) -> SSAValue:
        return self.nest.constant(number, self.element if shape is None else vector_type(self.element, shape))

    def load(self, operand: int, part: _Part, widen: bool = True) -> SSAValue:
        nest, source = self.nest, self.operands[operand]
        stride = nest.dim(self.row.strides[operand])
        loaded = load_tile(nest, source.memory, part.position.offsets[operand], part.tile, 0, stride)
        value = nest.broadcast(loaded, part.tile.shape)
        return convert(nest, value, self.element) if widen else value

    def store(self, part: _Part, value: SSAValue) -> None:
        """As it is, into the result."""
        result = self.operands[-1]
        stride = self.nest.dim(self.row.strides[-1])
        store_tile(self.nest, value, result.memory, part.position.offsets[-1], part.tile, 0, stride)

    def finish(self, part: _Part, value: SSAValue) -> None:
        """Applies the epilogue and stores."""
        nest, kernel = self.nest, self.kernel
        if kernel.has_epilogue:
            count = len(kernel.ins)
            extras = [self.load(k, part, widen=False) for k in range(count, count + len(kernel.epilogue_ins))]
            value = convert(nest, value, kernel.epilogue.block.args[0].type)
            value = nest.call_region(kernel.epilogue, [value, *extras])
        self.store(part, convert(nest, value, self.operands[-1].element_type))

    def spread(self, scalar: SSAValue, part: _Part) -> SSAValue:
        return self.nest.broadcast(scalar, part.tile.shape)


def _exp_of_difference(rows: _Rows, value: SSAValue, largest: SSAValue, part: _Part) -> SSAValue:
    shifted = rows.nest.insert(arith.SubfOp(value, rows.spread(largest, part)))
    return rows.nest.insert(math.ExpOp(shifted))


def _reciprocal(rows: _Rows, value: SSAValue) -> SSAValue:
    return rows.nest.insert(arith.DivfOp(rows.constant(1, None), value))


def _softmax_in_registers(rows: _Rows, position: Position) -> None:
    nest, part = rows.nest, rows.only_part(position)
    x = rows.load(0, part)
    largest = reduce_lanes(nest, "max", rows.masked(part, x, "max"))
    exps = rows.masked(part, _exp_of_difference(rows, x, largest, part), "sum")
    factor = _reciprocal(rows, reduce_lanes(nest, "sum", exps))
    rows.finish(part, nest.insert(arith.MulfOp(exps, rows.spread(factor, part))))


def _softmax(rows: _Rows, position: Position) -> None:
    nest = rows.nest
    largest = rows.fold("max", position, lambda part: rows.load(0, part))
    keeps = rows.operands[-1].element_type == rows.element

    def exp(part: _Part) -> SSAValue:
        return _exp_of_difference(rows, rows.load(0, part), largest, part)

    def exp_and_keep(part: _Part) -> SSAValue:
        value = exp(part)
        if keeps:
            rows.store(part, value)
        return value

    factor = _reciprocal(rows, rows.fold("sum", position, exp_and_keep))

    def scale(part: _Part) -> None:
        value = rows.load(len(rows.operands) - 1, part) if keeps else exp(part)
        rows.finish(part, nest.insert(arith.MulfOp(value, rows.spread(factor, part))))

    rows.each(position, scale)


def _layer_norm(rows: _Rows, position: Position, epsilon: float) -> None:
    nest = rows.nest
    count = index_as(nest, rows.length, rows.element)
    kept: dict[str, SSAValue] = {}

    def x(part: _Part) -> SSAValue:
        if not rows.fits:
            return rows.load(0, part)
        if "x" not in kept:
            kept["x"] = rows.load(0, part)
        return kept["x"]

    def centred(part: _Part) -> SSAValue:
        if "centred" in kept:
            return kept["centred"]
        difference = nest.insert(arith.SubfOp(x(part), rows.spread(mean, part)))
        if rows.fits:
            kept["centred"] = difference
        return difference

    def squared(part: _Part) -> SSAValue:
        difference = centred(part)
        return nest.insert(arith.MulfOp(difference, difference))

    mean = nest.insert(arith.DivfOp(rows.fold("sum", position, x), count))
    variance = nest.insert(arith.DivfOp(rows.fold("sum", position, squared), count))
    padded = nest.insert(arith.AddfOp(variance, rows.constant(epsilon, None)))
    factor = _reciprocal(rows, nest.insert(math.SqrtOp(padded)))

    def normalise(part: _Part) -> None:
        value = nest.insert(arith.MulfOp(centred(part), rows.spread(factor, part)))
        if len(rows.kernel.ins) > 2:
            value = nest.fma(value, rows.load(1, part), rows.load(2, part))
        elif len(rows.kernel.ins) > 1:
            value = nest.insert(arith.MulfOp(value, rows.load(1, part)))
        rows.finish(part, value)

    rows.each(position, normalise)
