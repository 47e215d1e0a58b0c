"""What a stage is once its kernel is loops: a call of the kernel's function on the stage's buffers.

A function of calls is as complete as one of stages: buffers, barriers and the order stay as they were, so that the text
of the loops level, and of the llvm level, still says the whole program::

    %b3 = schedule.buffer arena lives 2 to 5 offset 401408 : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
    schedule.call @conv7 %b3 = @conv_direct_8d969eef6e(%b1, %w9) scratch [64 * N] sizes [N]
    schedule.barrier
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects import func, llvm
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr, SymbolRefAttr, UnitAttr
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import SymbolTable, SymbolUserOpInterface
from xdsl.utils.exceptions import VerifyException

from .calling_convention import KERNEL_ATTRIBUTE, Signature, is_kernel
from .dimension_attribute import DimensionAttr, parse_dimensions, print_dimensions
from .layout import TensorType
from .operand_text import parse_value, refuse_word
from .schedule import StageOp


class _CallsAKernel(SymbolUserOpInterface):
    def verify(self, op: Operation) -> None:
        assert isinstance(op, CallOp)
        name = op.callee.root_reference.data
        kernel = SymbolTable.lookup_symbol(op, op.callee)
        if isinstance(kernel, func.FuncOp) and is_kernel(kernel):
            takes, given = list(kernel.function_type.inputs), op.signature.parameter_types()
            if takes != given:
                raise VerifyException(f"C2: @{name} takes ({_listed(takes)}), this call gives it ({_listed(given)})")
        elif not isinstance(kernel, llvm.FuncOp):  # As machine code all kernels are of one type.
            raise VerifyException(f"C1: no kernel is called @{name}")
        written_for = kernel.attributes.get(KERNEL_ATTRIBUTE)
        if isinstance(written_for, DictionaryAttr):
            _require_same(name, written_for, op.signature.attribute())


def _require_same(name: str, written_for: DictionaryAttr, given: DictionaryAttr) -> None:
    for key in sorted({*written_for.data, *given.data}):
        wanted, found = (entries.data.get(key, "none") for entries in (written_for, given))
        if wanted != found:
            raise VerifyException(f"C3: @{name} was written for {key} {wanted}, this call gives it {found}")


def _listed(types: Sequence[object]) -> str:
    return ", ".join(map(str, types))


@irdl_op_definition
class CallOp(IRDLOperation):
    """Runs the kernel that a stage has become on the stage's buffers.

    ``scratch`` is the private memory of each thread in bytes, ``report`` says that the kernel tells of indices out of
    range, ``sizes`` are the symbols that it takes: see calling_convention.py. C1: the callee is a kernel of the module.
    C2: what the call gives is what the kernel takes, C3: and what it was written for, as far as it says.
    """

    name = "schedule.call"
    callee = prop_def(SymbolRefAttr)
    stage_name = prop_def(StringAttr)
    ins = var_operand_def(TensorType)
    outs = var_operand_def(TensorType)
    scratch = opt_prop_def(DimensionAttr)
    report = opt_prop_def(UnitAttr)
    sizes = prop_def(ArrayAttr[StringAttr])
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(_CallsAKernel())

    def __init__(self, stage_name: str, signature: Signature, ins: Sequence[SSAValue], outs: Sequence[SSAValue]):
        super().__init__(
            operands=[ins, outs],
            properties={
                "callee": SymbolRefAttr(signature.function),
                "stage_name": StringAttr(stage_name),
                "scratch": None if signature.scratch is None else DimensionAttr(signature.scratch),
                "report": UnitAttr() if signature.reports else None,
                "sizes": ArrayAttr([StringAttr(symbol) for symbol in signature.sizes]),
            },
        )

    @property
    def signature(self) -> Signature:
        """What the kernel is given, and so what it must take."""
        return Signature(
            self.callee.root_reference.data,
            tuple(value.type for value in self.ins),  # pyright: ignore[reportArgumentType]
            tuple(value.type for value in self.outs),  # pyright: ignore[reportArgumentType]
            None if self.scratch is None else self.scratch.data,
            self.report is not None,
            tuple(symbol.data for symbol in self.sizes),
        )

    def print(self, printer: Printer) -> None:
        """As a stage is printed, with its function in place of the kernel."""
        printer.print_string(" ")
        printer.print_symbol_name(self.stage_name.data)
        printer.print_string(" ")
        printer.print_list(self.outs, printer.print_ssa_value)
        printer.print_string(" = ")
        printer.print_symbol_name(self.callee.root_reference.data)
        printer.print_string("(")
        printer.print_list(self.ins, printer.print_ssa_value)
        printer.print_string(")")
        if self.scratch is not None:
            printer.print_string(" scratch ")
            print_dimensions(printer, [self.scratch.data])
        if self.report is not None:
            printer.print_string(" report")
        if self.sizes.data:
            printer.print_string(f" sizes [{', '.join(symbol.data for symbol in self.sizes)}]")

    @classmethod
    def parse(cls, parser: Parser) -> CallOp:
        stage_name = parser.parse_symbol_name().data
        outs = parser.parse_comma_separated_list(parser.Delimiter.NONE, lambda: parse_value(parser))
        parser.parse_punctuation("=")
        callee = parser.parse_symbol_name().data
        ins = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: parse_value(parser))
        scratch = None
        if parser.parse_optional_keyword("scratch") is not None:
            (scratch,) = parse_dimensions(parser)
        reports = parser.parse_optional_keyword("report") is not None
        sizes: list[str] = []
        if parser.parse_optional_keyword("sizes") is not None:
            sizes = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_identifier)
        refuse_word(parser, "part of a call: expected scratch, report, sizes")
        types: list[Any] = [tuple(value.type for value in values) for values in (ins, outs)]
        return cls(stage_name, Signature(callee, types[0], types[1], scratch, reports, tuple(sizes)), ins, outs)


def signature_of(op: StageOp | CallOp) -> Signature:
    """The function of a stage, whether it has become a call of it or will."""
    return op.signature if isinstance(op, CallOp) else Signature.of(op)
