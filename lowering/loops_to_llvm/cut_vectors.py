"""n-D vectors as lists of machine vectors.

A `vector<6x64xf32>` on a machine with 16 lanes is 6 x 4 pieces of `<16 x float>`, row by row. The last dimension is cut
into pieces of `lanes` elements and powers of two for the rest (40 -> 16, 16, 8); a piece of one element is a scalar.
The cut depends on the shape alone, never on the element type, so that tiles of floats, masks and narrow integers of
one shape correspond piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, SSAValue

from .builder import Builder, vector_type


@dataclass(frozen=True, slots=True)
class Cut:
    """How one shape is cut: `rows` times the pieces of the last dimension."""

    shape: tuple[int, ...]
    widths: tuple[int, ...]
    starts: tuple[int, ...]
    rows: int

    @property
    def row_positions(self) -> Iterator[tuple[int, ...]]:
        """The positions of the rows in the leading dimensions, in order."""
        for row in range(self.rows):
            yield self.row_position(row)

    def row_position(self, row: int) -> tuple[int, ...]:
        """The position in the leading dimensions of row number `row`."""
        position: list[int] = []
        for size in reversed(self.shape[:-1]):
            row, digit = divmod(row, size)
            position.append(digit)
        return tuple(reversed(position))

    def row_number(self, position: Sequence[int]) -> int:
        """The number of the row at `position` in the leading dimensions."""
        row = 0
        for size, digit in zip(self.shape[:-1], position, strict=True):
            row = row * size + digit
        return row


@cache
def piece_widths(length: int, lanes: int) -> tuple[int, ...]:
    """`lanes` as often as it fits, then powers of two."""
    widths = [lanes] * (length // lanes)
    rest = length % lanes
    while rest:
        width = 1 << (rest.bit_length() - 1)
        widths.append(width)
        rest -= width
    return tuple(widths)


@cache
def cut_of(shape: tuple[int, ...], lanes: int) -> Cut:
    """The cut of a vector shape of rank 1 or more."""
    widths = piece_widths(shape[-1], lanes)
    starts = tuple(sum(widths[:position]) for position in range(len(widths)))
    return Cut(shape, widths, starts, prod(shape[:-1]))


@dataclass(slots=True, eq=False)
class CutVector:
    """An n-D vector in registers: `pieces[row * len(cut.widths) + column]`."""

    cut: Cut
    element: Attribute
    pieces: list[SSAValue]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.cut.shape

    def row(self, row: int) -> list[SSAValue]:
        """The pieces of one row."""
        columns = len(self.cut.widths)
        return self.pieces[row * columns : (row + 1) * columns]


def piece_types(element: Attribute, cut: Cut) -> list[Attribute]:
    """The LLVM types of all the pieces."""
    return [vector_type(element, width) for width in cut.widths] * cut.rows


def lanes_of(value: SSAValue) -> int:
    """How many elements a piece has."""
    value_type = value.type
    return value_type.get_shape()[0] if isinstance(value_type, VectorType) else 1


def concatenate(builder: Builder, pieces: Sequence[SSAValue]) -> SSAValue:
    """One vector with the elements of all the pieces, in order."""
    values = list(pieces)
    while len(values) > 1:
        joined: list[SSAValue] = []
        position = 0
        while position < len(values):
            if position + 1 == len(values):
                joined.append(values[position])
            else:
                joined.append(_join(builder, values[position], values[position + 1]))
            position += 2
        values = joined
    return values[0]


def _join(builder: Builder, first: SSAValue, second: SSAValue) -> SSAValue:
    first_lanes, second_lanes = lanes_of(first), lanes_of(second)
    total = first_lanes + second_lanes
    if first_lanes == second_lanes and first_lanes > 1:
        return builder.shuffle(first, second, range(total))
    if second_lanes == 1:
        return builder.insert(second, widen(builder, first, total), total - 1)
    wide_second = widen(builder, second, total)
    mask = [*range(first_lanes), *range(total, total + second_lanes)]
    return builder.shuffle(widen(builder, first, total), wide_second, mask)


def widen(builder: Builder, value: SSAValue, lanes: int) -> SSAValue:
    """The value with lanes of unknown contents appended."""
    present = lanes_of(value)
    if present == lanes:
        return value
    if present == 1:
        return builder.insert(value, builder.poison(vector_type(value.type, lanes)), 0)
    return builder.shuffle(value, value, [*range(present), *([-1] * (lanes - present))])


def slice_piece(builder: Builder, value: SSAValue, start: int, width: int) -> SSAValue:
    """`width` lanes from `start` on."""
    lanes = lanes_of(value)
    if width == lanes:
        return value
    if width == 1:
        return builder.extract(value, start)
    return builder.shuffle(value, value, range(start, start + width))


def recut(builder: Builder, pieces: Sequence[SSAValue], widths: Sequence[int]) -> list[SSAValue]:
    """The same elements in pieces of other widths."""
    if [lanes_of(piece) for piece in pieces] == list(widths):
        return list(pieces)
    result: list[SSAValue] = []
    remaining = list(pieces)
    taken = 0
    for width in widths:
        parts: list[SSAValue] = []
        while width:
            piece = remaining[0]
            step = min(width, lanes_of(piece) - taken)
            parts.append(slice_piece(builder, piece, taken, step))
            taken += step
            width -= step
            if taken == lanes_of(piece):
                remaining.pop(0)
                taken = 0
        result.append(concatenate(builder, parts))
    return result


def transpose_square(builder: Builder, rows: Sequence[SSAValue]) -> list[SSAValue]:
    """Transposes n vectors of n lanes, n a power of two, in log2(n) rounds of n shuffles.

    Round k exchanges the off-diagonal blocks of size k of every 2k x 2k block.
    """
    size = len(rows)
    values = list(rows)
    block = 1
    while block < size:
        top_mask = [size + lane - block if lane & block else lane for lane in range(size)]
        bottom_mask = [size + lane if lane & block else lane + block for lane in range(size)]
        for row in range(size):
            if row & block:
                continue
            top, bottom = values[row], values[row + block]
            values[row] = builder.shuffle(top, bottom, top_mask)
            values[row + block] = builder.shuffle(top, bottom, bottom_mask)
        block *= 2
    return values


def transpose_rows(
    builder: Builder, rows: Sequence[Sequence[SSAValue]], lanes: int, element: Attribute
) -> list[list[SSAValue]]:
    """Transposes a matrix given as rows of pieces; the result is cut for `lanes` as well.

    Works block by block; ragged blocks are padded with lanes of unknown contents.
    """
    row_widths = piece_widths(len(rows), lanes)
    result: list[list[SSAValue]] = [[] for _ in range(sum(lanes_of(piece) for piece in rows[0]))]
    row_start = 0
    for row_width in row_widths:
        column_start = 0
        for column, sample in enumerate(rows[0]):
            width = lanes_of(sample)
            size = max(row_width, width)
            block = [widen(builder, row[column], size) for row in rows[row_start : row_start + row_width]]
            padding = [builder.poison(vector_type(element, size))] * (size - row_width)
            transposed = transpose_square(builder, [*block, *padding]) if size > 1 else block
            for position in range(width):
                piece = slice_piece(builder, transposed[position], 0, row_width)
                result[column_start + position].append(piece)
            column_start += width
        row_start += row_width
    return result


def map_pieces(
    operands: Sequence[CutVector], element: Attribute, function: Callable[..., SSAValue], cut: Cut | None = None
) -> CutVector:
    """A tile of `function(piece of each operand)`; equal operand pieces are computed once."""
    seen: dict[tuple[SSAValue, ...], SSAValue] = {}
    result: list[SSAValue] = []
    for pieces in zip(*(operand.pieces for operand in operands), strict=True):
        value = seen.get(pieces)
        if value is None:
            value = seen[pieces] = function(*pieces)
        result.append(value)
    return CutVector(cut or operands[0].cut, element, result)
