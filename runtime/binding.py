"""A segment for given values of its symbols: shapes, sizes, arena offsets, and the tables that its stages read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .consistency import check_bytes
from .errors import InputError, ProgramError
from .expressions import compile_dimensions
from .memory import DATA_POINTER_OFFSET, address_of
from .pace import Pace
from .program import REPORT_BYTES, Segment
from .segment_arena import SegmentArena
from .shapes import describe_shape
from .tables import SHARED, WORD_BYTES, StepValues, Tables

NANOSECONDS_PER_PARTICIPANT = 15_000
"""A further thread joins a segment for each so many nanoseconds of work."""
ESTIMATE_ERROR = 2
"""The estimate may be off by this factor: a segment begins with a further thread where even then it has the work for
it, and finds out by itself (pace.py) where that is not sure."""
BYTES_PER_PARTICIPANT = 32 << 10
"""The same, in bytes of buffers, where the compiler has not estimated the work."""
EAGER_NANOSECONDS = 150_000
"""From so much work on, a segment wakes parked workers: waking takes some 50 us, so that less work is better done
alone, unless the runs follow each other so closely that the workers are still awake."""
EAGER_BYTES = 512 << 10
"""The same, in bytes of buffers, where the compiler has not estimated the work."""

_CALL_WORDS = 5
"""Of a call record, before the words for its arrays."""


@dataclass(slots=True)
class SegmentValues:
    """All expressions of a segment, evaluated: in the order of its inputs, outputs, buffers and stages.

    Sizes and arguments inside of batches are those of a step that has all its images; ``steps`` says the rest of each.
    """

    input_shapes: list[tuple[int, ...]]
    output_shapes: list[tuple[int, ...]]
    sizes: dict[str, int]
    arguments: list[list[int]]
    work: int | None
    steps: list[StepValues]


class SegmentEvaluator:
    """The expressions of a segment as one compiled function of its symbols."""

    def __init__(self, segment: Segment):
        self._segment = segment
        self._outside = [buffer for buffer in segment.buffers if buffer.inside is None]
        self._plain = [number for number in range(len(segment.stages)) if segment.batches_of(number) is None]
        self._inside = [_BatchesEvaluator(segment, number) for number in range(len(segment.batches))]
        dimensions: list[int | str] = []
        for tensor in [*segment.inputs, *segment.outputs]:
            dimensions += tensor.shape
        dimensions += [buffer.nbytes for buffer in self._outside]
        dimensions += [argument[-1] for stage in self._plain for argument in segment.stages[stage].arguments]
        dimensions += [batches.images for batches in segment.batches]
        if segment.work is not None:
            dimensions.append(segment.work)
        self._function: Callable[..., tuple[int, ...]] = compile_dimensions(dimensions, segment.symbols)

    def evaluate(self, key: tuple[int, ...]) -> SegmentValues:
        """For the values of the segment's symbols, in their order. Raises InputError where a size is negative."""
        segment = self._segment
        values = iter(self._function(*key))
        result = SegmentValues(
            input_shapes=[tuple([next(values) for _ in tensor.shape]) for tensor in segment.inputs],
            output_shapes=[tuple([next(values) for _ in tensor.shape]) for tensor in segment.outputs],
            sizes={buffer.name: next(values) for buffer in self._outside},
            arguments=[[] for _ in segment.stages],
            work=None,
            steps=[],
        )
        for number in self._plain:
            result.arguments[number] = [next(values) for _ in segment.stages[number].arguments]
        for inside, images in zip(self._inside, [next(values) for _ in segment.batches], strict=True):
            inside.evaluate(key, images, result)
        if segment.work is not None:
            result.work = next(values)
        for shape in (*result.input_shapes, *result.output_shapes):
            if any(dimension < 0 for dimension in shape):
                raise InputError(
                    f"these inputs give a tensor of shape {describe_shape(shape)}{self._describe(key)}: "
                    "they are too small for this model"
                )
        self._check_bytes(result, dict(zip(segment.symbols, key, strict=True)))
        for name, size in result.sizes.items():
            if size < 0:
                raise InputError(f"buffer '{name}' has {size} bytes{self._describe(key)}")
        return result

    def _check_bytes(self, values: SegmentValues, symbols: Mapping[str, int]) -> None:
        for buffer in self._segment.buffers:
            if buffer.kind in ("input", "output"):
                shapes = values.input_shapes if buffer.kind == "input" else values.output_shapes
                shape = list(shapes[buffer.index])
                room = self._segment.room_of(buffer.kind, buffer.index)
                if room is not None:
                    axis, symbol = room
                    shape[axis] += symbols[symbol]
                check_bytes(self._segment, buffer, values.sizes[buffer.name], shape)

    def _describe(self, key: tuple[int, ...]) -> str:
        if not key:
            return ""
        return " with " + ", ".join(f"{name} = {value}" for name, value in zip(self._segment.symbols, key, strict=True))


