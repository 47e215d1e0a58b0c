"""The schedule dialect: which kernel runs when, on which buffers, in which pieces, by whom.

A function at this level is a list of buffers and stages; its arguments are the inputs. It is complete:
printed, edited and read back it compiles to a running model::

    %b3 = schedule.buffer arena lives 2 to 5 offset 401408 : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
    %w9 = schedule.buffer constant @conv.weight packed : !layout.tensor<64 x 64 x 3 x 3 x f32>
    schedule.stage @conv7 %b3 = kernel.conv direct(%b1, %w9) pads [1, 1, 1, 1] plan {oc blocks 2, ow tile 14}
    schedule.barrier

A stage holds its kernel in a region, on arguments that stand for the buffers; the text names the buffers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field
from typing import Any, TypeVar

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr, StringAttr, UnitAttr, i1, i64
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator
from xdsl.utils.exceptions import VerifyException

from . import shape as dims
from .decision_fields import Decisions, DecisionValue, fields_of, left_open, text_of, words_of
from .decisions import kernel_kind, kind_name, kind_of
from .kernel_operation import KernelOp
from .layout import ConvertOp, TensorType
from .layout_algebra import Layout
from .multiplying import atom_depth
from .operand_layouts import layout_mistake, packed_layout, panel_layout
from .operand_text import parse_value, refuse_word
from .plan_text import mistake, parse_plan, plan_text
from .shape import Dim

SomeDecisions = TypeVar("SomeDecisions", bound=Decisions)

ALIGNMENT = 64
"""Bytes between the private memories of two threads are a multiple of this: they share no cache line."""

BUFFER_KINDS = ("arena", "output", "constant")


@irdl_op_definition
class BufferOp(IRDLOperation):
    """Memory that holds a tensor: a part of the arena, an output of the caller, or a constant.

    ``lives FIRST to LAST`` numbers the stages between which an arena buffer holds its value, ``offset`` is its place
    in bytes: neither stands there before schedule-plan-arena. ``packed`` weights lie in panels that are as wide as a
    decision of the stages which read them: its text says the width, and the type has the layout that follows.

    C1: kind is arena, output or constant. C2: an output says its index, a constant its name. C3: they say no more than
    that. C4: a life has both ends, and an offset a life. C5: a stage says how packed weights lie.
    """

    name = "schedule.buffer"
    kind = prop_def(StringAttr)
    index = opt_prop_def(IntegerAttr)
    constant = opt_prop_def(StringAttr)
    first = opt_prop_def(IntegerAttr)
    last = opt_prop_def(IntegerAttr)
    offset = opt_prop_def(IntegerAttr)
    # Only until the stage has been read that says how.
    packed = opt_prop_def(UnitAttr)
    result = result_def(TensorType)

    @classmethod
    def _make(cls, kind: str, type_: TensorType, **properties: Attribute) -> BufferOp:
        return cls.create(properties={"kind": StringAttr(kind), **properties}, result_types=[type_])

    @classmethod
    def arena(cls, type_: TensorType) -> BufferOp:
        return cls._make("arena", type_)

    @classmethod
    def output(cls, type_: TensorType, index: int) -> BufferOp:
        return cls._make("output", type_, index=IntegerAttr(index, i64))

    @classmethod
    def of_constant(cls, type_: TensorType, name: str) -> BufferOp:
        return cls._make("constant", type_, constant=StringAttr(name))

    @property
    def type(self) -> TensorType:
        return self.result.type  # pyright: ignore[reportReturnType]

    @property
    def is_packed_as_read(self) -> bool:
        """Whether decisions of all stages that read the buffer say how it is packed."""
        users = [use.operation for use in self.result.uses]
        return self.constant is not None and bool(users) and all(_packs(user, self.result) for user in users)

    @property
    def is_planned(self) -> bool:
        """Whether it is said how long an arena buffer lives; of another there is nothing to say."""
        return self.kind.data != "arena" or self.first is not None

    @property
    def lives(self) -> tuple[int, int]:
        """First and last stage that needs the buffer's contents."""
        assert self.first is not None and self.last is not None
        return self.first.value.data, self.last.value.data

    def set_lives(self, first: int, last: int) -> None:
        self.first, self.last = IntegerAttr(first, i64), IntegerAttr(last, i64)

    def verify_(self) -> None:
        kind = self.kind.data
        if kind not in BUFFER_KINDS:
            raise VerifyException(f"C1: kind '{kind}' is none of {', '.join(BUFFER_KINDS)}")
        needed = {"arena": True, "output": self.index, "constant": self.constant}[kind]
        if needed is None:
            raise VerifyException(f"C2: a buffer of kind {kind} lacks its index or name")
        if kind != "arena" and (self.first or self.last or self.offset):
            raise VerifyException(f"C3: a buffer of kind {kind} has a live range or offset, which arena buffers have")
        if (self.first is None) != (self.last is None) or (self.offset is not None and self.first is None):
            raise VerifyException("C4: a live range has a first and a last stage, and an offset needs one")
        if self.packed is not None:
            raise VerifyException("C5: packed for a stage that multiplies with it, and none does")

    def print(self, printer: Printer) -> None:
        printer.print_string(f" {self.kind.data}")
        if self.index is not None:
            printer.print_string(f" {self.index.value.data}")
        if self.constant is not None:
            printer.print_string(" ")
            printer.print_symbol_name(self.constant.data)
        if self.first is not None:
            printer.print_string(" lives {} to {}".format(*self.lives))
        if self.offset is not None:
            printer.print_string(f" offset {self.offset.value.data}")
        as_read = self.is_packed_as_read
        printer.print_string(" packed : " if as_read else " : ")
        type_ = self.type
        printer.print_attribute(type_.with_layout(Layout.row_major(type_.rank)) if as_read else type_)

    @classmethod
    def parse(cls, parser: Parser) -> BufferOp:
        kind = parser.parse_identifier(": arena, output or constant")
        properties: dict[str, Attribute] = {}

        def integer(name: str) -> None:
            properties[name] = IntegerAttr(parser.parse_integer(), i64)

        if kind == "output":
            integer("index")
        elif kind == "constant":
            properties["constant"] = parser.parse_symbol_name()
        if parser.parse_optional_keyword("lives") is not None:
            integer("first")
            parser.parse_keyword("to")
            integer("last")
        if parser.parse_optional_keyword("offset") is not None:
            integer("offset")
        if parser.parse_optional_keyword("packed") is not None:
            properties["packed"] = UnitAttr()
        refuse_word(parser, "part of a buffer: expected lives, offset, packed")
        parser.parse_punctuation(":")
        return cls._make(kind, parser.parse_type(), **properties)  # pyright: ignore[reportArgumentType]


