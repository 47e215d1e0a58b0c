"""schedule -> program: what the runtime needs to know of a compiled module beside its machine code.

It stands in the ops of the schedule dialect, on the schedule level and on each below it: the segments' buffers and
stages, the plan in @main (calls of segments, operations on the host, branches and loops), the model's inputs and
outputs, and where each constant lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    ModuleOp,
    StringAttr,
    UnrealizedConversionCastOp,
)
from xdsl.ir import Block, Operation, SSAValue

from ..context import CompilerContext
from ..dialects import shape as dims
from ..dialects.batches import BatchesOp
from ..dialects.calling_convention import CHECKED_ATTRIBUTE, WORK_ATTRIBUTE, Arguments
from ..dialects.dimension_attribute import DimensionAttr
from ..dialects.graph.attributes import vanishing_axes
from ..dialects.growth import growths_of
from ..dialects.kernel_call import CallOp, signature_of
from ..dialects.layout import VIEWS, TensorType
from ..dialects.schedule import BarrierOp, BufferOp, StageOp
from ..dialects.shape import Dim
from ..dialects.storage import buffer_bytes, dtype_name
from ..errors import OperationError
from ..machines import Target
from ..runtime import program as manifest
from ..runtime.expressions import symbols_of
from ..runtime.text import bytes_of

_REPORT = "report"


def manifest_type(type_: Any) -> manifest.ArrayType:
    """The manifest's type of a graph or layout tensor."""
    return manifest.ArrayType(dtype_name(type_.element_type), [dims.to_python_expression(d) for d in type_.dims])


def signatures(segments: Iterable[manifest.Segment], writes: Mapping[str, list[int]]) -> dict[str, manifest.Function]:
    """What each function of the stages works on; ``writes`` are positions of what it writes, by its name.

    Of functions that stages hand different things, nothing is said.
    """
    found: dict[str, manifest.Function] = {}
    unclear: set[str] = set()
    for segment in segments:
        sizes = {buffer.name: buffer.nbytes for buffer in segment.buffers}
        for stage in segment.stages:
            buffers = []
            for argument in stage.arguments:
                if len(argument) == 3:
                    _, name, offset = argument
                    # Of reports, the words of this stage from the offset on.
                    rest = manifest.REPORT_BYTES - int(offset) % manifest.REPORT_BYTES
                    buffers.append(rest if name == _REPORT else sizes[name])
            values = [argument[1] for argument in stage.arguments if argument[0] == "dim"]
            function = manifest.Function(buffers, values, writes[stage.function])
            if found.setdefault(stage.function, function) != function:
                unclear.add(stage.function)
    return {name: function for name, function in found.items() if name not in unclear}


def _tell_sizes(segment: manifest.Segment) -> None:
    """Adds to each stage's arguments the sizes of its buffers (below zero: of each thread's part) and its report."""
    sizes = {buffer.name: f"-({buffer.nbytes})" if buffer.per_thread else buffer.nbytes for buffer in segment.buffers}
    sizes[_REPORT] = manifest.INDEX_REPORT_BYTES
    for number, stage in enumerate(segment.stages):
        buffers = [argument[1] for argument in stage.arguments if argument[0] == "buffer"]
        stage.arguments.extend(("dim", sizes[str(name)]) for name in buffers)
        stage.arguments.append(("buffer", _REPORT, number * manifest.REPORT_BYTES))


