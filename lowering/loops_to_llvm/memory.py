"""Views, scalar and vector accesses to memory."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import llvm, memref, vector
from xdsl.dialects.builtin import DYNAMIC_INDEX, DenseArrayBase, IntegerType, MemRefType, VectorType, i1, i8
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import llvm_extension as llvmx
from ...dialects import vector_extension as vectorx
from ...dialects.prefetch import PrefetchOp
from .builder import Builder, type_suffix, vector_type
from .contractions import word_of
from .cut_vectors import CutVector, cut_of, lanes_of
from .index import ZERO, SymbolicIndex
from .state import Handler, State, View, element_bytes, fail, identity_strides, llvm_element, memory_element

_STACK_ALIGNMENT = 64


# --- one piece


def load_piece(state: State, pointer: SSAValue, element: Attribute, lanes: int) -> SSAValue:
    """Reads `lanes` consecutive elements; booleans are bytes in memory."""
    size = element_bytes(element)
    if element != i1:
        return state.builder.load(pointer, vector_type(llvm_element(element), lanes), size)
    stored = state.builder.load(pointer, vector_type(i8, lanes), 1)
    return state.builder.icmp("ne", stored, state.builder.constant(0, i8, lanes))


def store_piece(
    state: State, value: SSAValue, pointer: SSAValue, element: Attribute, nontemporal: bool = False
) -> None:
    """Writes consecutive elements."""
    if element == i1:
        value = state.builder.cast(llvm.ZExtOp, value, i8)
    state.builder.store(value, pointer, element_bytes(element), nontemporal)


def load_piece_masked(
    state: State, pointer: SSAValue, element: Attribute, mask: SSAValue, otherwise: SSAValue
) -> SSAValue:
    """Reads the lanes where the mask is set, touching no other memory; `otherwise` fills the rest."""
    builder = state.builder
    lanes = lanes_of(otherwise)
    known = builder.known_value(mask)
    if known is not None:
        return load_piece(state, pointer, element, lanes) if known else otherwise
    if element == i1 and _has_masked_instruction(state, i8, lanes):
        stored = load_piece_masked(state, pointer, i8, mask, builder.cast(llvm.ZExtOp, otherwise, i8))
        return builder.icmp("ne", stored, builder.constant(0, i8, lanes))
    if _has_masked_instruction(state, element, lanes):
        value_type = vector_type(llvm_element(element), lanes)
        suffix = f"{type_suffix(value_type)}.p0"
        alignment = builder.constant(element_bytes(element), IntegerType(32))
        return builder.intrinsic(f"llvm.masked.load.{suffix}", (pointer, alignment, mask, otherwise), value_type)
    return _load_lanes_masked(state, _lane_pointers(builder, pointer, element, lanes), element, mask, otherwise)


def store_piece_masked(state: State, value: SSAValue, pointer: SSAValue, element: Attribute, mask: SSAValue) -> None:
    """Writes the lanes where the mask is set, touching no other memory."""
    builder = state.builder
    lanes = lanes_of(value)
    known = builder.known_value(mask)
    if known is not None:
        if known:
            store_piece(state, value, pointer, element)
        return
    lanes_on = builder.lanes_on(mask)
    if lanes_on is not None and len(lanes_on) == 1:
        # LLVM makes one store of it too, but of a narrowed number one as wide as before: beyond the end.
        (lane,) = lanes_on
        place = builder.advance_pointer(pointer, lane * element_bytes(element))
        store_piece(state, builder.extract(value, lane), place, element)
        return
    if element == i1 and _has_masked_instruction(state, i8, lanes):
        store_piece_masked(state, builder.cast(llvm.ZExtOp, value, i8), pointer, i8, mask)
        return
    if _has_masked_instruction(state, element, lanes):
        suffix = f"{type_suffix(value.type)}.p0"
        alignment = builder.constant(element_bytes(element), IntegerType(32))
        builder.intrinsic_effect(f"llvm.masked.store.{suffix}", (value, pointer, alignment, mask))
        return
    _store_lanes_masked(state, value, _lane_pointers(builder, pointer, element, lanes), element, mask)


def _has_masked_instruction(state: State, element: Attribute, lanes: int) -> bool:
    if lanes == 1 or element == i1:
        return False
    if state.target.has_masks:
        return True
    return state.target.masked_memory and element_bytes(element) in (4, 8)


def _lane_pointers(builder: Builder, pointer: SSAValue, element: Attribute, lanes: int) -> list[SSAValue]:
    size = element_bytes(element)
    return [builder.advance_pointer(pointer, lane * size) for lane in range(lanes)]


def _spare_slot(state: State) -> SSAValue:
    """A place on the stack where lanes that are switched off may read and write."""
    key = ("spare slot",)
    slot = state.builder.reuse(key)
    if slot is None:
        slot = state.builder.remember_everywhere(key, state.builder.allocate(IntegerType(64), 1, 8))
    return slot


def _guarded(state: State, mask: SSAValue, lane: int, pointer: SSAValue) -> SSAValue:
    """The pointer where the lane is on, else the spare slot: a branch-free guard."""
    bit = state.builder.extract(mask, lane)
    return state.builder.select(bit, pointer, _spare_slot(state))


def _load_lanes_masked(
    state: State, pointers: Sequence[SSAValue], element: Attribute, mask: SSAValue, otherwise: SSAValue
) -> SSAValue:
    loaded = [
        load_piece(state, _guarded(state, mask, lane, pointer), element, 1) for lane, pointer in enumerate(pointers)
    ]
    return state.builder.select(mask, assemble(state.builder, loaded), otherwise)


def _store_lanes_masked(
    state: State, value: SSAValue, pointers: Sequence[SSAValue], element: Attribute, mask: SSAValue
) -> None:
    for lane, pointer in enumerate(pointers):
        store_piece(state, state.builder.extract(value, lane), _guarded(state, mask, lane, pointer), element)


def assemble(builder: Builder, scalars: Sequence[SSAValue]) -> SSAValue:
    """A piece from its lanes."""
    if len(scalars) == 1:
        return scalars[0]
    if all(scalar is scalars[0] for scalar in scalars):
        return builder.splat(scalars[0], len(scalars))
    result = builder.poison(vector_type(scalars[0].type, len(scalars)))
    for lane, scalar in enumerate(scalars):
        result = builder.insert(scalar, result, lane)
    return result


def load_strided(
    state: State, pointers: Sequence[SSAValue], element: Attribute, mask: SSAValue | None, otherwise: SSAValue
) -> SSAValue:
    """Reads lanes that lie apart, one by one: on most machines no slower than a gather instruction."""
    known = None if mask is None else state.builder.known_value(mask)
    if mask is None or known:
        return assemble(state.builder, [load_piece(state, pointer, element, 1) for pointer in pointers])
    if known is not None:
        return otherwise
    return _load_lanes_masked(state, pointers, element, mask, otherwise)


def store_strided(
    state: State, value: SSAValue, pointers: Sequence[SSAValue], element: Attribute, mask: SSAValue | None
) -> None:
    """Writes lanes that lie apart."""
    known = None if mask is None else state.builder.known_value(mask)
    if mask is None or known:
        for lane, pointer in enumerate(pointers):
            store_piece(state, state.builder.extract(value, lane), pointer, element)
    elif known is None:
        _store_lanes_masked(state, value, pointers, element, mask)


# --- views


def _mixed(state: State, static: DenseArrayBase, dynamic: Sequence[SSAValue]) -> list[SymbolicIndex]:
    """A list of numbers and values as the ops of memref keep it."""
    remaining = iter(dynamic)
    return [
        state.index_of(next(remaining)) if number == DYNAMIC_INDEX else SymbolicIndex(int(number))
        for number in static.get_values()  # pyright: ignore[reportAttributeAccessIssue]
    ]


def lower_reinterpret_cast(state: State, op: Operation) -> None:
    """A window on a flat buffer."""
    assert isinstance(op, memref.ReinterpretCastOp)
    source = state.view(op.source)
    offsets = _mixed(state, op.static_offsets, op.offsets)
    strides = _mixed(state, op.static_strides, op.strides)
    if len(offsets) != 1:
        raise fail(op, f"expected one offset, got {len(offsets)}")
    # The offset counts from the start of the buffer, whatever window the source is.
    state.values[op.result] = View(source.pointer, source.element, offsets[0], tuple(strides))


def lower_subview(state: State, op: Operation) -> None:
    """A window in a window."""
    assert isinstance(op, memref.SubviewOp)
    source = state.view(op.source)
    offsets = _mixed(state, op.static_offsets, op.offsets)
    steps = _mixed(state, op.static_strides, op.strides)
    offset = source.offset
    for position, stride in zip(offsets, source.strides, strict=True):
        offset = state.index.add(offset, state.index.multiply(position, stride))
    strides = [state.index.multiply(step, stride) for step, stride in zip(steps, source.strides, strict=True)]
    result_type = op.result.type
    assert isinstance(result_type, MemRefType)
    if result_type.get_num_dims() != len(strides):
        raise fail(op, "a subview that drops dimensions is not supported: use memref.reinterpret_cast")
    state.values[op.result] = View(source.pointer, source.element, offset, tuple(strides))


def lower_byte_view(state: State, op: Operation) -> None:
    """memref.view: a typed buffer inside a buffer of bytes; one dimension."""
    assert isinstance(op, memref.ViewOp)
    source = state.view(op.source)
    (shift,) = state.indices([op.byte_shift])
    result_type = op.result.type
    assert isinstance(result_type, MemRefType)
    if result_type.get_num_dims() != 1:
        raise fail(op, "only flat buffers are made of bytes: use memref.reinterpret_cast for more dimensions")
    pointer = state.element_pointer(source, [shift])
    state.values[op.result] = View(pointer, result_type.element_type, ZERO, (SymbolicIndex(1),))


def lower_pointer_as_index(state: State, op: Operation) -> None:
    """memref.extract_aligned_pointer_as_index: the address of a buffer's first byte."""
    assert isinstance(op, memref.ExtractAlignedPointerAsIndexOp)
    address = state.builder.emit_once(llvm.PtrToIntOp, (state.view(op.source).pointer,), IntegerType(64))
    state.bind(op.aligned_pointer, [address])


