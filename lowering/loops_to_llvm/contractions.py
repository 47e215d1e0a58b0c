"""vector.contract: the instructions of its atom, or what every machine can do.

::

    %sums = vector.contract %a, %b, %start : vector<2x1xf32>, vector<1x32xf32> into vector<2x32xf32>

becomes, on a machine with 16 lanes, a splat of each row's element of %a and four multiply-adds.

Elements that an atom takes side by side lie in one word of 32 or 64 bits: a vector<1x32x4xi8> that a contraction reads
is held as a row of 32 words.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import llvm
from xdsl.dialects.builtin import AnyFloat, IntegerType, Signedness, VectorType, bf16, i8, i16
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import vector_extension as vectorx
from ...dialects.contraction import ContractOp
from ...machines.atoms import ATOMS, GENERAL_ATOM, Atom
from .builder import Builder, vector_type
from .conversions import extend_float
from .cut_vectors import CutVector, concatenate, lanes_of, recut, slice_piece, widen
from .elementwise import elementwise
from .floats import fused_multiply_add
from .state import Handler, State, fail, llvm_element

_FACTORS: dict[str, Attribute] = {"i8": i8, "ui8": i8, "i16": i16, "bf16": bf16}
"""LLVM's types of what atoms multiply."""


def lower_contract(state: State, op: Operation) -> None:
    assert isinstance(op, ContractOp)
    atom = _atom_of(state, op)
    sums = state.tile(op.acc)
    for step in range(op.types[0].get_shape()[1]):
        if atom is None:
            for place in range(op.atom_depth):
                sums = _outer_product(state, op, sums, step, place)
        elif atom.is_matrix:
            sums = _matrix_products(state, op, sums, step, atom)
        else:
            sums = _dot_products(state, op, sums, step, atom)
    state.values[op.result] = sums


def _atom_of(state: State, op: ContractOp) -> Atom | None:
    """The row of the op's atom; None for the general one. Raises LoopsToLLVMError where it does not fit."""
    if op.atom == GENERAL_ATOM:
        return None
    atom = _available(state, op, op.atom)
    if atom.is_tile:
        raise fail(op, f"{atom.name} multiplies whole tiles: amx.tile_mul, not vectors")
    types = tuple(str(type_.element_type) for type_ in op.types)
    if not atom.multiplies(*types) or op.atom_depth != atom.depth:
        wanted = f"{atom.depth} products of {atom.lhs} and {atom.rhs} in {atom.sums}"
        raise fail(op, f"{atom.name} adds {wanted}, not {op.atom_depth} of {types[0]} and {types[1]} in {types[2]}")
    return atom


def _available(state: State, op: Operation, name: str) -> Atom:
    """The row of the atom. Raises LoopsToLLVMError where the machine has none of that name."""
    if name not in state.target.atoms:
        raise fail(op, f"{state.target.name} has no atom '{name}', only {', '.join(state.target.atoms) or 'none'}")
    return ATOMS[name]


def lower_dot(state: State, op: Operation) -> None:
    """vectorx.dot: the atom's instruction, piece by piece."""
    assert isinstance(op, vectorx.DotOp)
    atom = _available(state, op, op.atom.data)

    def dot(left: SSAValue, right: SSAValue, total: SSAValue) -> SSAValue:
        return _in_a_register(state, atom, total, left, right)

    elementwise(state, op, dot)


def word_of(value: SSAValue) -> IntegerType | None:
    """The type of the words that hold the last dimension of a vector that an atom reads; None for any other vector."""
    if not isinstance(value.type, VectorType) or value.type.get_num_dims() < 3:
        return None
    readers = [use.operation for use in value.uses]
    if not any(isinstance(op, ContractOp) and op.atom_depth > 1 and value is not op.acc for op in readers):
        return None
    element = llvm_element(value.type.element_type)
    return IntegerType(element.bitwidth * value.type.get_shape()[-1])  # pyright: ignore[reportAttributeAccessIssue]


def _dot_products(state: State, op: ContractOp, sums: CutVector, step: int, atom: Atom) -> CutVector:
    """Each word of a column of the left, in all lanes, with the words of a row of the right."""
    left, right, is_exchanged = state.tile(op.lhs), _part(state.tile(op.rhs), step), _exchanges(atom, op)
    column = [_element(state.builder, left, row, step) for row in range(sums.shape[0])]
    pieces = [
        _in_a_register(state, atom, total, state.builder.splat(word, lanes_of(total)), piece, is_exchanged)
        for row, word in enumerate(column)
        for piece, total in zip(right, _part(sums, row), strict=True)
    ]
    return CutVector(sums.cut, sums.element, pieces)


def _in_a_register(
    state: State, atom: Atom, total: SSAValue, left: SSAValue, right: SSAValue, is_exchanged: bool = False
) -> SSAValue:
    """The sums of a piece with its products, in the narrowest register that holds it."""
    builder, lanes = state.builder, lanes_of(total)
    width = min(width for width in atom.instructions if width >= min(lanes, state.target.lanes))
    sums, a, b = (widen(builder, value, width) for value in (total, left, right))
    return slice_piece(builder, _instruction(state, atom, sums, *((b, a) if is_exchanged else (a, b))), 0, lanes)


def _exchanges(atom: Atom, op: ContractOp) -> bool:
    return atom.is_exchanged(*(str(type_.element_type) for type_ in op.types[:2]))