class _BatchesEvaluator:
    """The expressions inside of batches, which may depend on how many images a step has."""

    def __init__(self, segment: Segment, number: int):
        self._segment, self._batches = segment, segment.batches[number]
        self._buffers = [buffer for buffer in segment.buffers if buffer.inside == number]
        self._stages = range(self._batches.first_stage, self._batches.last_stage + 1)
        dimensions: list[int | str] = [buffer.nbytes for buffer in self._buffers]
        dimensions += [argument[-1] for stage in self._stages for argument in segment.stages[stage].arguments]
        symbols = [*segment.symbols, self._batches.symbol] if self._batches.symbol else segment.symbols
        self._function: Callable[..., tuple[int, ...]] = compile_dimensions(dimensions, symbols)

    def evaluate(self, key: tuple[int, ...], images: int, result: SegmentValues) -> None:
        """Adds the sizes and arguments of a step, and how many there are. Raises ProgramError for images in between."""
        step = min(self._batches.images_at_once, max(images, 1))
        count = -(-images // step)
        sizes, arguments = self._of_step(key, step)
        result.sizes |= sizes
        for stage, values in arguments.items():
            result.arguments[stage] = values
        last = images - (count - 1) * step
        result.steps.append(StepValues(count, self._of_step(key, last)[1] if count and last < step else {}))
        if last < step and not self._batches.symbol and count:
            raise ProgramError(f"segment '{self._segment.name}': {images} images in steps of {step}")
        for buffer in self._buffers:
            if buffer.whole is not None and sizes[buffer.name] * images != result.sizes[buffer.whole] * step:
                raise ProgramError(
                    f"segment '{self._segment.name}': '{buffer.name}' has {sizes[buffer.name]} bytes for {step} of "
                    f"{images} images, '{buffer.whole}' {result.sizes[buffer.whole]} for all"
                )

    def _of_step(self, key: tuple[int, ...], images: int) -> tuple[dict[str, int], dict[int, list[int]]]:
        given = (*key, images) if self._batches.symbol else key
        values = iter(self._function(*given))
        sizes = {buffer.name: next(values) for buffer in self._buffers}
        arguments = {s: [next(values) for _ in self._segment.stages[s].arguments] for s in self._stages}
        return sizes, arguments


@dataclass(slots=True)
class TableLayout:
    """What lies where in the tables of a segment, for a number of threads and of steps of its batches.

    A patch is a word that becomes the address of array number ``index``, or of the report, plus what stands there.
    """

    participants: int
    record_stages: list[int]
    records_start: int
    table_pointers: np.ndarray
    arena_slots: np.ndarray
    arena_owners: list[tuple[str, int]]
    constants: np.ndarray
    """Zero but for words that point to constants: their addresses."""
    input_slots: list[tuple[int, int]]
    output_slots: list[tuple[int, int]]
    report_slots: list[int]
    report_bytes: int

    @classmethod
    def of(
        cls, segment: Segment, tables: Tables, participants: int, constant_address: Callable[[str], int]
    ) -> TableLayout:
        layout = cls(
            participants,
            tables.record_stages,
            tables.records_start,
            np.array(tables.pointers, np.intp),
            np.zeros(0, np.intp),
            [],
            np.zeros(len(tables.words), np.uint64),
            [],
            [],
            [],
            len(segment.stages) * REPORT_BYTES,
        )
        arena_slots: list[int] = []
        buffers = {buffer.name: buffer for buffer in segment.buffers}
        for (name, owner), slots in tables.places.items():
            buffer = buffers[buffers[name].whole or name]
            if buffer.kind == "input":
                layout.input_slots += [(buffer.index, slot) for slot in slots]
            elif buffer.kind == "output":
                layout.output_slots += [(buffer.index, slot) for slot in slots]
            elif buffer.kind == "report":
                layout.report_slots += slots
                layout.report_bytes = buffer.nbytes if isinstance(buffer.nbytes, int) else layout.report_bytes
            elif buffer.kind == "constant":
                layout.constants[slots] = constant_address(buffer.constant or "")
            else:
                place = buffer.name, SHARED if buffer.inside is None else owner
                layout.arena_owners += [place] * len(slots)
                arena_slots += slots
        layout.arena_slots = np.array(arena_slots, np.intp)
        return layout

    def arena_offsets(self, arena: SegmentArena) -> np.ndarray:
        """Where the buffers of ``arena_slots`` lie."""
        return np.array([arena.offsets[place] for place in self.arena_owners], np.uint64)


class Binding:
    """A segment for given symbol values and a number of threads; what every run of it shares.

    ``template`` is the content of the tables, where addresses in the arena, in arrays and in the tables themselves are
    still distances. ``instances`` are those that wait for a run, of this binding or of others of the same layout.
    """

    __slots__ = (
        "arena_bytes",
        "arena_offsets",
        "eager",
        "input_patches",
        "input_shapes",
        "instances",
        "key",
        "layout",
        "output_patches",
        "outputs",
        "pace",
        "participants",
        "record_stages",
        "template",
        "work",
    )

    def __init__(
        self,
        layout: TableLayout,
        key: tuple[int, ...],
        input_shapes: list[tuple[int, ...]],
        outputs: list[tuple[tuple[int, ...], np.dtype]],
        template: np.ndarray,
        arena_bytes: int,
        pace: Pace,
        eager: bool,
        instances: list[Instance],
        work: int | None,
    ):
        self.layout = layout
        self.key = key
        self.input_shapes = input_shapes
        self.outputs = [(shape, dtype, math.prod(shape) * dtype.itemsize) for shape, dtype in outputs]
        self.template = template
        self.arena_bytes = arena_bytes
        self.pace = pace
        self.eager = eager
        self.instances = instances
        self.work = work
        self.participants = layout.participants
        self.record_stages = layout.record_stages
        self.arena_offsets = template[layout.arena_slots]
        words = template.data
        self.input_patches = [(index, slot, _signed(words[slot])) for index, slot in layout.input_slots]
        self.output_patches = [(index, slot, _signed(words[slot])) for index, slot in layout.output_slots]

    @classmethod
    def of(
        cls,
        segment: Segment,
        key: tuple[int, ...],
        values: SegmentValues,
        threads: int,
        address: Callable[[str], int],
        constant_address: Callable[[str], int],
    ) -> Binding:
        total = sum(values.sizes.values())
        participants = participants_of(segment, values.work, total, threads)
        tables = Tables.of(segment, values.arguments, values.steps, values.sizes, participants, address)
        layout = TableLayout.of(segment, tables, participants, constant_address)
        arena = SegmentArena.of(segment, values.sizes, values.steps, participants)
        template = tables.as_array() + layout.constants
        template[layout.arena_slots] += layout.arena_offsets(arena)
        outputs = list(zip(values.output_shapes, [np.dtype(tensor.dtype) for tensor in segment.outputs], strict=True))
        pace, eager = pace_of(values.work, participants), is_eager(values.work, total)
        return cls(layout, key, values.input_shapes, outputs, template, arena.total, pace, eager, [], values.work)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def participants_of(segment: Segment, work: int | None, buffer_bytes: int, threads: int) -> int:
    if all(stage.serial for stage in segment.stages):
        return 1
    useful = buffer_bytes // BYTES_PER_PARTICIPANT if work is None else work // NANOSECONDS_PER_PARTICIPANT
    return max(1, min(threads, useful))


def pace_of(work: int | None, most: int) -> Pace:
    """The pace of runs of so much work on so many threads at most, before the first one."""
    first = most if work is None else max(1, min(most, work // (ESTIMATE_ERROR * NANOSECONDS_PER_PARTICIPANT)))
    return Pace(most, first)


def is_eager(work: int | None, buffer_bytes: int) -> bool:
    """Whether so much work wakes parked workers."""
    return buffer_bytes >= EAGER_BYTES if work is None else work >= EAGER_NANOSECONDS


class Instance:
    """The tables of one run at a time.

    ``objects`` are the words of a call record (backend/support/threads.ll) that name its arrays, inputs before outputs,
    once ``make_call`` has made one; ``call_address`` is where the record lies.
    """

    __slots__ = (
        "_call",
        "_words",
        "arena_base",
        "base",
        "call_address",
        "empty_report",
        "objects",
        "records_address",
        "report",
        "slots",
        "template",
    )

    def __init__(self, binding: Binding):
        layout = binding.layout
        self._words = np.empty_like(binding.template)
        self.slots = self._words.data
        self.base = address_of(self._words)
        self.records_address = self.base + layout.records_start * WORD_BYTES
        self.report: np.ndarray | None = None
        """Words for the stages to report in, zero for as long as they have nothing to (violations.py)."""
        if layout.report_slots:
            self.report = np.zeros(layout.report_bytes // WORD_BYTES, np.int64)
        self.empty_report = bytes(layout.report_bytes)
        self.take(binding)

    def take(self, binding: Binding) -> None:
        """Becomes an instance of another binding of the same layout. (It does not hold the binding, which holds it.)"""
        layout = binding.layout
        self._words[:] = binding.template
        self._words[layout.table_pointers] += np.uint64(self.base)
        if self.report is not None:
            self._words[layout.report_slots] += np.uint64(address_of(self.report))
        self.template = binding.template
        self.arena_base = 0
        self.objects: memoryview | None = None
        self.call_address = 0

    def make_call(self, binding: Binding) -> memoryview:
        """A call record for this binding; returns the words for its arrays."""
        inputs = len(binding.input_shapes)
        arrays = inputs + len(binding.outputs)
        patches = [*binding.input_patches, *((inputs + index, *rest) for index, *rest in binding.output_patches)]
        words = np.zeros(_CALL_WORDS + arrays + 3 * len(patches), np.uint64)
        begin = address_of(words)
        patches_at = _CALL_WORDS + arrays
        words[:_CALL_WORDS] = (
            self.records_address,
            len(binding.record_stages),
            DATA_POINTER_OFFSET,
            len(patches),
            begin + patches_at * WORD_BYTES,
        )
        for place, (index, slot, distance) in zip(range(patches_at, len(words), 3), patches, strict=True):
            words[place] = begin + (_CALL_WORDS + index) * WORD_BYTES
            words[place + 1] = self.base + slot * WORD_BYTES
            words[place + 2] = distance % (1 << 64)
        self._call, self.call_address = words, begin
        self.objects = words.data[_CALL_WORDS:patches_at]
        return self.objects

    def move_to(self, binding: Binding, arena: int) -> None:
        """Points the tables into the arena at this address."""
        if self.arena_base != arena:
            self._words[binding.layout.arena_slots] = binding.arena_offsets + np.uint64(arena)
            self.arena_base = arena
