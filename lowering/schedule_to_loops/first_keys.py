"""The first of many elements by their keys, in order: what kernels look for that need few of them.

What comes after so many elements as are wanted, among those seen so far, can never be one of them; all others are
gathered, and sorted whenever there is no room for more::

    while elements are left
      while they and the room for them last: for vectors of elements
        if any is before the last one that is wanted: gather those that are
      sort what is gathered, keep as many as are wanted, and note the last one's key
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from .arithmetic import any_lane, compare, select
from .loop_nest import Index, LoopNest
from .sorted_keys import KeyedPlaces, Keys, as_index, as_place


@dataclass(frozen=True)
class Bounds:
    """Which elements count: those with keys before ``before``, or all where ``is_open``; after the pair ``after``."""

    before: SSAValue
    is_open: SSAValue
    after: tuple[SSAValue, SSAValue] | None = None


class FirstKeys:
    """Looks through ``length`` elements from ``start`` on for ``wanted`` ones, with room for ``capacity``.

    There must be room for a vector more than are wanted, and no more than in a lot of the pairs.
    """

    def __init__(
        self, nest: LoopNest, memory: SSAValue, keys: Keys, pairs: KeyedPlaces, start: Index, length: Index
    ) -> None:
        self.nest, self.memory, self.keys, self.pairs = nest, memory, keys, pairs
        self.start, self.length, self.lanes = start, length, pairs.lanes

    def find(self, wanted: Index, capacity: Index, bounds: Bounds) -> tuple[SSAValue, SSAValue]:
        """The lot that begins with them, and how many there are."""
        nest = self.nest
        zero = nest.value(0)
        first = [zero, zero, zero, bounds.before, bounds.is_open]
        with nest.while_(first, lambda state: nest.compare("slt", state[0], self.length)) as loop:
            position, count, lot, before, is_open = loop.carried
            inner = Bounds(before, is_open, bounds.after)
            position, count = self._gather_vectors(position, count, lot, capacity, inner)
            is_end = nest.compare("sgt", nest.add(position, self.lanes), self.length)
            rest = nest.insert(arith.AndIOp(is_end, self._has_room(count, capacity)))
            end = nest.insert(arith.SelectOp(rest, nest.value(self.length), position))
            with nest.loop(position, end, carried=[count]) as tail:
                tail.yield_(self._gather(tail.index, tail.carried[0], lot, inner))
            lot = self.pairs.sort(lot, tail.results[0])
            count = nest.value(nest.minimum(tail.results[0], wanted))
            are_few = nest.compare("slt", count, wanted)
            last = nest.load(self.pairs.keys, [nest.add(lot, nest.maximum(nest.sub(wanted, 1), 0))])
            stays_open = nest.insert(arith.AndIOp(is_open, are_few))
            loop.yield_(end, count, lot, select(nest, are_few, before, last), stays_open)
        return loop.results[2], loop.results[1]

    def _gather_vectors(
        self, position: SSAValue, count: SSAValue, lot: SSAValue, capacity: Index, bounds: Bounds
    ) -> tuple[SSAValue, SSAValue]:
        nest, shape = self.nest, [self.lanes]

        def goes_on(state: list[SSAValue]) -> SSAValue:
            is_whole = nest.compare("sle", nest.add(state[0], self.lanes), self.length)
            return nest.insert(arith.AndIOp(is_whole, self._has_room(state[1], capacity)))

        before = nest.broadcast(bounds.before, shape)
        after = None if bounds.after is None else nest.broadcast(bounds.after[0], shape)
        with nest.while_([position, count], goes_on) as vectors:
            here, gathered = vectors.carried
            view = nest.view(self.memory, nest.add(self.start, here), shape, [1])
            keys = self.keys.of(nest.load_vector(view, [0], shape))
            mask = compare(nest, "ult", keys, before)
            if after is not None:
                mask = nest.insert(arith.AndIOp(mask, compare(nest, "uge", keys, after)))
            hit = nest.insert(arith.OrIOp(bounds.is_open, any_lane(nest, mask)))
            count = nest.choose(hit, lambda: self._gather_lanes(here, gathered, lot, bounds), lambda: gathered)
            vectors.yield_(nest.value(nest.add(here, self.lanes)), count)
        return vectors.results[0], vectors.results[1]

    def _has_room(self, count: SSAValue, capacity: Index) -> SSAValue:
        return self.nest.compare("sle", self.nest.add(count, self.lanes), capacity)

    def _gather_lanes(self, position: Index, count: SSAValue, lot: SSAValue, bounds: Bounds) -> SSAValue:
        nest = self.nest
        with nest.loop(0, self.lanes, carried=[count], unroll=2) as lane:
            lane.yield_(self._gather(nest.add(position, lane.index), lane.carried[0], lot, bounds))
        return lane.results[0]

    def _gather(self, position: Index, count: SSAValue, lot: SSAValue, bounds: Bounds) -> SSAValue:
        """Writes one element behind those that are gathered; it is one of them if they are then one more."""
        nest = self.nest
        key = self.keys.of(nest.load(self.memory, [nest.add(self.start, position)]))
        place = as_place(nest, position)
        self.pairs.put(nest.add(lot, count), key, place)
        counts = nest.insert(arith.OrIOp(bounds.is_open, compare(nest, "ult", key, bounds.before)))
        if bounds.after is not None:
            after_key, after_place = bounds.after
            is_same = compare(nest, "eq", key, after_key)
            is_later = compare(nest, "ugt", place, after_place)
            follows = nest.insert(arith.AndIOp(is_same, is_later))
            follows = nest.insert(arith.OrIOp(follows, compare(nest, "ugt", key, after_key)))
            counts = nest.insert(arith.AndIOp(counts, follows))
        return nest.value(nest.add(count, as_index(nest, counts)))