class _SegmentBuilder:
    def __init__(self, function: func.FuncOp):
        self.function = function
        self.names: dict[SSAValue, str] = {}
        self.buffers: list[manifest.Buffer] = []
        self.stages: list[manifest.Stage] = []
        self.batches: list[manifest.Batches] = []
        self.inside: int | None = None
        """The number of the batches whose body is walked."""
        self.symbols: set[str] = set()
        self.writes: dict[str, list[int]] = {}
        """By name of a native function, which of its buffers it writes."""

    def build(self, checked: bool) -> manifest.Segment:
        """The buffers and stages. ``checked``: for code that went through llvm-check-bounds."""
        segment = self.scheduled()
        if checked:
            _tell_sizes(segment)
        if any(argument[1] == _REPORT for stage in segment.stages for argument in stage.arguments):
            segment.buffers.append(manifest.Buffer(_REPORT, len(segment.stages) * manifest.REPORT_BYTES, "report"))
        return segment

    def scheduled(self) -> manifest.Segment:
        block = self.function.body.block
        for index, argument in enumerate(block.args):
            self._add(argument, "input", index=index)
        self._number_lives(self._walk(block))
        terminator = block.last_op
        assert isinstance(terminator, func.ReturnOp)
        for value in terminator.operands:
            # A view of a buffer may have sizes that no buffer has.
            self.symbols |= dims.symbols_of(*value.type.dims)  # pyright: ignore[reportAttributeAccessIssue]
        work = self._work()
        return manifest.Segment(
            name=self.function.sym_name.data,
            inputs=[manifest_type(argument.type) for argument in block.args],
            outputs=[manifest_type(value.type) for value in terminator.operands],
            buffers=self.buffers,
            stages=self.stages,
            symbols=sorted(self.symbols),
            batches=self.batches,
            work=work,
            growths=[manifest.Growth(**asdict(growth)) for growth in growths_of(self.function)],
        )

    def _walk(self, block: Block) -> list[tuple[int, int]]:
        """Adds what a block holds. For each of its stages, the numbers of the first and last one that it becomes."""
        numbers: list[tuple[int, int]] = []
        for op in block.ops:
            first = len(self.stages)
            if isinstance(op, BufferOp):
                self._add_buffer(op)
            elif isinstance(op, StageOp | CallOp):
                self._add_stage(op)
            elif isinstance(op, BatchesOp):
                self._add_batches(op)
            elif isinstance(op, BarrierOp) and self.stages:
                self.stages[-1].barrier = True
            elif isinstance(op, VIEWS):
                self.names[op.result] = self.names[op.source]
            if len(self.stages) > first:
                numbers.append((first, len(self.stages) - 1))
        return numbers

    def _number_lives(self, numbers: Sequence[tuple[int, int]]) -> None:
        """In the text a buffer lives between stages of its block; in the program those of all blocks are numbered."""
        for buffer in self.buffers:
            if buffer.kind == "arena" and buffer.inside == self.inside:
                buffer.first_stage, buffer.last_stage = numbers[buffer.first_stage][0], numbers[buffer.last_stage][1]

    def _add_batches(self, op: BatchesOp) -> None:
        """The stages inside run from the same list; parts of what is outside are buffers of their own."""
        first, self.inside = len(self.stages), len(self.batches)
        known = set(self.symbols) | dims.symbols_of(op.images.data)
        for value, part in zip((*op.ins, *op.outs), op.body.block.args, strict=True):
            self._add(part, "part", whole=self.names[value])
        symbol = "" if op.symbol is None else op.symbol.data
        steps = manifest.Batches(first, first, dims.to_python_expression(op.images.data), op.images_at_once, symbol)
        self.batches.append(steps)
        self._number_lives(self._walk(op.body.block))
        steps.last_stage = len(self.stages) - 1
        self.stages[-1].barrier = True
        self.symbols = known | (self.symbols - {symbol})
        self.inside = None

    def _work(self) -> int | str | None:
        """What schedule-estimate-work has found, if it could tell."""
        attribute = self.function.attributes.get(WORK_ATTRIBUTE)
        if attribute is None:
            return None
        if not isinstance(attribute, DimensionAttr):
            raise OperationError(f"{WORK_ATTRIBUTE} is {attribute}: expected #graph.dim<...>", self.function)
        self.symbols |= dims.symbols_of(attribute.data)
        return dims.to_python_expression(attribute.data)

    def _add(self, value: SSAValue, kind: manifest.BufferKind, **fields: Any) -> None:
        type_ = value.type
        assert isinstance(type_, TensorType)
        self.symbols |= dims.symbols_of(*type_.dims, *type_.layout.lower, *type_.layout.upper)
        name = f"{kind}{len(self.buffers)}"
        self.names[value] = name
        nbytes = dims.to_python_expression(buffer_bytes(type_))
        inside = None if kind in ("input", "output", "constant") else self.inside
        self.buffers.append(manifest.Buffer(name=name, nbytes=nbytes, kind=kind, inside=inside, **fields))

    def _add_buffer(self, op: BufferOp) -> None:
        match op.kind.data:
            case "output":
                assert op.index is not None
                index = op.index.value.data
                self._add(op.result, "output", index=index)
            case "constant":
                assert op.constant is not None
                self._add(op.result, "constant", constant=op.constant.data)
            case _:
                first, last = op.lives
                offset = None if op.offset is None else op.offset.value.data
                self._add(op.result, "arena", first_stage=first, last_stage=last, offset=offset)

    def _add_stage(self, op: StageOp | CallOp) -> None:
        number = len(self.stages)
        signature = signature_of(op)
        self.symbols |= set(signature.sizes)
        report = number * manifest.REPORT_BYTES + manifest.ACCESS_REPORT_BYTES
        arguments: Arguments[manifest.BufferArgument, manifest.DimensionArgument] = Arguments(
            [("buffer", self.names[value], 0) for value in (*op.ins, *op.outs)],
            None if signature.scratch is None else ("buffer", self._add_scratch(signature.scratch), 0),
            ("buffer", _REPORT, report) if signature.reports else None,
            [("dim", symbol) for symbol in signature.sizes],
        )
        self.stages.append(
            manifest.Stage(
                op.stage_name.data,
                signature.function,
                arguments.in_order(),
                barrier=False,
                node=op.outs[0].name_hint or "" if signature.reports else "",
            )
        )
        self.writes[signature.function] = signature.written

    def _add_scratch(self, size: Dim) -> str:
        """Memory of the stage that comes next; its name."""
        number = len(self.stages)
        nbytes = dims.to_python_expression(size)
        buffer = manifest.Buffer(
            f"scratch{number}",
            nbytes,
            "scratch",
            first_stage=number,
            last_stage=number,
            per_thread=True,
            inside=self.inside,
        )
        self.buffers.append(buffer)
        return buffer.name


