"""kernel.arg_reduce: where the largest or smallest element along an axis is.

Each lane keeps its best element and that element's index; where the lanes run along the reduced axis,
they are compared at the end. Of equal elements the first (``last``: the last) counts; a NaN never does.

Decisions: ``lanes`` of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, DenseIntOrFPElementsAttr, VectorType, i64
from xdsl.ir import SSAValue

from ...dialects.kernel import ArgReduceOp
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from .arithmetic import compare, identity, index_as, is_unsigned, reduce_lanes, select
from .element_loops import Position, Stretch, stretches_of, walk_stretch
from .loop_nest import Index, LoopNest
from .operand_access import LoopDimension
from .reduce import ReductionWalk
from .tile_access import Span, Tile, load_tile

_LARGEST_INDEX = 2**63 - 1


def lower_arg_reduce(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ArgReduceOp)
    _ArgReduction(stage, nest, kernel).lower()


class _ArgReduction(ReductionWalk):
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ArgReduceOp):
        super().__init__(stage, nest, kernel, [kernel.get("axis")])
        self.kind, self.last = kernel.get("kind"), kernel.get("last")
        self.element = self.operands[0].element_type

    def lower(self) -> None:
        self.for_each_result(self._find, self.lanes)

    def _find(self, position: Position, columns: Span) -> SSAValue:
        *outer, inner = self.reduced
        limited = inner.group is not None and any(dimension.group == inner.group for dimension in outer)
        mask_lanes = 0 if self.lanes_stay else self.lanes
        width = 1 if self.lanes_stay else self.lanes
        segments = stretches_of(inner, limited, width, mask_lanes)
        best: list[SSAValue] = []
        for segment in segments:
            shape = self._tile(Span(segment.size), columns).shape
            best.append(self.nest.constant(identity(self.kind, self.element), vector_type(self.element, shape)))
            best.append(self.nest.constant(0, vector_type(i64, shape)))
        best = self._loops(outer, inner, segments, position, 0, columns, best)
        found = [self._collapse(best[at], best[at + 1]) for at in range(0, len(best), 2)]
        value, index = found[0]
        for other_value, other_index in found[1:]:
            value, index = self._better(value, index, other_value, other_index)
        return index

    def _tile(self, along: Span, columns: Span) -> Tile:
        return Tile(None, columns if self.lanes_stay else along)

    def _loops(
        self,
        outer: Sequence[LoopDimension],
        inner: LoopDimension,
        segments: Sequence[Stretch],
        position: Position,
        reached: Index,
        columns: Span,
        best: list[SSAValue],
    ) -> list[SSAValue]:
        nest = self.nest
        if outer:
            with nest.loop(0, position.bound(nest, outer[0]), carried=best) as loop:
                moved = position.moved(nest, outer[0], loop.index)
                further = nest.add(reached, nest.mul(loop.index, outer[0].unit))
                loop.yield_(*self._loops(outer[1:], inner, segments, moved, further, columns, loop.carried))
            return loop.results
        result: list[SSAValue] = []
        width = 1 if self.lanes_stay else self.lanes
        for at, segment in enumerate(segments):

            def step(start: Index, span: Span, carried: list[SSAValue]) -> list[SSAValue]:
                here = nest.add(reached, nest.mul(start, inner.unit))
                return self._step(position.moved(nest, inner, start), here, inner, span, columns, carried)

            result += walk_stretch(nest, segment, inner, position, width, step, best[2 * at : 2 * at + 2])
        return result

    def _step(
        self,
        position: Position,
        reached: Index,
        inner: LoopDimension,
        along: Span,
        columns: Span,
        carried: list[SSAValue],
    ) -> list[SSAValue]:
        nest, tile = self.nest, self._tile(along, columns)
        strides = self.strides(0, None, self.columns if self.lanes_stay else inner)
        value = nest.broadcast(
            load_tile(nest, self.operands[0].memory, position.offsets[0], tile, *strides), tile.shape
        )
        index = nest.broadcast(index_as(nest, reached, i64), tile.shape)
        if not self.lanes_stay and tile.shape[0] > 1:
            index = nest.insert(arith.AddiOp(index, _counting(nest, tile.shape[0], inner.unit)))
        is_better = self._compare(value, carried[0], or_equal=self.last)
        if not self.lanes_stay and (mask := tile.mask(nest)) is not None:
            is_better = nest.insert(arith.AndIOp(is_better, mask))
        return [select(nest, is_better, value, carried[0]), select(nest, is_better, index, carried[1])]

    def _compare(self, left: SSAValue, right: SSAValue, or_equal: bool = False) -> SSAValue:
        """Whether ``left`` is better than ``right``."""
        direction = ("g" if self.kind == "max" else "l") + ("e" if or_equal else "t")
        sign = "o" if isinstance(self.element, AnyFloat) else "u" if is_unsigned(self.element) else "s"
        return compare(self.nest, sign + direction, left, right)

    def _equal(self, left: SSAValue, right: SSAValue) -> SSAValue:
        return compare(self.nest, "oeq" if isinstance(self.element, AnyFloat) else "eq", left, right)

    def _collapse(self, value: SSAValue, index: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The best of the lanes, where they run along the reduced axis."""
        if self.lanes_stay:
            return value, index
        nest = self.nest
        assert isinstance(value.type, VectorType)
        shape = value.type.get_shape()
        best = reduce_lanes(nest, self.kind, value)
        is_best = self._equal(value, nest.broadcast(best, shape))
        unreachable = nest.constant(-1 if self.last else _LARGEST_INDEX, index.type)
        index = reduce_lanes(nest, "max" if self.last else "min", select(nest, is_best, index, unreachable))
        return best, index

    def _better(
        self, value: SSAValue, index: SSAValue, other_value: SSAValue, other_index: SSAValue
    ) -> tuple[SSAValue, SSAValue]:
        nest = self.nest
        better = self._compare(other_value, value)
        order = "sgt" if self.last else "slt"
        earlier = compare(nest, order, other_index, index)
        tie = nest.insert(arith.AndIOp(self._equal(other_value, value), earlier))
        chosen = nest.insert(arith.OrIOp(better, tie))
        return select(nest, chosen, other_value, value), select(nest, chosen, other_index, index)


def _counting(nest: LoopNest, lanes: int, step: int) -> SSAValue:
    """0, step, 2 * step ..."""
    type_ = vector_type(i64, [lanes])
    numbers = DenseIntOrFPElementsAttr.from_list(type_, [lane * step for lane in range(lanes)])
    return nest.insert(arith.ConstantOp(numbers, type_))
