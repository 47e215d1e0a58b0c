"""Sums of many numbers in blocks, so that the error of a sum does not grow with its length.

Each number added to a running sum rounds it. A block of a few hundred starts from zero; the total of the blocks keeps
apart what rounding takes from it, and gets that back at the end::

    before:  for i:  sum += x[i]
    after:   for block
               part = 0;  for i in block:  part += x[i]
               total, lost = total + part, lost + what that rounded off
             sum = total + lost

The work of an element stays the same. Products, which are summed in many registers, are added to the total as they are,
since blocks of them are longer and fewer. Source: A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation
endlicher Summen, 1974, with the error of a sum after D. Knuth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat
from xdsl.ir import Attribute, SSAValue

from ...dialects.shape import Dim
from .arithmetic import compare, select
from .loop_nest import Index, LoopNest

BLOCK = 256
# Products of convolutions that are added up from zero.
CONVOLUTION_BLOCK = 8192

Turn = Callable[[Index, list[SSAValue]], Sequence[SSAValue]]


def block_turns(kind: str, element: Attribute, sizes: Sequence[Dim]) -> list[int]:
    """As ``product_turns`` for what is combined: only sums of floats need blocks."""
    is_rounded = kind == "sum" and isinstance(element, AnyFloat)
    return product_turns(sizes, BLOCK) if is_rounded else [0] * len(sizes)


def product_turns(sizes: Sequence[Dim | Index], most: int) -> list[int]:
    """Turns in a block of each of nested loops, outermost first; 0 where no blocks are needed.

    Loops that together have few turns make one block; those around it add up its sums, as blocks of one turn.
    """
    turns = [0] * len(sizes)
    below = 1
    for level in reversed(range(len(sizes))):
        size = sizes[level]
        if below > most:
            turns[level] = 0 if size == 1 else 1
        elif isinstance(size, int) and size * below <= most:
            below *= size
        else:
            turns[level] = max(1, most // below)
            below = most + 1
    return turns


def loop_in_blocks(
    nest: LoopNest,
    lower: Index,
    upper: Index,
    step: int,
    start: Sequence[SSAValue],
    turns: int,
    body: Turn,
    keeps_lost: bool = True,
    unroll: int = 1,
) -> list[SSAValue]:
    """What a loop leaves of the values that it carries; with ``turns`` in a block they are sums, of blocks from zero.

    Without ``keeps_lost`` blocks are added to the total as they are, which costs short loops less.
    """
    if not turns:
        with nest.loop(lower, upper, step, start, unroll) as loop:
            loop.yield_(*body(loop.index, loop.carried))
        return loop.results
    zeros = [nest.constant(0.0, value.type) for value in start]
    count = len(start)
    with nest.loop(lower, upper, step * turns, [*start, *zeros] if keeps_lost else start) as blocks:
        if turns == 1:
            parts = list(body(blocks.index, zeros))
        else:
            end = nest.minimum(nest.add(blocks.index, step * turns), upper)
            parts = loop_in_blocks(nest, blocks.index, end, step, zeros, 0, body, unroll=unroll)
        totals, lost = blocks.carried[:count], blocks.carried[count:]
        if keeps_lost:
            sums = [_sum_and_error(nest, *pair) for pair in zip(totals, parts, strict=True)]
            errors = [_add(nest, *pair) for pair in zip(lost, (error for _, error in sums), strict=True)]
            blocks.yield_(*(total for total, _ in sums), *errors)
        else:
            blocks.yield_(*(_add(nest, *pair) for pair in zip(totals, parts, strict=True)))
    if not keeps_lost:
        return blocks.results
    return [_with_lost(nest, *pair) for pair in zip(blocks.results[:count], blocks.results[count:], strict=True)]


def sum_in_blocks(
    nest: LoopNest,
    lower: Index,
    upper: Index,
    start: SSAValue,
    turns: int,
    body: Callable[[Index, SSAValue], SSAValue],
    unroll: int = 1,
) -> SSAValue:
    """``start`` and what ``body`` adds to its second argument over a loop; with ``turns`` in a block, to zero.

    Sums of integers are exact, and need no blocks.
    """
    if not isinstance(start.type.element_type, AnyFloat):  # pyright: ignore[reportAttributeAccessIssue]
        turns = 0

    def turn(index: Index, carried: list[SSAValue]) -> list[SSAValue]:
        return [body(index, carried[0])]

    return loop_in_blocks(nest, lower, upper, 1, [start], turns, turn, keeps_lost=False, unroll=unroll)[0]


def _add(nest: LoopNest, left: SSAValue, right: SSAValue) -> SSAValue:
    return nest.insert(arith.AddfOp(left, right))


def _subtract(nest: LoopNest, left: SSAValue, right: SSAValue) -> SSAValue:
    return nest.insert(arith.SubfOp(left, right))


def _sum_and_error(nest: LoopNest, left: SSAValue, right: SSAValue) -> tuple[SSAValue, SSAValue]:
    """The rounded sum, and exactly what it leaves out."""
    total = _add(nest, left, right)
    seen = _subtract(nest, total, left)
    missed = _subtract(nest, left, _subtract(nest, total, seen))
    return total, _add(nest, missed, _subtract(nest, right, seen))


def _with_lost(nest: LoopNest, total: SSAValue, lost: SSAValue) -> SSAValue:
    """The total with what it lost. Of an infinite total that is NaN, and says nothing."""
    whole = _add(nest, total, lost)
    return select(nest, compare(nest, "ord", lost, lost), whole, total)