@irdl_op_definition
class YieldOp(IRDLOperation):
    """Ends a stage's body with the values that its buffers receive."""

    name = "schedule.yield"
    values = var_operand_def(TensorType)
    traits = traits_def(IsTerminator())
    assembly_format = "$values attr-dict `:` type($values)"

    def __init__(self, values: Sequence[SSAValue]):
        super().__init__(operands=[values])


@irdl_op_definition
class StageOp(IRDLOperation):
    """One kernel on its buffers, with the decisions of how it runs.

    ``plan`` holds the decisions by name (decisions.py says which each kernel has); once none is left open, those that
    have their default are left out.

    C1: one region argument per input, of its type; the inputs are the kernel's operands, each once, in order. C2: the
    yielded types are the output buffers' types. C3: one kernel in the body. C4: decisions are the kernel's, with
    possible values. C5: the kernel's operands allow them. C6: the kernel takes its operands in these layouts.
    """

    name = "schedule.stage"
    stage_name = prop_def(StringAttr)
    ins = var_operand_def(TensorType)
    outs = var_operand_def(TensorType)
    plan = prop_def(DictionaryAttr)
    body = region_def("single_block")
    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def __init__(
        self,
        stage_name: str,
        ins: Sequence[SSAValue],
        outs: Sequence[SSAValue],
        body: Region,
        plan: Mapping[str, DecisionValue] | None = None,
    ):
        super().__init__(
            operands=[ins, outs],
            regions=[body],
            properties={"stage_name": StringAttr(stage_name), "plan": DictionaryAttr({})},
        )
        self.decide(plan or {})

    @property
    def kernel(self) -> Operation:
        """The kernel that the stage runs."""
        first = self.body.block.first_op
        assert first is not None
        return first

    @property
    def decisions(self) -> dict[str, DecisionValue]:
        """The decisions that the plan says, as Python values."""
        return {name: _value(attribute) for name, attribute in self.plan.data.items()}

    def decide(self, said: Mapping[str, DecisionValue] | Decisions) -> None:
        """Makes these the stage's decisions: some by name, or all."""
        kernel = self.body.block.first_op
        if isinstance(said, Decisions):
            said = said.said()
        if kernel is not None:
            said = _to_say(kernel, said)
        self.plan = DictionaryAttr({name: _attribute(value) for name, value in said.items()})

    def decided(self, kind: type[SomeDecisions]) -> SomeDecisions:
        """All decisions, which are of that kind. Raises VerifyException for one that is open or impossible."""
        own, said = kind_of(self.kernel), self.decisions
        assert issubclass(own, kind), f"{kernel_kind(self.kernel)} has the decisions of {own.__name__}"
        if missing := self.left_open:
            words = words_of(fields_of(own)[missing[0]])
            raise VerifyException(f"the stage's plan does not say '{words}', which its kernel needs")
        decisions = own(**(own.implied(self.kernel) | said))
        if conflict := decisions.conflict(self.kernel):
            raise VerifyException(f"C5: {conflict}")
        return decisions

    @property
    def left_open(self) -> list[str]:
        """The decisions that nothing says: neither the plan nor the layout of packed weights, nor a default."""
        kind = kind_of(self.kernel)
        return left_open(kind, kind.implied(self.kernel) | self.decisions)

    @property
    def scratch(self) -> Dim | None:
        """Bytes of private memory that each thread needs, which follow from the decisions; None for none."""
        needed = self.decided(kind_of(self.kernel)).scratch(self.kernel)
        return None if needed is None else dims.multiply(dims.ceildiv(needed, ALIGNMENT), ALIGNMENT)

    def verify_(self) -> None:
        block = self.body.block
        given, expected = [a.type for a in block.args], [v.type for v in self.ins]
        if given != expected:
            raise VerifyException("C1: the region's arguments differ from the stage's inputs in number or type")
        if list(block.args) != list(dict.fromkeys(self.kernel.operands)):
            raise VerifyException("C1: the stage's inputs are not the kernel's operands, each once, in order")
        terminator = block.last_op
        if not isinstance(terminator, YieldOp) or [v.type for v in terminator.values] != [v.type for v in self.outs]:
            raise VerifyException("C2: the body must yield the types of the output buffers")
        if len(block.ops) != 2:
            raise VerifyException(f"C3: the body holds {len(block.ops) - 1} kernels, expected 1")
        for name, value in self.decisions.items():
            if wrong := mistake(kernel_kind(self.kernel), name, value):
                raise VerifyException(f"C4: {wrong}")
        if wrong := layout_mistake(self.kernel):
            raise VerifyException(f"C6: {wrong}")
        kind = kind_of(self.kernel)
        for name, packed in kind.implied(self.kernel).items():
            if self.decisions.get(name, packed) != packed:
                words, given = words_of(fields_of(kind)[name]), text_of(self.decisions[name])
                raise VerifyException(f"C5: {words} {given}, and the weights are packed for {words} {packed}")
        if not self.left_open:
            self.decided(kind)

    def print(self, printer: Printer) -> None:
        """The kernel as if it stood on the buffers; what the stage says of it comes before its epilogue."""
        kernel = self.kernel
        buffers: dict[SSAValue, SSAValue] = dict(zip(self.body.block.args, self.ins, strict=True))
        assert isinstance(kernel, KernelOp | ConvertOp)
        printer.print_string(" ")
        printer.print_symbol_name(self.stage_name.data)
        printer.print_string(" ")
        printer.print_list(self.outs, printer.print_ssa_value)
        printer.print_string(f" = {kernel.name}")
        kernel.print_head(printer, buffers)
        if printed := self.printed_decisions():
            printer.print_string(f" plan {{{plan_text(kind_of(kernel), printed)}}}")
        kernel.print_epilogue(printer, buffers)

    def printed_decisions(self) -> dict[str, DecisionValue]:
        """The decisions of the plan, and with them how wide the panels of weights are that are packed for it."""
        kind = kind_of(self.kernel)
        if not any(isinstance(value.owner, BufferOp) and value.owner.is_packed_as_read for value in self.ins):
            return self.decisions
        decisions = kind.implied(self.kernel) | self.decisions
        return {name: decisions[name] for name in fields_of(kind) if name in decisions}

    @classmethod
    def parse(cls, parser: Parser) -> StageOp:
        name = parser.parse_symbol_name()
        outs = parser.parse_comma_separated_list(parser.Delimiter.NONE, lambda: parse_value(parser))
        parser.parse_punctuation("=")
        kernel = _parse_kernel_name(parser)
        ins, properties = kernel.parse_head(parser)
        has_plan = parser.parse_optional_keyword("plan") is not None
        plan = parse_plan(parser, kind_name(kernel.name, properties)) if has_plan else {}
        results = [value.type for value in outs]
        extras, region = kernel.parse_epilogue(parser, ins, results)
        refuse_word(parser, f"part of a stage of {kernel.name}")
        buffers = list(dict.fromkeys([*ins, *extras]))
        body = Block(arg_types=[buffer.type for buffer in buffers])
        inside = dict(zip(buffers, body.args, strict=True))
        own, others = ([inside[value] for value in values] for values in (ins, extras))
        inner = kernel.of_parts(own, others, results, properties, region)
        _settle_panels(inner, ins, plan)
        body.add_ops([inner, YieldOp(inner.results)])
        return cls(name.data, buffers, outs, Region(body), plan)


