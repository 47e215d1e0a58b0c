"""Bytes looked up in a table of 256, which lies in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import llvm
from xdsl.dialects.builtin import VectorType, i8, i64
from xdsl.ir import Operation, SSAValue

from ...dialects import vector_extension as vectorx
from .builder import Builder
from .cut_vectors import CutVector, concatenate, lanes_of, slice_piece, widen
from .state import Handler, State

_SLICE = 64
"""Bytes of the table in one operand of ``vpermi2b``, and in four of ``tbl``."""


def lower_byte_table(state: State, op: Operation) -> None:
    """vectorx.byte_table: as many pieces at once as an instruction takes."""
    assert isinstance(op, vectorx.ByteTableOp)
    builder, numbers = state.builder, op.numbers
    width, look_up = _LOOKUPS.get(state.target.byte_lookup, (1, _one_by_one))
    if not isinstance(op.result.type, VectorType):
        wide = widen(builder, state.scalar(op.x), width)
        state.bind(op.result, [slice_piece(builder, look_up(builder, wide, numbers), 0, 1)])
        return
    tile = state.tile(op.x)
    distinct = list(dict.fromkeys(tile.pieces))
    found: dict[SSAValue, SSAValue] = {}
    for group in _groups(distinct, width):
        joined = concatenate(builder, group)
        lanes = lanes_of(joined)
        result = look_up(builder, widen(builder, joined, max(width, lanes)), numbers)
        start = 0
        for piece in group:
            found[piece] = slice_piece(builder, result, start, lanes_of(piece))
            start += lanes_of(piece)
    state.values[op.result] = CutVector(tile.cut, i8, [found[piece] for piece in tile.pieces])


def _groups(pieces: Sequence[SSAValue], width: int) -> list[list[SSAValue]]:
    """Neighbours of ``width`` lanes together, or of fewer; one piece at least."""
    groups: list[list[SSAValue]] = []
    room = 0
    for piece in pieces:
        if lanes_of(piece) > room:
            groups.append([])
            room = width
        groups[-1].append(piece)
        room -= lanes_of(piece)
    return groups


def _permuted(builder: Builder, x: SSAValue, numbers: bytes) -> SSAValue:
    """``vpermi2b`` looks the lower seven bits up in either half; the eighth chooses."""
    halves: list[SSAValue] = []
    for half in (numbers[:128], numbers[128:]):
        first, second = (builder.dense_constant(_signed(half[start : start + _SLICE]), i8) for start in (0, _SLICE))
        halves.append(builder.intrinsic("llvm.x86.avx512.vpermi2var.qi.512", [first, x, second], x.type))
    is_upper = builder.icmp("slt", x, builder.constant(0, i8, _SLICE))
    return builder.select(is_upper, halves[1], halves[0])


def _looked_up(builder: Builder, x: SSAValue, numbers: bytes) -> SSAValue:
    """``tbl`` gives 0 for what lies beyond its 64 bytes, ``tbx`` what was there."""
    result = None
    for start in range(0, 256, _SLICE):
        part = numbers[start : start + _SLICE]
        rows = [builder.dense_constant(_signed(part[row : row + 16]), i8) for row in range(0, _SLICE, 16)]
        place = builder.int_binary(llvm.SubOp, x, builder.constant(start - 256 * (start > 127), i8, 16)) if start else x
        name = "tbl4" if result is None else "tbx4"
        operands = [*rows, place] if result is None else [result, *rows, place]
        result = builder.intrinsic(f"llvm.aarch64.neon.{name}.v16i8", operands, x.type)
    assert result is not None
    return result


def _one_by_one(builder: Builder, x: SSAValue, numbers: bytes) -> SSAValue:
    """What any machine can do: each byte loaded from the table, which is put on the stack."""
    memory = builder.allocate(i8, len(numbers), _SLICE)
    builder.store(builder.dense_constant(_signed(numbers), i8), memory, _SLICE)
    result = x
    for lane in range(lanes_of(x)):
        place = builder.cast(llvm.ZExtOp, builder.extract(x, lane), i64)
        byte = builder.load(builder.offset_pointer(memory, place, i8), i8, 1)
        result = builder.insert(byte, result, lane) if lanes_of(x) > 1 else byte
    return result


def _signed(numbers: bytes) -> list[int]:
    return [number - 256 * (number > 127) for number in numbers]


_LOOKUPS: dict[str, tuple[int, Callable[[Builder, SSAValue, bytes], SSAValue]]] = {
    "vpermi2b": (64, _permuted),
    "tbl": (16, _looked_up),
}
HANDLERS: dict[type[Operation], Handler] = {vectorx.ByteTableOp: lower_byte_table}
