"""The `vectorx` dialect: operations on n-D vectors, and on scalars, that xDSL's `vector`, `arith` and `math` lack."""

from __future__ import annotations

import re
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    I1,
    AnyFloatConstr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    SignlessIntegerConstraint,
    StringAttr,
    VectorType,
    i1,
    i8,
    i32,
    i64,
)
from xdsl.ir import Attribute, Dialect, Operation, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from ..machines.atoms import ATOMS
from .shared_attributes import integer, vector_type


@irdl_op_definition
class SelectOp(IRDLOperation):
    """Chooses element by element: `vectorx.select %mask, %lhs, %rhs : vector<6x64xi1>, vector<6x64xf32>`.

    `arith.select` has a scalar condition and chooses between whole vectors.
    """

    T: ClassVar = VarConstraint("T", VectorType.constr(AnyAttr()))

    name = "vectorx.select"
    condition = operand_def(VectorType[I1])
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)

    assembly_format = "$condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($result)"
    traits = traits_def(Pure())

    def __init__(self, condition: SSAValue, lhs: SSAValue, rhs: SSAValue):
        super().__init__(operands=[condition, lhs, rhs], result_types=[lhs.type])

    def verify_(self) -> None:
        assert isa(self.condition.type, VectorType) and isa(self.result.type, VectorType)
        if self.condition.type.get_shape() != self.result.type.get_shape():
            raise VerifyException(f"condition {self.condition.type} and result {self.result.type} differ in shape")


class _CompareOp(IRDLOperation):
    """Base of the comparisons of vectors; ``predicate`` is numbered as that of the ``arith`` op of the same name.

    C1: the result has the operands' shape.
    """

    T: ClassVar = VarConstraint("T", VectorType.constr(AnyAttr()))

    predicate = prop_def(IntegerAttr)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(VectorType[I1])
    traits = traits_def(Pure())
    PREDICATES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, lhs: SSAValue, rhs: SSAValue, predicate: str | int):
        number = self.PREDICATES.index(predicate) if isinstance(predicate, str) else predicate
        assert isinstance(lhs.type, VectorType)
        super().__init__(
            operands=[lhs, rhs],
            properties={"predicate": integer(number)},
            result_types=[vector_type(i1, lhs.type.get_shape())],
        )

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.PREDICATES[self.predicate.value.data]}, ")
        printer.print_list(self.operands, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_attribute(self.lhs.type)

    @classmethod
    def parse(cls, parser: Parser) -> _CompareOp:
        predicate = parser.parse_identifier(f"one of {', '.join(cls.PREDICATES)}")
        parser.parse_punctuation(",")
        lhs = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        rhs = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        operands = parser.resolve_operands([lhs, rhs], [parser.parse_type()] * 2, parser.pos)
        return cls(operands[0], operands[1], predicate)

    def verify_(self) -> None:
        assert isa(self.lhs.type, VectorType) and isa(self.result.type, VectorType)
        if self.lhs.type.get_shape() != self.result.type.get_shape():
            raise VerifyException(f"C1: operands {self.lhs.type} and result {self.result.type} differ in shape")


@irdl_op_definition
class CmpfOp(_CompareOp):
    """Compares floats element by element: `vectorx.cmpf olt, %a, %b : vector<6x64xf32>`.

    `arith.cmpf` gives one `i1` only.
    """

    name = "vectorx.cmpf"
    PREDICATES: ClassVar = tuple(arith.CMPF_COMPARISON_OPERATIONS)


@irdl_op_definition
class CmpiOp(_CompareOp):
    """Compares integers element by element: `vectorx.cmpi slt, %a, %b : vector<64xi32>`."""

    name = "vectorx.cmpi"
    PREDICATES: ClassVar = tuple(arith.CMPI_COMPARISON_OPERATIONS)


@irdl_op_definition
class GatherOp(IRDLOperation):
    """Elements of flat memory at as many places: `vectorx.gather %memory, %places : memref<?xf32>, vector<64xi32>`.

    As MLIR's `vector.gather`, without a mask. C1: the memory has one dimension; places are i32 or i64.
    """

    name = "vectorx.gather"
    base = operand_def(MemRefType)
    places = operand_def(VectorType)
    result = result_def(VectorType)

    def __init__(self, base: SSAValue, places: SSAValue):
        assert isinstance(base.type, MemRefType) and isinstance(places.type, VectorType)
        result = vector_type(base.type.element_type, places.type.get_shape())
        super().__init__(operands=[base, places], result_types=[result])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_list([operand.type for operand in self.operands], printer.print_attribute)

    @classmethod
    def parse(cls, parser: Parser) -> GatherOp:
        base = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        places = parser.parse_unresolved_operand()
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        return cls(*parser.resolve_operands([base, places], types, parser.pos))

    def verify_(self) -> None:
        assert isa(self.base.type, MemRefType) and isa(self.places.type, VectorType)
        if self.base.type.get_num_dims() != 1 or self.places.type.element_type not in (i32, i64):
            raise VerifyException(f"C1: {self.base.type} at {self.places.type}, expected one dimension, and i32 or i64")


@irdl_op_definition
class DotOp(IRDLOperation):
    """The sums plus products of neighbouring numbers in words, lane by lane, by the instruction of an atom.

    ``vectorx.dot "vpdpwssd" %lhs, %rhs, %acc : vector<2x7x16xi32> into vector<2x7x16xi32>``: a word has 32 bits, of as
    many numbers as the atom takes at once. ``vector.contract`` multiplies rows by columns. C1: the atom is known and
    takes no matrices. C2: words and sums have one shape, and the sums the atom's type.
    """

    T: ClassVar = VarConstraint("T", VectorType.constr(base(IntegerType)))

    name = "vectorx.dot"
    atom = prop_def(StringAttr)
    lhs = operand_def(T)
    rhs = operand_def(T)
    acc = operand_def(VectorType)
    result = result_def(VectorType)
    traits = traits_def(Pure())

    def __init__(self, atom: str, lhs: SSAValue, rhs: SSAValue, acc: SSAValue):
        super().__init__(operands=[lhs, rhs, acc], properties={"atom": StringAttr(atom)}, result_types=[acc.type])

    @property
    def factors(self) -> tuple[str, str]:
        """The elements of the words, by name."""
        atom = ATOMS[self.atom.data]
        return atom.lhs, atom.rhs

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_attribute(self.atom)
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_attribute(self.lhs.type)
        printer.print_string(" into ")
        printer.print_attribute(self.acc.type)

    @classmethod
    def parse(cls, parser: Parser) -> DotOp:
        atom = parser.parse_str_literal()
        at = parser.pos
        operands = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_unresolved_operand)
        parser.parse_punctuation(":")
        words = parser.parse_type()
        parser.parse_keyword("into")
        if len(operands) != 3:
            parser.raise_error("expected two operands and the sums", at)
        return cls(atom, *parser.resolve_operands(operands, [words, words, parser.parse_type()], at))

    def verify_(self) -> None:
        atom = ATOMS.get(self.atom.data)
        if atom is None or atom.rows > 1:
            raise VerifyException(f"C1: no atom '{self.atom.data}' multiplies lane by lane")
        assert isa(self.lhs.type, VectorType) and isa(self.acc.type, VectorType)
        words = vector_type(i32, self.lhs.type.get_shape())
        if words != self.lhs.type or self.acc.type.get_shape() != self.lhs.type.get_shape():
            raise VerifyException(f"C2: words {self.lhs.type} for sums {self.acc.type}, expected 32 bits for each")
        if str(self.acc.type.element_type) != atom.sums:
            raise VerifyException(f"C2: sums of {self.acc.type.element_type}, and those of {atom.name} are {atom.sums}")


