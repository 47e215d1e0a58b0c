"""Keys, which compare as integers without a sign where elements compare as numbers, and sorting them with their places.

The sort goes over the bytes of the keys, the lowest first, and keeps the order of equal ones::

    for byte of the keys
      count the keys by that byte
      unless it is the same in all of them:
        for pair in order: move it to where its byte's come next, in the other lot
"""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, IntegerType, i32, i64
from xdsl.ir import Attribute, SSAValue

from ...dialects.selection_decisions import SORT_COUNTERS, key_bits
from ...dialects.shared_attributes import vector_type
from .arithmetic import compare, select, to_index, with_element
from .loop_nest import Index, LoopNest

_EXPONENTS = {32: 0xFF << 23, 64: 0x7FF << 52}
_QUIET = {32: 1 << 22, 64: 1 << 51}


class Keys:
    """Makes keys of elements: ascending, or descending where ``smallest`` does not hold. Scalars and vectors.

    All NaN are one key, above that of infinity; zeros are one key.
    """

    def __init__(self, nest: LoopNest, element: Attribute, smallest: bool = True, unsigned: bool = False):
        self.nest, self.element = nest, element
        self.bits = key_bits(element)
        self.type = IntegerType(self.bits)
        self.smallest, self.unsigned = smallest, unsigned

    def of(self, value: SSAValue) -> SSAValue:
        if isinstance(self.element, AnyFloat):
            return self._of_float(value)
        assert isinstance(self.element, IntegerType)
        if self.element.width.data < self.bits:
            extend = arith.ExtUIOp if self.unsigned else arith.ExtSIOp
            value = self.nest.insert(extend.create(operands=[value], result_types=[self._like(value)]))
        flip = (0 if self.unsigned else self._sign) ^ (0 if self.smallest else -1)
        return value if flip == 0 else self._xor(value, self.nest.constant(_signed(flip, self.bits), value.type))

    @property
    def _sign(self) -> int:
        return 1 << (self.bits - 1)

    def _like(self, value: SSAValue) -> Attribute:
        return with_element(value.type, self.type)

    def _of_float(self, value: SSAValue) -> SSAValue:
        """Numbers below zero have all bits turned around, others the sign alone."""
        nest, type_ = self.nest, self._like(value)
        bits = nest.insert(arith.BitcastOp(value, type_))

        def constant(number: int) -> SSAValue:
            return nest.constant(_signed(number, self.bits), type_)

        infinity = _EXPONENTS[self.bits]
        size = nest.insert(arith.AndIOp(bits, constant(self._sign - 1)))
        bits = select(
            nest, compare(nest, "ugt", size, constant(infinity)), constant(infinity | _QUIET[self.bits]), bits
        )
        bits = select(nest, compare(nest, "eq", size, constant(0)), constant(0), bits)
        negative = nest.insert(arith.ShRSIOp(bits, constant(self.bits - 1)))
        turned = nest.insert(arith.OrIOp(negative, constant(self._sign)))
        key = self._xor(bits, turned)
        return key if self.smallest else self._xor(key, constant(-1))

    def _xor(self, left: SSAValue, right: SSAValue) -> SSAValue:
        return self.nest.insert(arith.XOrIOp(left, right))


def _signed(number: int, bits: int) -> int:
    """The number of a sign with the same bits."""
    return (number + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


class KeyedPlaces:
    """Two lots of ``capacity`` pairs of a key and a place (32 bits) from the beginning of the scratch memory on.

    A lot is known by its first pair's number: 0 or the capacity.
    """

    def __init__(self, nest: LoopNest, key: IntegerType, capacity: Index, lanes: int):
        self.nest, self.key, self.capacity, self.lanes = nest, key, capacity, lanes
        twice, key_bytes = nest.mul(capacity, 2), key.width.data // 8
        self._counters = nest.scratch_array(i64, 0, [SORT_COUNTERS])
        at = 8 * SORT_COUNTERS
        self.keys = nest.scratch_array(key, at, [twice])
        self.places = nest.scratch_array(i32, nest.add(at, nest.mul(twice, key_bytes)), [twice])

    def put(self, at: Index, key: SSAValue, place: SSAValue) -> None:
        self.nest.store(key, self.keys, [at])
        self.nest.store(place, self.places, [at])

    def place(self, at: Index) -> SSAValue:
        """Of a pair, as an index."""
        wide = self.nest.insert(arith.ExtUIOp(self.nest.load(self.places, [at]), i64))
        return to_index(self.nest, wide)

    def sort(self, lot: Index, count: Index) -> SSAValue:
        """Sorts the first pairs of a lot; gives the lot in which they are then."""
        nest = self.nest
        with nest.loop(0, self.key.width.data // 8, carried=[nest.value(lot)]) as byte:
            source = byte.carried[0]
            shift = self._as_key(nest.mul(byte.index, 8))
            self._count(source, count, shift)
            of_first = nest.load(self._counters, [self._digit(nest.load(self.keys, [source]), shift)])
            same = nest.compare("eq", to_index(nest, of_first), count)
            byte.yield_(nest.choose(same, lambda: source, lambda: self._move(source, count, shift)))
        return byte.results[0]

    def _count(self, source: SSAValue, count: Index, shift: SSAValue) -> None:
        nest = self.nest
        zeros = nest.constant(0, vector_type(i64, [self.lanes]))
        with nest.loop(0, SORT_COUNTERS, self.lanes) as counter:
            nest.store_vector(zeros, self._counters, [counter.index])
        one = nest.constant(1, i64)
        with nest.loop(0, count, unroll=4) as pair:
            digit = self._digit(nest.load(self.keys, [nest.add(source, pair.index)]), shift)
            more = nest.insert(arith.AddiOp(nest.load(self._counters, [digit]), one))
            nest.store(more, self._counters, [digit])

    def _move(self, source: SSAValue, count: Index, shift: SSAValue) -> SSAValue:
        nest = self.nest
        target = nest.value(nest.sub(self.capacity, source))
        first = nest.insert(arith.IndexCastOp(target, i64))
        with nest.loop(0, SORT_COUNTERS, carried=[first], unroll=4) as counter:
            found = nest.load(self._counters, [counter.index])
            nest.store(counter.carried[0], self._counters, [counter.index])
            counter.yield_(nest.insert(arith.AddiOp(counter.carried[0], found)))
        one = nest.constant(1, i64)
        with nest.loop(0, count, unroll=4) as pair:
            here = nest.add(source, pair.index)
            key, place = nest.load(self.keys, [here]), nest.load(self.places, [here])
            digit = self._digit(key, shift)
            goes_to = nest.load(self._counters, [digit])
            nest.store(nest.insert(arith.AddiOp(goes_to, one)), self._counters, [digit])
            self.put(to_index(nest, goes_to), key, place)
        return target

    def _digit(self, key: SSAValue, shift: SSAValue) -> SSAValue:
        nest = self.nest
        shifted = nest.insert(arith.ShRUIOp(key, shift))
        digit = nest.insert(arith.AndIOp(shifted, nest.constant(SORT_COUNTERS - 1, self.key)))
        return to_index(nest, digit)

    def _as_key(self, index: Index) -> SSAValue:
        return self.nest.insert(arith.IndexCastOp(self.nest.value(index), self.key))


def as_place(nest: LoopNest, index: Index) -> SSAValue:
    """An index as the place of a pair."""
    return nest.insert(arith.IndexCastOp(nest.value(index), i32))


def as_index(nest: LoopNest, flag: SSAValue) -> SSAValue:
    """0 or 1 of an i1."""
    return nest.insert(arith.SelectOp(flag, nest.constant(1), nest.constant(0)))
