"""Checks that what the parts of a program say of each other agrees: nothing of it may read or write what is another's.

A compiled file may have been edited, its checksums included. What could still be another model is let through; what
cannot be, because two places of it contradict each other, is refused before anything runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .arena import LiveRange, barrier_epochs, shared_bytes
from .errors import ProgramError
from .expressions import Dimension
from .memory import ALIGNMENT
from .program import (
    ArrayType,
    Bind,
    Block,
    Buffer,
    Call,
    Conditional,
    Constant,
    Function,
    Program,
    Repeat,
    Segment,
    Stage,
    names_read,
)

Types = dict[str, ArrayType]


def check_consistency(program: Program) -> None:
    """Raises ProgramError that names the place of the first contradiction. ``validate`` has been here before."""
    _check_constants(program)
    called = {stage.function for segment in program.segments.values() for stage in segment.stages}
    if not program.functions.keys() <= called:
        raise ProgramError(f"no stage calls the functions {sorted(program.functions.keys() - called)}")
    for segment in program.segments.values():
        where = f"segment '{segment.name}'"
        _check_ends(segment, where)
        for buffer in segment.buffers:
            if buffer.kind == "constant":
                _check_constant_buffer(buffer, program.constants[buffer.constant or ""], where)
        buffers = {buffer.name: buffer for buffer in segment.buffers}
        for stage in segment.stages:
            if stage.function in program.functions:
                _check_signature(
                    segment, buffers, stage, program.functions[stage.function], f"{where} stage '{stage.name}'"
                )
        _check_steps(segment, where)
        _check_lives(segment, where)
        _check_places(segment, where)
        if all(stage.function in program.functions for stage in segment.stages):
            _check_order(segment, program.functions, where)
    types = dict(program.inputs)
    types |= {f"@{name}": ArrayType(place.dtype, list(place.shape)) for name, place in program.constants.items()}
    _check_types(
        program, program.body, types, "body", [] if program.vanishing else [tensor for _, tensor in program.outputs]
    )


# --- constants ------------------------------------------------------------------------------------


def _check_constants(program: Program) -> None:
    """Each as large as its type, unless it is text, aligned, and apart from the others."""
    end = 0
    for name, place in sorted(program.constants.items(), key=lambda item: (item[1].offset, item[1].nbytes)):
        is_text = place.dtype == "object"
        if not is_text and place.nbytes != math.prod(place.shape) * np.dtype(place.dtype).itemsize:
            raise ProgramError(f"constant '{name}' of {place.dtype}{place.shape} has {place.nbytes} bytes")
        if place.offset % ALIGNMENT:
            raise ProgramError(f"constant '{name}' lies at {place.offset}, which is no multiple of {ALIGNMENT}")
        if place.nbytes and place.offset < end:
            raise ProgramError(f"constant '{name}' at {place.offset} shares bytes with another, which ends at {end}")
        end = max(end, place.offset + place.nbytes)
    used = {buffer.constant for segment in program.segments.values() for buffer in segment.buffers}
    used |= {name[1:] for name in names_read(program.body) if name.startswith("@")}
    unused = sorted(program.constants.keys() - used)
    if unused:
        raise ProgramError(f"nothing uses the constants {unused}")


def _check_constant_buffer(buffer: Buffer, constant: Constant, where: str) -> None:
    if buffer.nbytes != constant.nbytes:
        raise ProgramError(
            f"{where} buffer '{buffer.name}': {buffer.nbytes} bytes of a constant that has {constant.nbytes}"
        )


# --- segments -------------------------------------------------------------------------------------


def _check_ends(segment: Segment, where: str) -> None:
    """At most one buffer for each input and output, as large as its type where both are known."""
    for kind, types in (("input", segment.inputs), ("output", segment.outputs)):
        buffers = [buffer for buffer in segment.buffers if buffer.kind == kind]
        indices = sorted(buffer.index for buffer in buffers)
        if len(set(indices)) < len(indices):
            raise ProgramError(f"{where}: its buffers are {kind}s {indices} of {len(types)}")
        for buffer in buffers:
            check_bytes(segment, buffer, buffer.nbytes, types[buffer.index].shape)


def check_bytes(segment: Segment, buffer: Buffer, nbytes: int | str, shape: Sequence[int | str]) -> None:
    """That an input's or output's buffer is as large as its array. Raises ProgramError."""
    tensor = (segment.inputs if buffer.kind == "input" else segment.outputs)[buffer.index]
    if isinstance(nbytes, str) or any(isinstance(size, str) for size in shape):
        return
    expected = math.prod(int(size) for size in shape) * np.dtype(tensor.dtype).itemsize
    if nbytes != expected:
        raise ProgramError(
            f"segment '{segment.name}' buffer '{buffer.name}': {nbytes} bytes for {buffer.kind} {buffer.index}, "
            f"{tensor.dtype}{list(shape)}, which has {expected}"
        )


def _check_signature(
    segment: Segment, buffers: dict[str, Buffer], stage: Stage, function: Function, where: str
) -> None:
    """A function is handed what it was compiled for."""
    wholes = _wholes(segment)
    given = [argument for argument in stage.arguments if len(argument) == 3]
    values = [argument[1] for argument in stage.arguments if len(argument) == 2]
    if len(given) != len(function.buffers) or values != function.dims or stage.serial:
        raise ProgramError(
            f"{where}: '{stage.function}' takes {len(function.buffers)} buffers and the sizes {function.dims}"
        )
    for position, (argument, needed) in enumerate(zip(given, function.buffers, strict=True)):
        _, name, offset = argument
        buffer = buffers[str(name)]
        if not _holds(buffer, offset, needed):
            raise ProgramError(
                f"{where}: argument {position} is '{name}' of {buffer.nbytes} bytes from {offset} on, "
                f"'{stage.function}' works on {needed}"
            )
        if position in function.writes and wholes[buffer.name].kind in ("input", "constant"):
            raise ProgramError(f"{where}: it writes to the {buffer.kind} '{name}'")


def _holds(buffer: Buffer, offset: Dimension, needed: Dimension) -> bool:
    """A function is handed whole buffers, but for the words of its stage in a report."""
    if buffer.kind != "report":
        return offset == 0 and buffer.nbytes == needed
    if isinstance(offset, str) or isinstance(needed, str) or isinstance(buffer.nbytes, str):
        return False
    return offset + needed <= buffer.nbytes


def _check_steps(segment: Segment, where: str) -> None:
    """Stages inside of batches write, and read of what others write, only what is theirs and their images' parts."""
    buffers = {buffer.name: buffer for buffer in segment.buffers}
    for number, stage in enumerate(segment.stages):
        around = segment.batches_of(number)
        inside = None if around is None else segment.batches.index(around)
        for name in _buffers_of(stage):
            buffer = buffers[name]
            everybodys = buffer.kind in ("input", "constant", "report")
            if buffer.inside != inside and not (everybodys and buffer.inside is None):
                raise ProgramError(f"{where} stage '{stage.name}' uses buffer '{name}', which is not of its steps")