class VectorCastOperation(IRDLOperation):
    """Base of the conversions element by element: `vectorx.sitofp %a : vector<64xi32> to vector<64xf32>`.

    The `arith` ops of the same names convert scalars only. C1: argument and result have one shape.
    """

    argument = operand_def(VectorType)
    result = result_def(VectorType)

    assembly_format = "$argument attr-dict `:` type($argument) `to` type($result)"
    traits = traits_def(Pure())

    def __init__(self, argument: SSAValue | Operation, result_type: Attribute):
        super().__init__(operands=[argument], result_types=[result_type])

    def verify_(self) -> None:
        assert isa(self.argument.type, VectorType) and isa(self.result.type, VectorType)
        if self.argument.type.get_shape() != self.result.type.get_shape():
            raise VerifyException(f"C1: {self.argument.type} and {self.result.type} differ in shape")


_INTEGERS = VectorType.constr(SignlessIntegerConstraint)
_SIGNLESS_OR_UNSIGNED = VectorType.constr(base(IntegerType))
_FLOATS = VectorType.constr(AnyFloatConstr)
_INTEGERS_OR_INDICES = VectorType.constr(SignlessIntegerConstraint | base(IndexType))


@irdl_op_definition
class SIToFPOp(VectorCastOperation):
    """Signed integers to floats."""

    name = "vectorx.sitofp"
    argument = operand_def(_INTEGERS)
    result = result_def(_FLOATS)


@irdl_op_definition
class UIToFPOp(VectorCastOperation):
    """Unsigned integers to floats."""

    name = "vectorx.uitofp"
    argument = operand_def(_INTEGERS)
    result = result_def(_FLOATS)


