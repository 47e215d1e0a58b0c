"""kernel.suppress_boxes: of each class the boxes that overlap no better one too much; kernel.list_boxes: their rows.

::

    for batch, for class, shared
      while boxes are left and more are wanted
        find some with the best scores of those that are left (first_keys.py), of equal ones the first box first
        for box found, while more are wanted
          for vectors of boxes that are kept, until one overlaps the box too much: compare them with it
          keep the box if none does

Of what is kept corners and areas lie in arrays of their own, with areas of 0 behind the last, which overlap nothing.

Decisions: ``lanes`` of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, i1, i32, i64
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.kernel_selections import SuppressBoxesOp
from ...dialects.schedule import StageOp
from ...dialects.selection_decisions import Suppression, sort_scratch
from ...dialects.shared_attributes import vector_type
from .arithmetic import any_lane, compare, index_as, opposite, select, to_index
from .elementwise import operand_positions
from .first_keys import Bounds, FirstKeys
from .loop_nest import Index, LoopNest
from .sorted_keys import KeyedPlaces, Keys

FEWEST_CANDIDATES = 128
CANDIDATES_GROWTH = 8
"""Of the boxes that are looked at in a round, to the next one."""


def lower_suppress_boxes(stage: StageOp, nest: LoopNest) -> None:
    _Suppression(stage, nest).lower()


class _Suppression:
    def __init__(self, stage: StageOp, nest: LoopNest):
        kernel, decisions = stage.kernel, stage.decided(Suppression)
        assert isinstance(kernel, SuppressBoxesOp)
        self.nest, self.lanes, self.center = nest, decisions.lanes, kernel.get("center_point_box")
        inputs = [nest.operands[position] for position in operand_positions(stage)]
        self.boxes, self.scores, self.limit, self.overlap, *least = (tensor.memory for tensor in inputs)
        self.least = least[0] if least else None
        self.kept, self.counts = (tensor.memory for tensor in nest.operands[len(stage.ins) :])
        self.batches, self.classes, self.count = (nest.dim(size) for size in inputs[1].dims)
        self.most = nest.dim(kernel.type.dims[2])
        self.keys = Keys(nest, f32, smallest=False)
        capacity = decisions.capacity(kernel)
        self.pairs = KeyedPlaces(nest, self.keys.type, nest.dim(capacity), self.lanes)
        first, size = sort_scratch(self.keys.bits, capacity), decisions.kept_bytes(kernel)
        self.arrays = [
            nest.scratch_array(
                f32, nest.dim(dims.add(first, dims.multiply(size, number))), [nest.add(self.most, self.lanes)]
            )
            for number in range(Suppression.BOX_NUMBERS)
        ]

    def lower(self) -> None:
        nest = self.nest
        given = to_index(nest, nest.load(self.limit, [0]))
        self.wanted = nest.value(nest.maximum(nest.minimum(given, self.most), 0))
        with nest.forall([self.batches, self.classes]) as (batch, category):
            row = nest.add(nest.mul(batch, self.classes), category)
            first_kept = nest.mul(row, self.most)
            self._forget_boxes()
            kept = self._rounds(nest.mul(row, self.count), nest.mul(nest.mul(batch, self.count), 4), first_kept)
            nest.store(index_as(nest, kept, i64), self.counts, [row])
            with nest.loop(kept, self.most) as rest:
                nest.store(nest.constant(-1, i64), self.kept, [nest.add(first_kept, rest.index)])

    def _rounds(self, start: Index, first_box: Index, first_kept: Index) -> SSAValue:
        """Takes candidates, the best first, and keeps boxes, until enough are kept or none is left; gives how many."""
        nest, key = self.nest, self.keys.type
        candidates = FirstKeys(nest, self.scores, self.keys, self.pairs, start, self.count)
        # No number is as good as what is none.
        best = self.keys.of(nest.constant(math.nan, f32))
        least = nest.constant(-1, key) if self.least is None else self.keys.of(nest.load(self.least, [0]))
        some = nest.value(nest.maximum(nest.mul(self.wanted, 2), FEWEST_CANDIDATES))
        more = nest.constant(True, i1)

        def goes_on(state: list[SSAValue]) -> SSAValue:
            return nest.insert(arith.AndIOp(state[4], nest.compare("slt", state[0], self.wanted)))

        with nest.while_([nest.value(0), some, best, nest.constant(-1, i32), more], goes_on) as rounds:
            kept, some, last_key, last_place, _ = rounds.carried
            wanted = nest.minimum(some, self.count)
            room = nest.add(nest.minimum(nest.mul(wanted, 4), self.count), self.lanes)
            bounds = Bounds(least, nest.constant(False, i1), (last_key, last_place))
            lot, count = candidates.find(wanted, room, bounds)
            kept = self._keep(first_box, first_kept, lot, count, kept)
            last = nest.add(lot, nest.maximum(nest.sub(count, 1), 0))
            pair = [nest.load(memory, [last]) for memory in (self.pairs.keys, self.pairs.places)]
            are_left = nest.compare("sge", count, some)
            rounds.yield_(kept, nest.value(nest.mul(some, CANDIDATES_GROWTH)), *pair, are_left)
        return rounds.results[0]

    # --- what is kept ---------------------------------------------------------------------------

    def _forget_boxes(self) -> None:
        nest = self.nest
        zeros = nest.constant(0, vector_type(f32, [self.lanes]))
        with nest.loop(0, nest.add(self.most, 1), self.lanes) as loop:
            nest.store_vector(zeros, self.arrays[-1], [loop.index])

    def _keep(
        self, first_box: Index, first_kept: Index, lot: SSAValue, candidates: SSAValue, kept: SSAValue
    ) -> SSAValue:
        """Goes through some candidates; gives how many boxes are kept then."""
        nest = self.nest

        def goes_on(state: list[SSAValue]) -> SSAValue:
            is_left = nest.compare("slt", state[0], candidates)
            return nest.insert(arith.AndIOp(is_left, nest.compare("slt", state[1], self.wanted)))

        with nest.while_([nest.value(0), kept], goes_on) as loop:
            rank, kept = loop.carried
            place = self.pairs.place(nest.add(lot, rank))
            box = self._box(nest.add(first_box, nest.mul(place, 4)))
            dropped = self._overlaps(box, kept)
            zero = nest.constant(0, f32)
            for array, number in zip(self.arrays, (*box[:4], select(nest, dropped, zero, box[4])), strict=True):
                nest.store(number, array, [kept])
            nest.store(index_as(nest, place, i64), self.kept, [nest.add(first_kept, kept)])
            more = nest.insert(arith.SelectOp(dropped, nest.constant(0), nest.constant(1)))
            loop.yield_(nest.value(nest.add(rank, 1)), nest.value(nest.add(kept, more)))
        return loop.results[1]

    def _box(self, at: Index) -> list[SSAValue]:
        """The lower corner, the upper corner and the area of a box."""
        nest = self.nest
        numbers = [nest.load(self.boxes, [nest.add(at, number)]) for number in range(4)]
        pairs = list(zip(numbers[:2], numbers[2:]))
        if self.center:
            half = nest.constant(0.5, f32)
            halves = [nest.insert(arith.MulfOp(size, half)) for _, size in pairs]
            low = [nest.insert(arith.SubfOp(middle, by)) for (middle, _), by in zip(pairs, halves)]
            high = [nest.insert(arith.AddfOp(middle, by)) for (middle, _), by in zip(pairs, halves)]
        else:
            low = [self._smaller(one, other) for one, other in pairs]
            high = [self._larger(one, other) for one, other in pairs]
        return [*low, *high, self._product(low, high)]

    def _overlaps(self, box: Sequence[SSAValue], kept: SSAValue) -> SSAValue:
        """Whether a box that is kept overlaps this one too much."""
        nest, shape = self.nest, [self.lanes]
        mine = [nest.broadcast(number, shape) for number in box]
        limits = nest.broadcast(nest.load(self.overlap, [0]), shape)

        def goes_on(state: list[SSAValue]) -> SSAValue:
            is_left = nest.compare("slt", state[0], kept)
            return nest.insert(arith.AndIOp(is_left, opposite(nest, state[1])))

        with nest.while_([nest.value(0), nest.constant(False, i1)], goes_on) as loop:
            at = loop.carried[0]
            other = [nest.load_vector(array, [at], shape) for array in self.arrays]
            low = [self._larger(mine[axis], other[axis]) for axis in range(2)]
            high = [self._smaller(mine[axis], other[axis]) for axis in range(2, 4)]
            meets = [compare(nest, "ogt", upper, lower) for upper, lower in zip(high, low)]
            zero = nest.constant(0, vector_type(f32, shape))
            has_area = [compare(nest, "ogt", area, zero) for area in (mine[4], other[4])]
            mask = self._all([*meets, *has_area])

            def decide() -> SSAValue:
                shared = self._product(low, high)
                areas = nest.insert(arith.AddfOp(mine[4], other[4]))
                union = nest.insert(arith.SubfOp(areas, shared))
                ratio = nest.insert(arith.DivfOp(shared, union))
                tests = [compare(nest, "ogt", *pair) for pair in ((shared, zero), (union, zero), (ratio, limits))]
                return any_lane(nest, self._all([mask, *tests]))

            found = nest.choose(any_lane(nest, mask), decide, lambda: nest.constant(False, i1))
            loop.yield_(nest.value(nest.add(at, self.lanes)), found)
        return loop.results[1]

    def _product(self, low: Sequence[SSAValue], high: Sequence[SSAValue]) -> SSAValue:
        """The area between two corners, which lie as the second axis first."""
        nest = self.nest
        second, first = (nest.insert(arith.SubfOp(upper, lower)) for upper, lower in zip(high, low))
        return nest.insert(arith.MulfOp(first, second))

    def _larger(self, one: SSAValue, other: SSAValue) -> SSAValue:
        return select(self.nest, compare(self.nest, "ogt", one, other), one, other)

    def _smaller(self, one: SSAValue, other: SSAValue) -> SSAValue:
        return select(self.nest, compare(self.nest, "olt", one, other), one, other)

    def _all(self, masks: Sequence[SSAValue]) -> SSAValue:
        result = masks[0]
        for mask in masks[1:]:
            result = self.nest.insert(arith.AndIOp(result, mask))
        return result


def lower_list_boxes(stage: StageOp, nest: LoopNest) -> None:
    kept, counts, result = (nest.operands[position] for position in (*operand_positions(stage), -1))
    classes, most = nest.dim(kept.dims[1]), nest.dim(kept.dims[2])
    rows = nest.dim(result.dims[0])
    with nest.forall([1]), nest.loop(0, nest.dim(kept.dims[0]), carried=[nest.value(0)]) as batch:
        with nest.loop(0, classes, carried=list(batch.carried)) as category:
            number = nest.add(nest.mul(batch.index, classes), category.index)
            count = to_index(nest, nest.load(counts.memory, [number]))
            # Never more than there is room for, whoever says how much that is.
            room = nest.sub(rows, category.carried[0])
            with nest.loop(0, nest.minimum(nest.minimum(count, room), most)) as box:
                at = nest.mul(nest.add(category.carried[0], box.index), 3)
                found = nest.load(kept.memory, [nest.add(nest.mul(number, most), box.index)])
                for column, index in enumerate((batch.index, category.index)):
                    nest.store(index_as(nest, index, i64), result.memory, [nest.add(at, column)])
                nest.store(found, result.memory, [nest.add(at, 2)])
            category.yield_(nest.value(nest.add(category.carried[0], count)))
        batch.yield_(*category.results)
