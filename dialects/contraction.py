"""`vector.contract`, which xDSL's `vector` dialect lacks: the one product of every contraction, down to the loops.

MLIR's op of that name sums over the dimensions that two vectors share. Here the indexing maps follow from the ranks and
are not written: rows by depth, depth by columns, into rows by columns::

    %sums = vector.contract %a, %b, %start : vector<6x1xf32>, vector<1x64xf32> into vector<6x64xf32>

Rows are the first dimension of the sums, columns all others (blocks of output channels by lanes, for one). Where the
machine adds several products of narrow numbers at once, these lie side by side in a last dimension of both operands::

    %sums = vector.contract {atom = "vpdpbusd"} %a, %b, %start
        : vector<14x1x4xui8>, vector<1x32x4xi8> into vector<14x32xi32>

The sums have a type of their own. The atom names the instruction that multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import AnyFloat, IntegerType, StringAttr, VectorType
from xdsl.dialects.vector import Vector
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, opt_prop_def, result_def, traits_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..machines.atoms import GENERAL_ATOM
from .multi_reduction import MultiReductionOp


@irdl_op_definition
class ContractOp(IRDLOperation):
    """The sums plus the products of rows of ``lhs`` and columns of ``rhs`` over their depth.

    C1: lhs is rows x depth [x depth of the atom], rhs depth x columns ... [x depth of the atom], and the sums are rows
    x columns .... C2: products of integers are summed in integers, those of floats in floats, in a type as wide at
    least as the operands'.
    """

    name = "vector.contract"
    lhs = operand_def(VectorType)
    rhs = operand_def(VectorType)
    acc = operand_def(VectorType)
    result = result_def(VectorType)
    atom_name = opt_prop_def(StringAttr, prop_name="atom")
    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, acc: SSAValue, atom: str = GENERAL_ATOM):
        super().__init__(
            operands=[lhs, rhs, acc],
            properties={"atom": None if atom == GENERAL_ATOM else StringAttr(atom)},
            result_types=[acc.type],
        )

    @property
    def atom(self) -> str:
        return GENERAL_ATOM if self.atom_name is None else self.atom_name.data

    @property
    def types(self) -> tuple[VectorType, VectorType, VectorType]:
        """The types of both operands and of the sums."""
        return self.lhs.type, self.rhs.type, self.acc.type  # pyright: ignore[reportReturnType]

    @property
    def atom_depth(self) -> int:
        """Products that lie side by side in a last dimension of the operands; 1 where they have none."""
        lhs, _, _ = self.types
        return lhs.get_shape()[2] if lhs.get_num_dims() == 3 else 1

    def verify_(self) -> None:
        lhs, rhs, acc = (tuple(type_.get_shape()) for type_ in self.types)
        rows, *columns = acc
        depths = (lhs[1], *lhs[2:]) if len(lhs) in (2, 3) else ()
        expected = depths and (depths[0], *columns, *depths[1:])
        if len(acc) < 2 or not depths or lhs[0] != rows or rhs != expected:
            raise VerifyException(f"C1: {self.lhs.type} times {self.rhs.type} does not give {self.acc.type}")
        left, right, sums = (type_.element_type for type_ in self.types)
        is_float = isinstance(sums, AnyFloat)
        if any(isinstance(operand, AnyFloat) != is_float for operand in (left, right)):
            raise VerifyException(f"C2: sums of {sums} of products of {left} and {right}")
        if max(_bits(left), _bits(right)) > _bits(sums):
            raise VerifyException(f"C2: sums of {sums} are narrower than {left} and {right}")

    def print(self, printer: Printer) -> None:
        if self.atom_name is not None:
            printer.print_string(" {atom = ")
            printer.print_attribute(self.atom_name)
            printer.print_string("}")
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_list((self.lhs.type, self.rhs.type), printer.print_attribute)
        printer.print_string(" into ")
        printer.print_attribute(self.acc.type)

    @classmethod
    def parse(cls, parser: Parser) -> ContractOp:
        given = parser.parse_optional_attr_dict()
        for name in given.keys() - {"atom"}:
            parser.raise_error(f"no attribute of vector.contract is called '{name}': expected atom")
        atom = given.get("atom", StringAttr(GENERAL_ATOM))
        if not isinstance(atom, StringAttr):
            parser.raise_error('the atom must be a name in quotes, e.g. "vpdpbusd"')
        at = parser.pos
        operands = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_unresolved_operand)
        parser.parse_punctuation(":")
        types: list[Attribute] = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        parser.parse_keyword("into")
        types.append(parser.parse_type())
        lhs, rhs, acc = _resolved(parser, operands, types, at)
        return cls(lhs, rhs, acc, atom.data)


def _resolved(parser: Parser, operands: Sequence, types: Sequence[Attribute], at: int) -> Sequence[SSAValue]:
    if len(operands) != 3 or len(types) != 3:
        parser.raise_error("expected two operands and the sums, and a type for each", at)
    return parser.resolve_operands(operands, types, at)


def _bits(element: Attribute) -> int:
    if isinstance(element, IntegerType):
        return element.width.data
    return element.bitwidth  # pyright: ignore[reportAttributeAccessIssue]


VectorDialect = Dialect("vector", [*Vector.operations, ContractOp, MultiReductionOp], list(Vector.attributes))
"""xDSL's dialect with what it lacks."""