@irdl_op_definition
class FPToSIOp(VectorCastOperation):
    """Floats to signed integers, towards zero."""

    name = "vectorx.fptosi"
    argument = operand_def(_FLOATS)
    result = result_def(_INTEGERS)


@irdl_op_definition
class FPToUIOp(VectorCastOperation):
    """Floats to unsigned integers, towards zero."""

    name = "vectorx.fptoui"
    argument = operand_def(_FLOATS)
    result = result_def(_INTEGERS)


@irdl_op_definition
class ExtSIOp(VectorCastOperation):
    """Integers to wider ones, by their sign."""

    name = "vectorx.extsi"
    argument = operand_def(_INTEGERS)
    result = result_def(_INTEGERS)


@irdl_op_definition
class ExtUIOp(VectorCastOperation):
    """Integers to wider ones, by zeros."""

    name = "vectorx.extui"
    argument = operand_def(_SIGNLESS_OR_UNSIGNED)
    result = result_def(_INTEGERS)


@irdl_op_definition
class TruncIOp(VectorCastOperation):
    """Integers to narrower ones."""

    name = "vectorx.trunci"
    argument = operand_def(_INTEGERS)
    result = result_def(_INTEGERS)


@irdl_op_definition
class IndexCastOp(VectorCastOperation):
    """Integers to indices and back."""

    name = "vectorx.index_cast"
    argument = operand_def(_INTEGERS_OR_INDICES)
    result = result_def(_INTEGERS_OR_INDICES)


VECTOR_CASTS: dict[type[Operation], type[Operation]] = {
    arith.SIToFPOp: SIToFPOp,
    arith.UIToFPOp: UIToFPOp,
    arith.FPToSIOp: FPToSIOp,
    arith.FPToUIOp: FPToUIOp,
    arith.ExtSIOp: ExtSIOp,
    arith.ExtUIOp: ExtUIOp,
    arith.TruncIOp: TruncIOp,
    arith.IndexCastOp: IndexCastOp,
}
"""The conversions of scalars whose twin here converts vectors."""


class FunctionOp(IRDLOperation):
    """Base of functions of floats, of scalars or element by element: `vectorx.gelu %x : vector<64xf32>`."""

    T: ClassVar = VarConstraint("T", AnyFloatConstr | _FLOATS)

    result = result_def(T)
    traits = traits_def(Pure())


@irdl_op_definition
class RemfOp(FunctionOp):
    """The remainder of a division towards zero, exactly, with the sign of the dividend: C's fmod, MLIR's arith.remf."""

    name = "vectorx.remf"
    lhs = operand_def(FunctionOp.T)
    rhs = operand_def(FunctionOp.T)
    assembly_format = "$lhs `,` $rhs attr-dict `:` type($result)"


@irdl_op_definition
class GeluOp(FunctionOp):
    """x / 2 (1 + erf(x / sqrt 2)), to the last digits also where it nearly vanishes."""

    name = "vectorx.gelu"
    x = operand_def(FunctionOp.T)
    assembly_format = "$x attr-dict `:` type($result)"


@irdl_op_definition
class TanhGeluOp(FunctionOp):
    """x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), to the last digits also where it nearly vanishes."""

    name = "vectorx.tanh_gelu"
    x = operand_def(FunctionOp.T)
    assembly_format = "$x attr-dict `:` type($result)"


_HEXADECIMAL = re.compile("[0-9a-f]{512}")


def _element(type_: Attribute) -> Attribute:
    return type_.element_type if isinstance(type_, VectorType) else type_


@irdl_op_definition
class ByteTableOp(IRDLOperation):
    """The byte that a table has for the bits of each byte: `vectorx.byte_table %x, "00ff..." : vector<64xi8>`.

    The table is text of two hexadecimal digits for each of the 256, in order. C1: it has 512 digits.
    """

    T: ClassVar = VarConstraint("T", base(IntegerType) | _INTEGERS)

    name = "vectorx.byte_table"
    x = operand_def(T)
    table = prop_def(StringAttr)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$x `,` $table attr-dict `:` type($result)"

    @property
    def numbers(self) -> bytes:
        return bytes.fromhex(self.table.data)

    def verify_(self) -> None:
        if _HEXADECIMAL.fullmatch(self.table.data) is None or _element(self.result.type) != i8:
            raise VerifyException("C1: expected bytes and the 512 hexadecimal digits of a table of 256")


VectorExtension = Dialect(
    "vectorx",
    [
        ByteTableOp,
        DotOp,
        GatherOp,
        RemfOp,
        GeluOp,
        TanhGeluOp,
        SelectOp,
        CmpfOp,
        CmpiOp,
        SIToFPOp,
        UIToFPOp,
        FPToSIOp,
        FPToUIOp,
        ExtSIOp,
        ExtUIOp,
        TruncIOp,
        IndexCastOp,
    ],
)