_WEIGHTS = 1
"""Which operand of a kernel lies in panels."""


def _packs(user: Operation, value: SSAValue) -> bool:
    """Whether a stage reads the value as weights, in panels as a decision of it has them."""
    if not isinstance(user, StageOp) or value not in user.ins:
        return False
    kernel, argument = user.kernel, user.body.block.args[list(user.ins).index(value)]
    reads = [index for index, operand in enumerate(kernel.operands) if operand is argument]
    kind = kind_of(kernel)
    if reads != [_WEIGHTS] or not kind.implied(kernel):
        return False
    assert isinstance(value.type, TensorType)
    return value.type.layout == packed_layout(kernel)


def _settle_panels(kernel: KernelOp | ConvertOp, ins: Sequence[SSAValue], plan: Mapping[str, DecisionValue]) -> None:
    """Gives packed weights, which the text has as row-major, the layout that follows from the plan.

    Raises VerifyException where the plan does not say how wide the panels are, or the kernel takes none.
    """
    buffer = ins[_WEIGHTS].owner if len(ins) > _WEIGHTS else None
    if not isinstance(buffer, BufferOp) or buffer.packed is None:
        return
    kind = kind_of(kernel)
    if not kind.PANEL:
        return
    width = plan.get(kind.PANEL)
    if not isinstance(width, int):
        words = words_of(fields_of(kind)[kind.PANEL])
        raise VerifyException(f"C5: the weights are packed, and the plan does not say '{words}'")
    unit = kind.panel_unit(kernel)
    layout = panel_layout(kernel, width * unit, atom_depth(plan.get("atom"))) if unit else None
    if layout is None:
        kernel.verify()
        raise VerifyException(f"C6: {layout_mistake(kernel) or 'a batch of matrices is not packed'}")
    buffer.packed = None
    for value in (buffer.result, kernel.operands[_WEIGHTS]):
        value._type = buffer.type.with_layout(layout)


