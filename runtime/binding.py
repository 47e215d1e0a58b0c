"""A segment for given values of its symbols: shapes, sizes, arena offsets, and the tables that its stages read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .arena import LiveRange, barrier_epochs, plan
from .consistency import check_bytes
from .errors import InputError
from .expressions import compile_dimensions
from .memory import ALIGNMENT, address_of
from .pace import Pace
from .program import Segment, Stage
from .shapes import describe_shape

NANOSECONDS_PER_PARTICIPANT = 15_000
"""A further thread joins a segment for each so many nanoseconds of work."""
BYTES_PER_PARTICIPANT = 32 << 10
"""The same, in bytes of buffers, where the compiler has not estimated the work."""
EAGER_NANOSECONDS = 150_000
"""From so much work on, a segment wakes parked workers: waking takes some 50 us, so that less work is better done
alone, unless the runs follow each other so closely that the workers are still awake."""
EAGER_BYTES = 512 << 10
"""The same, in bytes of buffers, where the compiler has not estimated the work."""

WORD_BYTES = 8
RECORD_WORDS = 4
_BARRIER_FLAG, _SERIAL_FLAG = 1, 2
_WORD_MASK = (1 << 64) - 1


@dataclass(slots=True)
class SegmentValues:
    """All expressions of a segment, evaluated: in the order of its inputs, outputs, buffers and stages."""

    input_shapes: list[tuple[int, ...]]
    output_shapes: list[tuple[int, ...]]
    sizes: dict[str, int]
    arguments: list[list[int]]
    work: int | None


class SegmentEvaluator:
    """The expressions of a segment as one compiled function of its symbols."""

    def __init__(self, segment: Segment):
        self._segment = segment
        dimensions: list[int | str] = []
        for tensor in [*segment.inputs, *segment.outputs]:
            dimensions += tensor.shape
        dimensions += [buffer.nbytes for buffer in segment.buffers]
        dimensions += [argument[-1] for stage in segment.stages for argument in stage.arguments]
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
            sizes={buffer.name: next(values) for buffer in segment.buffers},
            arguments=[[next(values) for _ in stage.arguments] for stage in segment.stages],
            work=None if segment.work is None else next(values),
        )
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


class Tables:
    """The 64-bit words that native code reads: the argument tables of all stages, then the stage records.

    ``words`` holds addresses of buffers as distances from the beginning of each buffer's memory, which may be negative;
    ``places`` says which words belong to which buffer.
    """

    __slots__ = ("places", "pointers", "records_start", "words")

    def __init__(self, segment: Segment, arguments: Sequence[Sequence[int]], address: Callable[[str], int]):
        self.words: list[int] = []
        self.places: dict[str, list[int]] = {buffer.name: [] for buffer in segment.buffers}
        starts = []
        for stage, values in zip(segment.stages, arguments, strict=True):
            starts.append(len(self.words))
            for argument, value in zip(stage.arguments, values, strict=True):
                if argument[0] == "buffer":
                    self.places[argument[1]].append(len(self.words))
                self.words.append(value)
        self.records_start = len(self.words)
        self.pointers: list[int] = []
        for stage, start in zip(segment.stages, starts, strict=True):
            self.pointers.append(len(self.words) + 1)
            self.words += [address(stage.function), start * WORD_BYTES, _flags(stage), 0]

    def as_array(self) -> np.ndarray:
        """The words as they lie in memory; addresses within the tables are still distances from their beginning."""
        return np.array([word & _WORD_MASK for word in self.words], dtype=np.uint64)


def _flags(stage: Stage) -> int:
    return (_BARRIER_FLAG if stage.barrier else 0) | (_SERIAL_FLAG if stage.serial else 0)


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
        "records_start",
        "report_patches",
        "sizes",
        "stage_count",
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
        self.pace = Pace(self.participants)
        self.eager = total >= EAGER_BYTES if values.work is None else values.work >= EAGER_NANOSECONDS
        self.stage_count = len(segment.stages)
        self.sizes = values.sizes
        tables = Tables(segment, values.arguments, address)
        self.records_start = tables.records_start
        self.table_pointers = np.array(tables.pointers, dtype=np.intp)
        arena_offsets = self._plan_arena(segment, values.sizes)
        self._place_buffers(segment, tables, arena_offsets, constant_address)

    def _plan_arena(self, segment: Segment, sizes: dict[str, int]) -> dict[str, int]:
        """Offsets of the buffers that lie in the arena; sets the size of the arena."""
        buffers = [buffer for buffer in segment.buffers if buffer.kind in ("arena", "scratch")]
        epochs = barrier_epochs([stage.barrier for stage in segment.stages])
        ranges = []
        for buffer in buffers:
            size = sizes[buffer.name] * (self.participants if buffer.per_thread else 1)
            ranges.append(LiveRange(size, epochs[buffer.first_stage], epochs[buffer.last_stage], buffer.offset))
        arena = plan(ranges, ALIGNMENT)
        self.arena_bytes = arena.total
        return {buffer.name: offset for buffer, offset in zip(buffers, arena.offsets, strict=True)}

    def _place_buffers(
        self, segment: Segment, tables: Tables, arena_offsets: dict[str, int], constant_address: Callable[[str], int]
    ) -> None:
        words = tables.words
        arena_slots: list[int] = []
        self.input_patches: list[tuple[int, int, int]] = []
        self.output_patches: list[tuple[int, int, int]] = []
        self.report_patches: list[tuple[int, int]] = []
        self.empty_report = b""
        for buffer in segment.buffers:
            slots = tables.places[buffer.name]
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
                offset = arena_offsets[buffer.name]
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