# --- the plan ---------------------------------------------------------------------------------------


class _PlanBuilder:
    """Steps of @main: names every value, and lists what happens in order."""

    def __init__(self, inputs: Mapping[SSAValue, str]) -> None:
        self.names: dict[SSAValue, str] = dict(inputs)
        self.inputs = frozenset(inputs.values())

    def name(self, value: SSAValue) -> str:
        if value not in self.names:
            name = f"%{len(self.names)}"
            while name in self.inputs:
                name = f"%{name}"
            self.names[value] = name
        return self.names[value]

    def named(self, values: Iterable[SSAValue]) -> list[str]:
        return [self.name(value) for value in values]

    def block(self, block: Block, checks: Sequence[manifest.Check] = ()) -> manifest.Block:
        steps: list[manifest.Step] = []
        for op in block.ops:
            if op.name in ("func.return", "graph.yield"):
                return manifest.Block(steps, self.named(op.operands), list(checks))
            step = self.step(op)
            if step is not None:
                steps.append(step)
        raise ValueError("a block of the plan does not end in func.return or graph.yield")

    def step(self, op: Operation) -> manifest.Step | None:
        match op.name:
            case "func.call":
                assert isinstance(op, func.CallOp)
                return manifest.Call(op.callee.string_value(), self.named(op.operands), self.named(op.results))
            case "graph.constant":
                self.names[op.results[0]] = "@" + op.properties["handle"].data  # pyright: ignore[reportAttributeAccessIssue]
                return None
            case "builtin.unrealized_conversion_cast":
                for operand, result in zip(op.operands, op.results, strict=True):
                    self.names[result] = self.name(operand)
                return None
            case "graph.if":
                then_region, else_region = op.regions
                return manifest.Conditional(
                    self.name(op.operands[0]),
                    self.block(then_region.block, _checks(op, "then_checks")),
                    self.block(else_region.block, _checks(op, "else_checks")),
                    self.named(op.results),
                    [manifest_type(result.type) for result in op.results],
                )
            case "graph.bind_sizes":
                return manifest.Bind(self.named(op.operands), manifest_type(op.results[0].type).shape)
            case "graph.loop":
                return self.repeat(op)
        return manifest.Host(
            op.name.removeprefix("graph."),
            _host_attributes(op),
            self.named(op.operands),
            self.named(op.results),
            [manifest_type(result.type) for result in op.results],
        )

    def repeat(self, op: Operation) -> manifest.Repeat:
        trips, condition, *carried = op.operands
        body = op.regions[0].block
        return manifest.Repeat(
            self.name(trips),
            self.name(condition),
            self.named(carried),
            body_inputs=self.named(body.args),
            body=self.block(body, _checks(op, "checks")),
            outputs=self.named(op.results),
            body_input_types=[manifest_type(argument.type) for argument in body.args],
            output_types=[manifest_type(result.type) for result in op.results],
        )


