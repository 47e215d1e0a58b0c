"""Broadcasts, extractions and masks of n-D vectors."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import llvm, vector
from xdsl.dialects.builtin import IntegerType, VectorType, i1, i32
from xdsl.ir import Operation, SSAValue

from .builder import vector_type
from .contractions import word_of
from .cut_vectors import CutVector, cut_of, lanes_of, recut
from .state import Handler, State, fail, llvm_element


def lower_broadcast(state: State, op: Operation) -> None:
    """vector.broadcast: a scalar, a row or a column into a tile; registers are shared, not copied."""
    assert isinstance(op, vector.BroadcastOp)
    result_type = op.vector.type
    assert isinstance(result_type, VectorType)
    cut = cut_of(result_type.get_shape(), state.target.lanes)
    element = llvm_element(result_type.element_type)
    if not isinstance(op.source.type, VectorType):
        scalar = state.scalar(op.source)
        row = [state.builder.splat(scalar, width) for width in cut.widths]
        state.values[op.vector] = CutVector(cut, element, row * cut.rows)
        return
    source = state.tile(op.source)
    shape = (1,) * (len(cut.shape) - len(source.shape)) + source.shape
    source_cut = cut_of(shape, state.target.lanes)
    if any(size not in (1, wanted) for size, wanted in zip(shape, cut.shape, strict=True)):
        raise fail(op, f"{op.source.type} does not broadcast to {result_type}")
    pieces: list[SSAValue] = []
    for position in cut.row_positions:
        own = tuple(0 if size == 1 else digit for size, digit in zip(shape, position))
        row = source.row(source_cut.row_number(own))
        if shape[-1] == 1 and cut.shape[-1] != 1:
            row = [state.builder.splat(row[0], width) for width in cut.widths]
        pieces.extend(row)
    state.values[op.vector] = CutVector(cut, element, pieces)


def _static_positions(op: vector.ExtractOp | vector.InsertOp) -> list[int]:
    if op.dynamic_position:
        raise fail(op, "the position must be static: registers have no address")
    return [int(position) for position in op.static_position.get_values()]


def _row_range(tile: CutVector, positions: Sequence[int]) -> tuple[int, int]:
    """The range of rows below a leading position."""
    shape = tile.shape[:-1]
    padded = (*positions, *(0 for _ in shape[len(positions) :]))
    count = 1
    for size in shape[len(positions) :]:
        count *= size
    start = tile.cut.row_number(padded)
    return start, start + count


def lower_extract(state: State, op: Operation) -> None:
    """vector.extract at a static position, leading or full."""
    assert isinstance(op, vector.ExtractOp)
    tile = state.tile(op.vector)
    positions = _static_positions(op)
    columns = len(tile.cut.widths)
    if len(positions) < len(tile.shape):
        first, last = _row_range(tile, positions)
        state.bind(op.result, tile.pieces[first * columns : last * columns])
        return
    row = tile.row(tile.cut.row_number(positions[:-1]))
    column = max(number for number, start in enumerate(tile.cut.starts) if start <= positions[-1])
    state.bind(op.result, [state.builder.extract(row[column], positions[-1] - tile.cut.starts[column])])


def lower_insert(state: State, op: Operation) -> None:
    """vector.insert at a static position, leading or full."""
    assert isinstance(op, vector.InsertOp)
    tile = state.tile(op.dest)
    positions = _static_positions(op)
    columns = len(tile.cut.widths)
    pieces = list(tile.pieces)
    if len(positions) < len(tile.shape):
        first, last = _row_range(tile, positions)
        pieces[first * columns : last * columns] = state.flatten(op.source)
        state.bind(op.result, pieces)
        return
    row = tile.cut.row_number(positions[:-1])
    column = max(number for number, start in enumerate(tile.cut.starts) if start <= positions[-1])
    number = row * columns + column
    scalar = state.scalar(op.source)
    if lanes_of(pieces[number]) == 1:
        pieces[number] = scalar
    else:
        pieces[number] = state.builder.insert(scalar, pieces[number], positions[-1] - tile.cut.starts[column])
    state.bind(op.result, pieces)


def lower_shuffle(state: State, op: Operation) -> None:
    """vector.shuffle: rows of n-D vectors are renamed, lanes of 1-D vectors are shuffled."""
    assert isinstance(op, vector.ShuffleOp)
    first, second = state.tile(op.v1), state.tile(op.v2)
    mask = [int(lane) for lane in op.mask.get_values()]
    if len(first.shape) > 1:
        rows = [first.pieces[slice(*_piece_range(first, lane))] for lane in range(first.shape[0])]
        rows += [second.pieces[slice(*_piece_range(second, lane))] for lane in range(second.shape[0])]
        state.bind(op.result, [piece for lane in mask for piece in rows[max(lane, 0)]])
        return
    lanes = state.target.lanes
    pieces: list[SSAValue] = []
    for start, width in zip(cut_of((len(mask),), lanes).starts, cut_of((len(mask),), lanes).widths, strict=True):
        pieces.append(_shuffle_piece(state, first, second, mask[start : start + width]))
    state.bind(op.result, pieces)


def _piece_range(tile: CutVector, position: int) -> tuple[int, int]:
    first, last = _row_range(tile, [position])
    columns = len(tile.cut.widths)
    return first * columns, last * columns


def _shuffle_piece(state: State, first: CutVector, second: CutVector, mask: Sequence[int]) -> SSAValue:
    """One result piece: from at most two pieces by one shuffle, else lane by lane."""
    sources: list[tuple[SSAValue, int]] = []
    for lane in mask:
        tile, position = (first, lane) if lane < first.shape[0] else (second, lane - first.shape[0])
        if lane < 0:
            tile, position = first, 0
        column = max(number for number, start in enumerate(tile.cut.starts) if start <= position)
        sources.append((tile.pieces[column], position - tile.cut.starts[column]))
    distinct = list(dict.fromkeys(piece for piece, _ in sources))
    same_width = len({lanes_of(piece) for piece in distinct}) == 1
    if len(distinct) <= 2 and same_width and lanes_of(distinct[0]) > 1:
        width = lanes_of(distinct[0])
        lanes = [
            -1 if wanted < 0 else distinct.index(piece) * width + lane for wanted, (piece, lane) in zip(mask, sources)
        ]
        return state.builder.shuffle(distinct[0], distinct[-1], lanes)
    scalars = [state.builder.extract(piece, lane) for piece, lane in sources]
    if len(scalars) == 1:
        return scalars[0]
    result = state.builder.poison(vector_type(scalars[0].type, len(scalars)))
    for lane, scalar in enumerate(scalars):
        result = state.builder.insert(scalar, result, lane)
    return result


def lower_create_mask(state: State, op: Operation) -> None:
    """vector.create_mask: lane `[i, j]` is on where `i < rows` and `j < columns`.

    Pieces that are known to be all on or all off become constants, so that their loads and stores need no mask.
    """
    assert isinstance(op, vector.CreateMaskOp)
    mask_type = op.mask_vector.type
    assert isinstance(mask_type, VectorType)
    cut = cut_of(mask_type.get_shape(), state.target.lanes)
    bounds = state.indices(op.mask_dim_sizes)
    builder = state.builder
    last = bounds[-1]
    pieces: list[SSAValue] = []
    for position in cut.row_positions:
        active = last
        condition: SSAValue | None = None
        for digit, bound in zip(position, bounds):
            if bound.is_constant:
                if digit >= bound.constant:
                    active = None
                    break
                continue
            inside = builder.icmp("sgt", state.index.materialise(bound), builder.constant(digit, _I64))
            condition = inside if condition is None else builder.int_binary(llvm.AndOp, condition, inside)
        for start, width in zip(cut.starts, cut.widths, strict=True):
            if active is None:
                pieces.append(builder.constant(0, i1, width))
                continue
            pieces.append(_mask_piece(state, active, condition, start, width, cut.shape[-1]))
    state.values[op.mask_vector] = CutVector(cut, i1, pieces)


_I64 = IntegerType(64)


def _mask_piece(state: State, bound, condition: SSAValue | None, start: int, width: int, length: int) -> SSAValue:
    """Lanes `start ...` of a row that is on below `bound` if `condition` holds."""
    builder = state.builder
    if bound.is_constant:
        lanes = [int(start + lane < bound.constant) for lane in range(width)]
        if not any(lanes):
            return builder.constant(0, i1, width)
        if condition is None:
            return builder.constant(1, i1, width) if all(lanes) else builder.dense_constant(lanes, i1)
        if all(lanes):
            return builder.splat(condition, width)
    limit = state.index.materialise(bound)
    if condition is not None:
        limit = builder.select_once(condition, limit, builder.constant(0, _I64))
    if width == 1:
        return builder.icmp("sgt", limit, builder.constant(start, _I64))
    # Clamped before it is narrowed, so that no bound wraps around.
    clamped = builder.lanewise_once("smin", (limit, builder.constant(length, _I64)))
    narrow = builder.cast(llvm.TruncOp, clamped, i32)
    numbers = builder.dense_constant(range(start, start + width), i32)
    return builder.icmp("slt", numbers, builder.splat(narrow, width))


def lower_vector_bitcast(state: State, op: Operation) -> None:
    """vector.bitcast: the same bits as elements of another width, row by row."""
    assert isinstance(op, vector.BitcastOp)
    source = state.tile(op.source)
    result_type = op.result.type
    assert isinstance(result_type, VectorType)
    if word_of(op.result) is not None:  # Words, of which the source has one in each element.
        state.values[op.result] = CutVector(
            cut_of(source.shape[:-1], state.target.lanes), source.element, source.pieces
        )
        return
    cut = cut_of(result_type.get_shape(), state.target.lanes)
    element = llvm_element(result_type.element_type)
    source_bits, result_bits = source.element.bitwidth, element.bitwidth  # pyright: ignore[reportAttributeAccessIssue]
    pieces: list[SSAValue] = []
    for row in range(cut.rows):
        if source_bits == result_bits:
            pieces.extend(state.builder.cast(llvm.BitcastOp, piece, element) for piece in source.row(row))
            continue
        pieces.extend(_bitcast_row(state, source.row(row), cut.widths, element, source_bits, result_bits))
    state.bind(op.result, pieces)


def _bitcast_row(state: State, row, widths, element, source_bits: int, result_bits: int) -> list[SSAValue]:
    """Cuts the row at places where both widths meet, reinterprets each part and cuts again."""
    if source_bits > result_bits:
        parts = row
    else:
        parts = recut(state.builder, row, [width * result_bits // source_bits for width in widths])
    cast = [
        state.builder.emit_once(
            llvm.BitcastOp, (part,), vector_type(element, lanes_of(part) * source_bits // result_bits)
        )
        for part in parts
    ]
    return recut(state.builder, cast, widths)


HANDLERS: dict[type[Operation], Handler] = {
    vector.BroadcastOp: lower_broadcast,
    vector.ExtractOp: lower_extract,
    vector.InsertOp: lower_insert,
    vector.ShuffleOp: lower_shuffle,
    vector.CreateMaskOp: lower_create_mask,
    vector.BitcastOp: lower_vector_bitcast,
}
