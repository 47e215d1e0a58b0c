"""amx: registers of whole matrices, each op an intrinsic. LLVM sets their shapes up and releases them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Operation, SSAValue

from ...dialects.llvm_extension import MATRIX
from ...dialects.matrix_tiles import TileLoadOp, TileMulOp, TileStoreOp, TileZeroOp
from ...machines.atoms import ATOMS, TILE_ROW_BYTES, TILE_ROWS
from .index import SymbolicIndex
from .state import Handler, State, element_bytes, fail


def _shape(state: State, count: int = 2) -> list[SSAValue]:
    """Rows of the left, bytes of a row of the sums, and of a row of the left: all registers are full."""
    sizes = (TILE_ROWS, TILE_ROW_BYTES, TILE_ROW_BYTES)
    return [state.builder.constant(size, IntegerType(16)) for size in sizes[:count]]


def lower_zero(state: State, op: Operation) -> None:
    assert isinstance(op, TileZeroOp)
    state.bind(op.result, [state.builder.intrinsic("llvm.x86.tilezero.internal", _shape(state), MATRIX)])


def _place(state: State, op: TileLoadOp | TileStoreOp) -> list[SSAValue]:
    """The pointer to a tile's first row, and the bytes from row to row."""
    view = state.view(op.base)
    row, column = view.strides[-2:]
    if not (column.is_constant and column.constant == 1):
        raise fail(op, "the elements of a row must lie side by side")
    stride = state.index.materialise(state.index.multiply(row, SymbolicIndex(element_bytes(view.element))))
    return [state.element_pointer(view, state.indices(op.indices)), stride]


def lower_load(state: State, op: Operation) -> None:
    assert isinstance(op, TileLoadOp)
    arguments = [*_shape(state), *_place(state, op)]
    state.bind(op.result, [state.builder.intrinsic("llvm.x86.tileloadd64.internal", arguments, MATRIX)])


def lower_store(state: State, op: Operation) -> None:
    assert isinstance(op, TileStoreOp)
    arguments = [*_shape(state), *_place(state, op), *state.flatten(op.tile)]
    state.builder.intrinsic_effect("llvm.x86.tilestored64.internal", arguments)


def lower_mul(state: State, op: Operation) -> None:
    assert isinstance(op, TileMulOp)
    if op.atom.data not in state.target.atoms:
        raise fail(op, f"{state.target.name} has no atom '{op.atom.data}'")
    name = ATOMS[op.atom.data].instructions[TILE_ROWS]
    operands: Sequence[SSAValue] = state.flatten_all([op.acc, op.lhs, op.rhs])
    state.bind(op.result, [state.builder.intrinsic(name, [*_shape(state, 3), *operands], MATRIX)])


HANDLERS: dict[type[Operation], Handler] = {
    TileZeroOp: lower_zero,
    TileLoadOp: lower_load,
    TileStoreOp: lower_store,
    TileMulOp: lower_mul,
}