def _host_attributes(op: Operation) -> dict[str, Any]:
    """The operation's fields as plain values; dimensions as expressions, which the runtime evaluates."""
    from ..reference.operations import SHAPED_BY_RESULT

    attributes = {name: _plain(value) for name, value in op.values.items()}  # pyright: ignore[reportAttributeAccessIssue]
    if op.name.removeprefix("graph.") in SHAPED_BY_RESULT:
        type_ = manifest_type(op.results[0].type)
        attributes |= {"shape": type_.shape, "dtype": type_.dtype}
    return attributes


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    return dims.to_python_expression(value)


# --- the whole ------------------------------------------------------------------------------------------


def describe_target(target: Target) -> manifest.RequiredMachine:
    """What a compiled model says of the machine that it needs."""
    features = [feature[1:] for feature in target.features if feature.startswith("+")]
    return manifest.RequiredMachine(target.name, target.triple, target.cpu, features)


def build_program(module: ModuleOp, context: CompilerContext) -> tuple[manifest.Program, np.ndarray]:
    """The program of a module, scheduled or lowered further, and the memory of its constants (bytes).

    The context has the arrays that its buffers name, packed as their layouts say. Where the code is checked, its stages
    report what they are kept from.
    """
    functions = {f.sym_name.data: f for f in module.ops if isinstance(f, func.FuncOp)}
    main = functions["main"]
    # Below the schedule there are kernels, too.
    called = {op.callee.string_value() for op in main.walk() if isinstance(op, func.CallOp)}
    builders = {name: _SegmentBuilder(function) for name, function in functions.items() if name in called}
    checked = CHECKED_ATTRIBUTE in module.attributes
    segments = {name: builder.build(checked) for name, builder in builders.items()}
    writes = {name: positions for builder in builders.values() for name, positions in builder.writes.items()}
    _restore_signs(main, segments)
    inputs = _named(main, "arg_attrs", main.body.block.args, "input")
    names = [name for name, _ in inputs]
    builder = _PlanBuilder(dict(zip(main.body.block.args, names, strict=True)))
    of_inputs = dims.symbols_of(*(d for argument in main.body.block.args for d in argument.type.dims))  # pyright: ignore
    checks, checks_of_data = [], []
    for check in _checks(module, "lamina.checks"):
        (checks if symbols_of(check.left, check.right) <= of_inputs else checks_of_data).append(check)
    body = builder.block(main.body.block, checks_of_data)
    terminator = main.body.block.last_op
    assert terminator is not None
    outputs = _named(main, "res_attrs", terminator.operands, "output")
    placed, memory = place_constants(context.constants, _used_constants(segments.values(), body, names))
    symbols: set[str] = set()
    for segment in segments.values():
        symbols |= set(segment.symbols)
    for _, value in zip(inputs, main.body.block.args, strict=True):
        symbols |= dims.symbols_of(*value.type.dims)  # pyright: ignore[reportAttributeAccessIssue]
    program = manifest.Program(
        target=describe_target(context.target),
        symbols=sorted(symbols),
        inputs=inputs,
        outputs=outputs,
        segments=segments,
        body=body,
        constants=placed,
        checks=checks,
        vanishing=_vanishing(main),
        functions=signatures(segments.values(), writes),
        precision=context.precision,
    )
    return program, memory