def lower_memref_cast(state: State, op: Operation) -> None:
    """The same window under another type."""
    state.values[op.results[0]] = state.view(op.operands[0])


def lower_alloca(state: State, op: Operation) -> None:
    """Scratch on the stack, made once on entry."""
    assert isinstance(op, memref.AllocaOp)
    memref_type = op.memref.type
    assert isinstance(memref_type, MemRefType)
    if op.dynamic_sizes:
        raise fail(op, f"scratch must have a static size, got {memref_type}")
    count = 1
    for size in memref_type.get_shape():
        count *= size
    element = memref_type.element_type
    pointer = state.builder.allocate(memory_element(element), count, _STACK_ALIGNMENT)
    state.values[op.memref] = View(pointer, element, ZERO, identity_strides(memref_type))


# --- loads and stores of whole tiles


def lower_load(state: State, op: Operation) -> None:
    """memref.load: one element."""
    assert isinstance(op, memref.LoadOp)
    view = state.view(op.memref)
    pointer = state.element_pointer(view, state.indices(op.indices))
    state.bind(op.res, [load_piece(state, pointer, view.element, 1)])


def lower_store(state: State, op: Operation) -> None:
    """memref.store: one element."""
    assert isinstance(op, memref.StoreOp)
    view = state.view(op.memref)
    pointer = state.element_pointer(view, state.indices(op.indices))
    store_piece(state, state.scalar(op.value), pointer, view.element)


