"""Checks that a program is consistent in itself before anything of it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .consistency import check_consistency
from .errors import ProgramError
from .expressions import Dimension, symbols_of
from .program import (
    BUFFER_KINDS,
    REPORT_BYTES,
    ArrayType,
    Bind,
    Block,
    Buffer,
    Call,
    Conditional,
    Host,
    Program,
    Segment,
    Stage,
    Step,
)
from .scopes import check_scopes


def validate(program: Program, code_symbols: Iterable[str], constant_bytes: int, consistent: bool = True) -> None:
    """Raises ProgramError that names the place of the first contradiction.

    ``code_symbols`` are the names that the code defines; ``constant_bytes`` is the size of all constants together.
    """
    for name, tensor in [*program.inputs, *program.outputs]:
        _check_type(tensor, f"'{name}'", may_be_text=True)
    _check_unique([name for name, _ in program.inputs], "inputs")
    _check_unique([name for name, _ in program.outputs], "outputs")
    for name, _ in program.inputs:
        if name.startswith("@") and name[1:] in program.constants:
            raise ProgramError(f"the input '{name}' cannot be told from the constant '{name[1:]}': rename it")
    for name, constant in program.constants.items():
        if constant.offset < 0 or constant.nbytes < 0 or constant.offset + constant.nbytes > constant_bytes:
            raise ProgramError(
                f"constant '{name}' occupies bytes {constant.offset} to {constant.offset + constant.nbytes}, "
                f"outside of the {constant_bytes} bytes of constants"
            )
        if any(dimension < 0 for dimension in constant.shape):
            raise ProgramError(f"constant '{name}' has the shape {constant.shape}")
        _check_dtype(constant.dtype, f"constant '{name}'", may_be_text=True)
    functions = set(code_symbols)
    for segment in program.segments.values():
        _check_segment(program, segment, functions)
    defined = {name for name, _ in program.inputs}
    _check_block(program, program.body, defined, "body")
    if len(program.body.results) != len(program.outputs):
        raise ProgramError(f"the body gives {len(program.body.results)} results for {len(program.outputs)} outputs")
    check_scopes(program)
    if consistent:
        check_consistency(program)
    _check_vanishing(program)


def _check_unique(names: list[str], where: str) -> None:
    if len(set(names)) < len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ProgramError(f"{where}: {repeated} occur more than once")


def _check_vanishing(program: Program) -> None:
    if program.vanishing and len(program.vanishing) != len(program.outputs):
        raise ProgramError(f"{len(program.vanishing)} lists of vanishing axes for {len(program.outputs)} outputs")
    for axes, (name, tensor) in zip(program.vanishing, program.outputs):
        if any(not 0 <= axis < len(tensor.shape) for axis in axes):
            raise ProgramError(f"the output '{name}' has no axes {axes}: its rank is {len(tensor.shape)}")


def _check_type(tensor: ArrayType, where: str, may_be_text: bool = False) -> None:
    _check_dtype(tensor.dtype, where, may_be_text)
    symbols_of(*tensor.shape)


def _check_dtype(name: str, where: str, may_be_text: bool = False) -> None:
    """Only numbers that lie in memory as such: an array of Python objects would be memory that native code writes.

    ``may_be_text``: it is not native code's, and may be of objects.
    """
    if may_be_text and name == "object":
        return
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError, SyntaxError):
        raise ProgramError(f"{where}: '{name}' is no NumPy dtype") from None
    # Types that extend NumPy, such as bfloat16, are of kind V, as is memory without a type.
    is_number = dtype.kind in "biufc" or (dtype.kind == "V" and dtype.type is not np.void)
    if not is_number or dtype.name != name:
        raise ProgramError(f"{where}: '{name}' is no dtype of a tensor: expected one such as float32")


def _check_segment(program: Program, segment: Segment, functions: set[str]) -> None:
    where = f"segment '{segment.name}'"
    for tensor in [*segment.inputs, *segment.outputs]:
        _check_type(tensor, where)
        _check_symbols(segment, tensor.shape, f"{where} types")
    _check_unique([buffer.name for buffer in segment.buffers], f"{where} buffers")
    _check_batches(segment, where)
    for buffer in segment.buffers:
        _check_buffer(program, segment, buffer, f"{where} buffer '{buffer.name}'")
        _check_inside(segment, buffer, f"{where} buffer '{buffer.name}'")
    sizes = {buffer.name: buffer.nbytes for buffer in segment.buffers}
    for number, stage in enumerate(segment.stages):
        around = segment.batches_of(number)
        inside = None if around is None else segment.batches.index(around)
        _check_stage(segment, stage, sizes, functions, f"{where} stage '{stage.name}'", inside)
    if segment.work is not None:
        _check_symbols(segment, [segment.work], f"{where} work")
    _check_growths(program, segment, where)


def _check_growths(program: Program, segment: Segment, where: str) -> None:
    """An output differs from the input that it grows from along the axis alone; no shape tells the room."""
    told = symbols_of(*(size for _, tensor in program.inputs for size in tensor.shape))
    for number, growth in enumerate(segment.growths):
        place = f"{where} growth {number}"
        if not (0 <= growth.input < len(segment.inputs) and 0 <= growth.output < len(segment.outputs)):
            raise ProgramError(f"{place}: from input {growth.input} to output {growth.output}, which there are not")
        before, after = segment.inputs[growth.input], segment.outputs[growth.output]
        rest = [[size for axis, size in enumerate(t.shape) if axis != growth.axis] for t in (before, after)]
        if before.dtype != after.dtype or rest[0] != rest[1] or not 0 <= growth.axis < len(after.shape):
            raise ProgramError(f"{place}: {before} does not grow to {after} along axis {growth.axis}")
        for room in (growth.room_before, growth.room):
            if room not in segment.symbols or room in told:
                raise ProgramError(f"{place}: '{room}' is no symbol that is free for its room")
    for which in ("input", "output"):
        _check_unique([str(getattr(growth, which)) for growth in segment.growths], f"{where} growths' {which}s")


def _check_batches(segment: Segment, where: str) -> None:
    """Each of some stages of their own, the last with a barrier, in steps of one image or more."""
    before = -1
    for number, batches in enumerate(segment.batches):
        place = f"{where} batches {number}"
        if not before < batches.first_stage <= batches.last_stage < len(segment.stages):
            raise ProgramError(
                f"{place}: from stage {batches.first_stage} to {batches.last_stage} of {len(segment.stages)} stages"
            )
        before = batches.last_stage
        if not segment.stages[before].barrier:
            raise ProgramError(f"{place}: no barrier is after its last stage '{segment.stages[before].name}'")
        if batches.images_at_once < 1:
            raise ProgramError(f"{place}: {batches.images_at_once} images in a step")
        if batches.symbol and (not batches.symbol.isidentifier() or batches.symbol in segment.symbols):
            raise ProgramError(f"{place}: '{batches.symbol}' cannot name the images of a step")
        _check_symbols(segment, [batches.images], place)


def _check_inside(segment: Segment, buffer: Buffer, where: str) -> None:
    """What is inside of batches lives there; parts are of what is outside, as one of whole images is."""
    if buffer.inside is None:
        if buffer.kind == "part":
            raise ProgramError(f"{where}: a part that is not inside of batches")
        return
    if not 0 <= buffer.inside < len(segment.batches) or buffer.kind not in ("arena", "scratch", "part"):
        raise ProgramError(f"{where}: of kind {buffer.kind} inside of batches {buffer.inside}")
    batches = segment.batches[buffer.inside]
    if buffer.kind == "part":
        whole = next((other for other in segment.buffers if other.name == buffer.whole), None)
        if whole is None or whole.inside is not None or whole.kind not in ("input", "output", "arena"):
            raise ProgramError(f"{where}: a part of '{buffer.whole}', which is no buffer outside of batches")
    elif not batches.first_stage <= buffer.first_stage <= buffer.last_stage <= batches.last_stage:
        raise ProgramError(
            f"{where}: live from stage {buffer.first_stage} to {buffer.last_stage}, outside of its batches"
        )


def _check_symbols(segment: Segment, dimensions: Iterable[int | str], where: str, inside: int | None = None) -> None:
    unknown = symbols_of(*dimensions) - set(segment.symbols)
    if inside is not None:
        unknown -= {segment.batches[inside].symbol}
    if unknown:
        raise ProgramError(f"{where} use {sorted(unknown)}; the symbols of the segment are {segment.symbols}")


def _check_buffer(program: Program, segment: Segment, buffer: Buffer, where: str) -> None:
    if buffer.kind not in BUFFER_KINDS:
        raise ProgramError(f"{where}: unknown kind '{buffer.kind}': expected one of {', '.join(BUFFER_KINDS)}")
    known = buffer.inside is not None and 0 <= buffer.inside < len(segment.batches)
    _check_symbols(segment, [buffer.nbytes], where, buffer.inside if known else None)
    if isinstance(buffer.nbytes, int) and buffer.nbytes < 0:
        raise ProgramError(f"{where}: {buffer.nbytes} bytes")
    if buffer.kind == "constant":
        constant = program.constants.get(buffer.constant or "")
        if constant is None:
            raise ProgramError(f"{where}: no constant '{buffer.constant}'")
        if isinstance(buffer.nbytes, int) and buffer.nbytes > constant.nbytes:
            raise ProgramError(f"{where}: {buffer.nbytes} bytes of a constant that has {constant.nbytes}")
    if buffer.kind == "report" and buffer.nbytes != REPORT_BYTES * len(segment.stages):
        raise ProgramError(f"{where}: {buffer.nbytes} bytes of reports for {len(segment.stages)} stages")
    for kind, types in (("input", segment.inputs), ("output", segment.outputs)):
        if buffer.kind == kind and not 0 <= buffer.index < len(types):
            raise ProgramError(f"{where}: no {kind} {buffer.index}, there are {len(types)}")
    if buffer.kind in ("arena", "scratch") and not 0 <= buffer.first_stage <= buffer.last_stage < len(segment.stages):
        raise ProgramError(
            f"{where}: live from stage {buffer.first_stage} to {buffer.last_stage} of {len(segment.stages)} stages"
        )
    if buffer.offset is not None and (buffer.offset < 0 or not isinstance(buffer.offset, int)):
        raise ProgramError(f"{where}: offset {buffer.offset}")
    if buffer.offset is not None and buffer.per_thread:
        raise ProgramError(f"{where}: memory per thread cannot have an offset, since the threads are not known")


def _check_stage(
    segment: Segment,
    stage: Stage,
    sizes: Mapping[str, Dimension],
    functions: set[str],
    where: str,
    inside: int | None,
) -> None:
    if stage.function not in functions:
        raise ProgramError(f"{where}: the code defines no function '{stage.function}'")
    for argument in stage.arguments:
        if len(argument) == 3 and argument[0] == "buffer":
            if argument[1] not in sizes:
                raise ProgramError(f"{where}: no buffer '{argument[1]}'")
            _check_within(argument[2], sizes[argument[1]], f"{where}: argument in buffer '{argument[1]}'")
            _check_symbols(segment, [argument[2]], where, inside)
        elif len(argument) == 2 and argument[0] == "dim":
            _check_symbols(segment, [argument[1]], where, inside)
        else:
            raise ProgramError(f"{where}: {list(argument)} is no argument: expected buffer, name, offset or dim, value")


def _check_within(offset: Dimension, size: Dimension, where: str) -> None:
    """What is known before shapes are bound; a stage may be handed the end of a buffer, but nothing beyond it."""
    too_far = isinstance(offset, int) and isinstance(size, int) and offset > size
    if too_far or (isinstance(offset, int) and offset < 0):
        raise ProgramError(f"{where}: byte {offset} lies outside of its {size} bytes")


def _check_block(program: Program, block: Block, outer: set[str], where: str) -> None:
    defined = set(outer)
    for index, step in enumerate(block.steps):
        _check_step(program, step, defined, f"{where} step {index}")
        if len(set(step.outputs)) < len(step.outputs) or not defined.isdisjoint(step.outputs):
            again = sorted({name for name in step.outputs if name in defined or step.outputs.count(name) > 1})
            raise ProgramError(f"{where} step {index}: {again} are defined a second time")
        defined.update(step.outputs)
    _check_defined(program, block.results, defined, f"{where} results")


def _check_defined(program: Program, names: Iterable[str | None], defined: set[str], where: str) -> None:
    for name in names:
        if not name or name in defined or (name.startswith("@") and name[1:] in program.constants):
            continue
        raise ProgramError(f"{where}: '{name}' is not defined")


def _check_step(program: Program, step: Step, defined: set[str], where: str) -> None:
    if isinstance(step, Call):
        _check_defined(program, step.inputs, defined, where)
        segment = program.segments.get(step.segment)
        if segment is None:
            raise ProgramError(f"{where}: no segment '{step.segment}'")
        if len(step.inputs) != len(segment.inputs) or len(step.outputs) != len(segment.outputs):
            raise ProgramError(
                f"{where}: {len(step.inputs)} inputs and {len(step.outputs)} outputs for segment '{segment.name}', "
                f"which has {len(segment.inputs)} and {len(segment.outputs)}"
            )
    elif isinstance(step, Host):
        _check_defined(program, step.inputs, defined, where)
        if len(step.output_types) != len(step.outputs):
            raise ProgramError(f"{where}: {len(step.output_types)} types for {len(step.outputs)} outputs")
    elif isinstance(step, Bind):
        _check_defined(program, step.inputs, defined, where)
        if len(step.inputs) != 1:
            raise ProgramError(f"{where}: sizes are read from one value, not from {step.inputs}")
        symbols_of(*step.sizes)
    elif isinstance(step, Conditional):
        _check_defined(program, [step.condition], defined, where)
        for block, name in ((step.then_block, "then"), (step.else_block, "else")):
            _check_block(program, block, defined, f"{where} {name}")
            if len(block.results) != len(step.outputs):
                raise ProgramError(f"{where} {name}: {len(block.results)} results for {len(step.outputs)} outputs")
    else:
        _check_defined(program, [step.trip_count, step.condition, *step.initial], defined, where)
        _check_block(program, step.body, defined | set(step.body_inputs), f"{where} body")
        carried = len(step.initial)
        if len(step.body_inputs) != carried + 2:
            raise ProgramError(f"{where}: {len(step.body_inputs)} body inputs for {carried} carried values and two")
        if len(step.body.results) != len(step.outputs) + 1 or len(step.outputs) < carried:
            raise ProgramError(f"{where}: {len(step.body.results)} body results for {len(step.outputs)} outputs")
