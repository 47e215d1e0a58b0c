"""Reductions: of all elements of a vector to one, or of each row to its sum.

Both go in a fixed order, pieces pairwise and then halves of a piece, which differs from left to right, and is the same
on every run and for any number of threads. Rows are halved together::

    a0 a1 a2 a3 | b0 b1 b2 b3   ->   a0+a2 a1+a3 b0+b2 b1+b3   ->   a b

so that n rows of n lanes take n - 1 additions, where each alone would take log n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith, llvm, vector
from xdsl.dialects.builtin import IntegerType, i1
from xdsl.ir import Operation, SSAValue

from ...dialects.multi_reduction import MultiReductionOp
from .builder import Builder, fast_math
from .cut_vectors import lanes_of, piece_widths, recut, slice_piece
from .floats import float_operation, maximum_minimum, maximum_minimum_number
from .state import Handler, State, fail

Combiner = Callable[[SSAValue, SSAValue], SSAValue]

_INTEGER_COMBINERS: dict[str, type[Operation] | str] = {
    "add": llvm.AddOp,
    "mul": llvm.MulOp,
    "and": llvm.AndOp,
    "or": llvm.OrOp,
    "xor": llvm.XOrOp,
    "minsi": "smin",
    "maxsi": "smax",
    "minui": "umin",
    "maxui": "umax",
}


def _combiner(
    state: State,
    op: vector.ReductionOp | MultiReductionOp,
    is_float: bool,
    fastmath: arith.FastMathFlagsAttr | None = None,
) -> Combiner:
    kind = op.kind.data.value
    if not is_float:
        combine = _INTEGER_COMBINERS.get(kind)
        if isinstance(combine, str):
            return lambda lhs, rhs: state.builder.lanewise(combine, (lhs, rhs))
        if combine is not None:
            return lambda lhs, rhs: state.builder.int_binary(combine, lhs, rhs)
        raise fail(op, f"no reduction '{kind}' of integers")
    flags = fast_math(fastmath)
    match kind:
        case "add":
            return lambda lhs, rhs: float_operation(state, llvm.FAddOp, lhs, rhs, flags)
        case "mul":
            return lambda lhs, rhs: float_operation(state, llvm.FMulOp, lhs, rhs, flags)
        case "maxnumf" | "minnumf":
            return lambda lhs, rhs: maximum_minimum_number(state, kind[:-1], lhs, rhs, flags)
        case "maximumf" | "minimumf":
            return lambda lhs, rhs: maximum_minimum(state, kind[:-1], lhs, rhs, flags)
    raise fail(op, f"no reduction '{kind}' of floats")


def _any_set(state: State, masks: Sequence[SSAValue]) -> SSAValue:
    """Whether a bit of any mask is set: as integers, which takes one instruction each."""
    builder = state.builder
    found: SSAValue | None = None
    for mask in masks:
        bits = IntegerType(lanes_of(mask))
        integer = builder.emit_once(llvm.BitcastOp, (mask,), bits)
        is_set = builder.icmp("ne", integer, builder.constant(0, bits))
        found = is_set if found is None else builder.int_binary(llvm.OrOp, found, is_set)
    assert found is not None
    return found


def lower_reduction(state: State, op: Operation) -> None:
    """vector.reduction of all elements."""
    assert isinstance(op, vector.ReductionOp)
    tile = state.tile(op.vector)
    if tile.element == i1 and op.kind.data.value == "or" and op.acc is None:
        state.bind(op.dest, [_any_set(state, tile.pieces)])
        return
    combine = _combiner(state, op, not isinstance(tile.element, IntegerType), op.fastmath)
    (result,) = _reduced_together(state.builder, [_one_piece(state.builder, tile.pieces, combine)], combine)
    if op.acc is not None:
        result = combine(result, state.scalar(op.acc))
    state.bind(op.dest, [result])


def lower_multi_reduction(state: State, op: Operation) -> None:
    """vector.multi_reduction of the last dimension, of as many rows at once as a piece of them has lanes."""
    assert isinstance(op, MultiReductionOp)
    source, start, builder = state.tile(op.source), state.tile(op.acc), state.builder
    combine = _combiner(state, op, not isinstance(source.element, IntegerType))
    rows = [_one_piece(builder, source.row(row), combine) for row in range(source.cut.rows)]
    at_once = max(1, lanes_of(rows[0]))
    totals: list[SSAValue] = []
    for first in range(0, len(rows), at_once):
        totals += _reduced_together(builder, rows[first : first + at_once], combine)
    totals = recut(builder, totals, [lanes_of(piece) for piece in start.pieces])
    state.bind(op.dest, [combine(before, total) for before, total in zip(start.pieces, totals, strict=True)])


def _one_piece(builder: Builder, pieces: Sequence[SSAValue], combine: Combiner) -> SSAValue:
    """All the pieces combined to one as wide as the narrowest of them."""
    by_width: dict[int, list[SSAValue]] = {}
    for piece in pieces:
        by_width.setdefault(lanes_of(piece), []).append(piece)
    result: SSAValue | None = None
    for width in sorted(by_width, reverse=True):
        total = _combine_pairwise(by_width[width], combine)
        if result is not None:
            rest, remaining = result, lanes_of(result)
            while remaining > width:
                remaining //= 2
                rest = combine(
                    slice_piece(builder, rest, 0, remaining), slice_piece(builder, rest, remaining, remaining)
                )
            total = combine(rest, total)
        result = total
    assert result is not None
    return result


def _reduced_together(builder: Builder, rows: Sequence[SSAValue], combine: Combiner) -> list[SSAValue]:
    """What each row reduces to, in order, in pieces; there are no more rows than each has lanes, a power of two."""
    values, lanes, count = list(rows), lanes_of(rows[0]), 1
    width = lanes
    while width > 1:
        low = [number * width + lane for number in range(count) for lane in range(width // 2)]
        high = [lane + width // 2 for lane in low]
        if len(values) == 1:
            values = [combine(_chosen(builder, values[0], low), _chosen(builder, values[0], high))]
        else:
            values = [
                combine(
                    *(
                        builder.shuffle(first, second, [*lower, *(lanes + lane for lane in lower)])
                        for lower in (low, high)
                    )
                )
                for first, second in zip(values[::2], [*values[1::2], values[-1]])
            ]
            count *= 2
        width //= 2
    return [slice_piece(builder, values[0], start, wide) for start, wide in _cut(len(rows), lanes)]


def _chosen(builder: Builder, value: SSAValue, lanes: Sequence[int]) -> SSAValue:
    return builder.extract(value, lanes[0]) if len(lanes) == 1 else builder.shuffle(value, value, lanes)


def _cut(length: int, lanes: int) -> list[tuple[int, int]]:
    """Where the pieces of so many elements start, and how wide they are."""
    widths = piece_widths(length, lanes)
    return [(sum(widths[:place]), width) for place, width in enumerate(widths)]


def _combine_pairwise(pieces: Sequence[SSAValue], combine: Callable[[SSAValue, SSAValue], SSAValue]) -> SSAValue:
    values = list(pieces)
    while len(values) > 1:
        odd = [values.pop()] if len(values) % 2 else []
        values = [combine(first, second) for first, second in zip(values[::2], values[1::2])] + odd
    return values[0]


HANDLERS: dict[type[Operation], Handler] = {
    vector.ReductionOp: lower_reduction,
    MultiReductionOp: lower_multi_reduction,
}