def _parse_kernel_name(parser: Parser) -> type[KernelOp] | type[ConvertOp]:
    begin = parser.pos
    name = parser.parse_identifier(": a kernel")
    kernel = parser._get_op_by_name(name)
    if not issubclass(kernel, KernelOp | ConvertOp):
        parser.raise_error(f"a stage runs a kernel or layout.convert, not {name}", begin, begin + len(name))
    return kernel


def _to_say(kernel: Operation, said: Mapping[str, DecisionValue]) -> dict[str, DecisionValue]:
    """What is said in the order of the fields, without what packed weights imply; once nothing is open, without
    defaults.

    Before, a default that is said keeps schedule-choose-tiles from choosing otherwise.
    """
    kind = kind_of(kernel)
    known, implied = fields_of(kind), kind.implied(kernel)
    ordered = {name: said[name] for name in [*known, *said] if name in said and implied.get(name) != said[name]}
    if left_open(kind, implied | ordered):
        return ordered
    return {name: value for name, value in ordered.items() if name not in known or not _is_default(known[name], value)}


def _is_default(entry: Field[Any], value: DecisionValue) -> bool:
    return type(value) is type(entry.default) and value == entry.default


def _value(attribute: Attribute) -> DecisionValue:
    if isinstance(attribute, ArrayAttr):
        return tuple(axis.data for axis in attribute)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(attribute, IntegerAttr):
        number = attribute.value.data
        return bool(number) if attribute.type == i1 else number
    return attribute.data  # pyright: ignore[reportAttributeAccessIssue]


def _attribute(value: DecisionValue) -> Attribute:
    if isinstance(value, tuple):
        return ArrayAttr([StringAttr(axis) for axis in value])
    if isinstance(value, bool):
        return IntegerAttr.from_bool(value)
    return IntegerAttr(value, i64) if isinstance(value, int) else StringAttr(value)


@irdl_op_definition
class BarrierOp(IRDLOperation):
    """All threads finish the stages before it before any begins the ones after it."""

    name = "schedule.barrier"
    assembly_format = "attr-dict"
