"""vector.contract: the instructions of its atom, or what every machine can do.

::

    %sums = vector.contract %a, %b, %start : vector<2x1xf32>, vector<1x32xf32> into vector<2x32xf32>

becomes, on a machine with 16 lanes, a splat of each row's element of %a and four multiply-adds.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import llvm
from xdsl.dialects.builtin import AnyFloat, IntegerType, Signedness
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects.contraction import GENERAL_ATOM, ContractOp
from .builder import Builder
from .conversions import extend_float
from .floats import fused_multiply_add
from .state import Handler, State, fail
from .tiles import Tile, lanes_of


def lower_contract(state: State, op: Operation) -> None:
    assert isinstance(op, ContractOp)
    if op.atom != GENERAL_ATOM:
        raise fail(op, f"no atom is called '{op.atom}'")
    sums = state.tile(op.acc)
    for step in range(op.types[0].get_shape()[1]):
        sums = _outer_product(state, op, sums, step)
    state.values[op.result] = sums


def _outer_product(state: State, op: ContractOp, sums: Tile, step: int) -> Tile:
    """The sums plus column ``step`` of the left times row ``step`` of the right, widened to the type of the sums.

    Widening is exact; floats are multiplied and added in one rounding.
    """
    builder, left, right = state.builder, state.tile(op.lhs), state.tile(op.rhs)
    left_type, right_type, sums_type = (type_.element_type for type_ in op.types)
    column = [_wide(state, _element(builder, left, row, step), left_type, sums_type) for row in range(sums.shape[0])]
    splats = [{width: builder.splat(element, width) for width in sums.cut.widths} for element in column]
    pieces = [_wide(state, piece, right_type, sums_type) for piece in _part(right, step)]
    multiply_add = _multiply_add_floats if isinstance(sums_type, AnyFloat) else _multiply_add_integers
    products = [
        multiply_add(state, splats[row][lanes_of(piece)], piece, total)
        for row in range(sums.shape[0])
        for piece, total in zip(pieces, _part(sums, row), strict=True)
    ]
    return Tile(sums.cut, sums.element, products)


def _part(tile: Tile, number: int) -> Sequence[SSAValue]:
    """The pieces below a position in the first dimension."""
    count = len(tile.pieces) // tile.shape[0]
    return tile.pieces[number * count : (number + 1) * count]


def _element(builder: Builder, left: Tile, row: int, step: int) -> SSAValue:
    column = max(number for number, start in enumerate(left.cut.starts) if start <= step)
    piece = left.row(row)[column]
    return piece if lanes_of(piece) == 1 else builder.extract(piece, step - left.cut.starts[column])


def _multiply_add_floats(state: State, a: SSAValue, b: SSAValue, total: SSAValue) -> SSAValue:
    return fused_multiply_add(state, a, b, total)


def _multiply_add_integers(state: State, a: SSAValue, b: SSAValue, total: SSAValue) -> SSAValue:
    return state.builder.int_binary(llvm.AddOp, total, state.builder.int_binary(llvm.MulOp, a, b))


def _wide(state: State, value: SSAValue, element: Attribute, sums: Attribute) -> SSAValue:
    if element == sums:
        return value
    if isinstance(element, AnyFloat):
        return extend_float(state, value, sums)
    assert isinstance(element, IntegerType)
    is_unsigned = element.signedness.data == Signedness.UNSIGNED
    return state.builder.cast(llvm.ZExtOp if is_unsigned else llvm.SExtOp, value, sums)


HANDLERS: dict[type[Operation], Handler] = {ContractOp: lower_contract}