def lower_prefetch(state: State, op: Operation) -> None:
    """memref.prefetch: a hint, which changes no value."""
    assert isinstance(op, PrefetchOp)
    pointer = state.element_pointer(state.view(op.memref), state.indices(op.indices))
    hints = (int(bool(op.is_write)), op.locality.value.data, int(bool(op.is_data)))
    constants = [state.builder.constant(hint, IntegerType(32)) for hint in hints]
    state.builder.intrinsic_effect("llvm.prefetch.p0", (pointer, *constants))


def _row_pointers(
    state: State, op: Operation, view: View, indices: Sequence[SSAValue], shape: tuple[int, ...], word: int = 1
) -> list[list[SSAValue]]:
    """For every row of a tile the pointers to its pieces; the tile covers the view's last dimensions.

    Its elements are words of so many of the view; these lie along a last dimension that ``shape`` then lacks.
    """
    cut = cut_of(shape, state.target.lanes)
    strides = view.strides if word == 1 else view.strides[:-1]
    strides = strides[len(strides) - len(shape) :]
    if len(strides) < len(shape):
        raise fail(op, f"a vector of rank {len(shape)} does not fit a memref of rank {len(view.strides)}")
    if shape[-1] > 1 and not (strides[-1].is_constant and strides[-1].constant == word):
        if word > 1:
            raise fail(op, "the columns of an atom must lie side by side")
        raise fail(op, "the innermost stride must be 1: use vector.transfer_read or vector.transfer_write")
    start = state.indices(indices)
    result: list[list[SSAValue]] = []
    for position in cut.row_positions:
        advance = ZERO
        for digit, stride in zip(position, strides):
            advance = state.index.add(advance, stride, digit)
        result.append(
            [
                state.element_pointer(view, start, state.index.add(advance, SymbolicIndex(piece_start * word)))
                for piece_start in cut.starts
            ]
        )
    return result


def lower_vector_load(state: State, op: Operation) -> None:
    """vector.load: consecutive elements, row by row."""
    assert isinstance(op, vector.LoadOp)
    view = state.view(op.base)
    vector_of = op.result.type
    assert isinstance(vector_of, VectorType)
    word = word_of(op.result)
    if word is not None:
        state.values[op.result] = _load_words(state, op, view, word)
        return
    cut = cut_of(vector_of.get_shape(), state.target.lanes)
    rows = _row_pointers(state, op, view, op.indices, vector_of.get_shape())
    pieces = [
        load_piece(state, pointer, view.element, width)
        for row in rows
        for pointer, width in zip(row, cut.widths, strict=True)
    ]
    state.bind(op.result, pieces)


