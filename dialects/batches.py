"""Stages that take the images of a batch a few at a time: the loop over the batch stands outside of them.

Between its braces is a schedule of its own, on the part of each tensor that belongs to the images of one step. What
lives there only is as small as that, and stays in the cache from stage to stage::

    schedule.batches @batches0 reads(%x1 = %x) writes(%y1 = %y) 2 of 16 {
      %b0 = schedule.buffer arena lives 0 to 1 offset 0 : !layout.tensor<2 x 32 x 112 x 112 x f32, NCHW16c>
      schedule.stage @conv0 %b0 = kernel.conv direct(%x1, %w0) pads [1, 1, 1, 1] plan {ow tile 14}
      schedule.barrier
      schedule.stage @conv1 %y1 = kernel.conv depthwise(%b0, %w1) pads [1, 1, 1, 1] plan {ow tile 14}
    }

How many images a step takes stands before ``of``; one is not said. Where the last step may have fewer, the text names
their number, and the types inside are of that many: ``4 as n of N``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, StringAttr, i64
from xdsl.ir import BlockArgument, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import NoTerminator
from xdsl.utils.exceptions import VerifyException

from . import shape as dims
from .dimension_attribute import DimensionAttr, dimension_text, parse_one_dimension
from .layout import VIEWS, TensorType
from .operand_text import parse_value
from .schedule import BufferOp
from .shape import Dim


@functools.lru_cache(maxsize=4096)
def rows_of_an_image(rows: Dim, images: Dim) -> Dim | None:
    """How many of so many entries along an axis each image has; None where they are no whole multiple."""
    if isinstance(rows, int) != isinstance(images, int):
        return None
    each = dims.floordiv(rows, images)
    return each if each != 0 and dims.same_dimension(dims.multiply(each, images), rows) else None


@functools.lru_cache(maxsize=1024)
def part_type(type_: TensorType, images: Dim, taken: Dim) -> TensorType | None:
    """What ``taken`` of a tensor's images are; None where images do not lie one after another, each in one piece.

    The axis of the images may have several entries for each: the rows of a matrix that are the words of a sentence.
    """
    if type_.rank == 0:
        return None
    layout, first = type_.layout, type_.layout.pieces[0]
    outermost = first.axis == 0 and not first.block and layout.margin(0) == (0, 0)
    rows = rows_of_an_image(type_.dims[0], images)
    if not outermost or rows is None:
        return None
    others = dims.symbols_of(*type_.dims[1:], *layout.lower, *layout.upper, rows)
    if others & dims.symbols_of(images):
        return None
    return TensorType.of([dims.multiply(rows, taken), *type_.dims[1:]], type_.element_type, layout)


@irdl_op_definition
class BatchesOp(IRDLOperation):
    """A schedule that runs once for each step of a batch, on the images of the step.

    C1: a step takes one image or more, less than there are. C2: where the last step may have fewer, their number has
    a name, which is no other size's. C3: the body's values are the images of what the op reads and writes, a part for
    each. C4: inside are buffers of the arena, constants, stages, barriers and views. C5: of values outside only
    constants are read.
    """

    name = "schedule.batches"
    stage_name = prop_def(StringAttr)
    ins = var_operand_def(TensorType)
    outs = var_operand_def(TensorType)
    step = prop_def(IntegerAttr)
    images = prop_def(DimensionAttr)
    symbol = opt_prop_def(StringAttr)
    body = region_def("single_block")
    irdl_options = (AttrSizedOperandSegments(as_property=True),)
    traits = traits_def(NoTerminator())

    def __init__(
        self,
        stage_name: str,
        ins: Sequence[SSAValue],
        outs: Sequence[SSAValue],
        step: int,
        images: Dim,
        symbol: str | None,
        body: Region,
    ):
        super().__init__(
            operands=[ins, outs],
            regions=[body],
            properties={
                "stage_name": StringAttr(stage_name),
                "step": IntegerAttr(step, i64),
                "images": DimensionAttr(images),
                "symbol": None if symbol is None else StringAttr(symbol),
            },
        )

    @property
    def images_at_once(self) -> int:
        """How many images a step takes."""
        return self.step.value.data

    @property
    def taken(self) -> Dim:
        """Their number as the types inside say it."""
        return taken_images(self.images_at_once, None if self.symbol is None else self.symbol.data)

    @property
    def read_parts(self) -> Sequence[BlockArgument]:
        """What stands inside for the values that are read."""
        return self.body.block.args[: len(self.ins)]

    @property
    def written_parts(self) -> Sequence[BlockArgument]:
        """What stands inside for the values that are written."""
        return self.body.block.args[len(self.ins) :]

    def of_whole_step(self, size: Dim) -> Dim:
        """A size inside where the step has all its images."""
        return size if self.symbol is None else dims.substitute(size, {self.symbol.data: self.images_at_once})

    def verify_(self) -> None:
        step, images = self.images_at_once, self.images.data
        if step < 1 or (isinstance(images, int) and step >= images):
            raise VerifyException(
                f"C1: {step} of {dimension_text(images)} images: expected 1 or more, and less than all"
            )
        self._verify_symbol(step, images)
        values = [*self.ins, *self.outs]
        if len(values) != len(self.body.block.args):
            raise VerifyException(f"C3: {len(values)} values, and {len(self.body.block.args)} parts of them inside")
        for value, part in zip(values, self.body.block.args, strict=True):
            if part.type != _part_of(value.type, images, self.taken):
                raise VerifyException(f"C3: {part.type} is no part of the images of {value.type}")
        for op in self.body.block.ops:
            self._verify_inside(op)

    def _verify_symbol(self, step: int, images: Dim) -> None:
        if self.symbol is not None:
            used = dims.symbols_of(images, *(d for value in (*self.ins, *self.outs) for d in value.type.dims))  # pyright: ignore[reportAttributeAccessIssue]
            if self.symbol.data in used:
                raise VerifyException(f"C2: '{self.symbol.data}' is another size's name")
        elif step > 1 and (not isinstance(images, int) or images % step):
            raise VerifyException(
                f"C2: the last step may have less than {step} images: say '{step} as n of {dimension_text(images)}', "
                "and n where types inside have their number"
            )

    def _verify_inside(self, op: Operation) -> None:
        placed = isinstance(op, BufferOp) and op.kind.data != "output"
        runs = op.name in ("schedule.stage", "schedule.call", "schedule.barrier")
        if not (placed or runs or isinstance(op, VIEWS)):
            raise VerifyException(f"C4: {op.name} cannot stand inside of schedule.batches")
        for operand in op.operands:
            if self.body.is_ancestor(operand.owner):
                continue
            if not _is_constant(operand):
                name = f"%{operand.name_hint}" if operand.name_hint else str(operand.type)
                raise VerifyException(f"C5: {name} is outside: the stages inside read parts of it, of their images")

    def print(self, printer: Printer) -> None:
        printer.print_string(" ")
        printer.print_symbol_name(self.stage_name.data)
        for word, values, parts in (
            ("reads", self.ins, self.read_parts),
            ("writes", self.outs, self.written_parts),
        ):
            printer.print_string(f" {word}(")
            printer.print_list(
                tuple(zip(parts, values, strict=True)),
                lambda pair: _print_pair(printer, *pair),
            )
            printer.print_string(")")
        if self.images_at_once != 1 or self.symbol is not None:
            printer.print_string(f" {self.images_at_once}")
        if self.symbol is not None:
            printer.print_string(f" as {self.symbol.data}")
        printer.print_string(f" of {dimension_text(self.images.data)} ")
        printer.print_region(self.body, print_entry_block_args=False)

    @classmethod
    def parse(cls, parser: Parser) -> BatchesOp:
        name = parser.parse_symbol_name().data
        begin = parser.pos
        parser.parse_keyword("reads")
        ins = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: _parse_pair(parser))
        parser.parse_keyword("writes")
        outs = parser.parse_comma_separated_list(parser.Delimiter.PAREN, lambda: _parse_pair(parser))
        step = parser.parse_optional_integer(allow_boolean=False)
        symbol = None
        if step is not None and parser.parse_optional_keyword("as") is not None:
            symbol = parser.parse_identifier("a name for the number of images of a step")
        parser.parse_keyword("of")
        images = parse_one_dimension(parser)
        step = 1 if step is None else step
        arguments: list[Parser.Argument] = []
        for argument, value in (*ins, *outs):
            part = _part_of(value.type, images, taken_images(step, symbol))
            if part is None:
                parser.raise_error(
                    f"{value.type} has no {dimension_text(images)} images that lie one after another", begin, parser.pos
                )
            arguments.append(argument.resolve(part))
        body = parser.parse_region(arguments)
        values = [[value for _, value in pairs] for pairs in (ins, outs)]
        return cls(name, values[0], values[1], step, images, symbol, body)


def taken_images(step: int, symbol: str | None) -> Dim:
    """The number of images of a step: of each, or what it is called where the last one may have fewer."""
    return step if symbol is None else dims.symbol(symbol)


def _part_of(type_: object, images: Dim, taken: Dim) -> TensorType | None:
    assert isinstance(type_, TensorType)
    return part_type(type_, images, taken)


def _is_constant(value: SSAValue) -> bool:
    while isinstance(value.owner, VIEWS):
        value = value.owner.source
    return isinstance(value.owner, BufferOp) and value.owner.constant is not None


def _print_pair(printer: Printer, part: SSAValue, value: SSAValue) -> None:
    printer.print_ssa_value(part)
    printer.print_string(" = ")
    printer.print_ssa_value(value)


def _parse_pair(parser: Parser) -> tuple[Parser.UnresolvedArgument, SSAValue]:
    argument = parser.parse_argument(expect_type=False)
    parser.parse_punctuation("=")
    return argument, parse_value(parser)  # pyright: ignore[reportReturnType]
