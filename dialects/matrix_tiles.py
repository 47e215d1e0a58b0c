"""`amx`, which xDSL lacks: registers of whole matrices, after MLIR's dialect of that name.

A tile has 16 rows of 64 bytes. A product takes 16 x 16 words of the left and of the right, each of several narrow
numbers side by side as in a contraction's atom, and adds 16 x 16 sums::

    %zero = amx.tile_zero : !amx.tile<16x16xi32>
    %a = amx.tile_load %x[%row, %byte] : memref<?x?xui8> into !amx.tile<16x64xui8>
    %b = amx.tile_load %w[%word, %c0] : memref<?x?xi8> into !amx.tile<16x64xi8>
    %sums = amx.tile_mul "tdpbusd" %a, %b, %zero : !amx.tile<16x64xui8>, !amx.tile<16x64xi8> into !amx.tile<16x16xi32>
    amx.tile_store %sums, %y[%row, %column] : memref<?x?xi32>, !amx.tile<16x16xi32>

MLIR's `tile_muli` and `tile_mulf` say signs by flags; here the atom's name says all. Source: Intel's Architecture
Instruction Set Extensions Reference, chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import IndexType, MemRefType, StringAttr
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    param_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..machines.atoms import ATOMS, TILE_ROW_BYTES, TILE_ROWS


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """16 rows of 64 bytes of such elements: narrow numbers, or sums."""

    name = "amx.tile"
    element_type: Attribute = param_def()

    @property
    def columns(self) -> int:
        return TILE_ROW_BYTES * 8 // self.element_type.bitwidth  # pyright: ignore[reportAttributeAccessIssue]

    def print_parameters(self, printer: Printer) -> None:
        printer.print_string(f"<{TILE_ROWS}x{self.columns}x")
        printer.print_attribute(self.element_type)
        printer.print_string(">")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            shape: list[int] = []
            for _ in range(2):
                shape.append(parser.parse_shape_dimension(allow_dynamic=False))
                parser.parse_shape_delimiter()
            element = parser.parse_type()
        made = cls(element)
        if shape != [TILE_ROWS, made.columns]:
            parser.raise_error(f"a tile of {element} is {TILE_ROWS}x{made.columns}, not {'x'.join(map(str, shape))}")
        return [element]


@irdl_op_definition
class TileZeroOp(IRDLOperation):
    """A tile of zeros."""

    name = "amx.tile_zero"
    result = result_def(TileType)
    assembly_format = "attr-dict `:` type($result)"
    traits = traits_def(Pure())

    def __init__(self, element_type: Attribute):
        super().__init__(result_types=[TileType(element_type)])


@irdl_op_definition
class TileLoadOp(IRDLOperation):
    """16 rows of 64 bytes of the memref's last two dimensions, from ``indices`` on.

    C1: the elements are those of the memref, which has two dimensions or more.
    """

    name = "amx.tile_load"
    base = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    result = result_def(TileType)
    assembly_format = "$base `[` $indices `]` attr-dict `:` type($base) `into` type($result)"

    def __init__(self, base: SSAValue, indices: Sequence[SSAValue]):
        element = base.type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(operands=[base, indices], result_types=[TileType(element)])

    def verify_(self) -> None:
        _verify_access(self.base, self.indices, self.result.type)


@irdl_op_definition
class TileStoreOp(IRDLOperation):
    """Writes a tile where ``amx.tile_load`` would read it. C1: as of that."""

    name = "amx.tile_store"
    tile = operand_def(TileType)
    base = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    assembly_format = "$tile `,` $base `[` $indices `]` attr-dict `:` type($base) `,` type($tile)"

    def __init__(self, tile: SSAValue, base: SSAValue, indices: Sequence[SSAValue]):
        super().__init__(operands=[tile, base, indices])

    def verify_(self) -> None:
        _verify_access(self.base, self.indices, self.tile.type)


def _verify_access(base: SSAValue, indices: Sequence[SSAValue], tile: Attribute) -> None:
    assert isinstance(base.type, MemRefType) and isinstance(tile, TileType)
    rank = base.type.get_num_dims()
    if base.type.element_type != tile.element_type or rank < 2 or len(indices) != rank:
        raise VerifyException(f"C1: a {tile} does not lie in {base.type} at {len(indices)} indices")


@irdl_op_definition
class TileMulOp(IRDLOperation):
    """The sums plus the products of 16 rows of ``lhs`` and 16 columns of ``rhs``, by the named atom.

    C1: the atom is one of tiles, and these are its element types.
    """

    SUMS: ClassVar = VarConstraint("SUMS", base(TileType))

    name = "amx.tile_mul"
    atom = prop_def(StringAttr)
    lhs = operand_def(TileType)
    rhs = operand_def(TileType)
    acc = operand_def(SUMS)
    result = result_def(SUMS)
    assembly_format = "$atom $lhs `,` $rhs `,` $acc attr-dict `:` type($lhs) `,` type($rhs) `into` type($acc)"
    traits = traits_def(Pure())

    def __init__(self, atom: str, lhs: SSAValue, rhs: SSAValue, acc: SSAValue):
        super().__init__(operands=[lhs, rhs, acc], properties={"atom": StringAttr(atom)}, result_types=[acc.type])

    def verify_(self) -> None:
        atom = ATOMS.get(self.atom.data)
        if atom is None or not atom.is_tile:
            raise VerifyException(f"C1: no atom of tiles is called '{self.atom.data}'")
        types = tuple(str(value.type.element_type) for value in (self.lhs, self.rhs, self.acc))  # pyright: ignore[reportAttributeAccessIssue]
        if types != (atom.lhs, atom.rhs, atom.sums) or self.result.type != self.acc.type:
            raise VerifyException(f"C1: {atom.name} adds {atom.lhs} times {atom.rhs} to {atom.sums}, not {types}")


MatrixTilesDialect = Dialect("amx", [TileZeroOp, TileLoadOp, TileStoreOp, TileMulOp], [TileType])
