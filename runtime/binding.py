"""A segment for given values of its symbols: shapes, sizes, arena offsets, and the tables that its stages read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .consistency import check_bytes
from .errors import InputError, ProgramError
from .expressions import compile_dimensions
from .memory import address_of
from .pace import Pace
from .program import Segment
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
        self._check_bytes(result)
        for name, size in result.sizes.items():
            if size < 0:
                raise InputError(f"buffer '{name}' has {size} bytes{self._describe(key)}")
        return result

    def _check_bytes(self, values: SegmentValues) -> None:
        for buffer in self._segment.buffers:
            if buffer.kind in ("input", "output"):
                shapes = values.input_shapes if buffer.kind == "input" else values.output_shapes
                check_bytes(self._segment, buffer, values.sizes[buffer.name], shapes[buffer.index])

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


class Binding:
    """A segment for given symbol values and a number of threads; what every run of it shares."""

    __slots__ = (
        "arena_bytes",
        "arena_offsets",
        "arena_slots",
        "eager",
        "empty_report",
        "input_patches",
        "input_shapes",
        "instances",
        "key",
        "output_patches",
        "outputs",
        "pace",
        "participants",
        "record_stages",
        "records_start",
        "report_patches",
        "sizes",
        "table_pointers",
        "template",
    )

    def __init__(
        self,
        segment: Segment,
        key: tuple[int, ...],
        values: SegmentValues,
        threads: int,
        address: Callable[[str], int],
        constant_address: Callable[[str], int],
    ):
        self.key = key
        self.instances: list[Instance] = []
        self.input_shapes = values.input_shapes
        self.outputs = [
            (shape, dtype, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
            for shape, dtype in zip(values.output_shapes, [np.dtype(t.dtype) for t in segment.outputs], strict=True)
        ]
        total = sum(values.sizes.values())
        self.participants = _participants(segment, values.work, total, threads)
        self.pace = Pace(self.participants, _first_participants(values.work, self.participants))
        self.eager = total >= EAGER_BYTES if values.work is None else values.work >= EAGER_NANOSECONDS
        self.sizes = values.sizes
        tables = Tables.of(segment, values.arguments, values.steps, values.sizes, self.participants, address)
        self.record_stages = tables.record_stages
        self.records_start = tables.records_start
        self.table_pointers = np.array(tables.pointers, dtype=np.intp)
        arena = SegmentArena.of(segment, values.sizes, values.steps, self.participants)
        self.arena_bytes = arena.total
        self._place_buffers(segment, tables, arena.offsets, constant_address)

    def _place_buffers(
        self,
        segment: Segment,
        tables: Tables,
        arena_offsets: dict[tuple[str, int], int],
        constant_address: Callable[[str], int],
    ) -> None:
        words = tables.words
        arena_slots: list[int] = []
        self.input_patches: list[tuple[int, int, int]] = []
        self.output_patches: list[tuple[int, int, int]] = []
        self.report_patches: list[tuple[int, int]] = []
        self.empty_report = b""
        buffers = {buffer.name: buffer for buffer in segment.buffers}
        for (name, owner), slots in tables.places.items():
            buffer = segment.whole_of(buffers[name])
            if buffer.kind == "input":
                self.input_patches += [(buffer.index, slot, words[slot]) for slot in slots]
            elif buffer.kind == "output":
                self.output_patches += [(buffer.index, slot, words[slot]) for slot in slots]
            elif buffer.kind == "report":
                self.report_patches += [(slot, words[slot]) for slot in slots]
                self.empty_report = bytes(self.sizes[buffer.name])
            elif buffer.kind == "constant":
                base = constant_address(buffer.constant or "")
                for slot in slots:
                    words[slot] += base
            else:
                offset = arena_offsets[buffer.name, SHARED if buffer.inside is None else owner]
                for slot in slots:
                    words[slot] += offset
                arena_slots += slots
        self.template = tables.as_array()
        self.arena_slots = np.array(arena_slots, dtype=np.intp)
        self.arena_offsets = self.template[self.arena_slots]


def _participants(segment: Segment, work: int | None, buffer_bytes: int, threads: int) -> int:
    if all(stage.serial for stage in segment.stages):
        return 1
    useful = buffer_bytes // BYTES_PER_PARTICIPANT if work is None else work // NANOSECONDS_PER_PARTICIPANT
    return max(1, min(threads, useful))


def _first_participants(work: int | None, most: int) -> int:
    """How many threads the first runs have."""
    return most if work is None else max(1, min(most, work // (ESTIMATE_ERROR * NANOSECONDS_PER_PARTICIPANT)))


class Instance:
    """The tables of one run at a time."""

    __slots__ = ("_words", "arena_base", "records_address", "report", "slots")

    def __init__(self, binding: Binding):
        self._words = binding.template.copy()
        base = address_of(self._words)
        self._words[binding.table_pointers] += np.uint64(base)
        self.records_address = base + binding.records_start * WORD_BYTES
        self.slots = self._words.data
        self.arena_base = 0
        self.report: np.ndarray | None = None
        """Words for the stages to report in, zero for as long as they have nothing to (violations.py)."""
        if binding.report_patches:
            self.report = np.zeros(len(binding.empty_report) // WORD_BYTES, np.int64)
            address = address_of(self.report)
            for slot, offset in binding.report_patches:
                self.slots[slot] = address + offset

    def move_to(self, binding: Binding, arena: int) -> None:
        """Points the tables into the arena at this address. (A binding holds its instances; they do not hold it.)"""
        if self.arena_base != arena:
            self._words[binding.arena_slots] = binding.arena_offsets + np.uint64(arena)
            self.arena_base = arena
