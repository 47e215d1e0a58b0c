"""`vector.multi_reduction`, which xDSL's `vector` dialect lacks: sums, products or extrema of rows of a vector.

After MLIR's op of that name, of the last dimension alone::

    %sums = vector.multi_reduction <add>, %parts, %start [2] : vector<4x2x16xf32> to vector<4x2xf32>
"""

from __future__ import annotations

from xdsl.dialects.builtin import VectorType
from xdsl.dialects.vector import CombiningKindAttr, CombiningKindFlag
from xdsl.ir import SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException


@irdl_op_definition
class MultiReductionOp(IRDLOperation):
    """Each element of ``acc`` combined with the elements of ``source`` along its last dimension.

    C1: acc has the shape of source but for the last dimension. C2: all have one element type.
    """

    name = "vector.multi_reduction"
    source = operand_def(VectorType)
    acc = operand_def(VectorType)
    dest = result_def(VectorType)
    kind = prop_def(CombiningKindAttr)
    traits = traits_def(Pure())

    def __init__(self, source: SSAValue, acc: SSAValue, kind: str = "add"):
        super().__init__(
            operands=[source, acc],
            properties={"kind": CombiningKindAttr(CombiningKindFlag(kind))},
            result_types=[acc.type],
        )

    def verify_(self) -> None:
        source, acc = self.source.type, self.acc.type
        assert isinstance(source, VectorType) and isinstance(acc, VectorType)
        if tuple(source.get_shape()[:-1]) != tuple(acc.get_shape()) or source.get_num_dims() < 2:
            raise VerifyException(f"C1: the last dimension of {source} does not reduce to {acc}")
        if source.element_type != acc.element_type or self.dest.type != acc:
            raise VerifyException(f"C2: elements of {source} are combined with those of {acc} to {self.dest.type}")

    def print(self, printer: Printer) -> None:
        source = self.source.type
        assert isinstance(source, VectorType)
        printer.print_string(f" <{self.kind.data.value}>, ")
        printer.print_list(self.operands, printer.print_ssa_value)
        printer.print_string(f" [{source.get_num_dims() - 1}] : ")
        printer.print_attribute(source)
        printer.print_string(" to ")
        printer.print_attribute(self.dest.type)

    @classmethod
    def parse(cls, parser: Parser) -> MultiReductionOp:
        with parser.in_angle_brackets():
            at = parser.pos
            kind = parser.parse_identifier()
            if kind not in (flag.value for flag in CombiningKindFlag):
                parser.raise_error(f"'{kind}' is no way to combine elements: add, mul, maximumf ...", at)
        parser.parse_punctuation(",")
        source = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        acc = parser.parse_unresolved_operand()
        at = parser.pos
        dimensions = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_integer)
        parser.parse_punctuation(":")
        source_type = parser.parse_type()
        parser.parse_keyword("to")
        acc_type = parser.parse_type()
        if not isinstance(source_type, VectorType) or dimensions != [source_type.get_num_dims() - 1]:
            parser.raise_error(f"expected the last dimension of {source_type}, not {dimensions}", at)
        return cls(parser.resolve_operand(source, source_type), parser.resolve_operand(acc, acc_type), kind)
