"""kernel.top_k: the first elements of each row by their keys.

What comes after so many elements as are wanted, among those seen so far, can never be one of them; all others are
gathered, and sorted whenever there is no room for more::

    for row, shared
      while elements are left
        while they and the room for them last: for vectors of elements
          if any is before the last one that is wanted: gather those that are
        sort what is gathered, keep as many as are wanted, and note the last one's key

Decisions: ``lanes`` of a vector; ``room``, in which to gather.
"""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1, i64
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.kernel_selections import TopKOp
from ...dialects.schedule import StageOp
from ...dialects.selection_decisions import TopK
from .arithmetic import any_lane, compare
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest
from .sorted_keys import KeyedPlaces, Keys, as_index, as_place


def lower_top_k(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, TopKOp)
    (position,) = operand_positions(stage)
    x, (values, places) = nest.operands[position], nest.operands[len(stage.ins) :]
    selection = _Selection(nest, kernel, x.memory, stage.decided(TopK))
    with nest.forall([nest.dim(dims.product(x.dims[:-1]))]) as (row,):
        start = nest.mul(row, selection.length)
        lot = selection.of_row(start)
        with nest.loop(0, nest.minimum(selection.wanted, selection.length)) as rank:
            found = selection.pairs.place(nest.add(lot, rank.index))
            at = [nest.add(nest.mul(row, selection.wanted), rank.index)]
            nest.store(nest.load(x.memory, [nest.add(start, found)]), values.memory, at)
            nest.store(nest.insert(arith.IndexCastOp(found, i64)), places.memory, at)


class _Selection:
    def __init__(self, nest: LoopNest, kernel: TopKOp, memory: SSAValue, decisions: TopK):
        self.nest, self.memory, self.lanes = nest, memory, decisions.lanes
        x, result = kernel.in_type(0), kernel.type
        self.keys = Keys(nest, x.element_type, kernel.get("smallest"), kernel.get("unsigned"))
        self.length, self.wanted = nest.dim(x.dims[-1]), nest.dim(result.dims[-1])
        self.capacity = nest.dim(decisions.capacity(kernel))
        self.pairs = KeyedPlaces(nest, self.keys.type, self.capacity, self.lanes)

    def of_row(self, start: Index) -> SSAValue:
        """Gathers and sorts; gives the lot that begins with the elements that are wanted."""
        nest = self.nest
        is_open, last = nest.constant(True, i1), nest.constant(0, self.keys.type)
        first: list[SSAValue] = [nest.value(0), nest.value(0), nest.value(0), last, is_open]
        with nest.while_(first, lambda state: nest.compare("slt", state[0], self.length)) as loop:
            position, count, lot, last, is_open = loop.carried
            position, count = self._gather_vectors(start, position, count, lot, last, is_open)
            is_end = nest.compare("sgt", nest.add(position, self.lanes), self.length)
            rest = nest.insert(arith.AndIOp(is_end, self._has_room(count)))
            end = nest.insert(arith.SelectOp(rest, nest.value(self.length), position))
            with nest.loop(position, end, carried=[count]) as tail:
                tail.yield_(self._gather(start, tail.index, tail.carried[0], lot, last, is_open))
            lot = self.pairs.sort(lot, tail.results[0])
            count = nest.value(nest.minimum(tail.results[0], self.wanted))
            before = nest.add(lot, nest.maximum(nest.sub(self.wanted, 1), 0))
            last = nest.load(self.pairs.keys, [before])
            loop.yield_(end, count, lot, last, nest.compare("slt", count, self.wanted))
        return loop.results[2]

    def _gather_vectors(
        self, start: Index, position: SSAValue, count: SSAValue, lot: SSAValue, last: SSAValue, is_open: SSAValue
    ) -> tuple[SSAValue, SSAValue]:
        nest = self.nest

        def goes_on(state: list[SSAValue]) -> SSAValue:
            is_whole = nest.compare("sle", nest.add(state[0], self.lanes), self.length)
            return nest.insert(arith.AndIOp(is_whole, self._has_room(state[1])))

        lasts = nest.broadcast(last, [self.lanes])
        with nest.while_([position, count], goes_on) as vectors:
            here, gathered = vectors.carried
            view = nest.view(self.memory, nest.add(start, here), [self.lanes], [1])
            keys = self.keys.of(nest.load_vector(view, [0], [self.lanes]))
            hit = nest.insert(arith.OrIOp(is_open, any_lane(nest, compare(nest, "ult", keys, lasts))))
            count = nest.choose(
                hit, lambda: self._gather_lanes(start, here, gathered, lot, last, is_open), lambda: gathered
            )
            vectors.yield_(nest.value(nest.add(here, self.lanes)), count)
        return vectors.results[0], vectors.results[1]

    def _has_room(self, count: SSAValue) -> SSAValue:
        return self.nest.compare("sle", self.nest.add(count, self.lanes), self.capacity)

    def _gather_lanes(
        self, start: Index, position: Index, count: SSAValue, lot: SSAValue, last: SSAValue, is_open: SSAValue
    ) -> SSAValue:
        nest = self.nest
        with nest.loop(0, self.lanes, carried=[count], unroll=2) as lane:
            here = nest.add(position, lane.index)
            lane.yield_(self._gather(start, here, lane.carried[0], lot, last, is_open))
        return lane.results[0]

    def _gather(
        self, start: Index, position: Index, count: SSAValue, lot: SSAValue, last: SSAValue, is_open: SSAValue
    ) -> SSAValue:
        """Writes one element behind those that are gathered; it is one of them if they are then one more."""
        nest = self.nest
        key = self.keys.of(nest.load(self.memory, [nest.add(start, position)]))
        self.pairs.put(nest.add(lot, count), key, as_place(nest, position))
        counts = nest.insert(arith.OrIOp(is_open, compare(nest, "ult", key, last)))
        return nest.value(nest.add(count, as_index(nest, counts)))