def _load_words(state: State, op: vector.LoadOp, view: View, word: IntegerType) -> CutVector:
    """What lies along the last dimension as one word each; words side by side are read together."""
    shape = op.result.type.get_shape()  # pyright: ignore[reportAttributeAccessIssue]
    last = view.strides[-1]
    if not (last.is_constant and last.constant == 1):
        raise fail(op, "what an atom takes side by side must lie side by side")
    cut = cut_of(shape[:-1], state.target.lanes)
    pieces = [
        state.builder.load(pointer, vector_type(word, width), element_bytes(view.element))
        for row in _row_pointers(state, op, view, op.indices, shape[:-1], shape[-1])
        for pointer, width in zip(row, cut.widths, strict=True)
    ]
    return CutVector(cut, word, pieces)


def lower_vector_store(state: State, op: Operation) -> None:
    """vector.store: consecutive elements, row by row."""
    assert isinstance(op, vector.StoreOp)
    view = state.view(op.base)
    tile = state.tile(op.vector)
    nontemporal = op.nontemporal is not None and bool(op.nontemporal.value.data)
    rows = _row_pointers(state, op, view, op.indices, tile.shape)
    for row_number, row in enumerate(rows):
        for piece, pointer in zip(tile.row(row_number), row, strict=True):
            store_piece(state, piece, pointer, view.element, nontemporal)


def lower_masked_load(state: State, op: Operation) -> None:
    """vector.maskedload: consecutive elements, those that are masked off come from the pass-through vector."""
    assert isinstance(op, vector.MaskedLoadOp)
    view = state.view(op.base)
    mask, otherwise = state.tile(op.mask), state.tile(op.pass_thru)
    rows = _row_pointers(state, op, view, op.indices, otherwise.shape)
    pointers = [pointer for row in rows for pointer in row]
    pieces = [
        load_piece_masked(state, pointer, view.element, bits, rest)
        for pointer, bits, rest in zip(pointers, mask.pieces, otherwise.pieces, strict=True)
    ]
    state.bind(op.result, pieces)


def lower_masked_store(state: State, op: Operation) -> None:
    """vector.maskedstore: consecutive elements, those that are masked off keep what memory holds."""
    assert isinstance(op, vector.MaskedStoreOp)
    view = state.view(op.base)
    mask, tile = state.tile(op.mask), state.tile(op.value_to_store)
    rows = _row_pointers(state, op, view, op.indices, tile.shape)
    pointers = [pointer for row in rows for pointer in row]
    for pointer, bits, piece in zip(pointers, mask.pieces, tile.pieces, strict=True):
        store_piece_masked(state, piece, pointer, view.element, bits)


def lower_gather(state: State, op: Operation) -> None:
    """vectorx.gather: elements at places of their own, by one instruction where the machine has it."""
    assert isinstance(op, vectorx.GatherOp)
    view = state.view(op.base)
    (stride,) = view.strides
    if not (stride.is_constant and stride.constant == 1) or view.element == i1:
        raise fail(op, "only numbers that lie side by side are gathered")
    start = state.pointer_of(view)
    state.bind(op.result, [_gathered(state, start, view.element, places) for places in state.tile(op.places).pieces])


def _gathered(state: State, start: SSAValue, element: Attribute, places: SSAValue) -> SSAValue:
    builder, lanes = state.builder, lanes_of(places)
    if lanes == 1:
        count = builder.cast(llvm.SExtOp, places, IntegerType(64)) if places.type != IntegerType(64) else places
        return load_piece(state, builder.offset_pointer(start, count, element), element, 1)
    result = vector_type(llvm_element(element), lanes)
    pointers = llvmx.ElementPointersOp(start, places, llvm_element(element))
    builder.block.add_op(pointers)
    alignment = builder.constant(element_bytes(element), IntegerType(32))
    operands = (pointers.result, alignment, builder.constant(1, i1, lanes), builder.poison(result))
    return builder.intrinsic(f"llvm.masked.gather.{type_suffix(result)}.v{lanes}p0", operands, result)


HANDLERS: dict[type[Operation], Handler] = {
    memref.ReinterpretCastOp: lower_reinterpret_cast,
    memref.SubviewOp: lower_subview,
    memref.CastOp: lower_memref_cast,
    memref.ExtractAlignedPointerAsIndexOp: lower_pointer_as_index,
    memref.ViewOp: lower_byte_view,
    memref.AllocaOp: lower_alloca,
    memref.LoadOp: lower_load,
    memref.StoreOp: lower_store,
    PrefetchOp: lower_prefetch,
    vector.LoadOp: lower_vector_load,
    vector.StoreOp: lower_vector_store,
    vector.MaskedLoadOp: lower_masked_load,
    vector.MaskedStoreOp: lower_masked_store,
    vectorx.GatherOp: lower_gather,
}
