"""kernel.find_distinct: rows that are distinct, where they are, and how often they occur.

::

    for column, the last one first: sort the rows by it
    for row in that order
      if it differs from the one before: it is the next distinct row, and occurs here first
      note which one it is, and count it
    unsorted: for row: if it is the first of its kind: number its kind anew
                       note the new number

Decisions: ``lanes`` of a vector.
"""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1, i64
from xdsl.ir import SSAValue

from ...dialects.kernel_selections import FindDistinctOp
from ...dialects.schedule import StageOp
from ...dialects.selection_decisions import Distinct, sort_scratch
from .arithmetic import compare, index_as, opposite, to_index
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest
from .sorted_keys import KeyedPlaces, Keys, as_index, as_place


def lower_find_distinct(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, FindDistinctOp)
    with nest.forall([1]):
        _Rows(stage, nest, kernel).find()


class _Rows:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: FindDistinctOp):
        self.nest, self.unsorted = nest, kernel.get("unsorted")
        (position,) = operand_positions(stage)
        x, outputs = nest.operands[position], nest.operands[len(stage.ins) :]
        self.memory = x.memory
        self.first, self.inverse, self.counts, self.number = (tensor.memory for tensor in outputs)
        self.rows, self.columns = (nest.dim(size) for size in x.dims)
        self.keys = Keys(nest, x.element_type, unsigned=kernel.get("unsigned"))
        capacity = stage.decided(Distinct).capacity(kernel)
        self.capacity = nest.dim(capacity)
        self.pairs = KeyedPlaces(nest, self.keys.type, self.capacity, stage.decided(Distinct).lanes)
        self.behind = nest.dim(sort_scratch(self.keys.bits, capacity))

    def find(self) -> None:
        nest = self.nest
        if not self.unsorted:
            number = self._number(self._sort(), self.first, self.counts)
        else:
            size = nest.mul(self.capacity, 8)
            arrays = [
                nest.scratch_array(i64, nest.add(self.behind, nest.mul(size, number)), [self.capacity])
                for number in range(Distinct.RENUMBERED)
            ]
            number = self._number(self._sort(), *arrays[:2])
            self._renumber(*arrays)
        nest.store(index_as(nest, number, i64), self.number, [0])
        with nest.loop(number, self.rows) as rest:
            for memory in (self.first, self.counts):
                nest.store(nest.constant(-1, i64), memory, [rest.index])

    def _key(self, row: Index, column: Index) -> SSAValue:
        return self.keys.of(self.nest.load(self.memory, [self.nest.add(self.nest.mul(row, self.columns), column)]))

    def _sort(self) -> SSAValue:
        """By all columns; gives the lot in which the rows' numbers are."""
        nest = self.nest
        with nest.loop(0, self.rows) as row:
            self.pairs.put(row.index, nest.constant(0, self.keys.type), as_place(nest, row.index))
        with nest.loop(0, self.columns, carried=[nest.value(0)]) as turn:
            lot, column = turn.carried[0], nest.sub(nest.sub(self.columns, 1), turn.index)
            with nest.loop(0, self.rows) as rank:
                at = nest.add(lot, rank.index)
                nest.store(self._key(self.pairs.place(at), column), self.pairs.keys, [at])
            turn.yield_(self.pairs.sort(lot, self.rows))
        return turn.results[0]

    def _number(self, lot: SSAValue, first: SSAValue, counts: SSAValue) -> SSAValue:
        """Numbers the distinct rows in the order of the sort; gives how many there are."""
        nest = self.nest
        none = nest.value(0)
        with nest.loop(0, self.rows, carried=[none, none, none]) as rank:
            number, count, begin = rank.carried
            place = self.pairs.place(nest.add(lot, rank.index))
            is_first = nest.compare("eq", rank.index, 0)
            before = nest.add(lot, nest.maximum(nest.sub(rank.index, 1), 0))
            is_new = nest.insert(arith.OrIOp(is_first, self._differ(lot, rank.index, place, before)))
            number = nest.value(nest.add(number, as_index(nest, is_new)))
            count = nest.insert(arith.SelectOp(is_new, nest.value(1), nest.value(nest.add(count, 1))))
            begin = nest.insert(arith.SelectOp(is_new, place, begin))
            own = nest.sub(number, 1)
            self._store(own, self.inverse, place)
            self._store(begin, first, own)
            self._store(count, counts, own)
            rank.yield_(number, count, begin)
        return rank.results[0]

    def _differ(self, lot: SSAValue, rank: Index, place: SSAValue, before: Index) -> SSAValue:
        """Whether a row differs from the one before it in the order of the sort."""
        nest = self.nest
        if self.columns == 1:
            keys = [nest.load(self.pairs.keys, [at]) for at in (nest.add(lot, rank), before)]
            return compare(nest, "ne", *keys)
        other = self.pairs.place(before)

        def goes_on(state: list[SSAValue]) -> SSAValue:
            return nest.insert(arith.AndIOp(opposite(nest, state[1]), nest.compare("slt", state[0], self.columns)))

        with nest.while_([nest.value(0), nest.constant(False, i1)], goes_on) as loop:
            column = loop.carried[0]
            differ = compare(nest, "ne", self._key(place, column), self._key(other, column))
            loop.yield_(nest.value(nest.add(column, 1)), differ)
        return loop.results[1]

    def _renumber(self, first: SSAValue, counts: SSAValue, numbers: SSAValue) -> None:
        """Numbers the distinct rows in the order of their first occurrence."""
        nest = self.nest
        with nest.loop(0, self.rows, carried=[nest.value(0)]) as row:
            old = self._load(self.inverse, row.index)
            is_first = nest.compare("eq", self._load(first, old), row.index)
            with nest.when(is_first):
                self._store(row.carried[0], numbers, old)
                self._store(row.index, self.first, row.carried[0])
                self._store(self._load(counts, old), self.counts, row.carried[0])
            self._store(self._load(numbers, old), self.inverse, row.index)
            row.yield_(nest.value(nest.add(row.carried[0], as_index(nest, is_first))))

    def _load(self, memory: SSAValue, at: Index) -> SSAValue:
        return to_index(self.nest, self.nest.load(memory, [at]))

    def _store(self, number: Index, memory: SSAValue, at: Index) -> None:
        self.nest.store(index_as(self.nest, number, i64), memory, [at])