def _wholes(segment: Segment) -> dict[str, Buffer]:
    """By the name of each buffer the one that it is a part of, or itself."""
    buffers = {buffer.name: buffer for buffer in segment.buffers}
    return {name: buffers[buffer.whole or name] for name, buffer in buffers.items()}


def _buffers_of(stage: Stage) -> list[str]:
    return [str(argument[1]) for argument in stage.arguments if argument[0] == "buffer"]


def _check_lives(segment: Segment, where: str) -> None:
    """A buffer of the arena lives, with the stages that run at the same time, as long as a stage is handed it.

    One that is not inside of batches lives as long as all their stages, which come again with each step.
    """
    epochs = barrier_epochs([stage.barrier for stage in segment.stages])
    wholes = _wholes(segment)
    for number, stage in enumerate(segment.stages):
        around = segment.batches_of(number)
        for name in _buffers_of(stage):
            buffer, first, last = wholes[name], number, number
            if buffer.kind not in ("arena", "scratch"):
                continue
            if around is not None and buffer.inside is None:
                first, last = around.first_stage, around.last_stage
            if not (epochs[buffer.first_stage] <= epochs[first] and epochs[last] <= epochs[buffer.last_stage]):
                raise ProgramError(
                    f"{where} stage '{stage.name}' uses buffer '{buffer.name}', which is live from stage "
                    f"{buffer.first_stage} to {buffer.last_stage}"
                )