def _instruction(state: State, atom: Atom, sums: SSAValue, left: SSAValue, right: SSAValue) -> SSAValue:
    """The atom's instruction on whole registers of sums and of words."""
    builder, name = state.builder, atom.instructions[lanes_of(sums)]
    a, b = (
        builder.emit_once(llvm.BitcastOp, (words,), vector_type(_FACTORS[atom.lhs], lanes_of(words) * atom.depth))
        for words in (left, right)
    )
    if atom.adds:
        return builder.intrinsic(name, (sums, a, b), sums.type)
    return builder.int_binary(llvm.AddOp, sums, builder.intrinsic(name, (a, b), sums.type))


def _matrix_products(state: State, op: ContractOp, sums: CutVector, step: int, atom: Atom) -> CutVector:
    """Two rows of the left at a time with two columns of the right: the sums of the four lie in one register.

    A row alone is paired with itself, and so is a column alone; what that computes twice is left out.
    """
    builder, left, right = state.builder, state.tile(op.lhs), state.tile(op.rhs)
    words = [word for piece in _part(right, step) for word in _elements(builder, piece)]
    rows = [
        [value for piece in _part(sums, row) for value in _elements(builder, piece)] for row in range(sums.shape[0])
    ]
    for row in range(0, len(rows), 2):
        below = min(row + 1, len(rows) - 1)
        a = concatenate(builder, [_element(builder, left, each, step) for each in (row, below)])
        for column in range(0, len(words), 2):
            beside = min(column + 1, len(words) - 1)
            places = [(row, column), (row, beside), (below, column), (below, beside)]
            total = concatenate(builder, [rows[i][j] for i, j in places])
            result = _instruction(state, atom, total, a, concatenate(builder, [words[column], words[beside]]))
            for lane, (i, j) in enumerate(places):
                rows[i][j] = builder.extract(result, lane)
    pieces = [
        piece
        for row in rows
        for piece in recut(builder, row, sums.cut.widths * (len(_part(sums, 0)) // len(sums.cut.widths)))
    ]
    return CutVector(sums.cut, sums.element, pieces)


def _elements(builder: Builder, piece: SSAValue) -> list[SSAValue]:
    lanes = lanes_of(piece)
    return [piece] if lanes == 1 else [builder.extract(piece, lane) for lane in range(lanes)]


def _outer_product(state: State, op: ContractOp, sums: CutVector, step: int, place: int) -> CutVector:
    """The sums plus column ``step`` of the left times row ``step`` of the right, widened to the type of the sums.

    Widening is exact; floats are multiplied and added in one rounding. Of words it takes the elements at ``place``.
    """
    builder, left, right = state.builder, state.tile(op.lhs), state.tile(op.rhs)
    left_type, right_type, sums_type = (type_.element_type for type_ in op.types)

    def wide(value: SSAValue, element: Attribute) -> SSAValue:
        if op.atom_depth == 1:
            return _wide(state, value, element, sums_type)
        return _wide_part(state, value, element, sums_type, place)

    column = [wide(_element(builder, left, row, step), left_type) for row in range(sums.shape[0])]
    splats = [{width: builder.splat(element, width) for width in sums.cut.widths} for element in column]
    pieces = [wide(piece, right_type) for piece in _part(right, step)]
    multiply_add = _multiply_add_floats if isinstance(sums_type, AnyFloat) else _multiply_add_integers
    products = [
        multiply_add(state, splats[row][lanes_of(piece)], piece, total)
        for row in range(sums.shape[0])
        for piece, total in zip(pieces, _part(sums, row), strict=True)
    ]
    return CutVector(sums.cut, sums.element, products)


def _part(tile: CutVector, number: int) -> Sequence[SSAValue]:
    """The pieces below a position in the first dimension."""
    count = len(tile.pieces) // tile.shape[0]
    return tile.pieces[number * count : (number + 1) * count]


def _element(builder: Builder, left: CutVector, row: int, step: int) -> SSAValue:
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


def _scalar_type(value: SSAValue) -> Attribute:
    return value.type.element_type if isinstance(value.type, VectorType) else value.type


def _wide_part(state: State, words: SSAValue, element: Attribute, sums: Attribute, place: int) -> SSAValue:
    """One of the elements that lie in each word, the lowest first, as a number of the sums' type."""
    builder, word = state.builder, _scalar_type(words)
    bits = element.bitwidth  # pyright: ignore[reportAttributeAccessIssue]
    empty = word.bitwidth - bits  # pyright: ignore[reportAttributeAccessIssue]
    lanes = lanes_of(words)

    def shifted(operation: type[Operation], value: SSAValue, count: int) -> SSAValue:
        return builder.int_binary(operation, value, builder.constant(count, word, lanes)) if count else value

    high = shifted(llvm.ShlOp, words, empty - bits * place)
    if isinstance(element, AnyFloat):
        part = builder.cast(llvm.TruncOp, shifted(llvm.LShrOp, high, empty), IntegerType(bits))
        return _wide(state, builder.cast(llvm.BitcastOp, part, element), element, sums)
    unsigned = isinstance(element, IntegerType) and element.signedness.data == Signedness.UNSIGNED
    part = shifted(llvm.LShrOp if unsigned else llvm.AShrOp, high, empty)
    return part if word == sums else builder.cast(llvm.TruncOp, part, sums)


HANDLERS: dict[type[Operation], Handler] = {ContractOp: lower_contract, vectorx.DotOp: lower_dot}