def _vanishing(main: func.FuncOp) -> list[list[int]]:
    """The axes that each output loses where their size is 1; empty where none does."""
    axes = vanishing_axes(main)
    return axes if any(axes) else []


def _restore_signs(main: func.FuncOp, segments: dict[str, manifest.Segment]) -> None:
    """Below the graph integers have no sign; the arrays that a segment takes and gives have those of @main."""
    for op in main.walk():
        if not isinstance(op, func.CallOp):
            continue
        segment = segments[op.callee.string_value()]
        for argument, type_ in zip(op.arguments, segment.inputs, strict=True):
            if isinstance(argument.owner, UnrealizedConversionCastOp):
                type_.dtype = manifest_type(argument.owner.operands[0].type).dtype
        for result, type_ in zip(op.results, segment.outputs, strict=True):
            for use in result.uses:
                if isinstance(use.operation, UnrealizedConversionCastOp):
                    type_.dtype = manifest_type(use.operation.results[0].type).dtype


def _named(
    main: func.FuncOp, attribute: str, values: Sequence[SSAValue], fallback: str
) -> list[tuple[str, manifest.ArrayType]]:
    """Names and types of @main's inputs or outputs."""
    entries: Any = main.properties.get(attribute)
    given = [entry.data for entry in entries] if isinstance(entries, ArrayAttr) else [{}] * len(values)
    named = []
    for index, (value, attributes) in enumerate(zip(values, given, strict=True)):
        name = attributes.get("lamina.name")
        text = name.data if isinstance(name, StringAttr) else f"{fallback}{index}"
        type_, kind = manifest_type(value.type), attributes.get("lamina.kind")
        type_.kind = kind.data if isinstance(kind, StringAttr) else ""
        named.append((text, type_))
    return named


def _checks(op: Operation, attribute: str) -> list[manifest.Check]:
    """What must hold once the symbols are bound: the attribute is a list of [left, right, message]."""
    found = op.attributes.get(attribute)
    if not isinstance(found, ArrayAttr):
        return []
    checks = []
    for left, right, message in found:  # pyright: ignore[reportGeneralTypeIssues]
        sides = [dims.to_python_expression(dims.parse_dimension(side.data)) for side in (left, right)]
        checks.append(manifest.Check(sides[0], sides[1], message.data))
    return checks


def _used_constants(segments: Iterable[manifest.Segment], body: manifest.Block, inputs: Sequence[str]) -> list[str]:
    used = [b.constant for segment in segments for b in segment.buffers if b.constant is not None]
    # An input may be called @anything, too.
    named = (name[1:] for name in manifest.names_read(body) if name.startswith("@") and name not in inputs)
    return list(dict.fromkeys([*used, *named]))


ALIGNMENT = 64


def place_constants(
    constants: Mapping[str, np.ndarray], names: Sequence[str]
) -> tuple[dict[str, manifest.Constant], np.ndarray]:
    """Lays the named arrays out one after another, aligned; gives their places and the memory."""
    placed: dict[str, manifest.Constant] = {}
    memory_of: dict[str, np.ndarray] = {}
    offset = 0
    for name in names:
        array = constants[name]
        memory_of[name] = stored = bytes_of(array) if array.dtype == object else array
        placed[name] = manifest.Constant(offset, stored.nbytes, str(array.dtype), list(array.shape))
        offset += -(-stored.nbytes // ALIGNMENT) * ALIGNMENT
    # An aligned start inside a larger allocation, untouched until written: large pages come zeroed from the system.
    raw = np.empty(offset + 4096, np.uint8)
    begin = -raw.ctypes.data % 4096
    memory = raw[begin : begin + offset]
    for name, place in placed.items():
        flat = np.ascontiguousarray(memory_of[name]).reshape(-1).view(np.uint8)
        memory[place.offset : place.offset + place.nbytes] = flat
    return placed, memory