def _check_places(segment: Segment, where: str) -> None:
    """Offsets that are decided are aligned, and no two buffers that live at the same time share bytes.

    Those inside of batches are in an arena of their own.
    """
    epochs = barrier_epochs([stage.barrier for stage in segment.stages])
    for inside in (None, *range(len(segment.batches))):
        placed = [buffer for buffer in segment.buffers if buffer.offset is not None and buffer.inside == inside]
        if inside is not None:  # The sizes of others are known when the steps are.
            placed = [buffer for buffer in placed if not isinstance(buffer.nbytes, str)]
        _check_apart(placed, epochs, where)


def _check_apart(placed: list[Buffer], epochs: list[int], where: str) -> None:
    ranges = []
    for buffer in placed:
        if buffer.kind != "arena" or not isinstance(buffer.nbytes, int) or (buffer.offset or 0) % ALIGNMENT:
            raise ProgramError(
                f"{where} buffer '{buffer.name}': offset {buffer.offset} of {buffer.nbytes} bytes of kind {buffer.kind}"
            )
        first, last = epochs[buffer.first_stage], epochs[buffer.last_stage]
        ranges.append(LiveRange(buffer.nbytes, first, last, buffer.offset))
    shared = shared_bytes(ranges)
    if shared is not None:
        names = " and ".join(f"'{placed[index].name}'" for index in shared)
        raise ProgramError(f"{where}: the buffers {names} share bytes of the arena while both are live")


def _check_order(segment: Segment, functions: dict[str, Function], where: str) -> None:
    """What a stage reads was written before the last barrier; nobody writes what another reads at the same time."""
    epochs = barrier_epochs([stage.barrier for stage in segment.stages])
    wholes = {name: whole.name for name, whole in _wholes(segment).items()}
    kinds = {buffer.name: buffer.kind for buffer in segment.buffers}
    written: dict[str, int] = {}
    read: dict[str, int] = {}
    for stage, epoch in zip(segment.stages, epochs, strict=True):
        names, writes = [wholes[name] for name in _buffers_of(stage)], functions[stage.function].writes
        for position, name in enumerate(names):
            if kinds[name] not in ("arena", "output"):
                continue
            if position in writes:
                if read.get(name) == epoch:
                    raise ProgramError(f"{where} stage '{stage.name}' writes '{name}' while another stage reads it")
                continue
            if written.get(name, epoch) >= epoch:
                raise ProgramError(f"{where} stage '{stage.name}' reads '{name}' before it has surely been written")
            read[name] = epoch
        written |= {names[position]: epoch for position in writes}
    filled = {buffer.index for buffer in segment.buffers if buffer.kind == "output" and buffer.name in written}
    missing = sorted(set(range(len(segment.outputs))) - filled)
    if missing:
        raise ProgramError(f"{where}: no stage writes the outputs {missing}")


# --- the plan -------------------------------------------------------------------------------------


def _check_types(program: Program, block: Block, outer: Types, where: str, results: Sequence[ArrayType]) -> None:
    """That every value is of the type that whoever takes it asks for, as far as types are given."""
    types = dict(outer)
    for index, step in enumerate(block.steps):
        place = f"{where} step {index}"
        if isinstance(step, Call):
            segment = program.segments[step.segment]
            for name, tensor in zip(step.inputs, segment.inputs, strict=True):
                _require_type(types.get(name), tensor, f"{place}: '{name}'")
            types |= dict(zip(step.outputs, segment.outputs, strict=True))
            continue
        if isinstance(step, Bind):
            continue
        if isinstance(step, Conditional):
            _check_types(program, step.then_block, types, f"{place} then", step.output_types)
            _check_types(program, step.else_block, types, f"{place} else", step.output_types)
        elif isinstance(step, Repeat):
            inner = dict(zip(step.body_inputs, step.body_input_types))
            hidden = {name: tensor for name, tensor in types.items() if name not in step.body_inputs}
            _check_types(program, step.body, hidden | inner, f"{place} body", [])
        types |= dict(zip(step.outputs, step.output_types))
    for name, tensor in zip(block.results, results):
        _require_type(types.get(name), tensor, f"{where} result '{name}'")


def _require_type(found: ArrayType | None, wanted: ArrayType, where: str) -> None:
    if found is None:
        return
    differs = found.dtype != wanted.dtype or len(found.shape) != len(wanted.shape)
    pairs = zip(found.shape, wanted.shape)
    if differs or any(isinstance(one, int) and isinstance(two, int) and one != two for one, two in pairs):
        raise ProgramError(
            f"{where} is {found.dtype}{list(found.shape)}, and {wanted.dtype}{list(wanted.shape)} is asked for"
        )
