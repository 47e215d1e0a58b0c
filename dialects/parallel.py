"""`scf.forall`, which xDSL's `scf` dialect lacks, and `threads`: what turns shared among threads know of each other.

Every thread runs the function of a kernel. What stands outside of a forall each of them does; the turns of a forall are
shared among them::

    scf.forall (%panel, %chunk) in (%panels, 4) {
      %new = threads.first_turn
      ...
    } {mapping = [#threads.share, #threads.share]}

Turns are numbered with the last index innermost, and each thread takes a run of neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DenseArrayBase,
    IndexType,
    MemRefType,
    StringAttr,
    i1,
    i64,
)
from xdsl.dialects.scf import Scf
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, NoMemoryEffect
from xdsl.utils.exceptions import VerifyException

from .index_arithmetic import Index
from .shared_attributes import integers

THREAD_SPACE = StringAttr("thread")
"""The memory space of what belongs to one thread alone."""


@irdl_attr_definition
class ShareAttr(ParametrizedAttribute):
    """Threads share the turns of a loop, each a run of neighbours."""

    name = "threads.share"


@cache
def _shared_by_threads(loops: int) -> ArrayAttr[Attribute]:
    return ArrayAttr([ShareAttr()] * loops)


@irdl_op_definition
class InParallelOp(IRDLOperation):
    """Ends the body of a forall; not printed."""

    name = "scf.forall.in_parallel"
    traits = traits_def(IsTerminator())


@irdl_op_definition
class ForallOp(IRDLOperation):
    """A loop nest from 0 to each bound whose turns may run at the same time.

    C1: the body has an index for each bound. C2: so has the mapping, which says by whom turns are taken.
    """

    name = "scf.forall"
    dynamic_bounds = var_operand_def(IndexType)
    static_bounds = prop_def(DenseArrayBase.constr(i64))
    mapping = prop_def(ArrayAttr[Attribute])
    body = region_def("single_block")

    def __init__(self, bounds: Sequence[Index], body: Region, mapping: Sequence[Attribute] | None = None):
        static = [bound if isinstance(bound, int) else DYNAMIC_INDEX for bound in bounds]
        super().__init__(
            operands=[[bound for bound in bounds if not isinstance(bound, int)]],
            properties={
                "static_bounds": integers(*static),
                "mapping": _shared_by_threads(len(bounds)) if mapping is None else ArrayAttr(mapping),
            },
            regions=[body],
        )

    @property
    def bounds(self) -> list[Index]:
        """One of each loop, outermost first."""
        dynamic = iter(self.dynamic_bounds)
        return [next(dynamic) if bound == DYNAMIC_INDEX else int(bound) for bound in self.static_bounds.get_values()]

    def verify_(self) -> None:
        count = len(self.static_bounds)
        if len(self.body.block.args) != count:
            raise VerifyException(f"C1: {count} bounds, but {len(self.body.block.args)} indices")
        if len(self.mapping) != count:
            raise VerifyException(f"C2: {count} bounds, but the mapping names {len(self.mapping)}")

    def print(self, printer: Printer) -> None:
        printer.print_string(" (")
        printer.print_list(self.body.block.args, printer.print_ssa_value)
        printer.print_string(") in (")
        printer.print_list(self.bounds, lambda bound: _print_bound(printer, bound))
        printer.print_string(") ")
        printer.print_region(self.body, print_entry_block_args=False, print_block_terminators=False)
        printer.print_string(" {mapping = ")
        printer.print_attribute(self.mapping)
        printer.print_string("}")

    @classmethod
    def parse(cls, parser: Parser) -> ForallOp:
        indices = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, lambda: parser.parse_argument(expect_type=False).resolve(IndexType())
        )
        parser.parse_keyword("in")
        bounds: list[Index] = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: _parse_bound(parser))
        body = parser.parse_region(indices)
        if not isinstance(body.block.last_op, InParallelOp):
            body.block.add_op(InParallelOp())
        mapping = parser.parse_optional_attr_dict().get("mapping")
        if mapping is not None and not isinstance(mapping, ArrayAttr):
            parser.raise_error("the mapping must be a list, e.g. [#threads.share]")
        return cls(bounds, body, None if mapping is None else mapping.data)


def _print_bound(printer: Printer, bound: Index) -> None:
    if isinstance(bound, int):
        printer.print_string(str(bound))
    else:
        printer.print_ssa_value(bound)


def _parse_bound(parser: Parser) -> Index:
    known = parser.parse_optional_integer(allow_boolean=False, allow_negative=False)
    return parser.parse_operand(IndexType(), msg="expected a bound: a number or an index") if known is None else known


@irdl_op_definition
class FirstTurnOp(IRDLOperation):
    """Whether the turn of the forall around it is the first that this thread takes."""

    name = "threads.first_turn"
    result = result_def(i1)
    assembly_format = "attr-dict"
    traits = traits_def(NoMemoryEffect())

    def __init__(self) -> None:
        super().__init__(result_types=[i1])


@irdl_op_definition
class OwnPartOp(IRDLOperation):
    """This thread's part, of so many bytes, of memory that holds one for each thread: in the space "thread"."""

    name = "threads.own_part"
    T: ClassVar = VarConstraint("T", base(MemRefType))
    memory = operand_def(T)
    size = operand_def(IndexType)
    result = result_def(T)
    assembly_format = "$memory `of` $size `bytes` attr-dict `:` type($memory)"
    traits = traits_def(NoMemoryEffect())

    def __init__(self, memory: SSAValue, size: SSAValue):
        super().__init__(operands=[memory, size], result_types=[memory.type])


ScfDialect = Dialect("scf", [*Scf.operations, ForallOp, InParallelOp], list(Scf.attributes))
"""xDSL's dialect with what it lacks."""

ThreadsDialect = Dialect("threads", [FirstTurnOp, OwnPartOp], [ShareAttr])
