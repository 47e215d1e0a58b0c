"""Control flow: operations with regions, whose bodies see the values around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from xdsl.dialects.builtin import i1
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    region_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, Pure, RecursiveMemoryEffect
from xdsl.utils.exceptions import VerifyException

from .operation import compatible, parse_signature, print_signature
from .types import GraphTensorType, i64


@irdl_op_definition
class YieldOp(IRDLOperation):
    """``graph.yield %a, %b : A, B`` ends a region and gives its results."""

    name = "graph.yield"
    arguments = var_operand_def(GraphTensorType)
    traits = traits_def(IsTerminator(), Pure())

    def __init__(self, arguments: Sequence[SSAValue]):
        super().__init__(operands=[arguments])

    def print(self, printer: Printer) -> None:
        if not self.arguments:
            return
        printer.print_string(" ")
        printer.print_list(self.arguments, printer.print_ssa_value)
        printer.print_string(" : ")
        printer.print_list([argument.type for argument in self.arguments], printer.print_attribute)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        position = parser.pos
        unresolved = parser.parse_optional_undelimited_comma_separated_list(
            parser.parse_optional_unresolved_operand, parser.parse_unresolved_operand
        )
        if not unresolved:
            return cls([])
        parser.parse_punctuation(":")
        types = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_type)
        return cls(parser.resolve_operands(unresolved, types, position))


def terminator_of(region: Region) -> YieldOp:
    """The yield that ends a region of one block. Raises VerifyException where there is none."""
    last = region.block.last_op
    if not isinstance(last, YieldOp):
        raise VerifyException("C1: the region must end with graph.yield")
    return last


@irdl_op_definition
class IfOp(IRDLOperation):
    """``graph.if %condition { ... } else { ... } : (i1 tensor) -> results``.

    The results are those of the region that ran. Their shapes may differ between the regions: a
    dimension in which they differ is a symbol of its own in the result type, bound at run time.
    Attributes ``then_checks`` and ``else_checks`` list [left, right, why]: dimensions that a region takes
    to be equal. C1: both regions end with graph.yield; C2: each yields as many values as there are results, of the
    same element types; C3: the condition is one truth value.
    """

    name = "graph.if"
    condition = operand_def(GraphTensorType)
    outputs = var_result_def(GraphTensorType)
    then_region = region_def("single_block")
    else_region = region_def("single_block")
    traits = traits_def(RecursiveMemoryEffect())

    def __init__(
        self, condition: SSAValue, result_types: Sequence[Attribute], then_region: Region, else_region: Region
    ):
        super().__init__(operands=[condition], result_types=[result_types], regions=[then_region, else_region])

    def verify_(self) -> None:
        condition = self.condition.type
        if not isinstance(condition, GraphTensorType) or condition.element_type != i1:
            raise VerifyException(f"C3: the condition must have elements of i1, got {condition}")
        for name, region in (("then", self.then_region), ("else", self.else_region)):
            check_yielded(f"the {name} region", terminator_of(region).arguments, self.outputs)

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_ssa_value(self.condition)
        printer.print_string(" ")
        printer.print_region(self.then_region)
        printer.print_string(" else ")
        printer.print_region(self.else_region)
        printer.print_op_attributes(self.attributes)
        printer.print_string(" : ")
        print_signature(printer, [self.condition.type], [output.type for output in self.outputs])

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        condition = parser.parse_unresolved_operand()
        then_region = parser.parse_region()
        parser.parse_keyword("else")
        else_region = parser.parse_region()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        operand_types, result_types = parse_signature(parser, 1, 1)
        operand = parser.resolve_operand(condition, operand_types[0])
        operation = cls(operand, result_types, then_region, else_region)
        operation.attributes |= attributes
        return operation


@irdl_op_definition
class LoopOp(IRDLOperation):
    """``graph.loop %trips, %condition, %carried... { ^bb(%i, %condition, %carried...): ... } : types``.

    Runs the region while fewer than ``trips`` rounds are done and the condition holds. The region gets
    the round (i64), the condition and the carried values; it yields the next condition, the next
    carried values and one element for each scanned result. Results: the last carried values, then the
    scanned ones, stacked along a new first axis.

    C1: the region ends with graph.yield; C2: it takes two values and the carried ones; C3: it yields a
    condition, the carried values and the scanned ones; C4: trips is one i64, the condition one i1.
    """

    name = "graph.loop"
    trips = operand_def(GraphTensorType)
    condition = operand_def(GraphTensorType)
    carried = var_operand_def(GraphTensorType)
    outputs = var_result_def(GraphTensorType)
    body = region_def("single_block")
    traits = traits_def(RecursiveMemoryEffect())

    def __init__(
        self,
        trips: SSAValue,
        condition: SSAValue,
        carried: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        body: Region,
    ):
        super().__init__(operands=[trips, condition, carried], result_types=[result_types], regions=[body])

    @property
    def block(self) -> Block:
        return self.body.block

    def verify_(self) -> None:
        trips, condition = self.trips.type, self.condition.type
        if not isinstance(trips, GraphTensorType) or trips.element_type != i64:
            raise VerifyException(f"C4: trips must have elements of i64, got {trips}")
        if not isinstance(condition, GraphTensorType) or condition.element_type != i1:
            raise VerifyException(f"C4: the condition must have elements of i1, got {condition}")
        if len(self.block.args) != 2 + len(self.carried):
            raise VerifyException(f"C2: the region must take {2 + len(self.carried)} values")
        yielded = terminator_of(self.body).arguments
        if len(yielded) != 1 + len(self.outputs):
            raise VerifyException(f"C3: the region must yield {1 + len(self.outputs)} values, got {len(yielded)}")

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_ssa_value)
        printer.print_string(" ")
        printer.print_region(self.body)
        printer.print_op_attributes(self.attributes)
        printer.print_string(" : ")
        print_signature(printer, [operand.type for operand in self.operands], [output.type for output in self.outputs])

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        position = parser.pos
        unresolved = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_unresolved_operand)
        body = parser.parse_region()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        operand_types, result_types = parse_signature(parser, len(unresolved), 1)
        trips, condition, *carried = parser.resolve_operands(unresolved, operand_types, position)
        operation = cls(trips, condition, carried, result_types, body)
        operation.attributes |= attributes
        return operation


def check_yielded(where: str, yielded: Sequence[SSAValue], outputs: Sequence[SSAValue]) -> None:
    """C2 of graph.if."""
    if len(yielded) != len(outputs):
        raise VerifyException(f"C2: {where} yields {len(yielded)} values for {len(outputs)} results")
    for index, (value, output) in enumerate(zip(yielded, outputs)):
        actual, expected = value.type, output.type
        if (
            isinstance(actual, GraphTensorType)
            and isinstance(expected, GraphTensorType)
            and not compatible(expected, actual)
        ):
            raise VerifyException(f"C2: {where} yields {actual} as result #{index}, expected {expected}")
