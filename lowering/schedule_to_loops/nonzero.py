"""kernel.count_nonzero and kernel.nonzero: elements that are not zero, of any type.

Both look at vectors of elements. What is found of a chunk is noted in scratch memory, one flat position after the
other, before the positions along the axes are worked out of those alone::

    for chunk of the elements
      for vectors in it
        if any is not zero: for lane: note its position; it counts if it is not zero
      for position noted: for axis: result[axis, found so far] = position along the axis

Decisions: ``lanes`` of a vector.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, IntegerType, i1, i32, i64
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.schedule import StageOp
from ...dialects.selection_decisions import NONZERO_CHUNK, Selection
from ...dialects.shared_attributes import vector_type
from .arithmetic import any_lane, compare, element_of, index_as, reduce_lanes, select, to_index, with_element
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest, Tensor
from .sorted_keys import as_index, as_place


def lower_count_nonzero(stage: StageOp, nest: LoopNest) -> None:
    """The lanes count, and are added up at the end."""
    x, result, lanes = *_operands(stage, nest), stage.decided(Selection).lanes
    length = nest.dim(dims.product(x.dims))
    zero, one = (nest.constant(number, vector_type(i64, [lanes])) for number in (0, 1))

    def of_vector(at: Index, carried: SSAValue) -> SSAValue:
        mask = _is_set(nest, _vector(nest, x.memory, at, lanes))
        return nest.insert(arith.AddiOp(carried, select(nest, mask, one, zero)))

    with nest.forall([1]):
        whole = nest.mul(nest.floordiv(length, lanes), lanes)
        with nest.loop(0, whole, lanes, carried=[zero], unroll=4) as loop:
            loop.yield_(of_vector(loop.index, loop.carried[0]))
        count = reduce_lanes(nest, "sum", loop.results[0])
        with nest.loop(whole, length, carried=[count]) as rest:
            is_set = _is_set(nest, nest.load(x.memory, [rest.index]))
            more = select(nest, is_set, nest.constant(1, i64), nest.constant(0, i64))
            rest.yield_(nest.insert(arith.AddiOp(rest.carried[0], more)))
        nest.store(rest.results[0], result.memory, [0])


def lower_nonzero(stage: StageOp, nest: LoopNest) -> None:
    x, result, lanes = *_operands(stage, nest), stage.decided(Selection).lanes
    length, columns = nest.dim(dims.product(x.dims)), nest.dim(result.dims[1])
    sizes = [nest.dim(size) for size in x.dims]
    noted = nest.scratch_array(i32, 0, [NONZERO_CHUNK + 1])
    with nest.forall([1]), nest.loop(0, length, NONZERO_CHUNK, carried=[nest.value(0)]) as chunk:
        size = nest.minimum(nest.sub(length, chunk.index), NONZERO_CHUNK)
        count = _note(nest, x.memory, chunk.index, size, noted, lanes)
        # Never more than there is room for, whoever says how much that is.
        room = nest.sub(columns, chunk.carried[0])
        with nest.loop(0, nest.minimum(count, room)) as found:
            inside = to_index(nest, nest.load(noted, [found.index]))
            flat = nest.add(chunk.index, inside)
            column = nest.add(chunk.carried[0], found.index)
            for axis, place in enumerate(nest.split_index(flat, sizes)):
                nest.store(index_as(nest, place, i64), result.memory, [nest.add(nest.mul(columns, axis), column)])
        chunk.yield_(nest.value(nest.add(chunk.carried[0], count)))


def _operands(stage: StageOp, nest: LoopNest) -> tuple[Tensor, Tensor]:
    (position,) = operand_positions(stage)
    return nest.operands[position], nest.operands[-1]


def _note(nest: LoopNest, memory: SSAValue, start: Index, size: Index, noted: SSAValue, lanes: int) -> SSAValue:
    """Notes the positions in a chunk of what is not zero; gives their number."""

    def note(inside: Index, count: SSAValue) -> SSAValue:
        nest.store(as_place(nest, inside), noted, [count])
        is_set = _is_set(nest, nest.load(memory, [nest.add(start, inside)]))
        return nest.value(nest.add(count, as_index(nest, is_set)))

    def note_lanes(first: Index, count: SSAValue) -> SSAValue:
        return _carry(nest, 0, lanes, count, lambda lane, so_far: note(nest.add(first, lane), so_far))

    def of_vector(first: Index, count: SSAValue) -> SSAValue:
        mask = _is_set(nest, _vector(nest, memory, nest.add(start, first), lanes))
        return nest.choose(any_lane(nest, mask), lambda: note_lanes(first, count), lambda: count)

    whole = nest.mul(nest.floordiv(size, lanes), lanes)
    count = _carry(nest, 0, whole, nest.value(0), of_vector, step=lanes)
    return _carry(nest, whole, size, count, note)


def _carry(
    nest: LoopNest,
    begin: Index,
    end: Index,
    value: SSAValue,
    body: Callable[[Index, SSAValue], SSAValue],
    step: int = 1,
) -> SSAValue:
    """A loop that carries one value."""
    with nest.loop(begin, end, step, carried=[value]) as loop:
        loop.yield_(body(loop.index, loop.carried[0]))
    return loop.results[0]


def _vector(nest: LoopNest, memory: SSAValue, at: Index, lanes: int) -> SSAValue:
    return nest.load_vector(nest.view(memory, at, [lanes], [1]), [0], [lanes])


def _is_set(nest: LoopNest, value: SSAValue) -> SSAValue:
    """Whether elements are not zero, by their bits: the smallest numbers may count as zero in arithmetic."""
    element = element_of(value.type)
    if element == i1:
        return value
    if isinstance(element, AnyFloat):
        bits = IntegerType(element.bitwidth)
        value = nest.insert(arith.BitcastOp(value, with_element(value.type, bits)))
        size = nest.constant((1 << (element.bitwidth - 1)) - 1, value.type)
        value = nest.insert(arith.AndIOp(value, size))
    return compare(nest, "ne", value, nest.constant(0, value.type))
