"""vector.transfer_read and vector.transfer_write: strided, transposed, broadcast and masked access.

Cases, by the stride of the vector's last dimension in memory:

- 1: vector loads and stores;
- 0 (broadcast): a scalar load and a splat;
- another dimension of the vector has stride 1: vector accesses along that one and a transposition in registers;
- a small constant: a few overlapping vector loads and shuffles (reads only);
- otherwise lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xdsl.dialects import vector
from xdsl.dialects.builtin import VectorType
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineMap

from .cut_vectors import Cut, CutVector, cut_of, slice_piece, transpose_rows
from .index import ZERO, SymbolicIndex
from .memory import (
    assemble,
    load_piece,
    load_piece_masked,
    load_strided,
    store_piece,
    store_piece_masked,
    store_strided,
)
from .state import Handler, State, View, element_bytes, fail, llvm_element

_LARGEST_SHUFFLED_STRIDE = 4


@dataclass(frozen=True, slots=True)
class Access:
    """Where the elements of a vector lie: start of the view plus a stride for each vector dimension (0: broadcast)."""

    view: View
    start: tuple[SymbolicIndex, ...]
    strides: tuple[SymbolicIndex, ...]
    cut: Cut

    def pointer(self, state: State, position: Sequence[int]) -> SSAValue:
        """The address of the element at `position` in the vector."""
        advance = ZERO
        for digit, stride in zip(position, self.strides, strict=True):
            advance = state.index.add(advance, stride, digit)
        return state.element_pointer(self.view, self.start, advance)

    def unit_dimension(self) -> int | None:
        """A dimension other than the last along which elements are consecutive."""
        for dimension, stride in enumerate(self.strides[:-1]):
            if stride.is_constant and stride.constant == 1 and self.cut.shape[dimension] > 1:
                return dimension
        return None

    def swapped(self, dimension: int, lanes: int) -> Access:
        """The access with `dimension` and the last dimension exchanged."""
        return replace(
            self,
            strides=_swap(self.strides, dimension),
            cut=cut_of(_swap(self.cut.shape, dimension), lanes),
        )


def _swap(items: tuple, dimension: int) -> tuple:
    swapped = list(items)
    swapped[dimension], swapped[-1] = swapped[-1], swapped[dimension]
    return tuple(swapped)


def _source_dimensions(op: Operation, permutation: AffineMap) -> list[int | None]:
    """For each vector dimension the dimension of memory it runs along, `None` for a broadcast."""
    result: list[int | None] = []
    for expression in permutation.results:
        if isinstance(expression, AffineDimExpr):
            result.append(expression.position)
        elif isinstance(expression, AffineConstantExpr) and expression.value == 0:
            result.append(None)
        else:
            raise fail(op, f"permutation map {permutation} holds more than dimensions and zeros")
    return result


def _access(
    state: State, op: vector.TransferReadOp | vector.TransferWriteOp, shape: tuple[int, ...]
) -> tuple[Access, list[int | None]]:
    if not all(bool(flag.value.data) for flag in op.in_bounds):
        raise fail(op, "every dimension must be in bounds: mask the transfer instead")
    sources = _source_dimensions(op, op.permutation_map.data)
    if len(sources) != len(shape):
        raise fail(op, f"the permutation map has {len(sources)} results for a vector of rank {len(shape)}")
    view = state.view(op.source)
    strides = tuple(ZERO if source is None else view.strides[source] for source in sources)
    access = Access(view, tuple(state.indices(op.indices)), strides, cut_of(shape, state.target.lanes))
    return access, sources


@dataclass(frozen=True, slots=True)
class Mask:
    """The mask of a transfer, whose dimensions are in memory's order, seen in the vector's order."""

    tile: CutVector
    order: tuple[int, ...]
    """For each dimension of the mask the dimension of the vector."""

    def piece(self, state: State, position: tuple[int, ...], start: int, width: int) -> SSAValue:
        """The mask bits for `width` lanes from `start` on in the row at `position`."""
        last = len(position)
        if last not in self.order:
            bit = self._lane(state, (*position, 0))
            return state.builder.splat(bit, width)
        if self.order[-1] == last:
            own = tuple(position[dimension] for dimension in self.order[:-1])
            cut = self.tile.cut
            if start in cut.starts and cut.widths[cut.starts.index(start)] >= width:
                piece = self.tile.row(cut.row_number(own))[cut.starts.index(start)]
                return slice_piece(state.builder, piece, 0, width)
        return assemble(state.builder, [self._lane(state, (*position, start + lane)) for lane in range(width)])

    def swapped(self, first: int, second: int) -> Mask:
        """The mask of the vector with two dimensions exchanged."""
        exchanged = {first: second, second: first}
        return replace(self, order=tuple(exchanged.get(dimension, dimension) for dimension in self.order))

    def _lane(self, state: State, position: tuple[int, ...]) -> SSAValue:
        own = tuple(position[dimension] for dimension in self.order)
        cut = self.tile.cut
        row = self.tile.row(cut.row_number(own[:-1]))
        column = max(number for number, start in enumerate(cut.starts) if start <= own[-1])
        return state.builder.extract(row[column], own[-1] - cut.starts[column])


def _mask(state: State, mask: SSAValue | None, sources: Sequence[int | None]) -> Mask | None:
    if mask is None:
        return None
    used = sorted((source, dimension) for dimension, source in enumerate(sources) if source is not None)
    return Mask(state.tile(mask), tuple(dimension for _, dimension in used))


def _lane_pointers(state: State, access: Access, position: tuple[int, ...], start: int, width: int) -> list[SSAValue]:
    return [access.pointer(state, (*position, start + lane)) for lane in range(width)]


# --- reading


def lower_transfer_read(state: State, op: Operation) -> None:
    """Reads a tile; see the cases above."""
    assert isinstance(op, vector.TransferReadOp)
    result_type = op.result.type
    assert isinstance(result_type, VectorType)
    access, sources = _access(state, op, result_type.get_shape())
    mask = _mask(state, op.mask, sources)
    stride = access.strides[-1]
    consecutive = access.cut.shape[-1] == 1 or (stride.is_constant and stride.constant in (0, 1))
    unit = access.unit_dimension()
    padding = state.scalar(op.padding)
    if not consecutive and unit is not None:
        state.bind(op.result, _read_transposed(state, access, unit, mask, padding))
        return
    state.bind(op.result, _read_rows(state, access, mask, padding))


def _read_rows(state: State, access: Access, mask: Mask | None, padding: SSAValue) -> list[SSAValue]:
    pieces: list[SSAValue] = []
    cut = access.cut
    for position in cut.row_positions:
        for start, width in zip(cut.starts, cut.widths, strict=True):
            bits = None if mask is None else mask.piece(state, position, start, width)
            pieces.append(_read_piece(state, access, (*position, start), width, bits, padding))
    return pieces


def _read_piece(
    state: State, access: Access, position: tuple[int, ...], width: int, mask: SSAValue | None, padding: SSAValue
) -> SSAValue:
    stride = access.strides[-1]
    element = access.view.element
    builder = state.builder
    otherwise = builder.splat(padding, width)
    step = stride.constant if stride.is_constant else None
    if width == 1 or step == 1:
        pointer = access.pointer(state, position)
        if mask is None:
            return load_piece(state, pointer, element, width)
        return load_piece_masked(state, pointer, element, mask, otherwise)
    if step == 0:
        loaded = builder.splat(load_piece(state, access.pointer(state, position), element, 1), width)
        return loaded if mask is None else builder.select(mask, loaded, otherwise)
    if mask is None and step is not None and 1 < step <= _LARGEST_SHUFFLED_STRIDE and width == state.target.lanes:
        return _read_small_stride(state, access, position, width, step)
    pointers = _lane_pointers(state, access, position[:-1], position[-1], width)
    return load_strided(state, pointers, element, mask, otherwise)


def _read_small_stride(state: State, access: Access, position: tuple[int, ...], width: int, step: int) -> SSAValue:
    """Every `step`-th element from `step` loads of `width`, the last one ending at the last element wanted."""
    span = step * (width - 1) + 1
    starts = [number * width for number in range(step - 1)] + [span - width]
    first = access.pointer(state, position)
    element = access.view.element
    size = element_bytes(element)
    loads = [load_piece(state, state.builder.advance_pointer(first, start * size), element, width) for start in starts]
    result = loads[0]
    # Lane i comes from element i * step; lanes not yet reached are left unspecified and filled by a later load.
    mask = [lane * step if lane * step < width else -1 for lane in range(width)]
    for number in range(1, step):
        start = starts[number]
        covered_before = starts[number - 1] + width if number > 1 else width
        next_mask: list[int] = []
        for lane in range(width):
            wanted = lane * step
            if wanted < covered_before:
                next_mask.append(mask[lane] if number == 1 else lane)
            elif start <= wanted < start + width:
                next_mask.append(width + wanted - start)
            else:
                next_mask.append(-1)
        result = state.builder.shuffle(result, loads[number], next_mask)
    return result


def _read_transposed(state: State, access: Access, unit: int, mask: Mask | None, padding: SSAValue) -> list[SSAValue]:
    """Reads along the dimension of stride 1 and transposes in registers."""
    lanes = state.target.lanes
    swapped = access.swapped(unit, lanes)
    pieces = _read_rows(state, swapped, None if mask is None else mask.swapped(unit, len(swapped.strides) - 1), padding)
    tile = CutVector(swapped.cut, llvm_element(access.view.element), pieces)
    return transpose_dimension(state, tile, unit)


def transpose_dimension(state: State, tile: CutVector, dimension: int) -> list[SSAValue]:
    """The pieces of the tile with `dimension` and the last dimension exchanged."""
    lanes = state.target.lanes
    source, target = tile.cut, cut_of(_swap(tile.cut.shape, dimension), lanes)
    columns = len(target.widths)
    result: list[SSAValue | None] = [None] * (target.rows * columns)
    for position in source.row_positions:
        if position[dimension] != 0:
            continue
        rows = [
            tile.row(source.row_number((*position[:dimension], digit, *position[dimension + 1 :])))
            for digit in range(source.shape[dimension])
        ]
        for digit, row in enumerate(transpose_rows(state.builder, rows, lanes, tile.element)):
            number = target.row_number((*position[:dimension], digit, *position[dimension + 1 :]))
            result[number * columns : (number + 1) * columns] = row
    return [piece for piece in result if piece is not None]


# --- writing


def lower_transfer_write(state: State, op: Operation) -> None:
    """Writes a tile; see the cases above."""
    assert isinstance(op, vector.TransferWriteOp)
    tile = state.tile(op.vector)
    access, sources = _access(state, op, tile.shape)
    if None in sources:
        raise fail(op, "a write cannot broadcast")
    mask = _mask(state, op.mask, sources)
    stride = access.strides[-1]
    consecutive = tile.shape[-1] == 1 or (stride.is_constant and stride.constant == 1)
    unit = access.unit_dimension()
    if not consecutive and unit is not None:
        swapped = access.swapped(unit, state.target.lanes)
        swapped_mask = None if mask is None else mask.swapped(unit, len(access.strides) - 1)
        _write_rows(state, swapped, transpose_dimension(state, tile, unit), swapped_mask)
        return
    _write_rows(state, access, tile.pieces, mask)


def _write_rows(state: State, access: Access, pieces: Sequence[SSAValue], mask: Mask | None) -> None:
    remaining = iter(pieces)
    cut = access.cut
    for position in cut.row_positions:
        for start, width in zip(cut.starts, cut.widths, strict=True):
            bits = None if mask is None else mask.piece(state, position, start, width)
            _write_piece(state, access, (*position, start), next(remaining), bits)


def _write_piece(
    state: State, access: Access, position: tuple[int, ...], piece: SSAValue, mask: SSAValue | None
) -> None:
    element = access.view.element
    stride = access.strides[-1]
    width = piece.type.get_shape()[0] if isinstance(piece.type, VectorType) else 1
    if width == 1 or (stride.is_constant and stride.constant == 1):
        pointer = access.pointer(state, position)
        if mask is None:
            store_piece(state, piece, pointer, element)
        else:
            store_piece_masked(state, piece, pointer, element, mask)
        return
    pointers = _lane_pointers(state, access, position[:-1], position[-1], width)
    store_strided(state, piece, pointers, element, mask)


HANDLERS: dict[type[Operation], Handler] = {
    vector.TransferReadOp: lower_transfer_read,
    vector.TransferWriteOp: lower_transfer_write,
}
