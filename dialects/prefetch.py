"""`memref.prefetch`, which xDSL's `memref` dialect lacks: memory is read into the cache before it is needed.

::

    memref.prefetch %panels[%place], read, locality<2>, data : memref<?xf32>

After MLIR's operation. The element may lie beyond the memory's end: nothing is read then, and nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import BoolAttr, IndexType, IntegerAttr, MemRefType, i32
from xdsl.dialects.memref import MemRef
from xdsl.ir import Dialect, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, prop_def, var_operand_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

SECOND_CACHE = 2
"""The locality of what is to come into the second cache; 3 is the first one, 0 is none."""


@irdl_op_definition
class PrefetchOp(IRDLOperation):
    """Reads, or prepares to write, the cache line of an element.

    C1: there is an index for each dimension. C2: the locality is from 0 (used once) to 3 (kept in all caches).
    """

    name = "memref.prefetch"
    memref = operand_def(MemRefType)
    indices = var_operand_def(IndexType)
    is_write = prop_def(BoolAttr, prop_name="isWrite")
    locality = prop_def(IntegerAttr, prop_name="localityHint")
    is_data = prop_def(BoolAttr, prop_name="isDataCache")

    def __init__(self, memory: SSAValue, indices: Sequence[SSAValue], locality: int = SECOND_CACHE):
        super().__init__(
            operands=[memory, indices],
            properties={
                "isWrite": BoolAttr.from_bool(False),
                "localityHint": IntegerAttr(locality, i32),
                "isDataCache": BoolAttr.from_bool(True),
            },
        )

    def verify_(self) -> None:
        assert isinstance(self.memref.type, MemRefType)
        if len(self.indices) != self.memref.type.get_num_dims():
            raise VerifyException(f"C1: {len(self.indices)} indices of {self.memref.type.get_num_dims()} dimensions")
        if not 0 <= self.locality.value.data <= 3:
            raise VerifyException(f"C2: locality {self.locality.value.data} is none of 0 to 3")

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.memref)
        printer.print_string("[")
        printer.print_list(self.indices, printer.print_ssa_value)
        access = "write" if self.is_write.value.data else "read"
        cache = "data" if self.is_data.value.data else "instr"
        printer.print_string(f"], {access}, locality<{self.locality.value.data}>, {cache} : ")
        printer.print_attribute(self.memref.type)

    @classmethod
    def parse(cls, parser: Parser) -> PrefetchOp:
        memory = parser.parse_unresolved_operand()
        indices = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, lambda: parser.parse_operand(IndexType()))
        parser.parse_punctuation(",")
        access = _choice(parser, "read", "write")
        parser.parse_punctuation(",")
        parser.parse_keyword("locality")
        parser.parse_punctuation("<")
        locality = parser.parse_integer()
        parser.parse_punctuation(">")
        parser.parse_punctuation(",")
        cache = _choice(parser, "data", "instr")
        parser.parse_punctuation(":")
        op = cls(parser.resolve_operand(memory, parser.parse_type()), indices, locality)
        op.is_write, op.is_data = BoolAttr.from_bool(access == "write"), BoolAttr.from_bool(cache == "data")
        return op


def _choice(parser: Parser, one: str, other: str) -> str:
    if parser.parse_optional_keyword(one):
        return one
    parser.parse_keyword(other)
    return other


MemRefDialect = Dialect("memref", [*MemRef.operations, PrefetchOp], [*MemRef.attributes])
