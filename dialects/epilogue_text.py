"""Text of the scalar code in kernels: ``(%acc, %s = %skip) {%0 = arith.addf %acc, %s : f32}``.

Its arguments have the types of what they stand for, its values are seen in it alone, and it gives the value of its last
operation; ``kernel.yield`` stands only where it gives another one. A few operations share a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.irdl import IRDLOperation, irdl_op_definition, operand_def, traits_def
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator

from .operand_text import parse_value

OPERATIONS_IN_A_LINE = 3


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Gives the value that an epilogue or a map stores."""

    name = "kernel.yield"
    value = operand_def()
    traits = traits_def(IsTerminator())

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value])

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.value)

    @classmethod
    def parse(cls, parser: Parser) -> YieldOp:
        return cls(parse_value(parser))


def name_arguments(block: Block, takes_element: bool) -> None:
    """Names arguments that have no name: ``%acc, %s, %t`` of an epilogue, ``%a, %b`` of a map."""
    for index, argument in enumerate(block.args):
        name = chr(ord("r") + index) if takes_element else chr(ord("a") + index)
        if argument.name_hint is None and name <= "z":
            argument.name_hint = "acc" if takes_element and index == 0 else name


# --- arguments ------------------------------------------------------------------------------------------


def print_arguments(
    printer: Printer, arguments: Sequence[BlockArgument], element: Attribute | None, extras: Sequence[SSAValue]
) -> None:
    """``%acc, %s = %skip`` with the type of %acc where it is not ``element``; ``%a, %b`` without extras."""
    with printer.in_parens():
        for index, argument in enumerate(arguments):
            if index:
                printer.print_string(", ")
            printer.print_ssa_value(argument)
            extra = index - 1 if element is not None else -1
            if 0 <= extra < len(extras):
                printer.print_string(" = ")
                printer.print_ssa_value(extras[extra])
            elif element is not None and index == 0 and argument.type != element:
                printer.print_string(": ")
                printer.print_attribute(argument.type)


def parse_element_and_extras(parser: Parser, element: Attribute) -> tuple[list[Parser.Argument], list[SSAValue]]:
    """The arguments of an epilogue, and the values that those after the first stand for."""
    arguments: list[Parser.Argument] = []
    extras: list[SSAValue] = []

    def parse() -> None:
        argument = parser.parse_argument(expect_type=False)
        if not arguments:
            own = parser.parse_type() if parser.parse_optional_punctuation(":") else element
            arguments.append(argument.resolve(own))
            return
        parser.parse_punctuation("=")
        extras.append(parse_value(parser))
        arguments.append(argument.resolve(_element_of(parser, extras[-1].type)))

    parser.parse_comma_separated_list(parser.Delimiter.PAREN, parse)
    if not arguments:
        parser.raise_error("an epilogue names the element first: epilogue(%acc)")
    return arguments, extras


def parse_elements(parser: Parser, values: Sequence[SSAValue]) -> list[Parser.Argument]:
    """The arguments of a map: one name for each of its operands."""
    begin = parser.pos
    names = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: parser.parse_argument(expect_type=False))
    if len(names) != len(values):
        parser.raise_error(f"{len(names)} names for {len(values)} operands", begin, parser.pos)
    return [name.resolve(_element_of(parser, value.type)) for name, value in zip(names, values, strict=True)]


def _element_of(parser: Parser, type_: Any) -> Attribute:
    if not hasattr(type_, "element_type"):
        parser.raise_error(f"{type_} is no tensor")
    return type_.element_type


# --- code -----------------------------------------------------------------------------------------------


def print_code(printer: Printer, block: Block) -> None:
    operations = list(block.ops)
    last = operations[-1] if operations else None
    if isinstance(last, YieldOp) and len(operations) > 1 and [last.value] == list(operations[-2].results):
        operations.pop()
    if len(operations) <= OPERATIONS_IN_A_LINE and not any(op.regions for op in operations):
        with printer.in_braces():
            printer.print_list(operations, printer.print_op)
        return
    with printer.in_braces():
        with printer.indented():
            for operation in operations:
                printer._print_new_line()
                printer.print_op(operation)
        printer._print_new_line()


def parse_code(parser: Parser, arguments: Sequence[Parser.Argument]) -> Region:
    """A region of one block with these arguments. Operations may be separated by commas."""
    block = Block(arg_types=[argument.type for argument in arguments])
    with _own_values(parser):
        for value, argument in zip(block.args, arguments, strict=True):
            parser._register_ssa_definition(argument.name.text[1:], (value,), argument.name)
        parser.parse_punctuation("{")
        while parser.parse_optional_punctuation("}") is None:
            operation = parser.parse_optional_operation()
            if operation is None:
                parser.raise_error("expected an operation, or } after the last one")
            block.add_op(operation)
            parser.parse_optional_punctuation(",")
    if (value := _last_value(block.last_op)) is not None:
        block.add_op(YieldOp(value))
    return Region(block)


def _last_value(last: Operation | None) -> SSAValue | None:
    return last.results[0] if last is not None and len(last.results) == 1 else None


@contextmanager
def _own_values(parser: Parser) -> Iterator[None]:
    """Inside, the parser knows no values from outside, and keeps none of those that it meets."""
    values, references = parser.ssa_values, parser.forward_ssa_references
    parser.ssa_values, parser.forward_ssa_references = {}, {}
    yield
    if unknown := next(iter(parser.forward_ssa_references), None):
        parser.raise_error(f"%{unknown} is neither an argument nor a value of this code")
    parser.ssa_values, parser.forward_ssa_references = values, references
