"""Runs a segment: binds it to symbol values, keeps what a run needs ready, and calls the native code.

Three things are told apart, from the most to the least often made:

- an `Arena` is memory for intermediate values; any run of any segment of a model may use it;
- an `Instance` is the argument tables of one run at a time; it points into an arena;
- a `Binding` is a segment for given values of its symbols: shapes, arena offsets, the template of the tables.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from .arena import LiveRange, barrier_epochs, plan
from .errors import InputError, ProgramError
from .expressions import compile_dimensions
from .image import MappedImage
from .memory import ALIGNMENT, address_of, align_up, aligned_bytes
from .program import Buffer, Program, Segment, Stage
from .shapes import describe_shape
from .threads import POOL

MAXIMUM_BINDINGS = 64
"""Kept for each segment; the one that was not used for longest goes first."""
MAXIMUM_IDLE = 16
"""Arenas of a model, and instances of a binding, that are kept for the next run."""

NANOSECONDS_PER_PARTICIPANT = 15_000
"""A further thread joins a segment for each so many nanoseconds of work."""
BYTES_PER_PARTICIPANT = 32 << 10
"""The same, in bytes of buffers, where the compiler has not estimated the work."""

EAGER_NANOSECONDS = 150_000
"""From so much work on, a segment wakes parked workers: waking takes some 50 us, so that less work is better done
alone, unless the runs follow each other so closely that the workers are still awake."""
EAGER_BYTES = 512 << 10
"""The same, in bytes of buffers, where the compiler has not estimated the work."""

_ALIGNED_OUTPUT_BYTES = 16 << 10
_WORD = 8
_RECORD_BYTES = 32
_BARRIER_FLAG, _SERIAL_FLAG = 1, 2
_WORD_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class StageTime:
    """Nanoseconds of one stage in one run, and how many threads it had."""

    segment: str
    stage: str
    function: str
    threads: int
    nanoseconds: int


_recorder: ContextVar[list[StageTime] | None] = ContextVar("lamina_recorder", default=None)


@contextmanager
def recorded_stages() -> Iterator[list[StageTime]]:
    """Within it, runs of this Python thread (or task) execute their stages one by one and record their times."""
    times: list[StageTime] = []
    token = _recorder.set(times)
    try:
        yield times
    finally:
        _recorder.reset(token)


class Arena:
    """Aligned memory of ``size`` bytes."""

    __slots__ = ("address", "array", "size")

    def __init__(self, size: int):
        self.array = aligned_bytes(size)
        self.address = address_of(self.array)
        self.size = size


class ArenaPool:
    """The idle arenas of a model, shared by all its segments and bindings."""

    def __init__(self) -> None:
        self._idle: list[Arena] = []

    def take(self, size: int) -> Arena:
        """An arena of at least ``size`` bytes. One that is too small is freed first, so that memory stays bounded."""
        try:
            arena = self._idle.pop()
        except IndexError:
            return Arena(size)
        if arena.size >= size:
            return arena
        # In steps of at most an eighth: a slowly growing size does not mean a new arena each time.
        step = max(4096, 1 << max(size.bit_length() - 4, 0))
        del arena
        return Arena(align_up(size, step))

    def give(self, arena: Arena) -> None:
        if len(self._idle) < MAXIMUM_IDLE:
            self._idle.append(arena)

    @property
    def idle_bytes(self) -> int:
        return sum(arena.size for arena in list(self._idle))

    def clear(self) -> None:
        self._idle.clear()


class Instance:
    """Argument tables and stage records of one run at a time, as one array of 64-bit words."""

    __slots__ = ("_arena_base", "_words", "records_address", "slots")

    def __init__(self, binding: Binding):
        self._words = binding.template.copy()
        base = address_of(self._words)
        self._words[binding.table_pointers] += np.uint64(base)
        self.records_address = base + binding.records_start * _WORD
        self.slots = self._words.data
        self._arena_base = 0

    def move_to(self, binding: Binding, arena: Arena) -> None:
        """Points the tables into ``arena``. (The binding holds its instances; they do not hold it in turn.)"""
        if self._arena_base != arena.address:
            self._words[binding.arena_slots] = binding.arena_offsets + np.uint64(arena.address)
            self._arena_base = arena.address


class Binding:
    """A segment for given symbol values and a number of threads."""

    __slots__ = (
        "arena_bytes",
        "arena_offsets",
        "arena_slots",
        "eager",
        "input_patches",
        "input_shapes",
        "instances",
        "output_patches",
        "outputs",
        "participants",
        "records_start",
        "segment",
        "stage_count",
        "table_pointers",
        "template",
    )

    def __init__(self, segment: Segment):
        self.segment = segment
        self.instances: list[Instance] = []
        self.input_shapes: list[tuple[int, ...]]
        self.outputs: list[tuple[tuple[int, ...], np.dtype, int]]
        self.input_patches: list[tuple[int, int, int]]
        self.output_patches: list[tuple[int, int, int]]
        self.template: np.ndarray
        self.table_pointers: np.ndarray
        self.arena_slots: np.ndarray
        self.arena_offsets: np.ndarray
        self.arena_bytes: int
        self.records_start: int
        self.stage_count: int
        self.participants: int
        self.eager: bool


class SegmentRunner:
    """Runs one segment of a program. All methods may be called from any Python thread."""

    def __init__(self, program: Program, segment: Segment, image: MappedImage, constants: int, arenas: ArenaPool):
        self.segment = segment
        self._program = program
        self._image = image
        self._constants = constants
        self._arenas = arenas
        self._bindings: OrderedDict[tuple[int, ...], Binding] = OrderedDict()
        self._evaluate = None
        self._dtypes = [np.dtype(tensor.dtype) for tensor in segment.outputs]
        self.threads = 1
        self.poison = False

    def set_threads(self, threads: int) -> None:
        self.threads = threads
        self._bindings = OrderedDict()

    def binding(self, symbols: dict[str, int]) -> Binding:
        """The segment for these values, from the cache or made now."""
        key = tuple([symbols[name] for name in self.segment.symbols])
        bindings = self._bindings
        binding = bindings.get(key)
        if binding is None:
            binding = bindings[key] = self._bind(key)
            while len(bindings) > MAXIMUM_BINDINGS:
                try:
                    bindings.popitem(last=False)
                except KeyError:  # Another thread was here.
                    break
            return binding
        with suppress(KeyError):  # Another thread may just have removed it.
            bindings.move_to_end(key)
        return binding

    def run(self, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """New output arrays. The arrays must be C-contiguous and have the dtypes and shapes of the binding."""
        try:
            instance = binding.instances.pop()
        except IndexError:
            instance = Instance(binding)
        slots = instance.slots
        for position, slot, offset in binding.input_patches:
            slots[slot] = address_of(arrays[position]) + offset
        outputs = [
            np.empty(shape, dtype) if size < _ALIGNED_OUTPUT_BYTES else _aligned_empty(shape, dtype, size)
            for shape, dtype, size in binding.outputs
        ]
        for position, slot, offset in binding.output_patches:
            slots[slot] = address_of(outputs[position]) + offset
        if self.poison:
            _poison(outputs)
        if binding.arena_bytes == 0:
            self._execute(binding, instance)
        else:
            arena = self._arenas.take(binding.arena_bytes)
            instance.move_to(binding, arena)
            if self.poison:
                _poison([arena.array])
            self._execute(binding, instance)
            self._arenas.give(arena)
        if len(binding.instances) < MAXIMUM_IDLE:
            binding.instances.append(instance)
        return outputs

    def _execute(self, binding: Binding, instance: Instance) -> None:
        times = _recorder.get()
        if binding.participants == 1:
            if times is None:
                self._image.run(None, instance.records_address, binding.stage_count, 1)
            else:
                self._execute_recorded(instance, None, 1, times)
            return
        team, participants = POOL.acquire(self._image, binding.participants, binding.eager)
        try:
            address = None if team is None else team.address
            if times is None:
                self._image.run(address, instance.records_address, binding.stage_count, participants)
            else:
                self._execute_recorded(instance, address, participants, times)
        finally:
            POOL.release(team, participants)

    def _execute_recorded(
        self, instance: Instance, team: int | None, participants: int, times: list[StageTime]
    ) -> None:
        for number, stage in enumerate(self.segment.stages):
            threads = 1 if stage.serial else participants
            begin = time.perf_counter_ns()
            self._image.run(team, instance.records_address + number * _RECORD_BYTES, 1, threads)
            elapsed = time.perf_counter_ns() - begin
            times.append(StageTime(self.segment.name, stage.name, stage.function, threads, elapsed))

    # --- binding ----------------------------------------------------------------------------------

    def _dimensions(self) -> list[int | str]:
        """Every dimension of the segment, in the order in which ``_bind`` takes them."""
        segment = self.segment
        dimensions: list[int | str] = []
        for tensor in [*segment.inputs, *segment.outputs]:
            dimensions += tensor.shape
        dimensions += [buffer.nbytes for buffer in segment.buffers]
        dimensions += [argument[-1] for stage in segment.stages for argument in stage.arguments]
        if segment.work is not None:
            dimensions.append(segment.work)
        return dimensions

    def _bind(self, key: tuple[int, ...]) -> Binding:
        segment = self.segment
        if self._evaluate is None:
            self._evaluate = compile_dimensions(self._dimensions(), segment.symbols)
        values = iter(self._evaluate(*key))
        shapes = [tuple([next(values) for _ in tensor.shape]) for tensor in [*segment.inputs, *segment.outputs]]
        sizes = {buffer.name: next(values) for buffer in segment.buffers}
        argument_values = [[next(values) for _ in stage.arguments] for stage in segment.stages]
        self._check_sizes(key, shapes, sizes)

        binding = Binding(segment)
        inputs = len(segment.inputs)
        binding.input_shapes = shapes[:inputs]
        binding.outputs = []
        for shape, dtype in zip(shapes[inputs:], self._dtypes, strict=True):
            binding.outputs.append((shape, dtype, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize))
        work = next(values) if segment.work is not None else None
        total = sum(sizes.values())
        binding.participants = self._participants(work, total)
        binding.eager = total >= EAGER_BYTES if work is None else work >= EAGER_NANOSECONDS
        offsets = self._plan_arena(binding, sizes)
        self._build_tables(binding, argument_values, offsets)
        return binding

    def _check_sizes(self, key: tuple[int, ...], shapes: list[tuple[int, ...]], sizes: dict[str, int]) -> None:
        for shape in shapes:
            if any(dimension < 0 for dimension in shape):
                raise InputError(
                    f"these inputs give a tensor of shape {describe_shape(shape)}{self._describe(key)}: "
                    "they are too small for this model"
                )
        for name, size in sizes.items():
            if size < 0:
                raise InputError(f"buffer '{name}' has {size} bytes{self._describe(key)}")

    def _describe(self, key: tuple[int, ...]) -> str:
        if not key:
            return ""
        return " with " + ", ".join(f"{name} = {value}" for name, value in zip(self.segment.symbols, key, strict=True))

    def _participants(self, work: int | None, buffer_bytes: int) -> int:
        if all(stage.serial for stage in self.segment.stages):
            return 1
        useful = buffer_bytes // BYTES_PER_PARTICIPANT if work is None else work // NANOSECONDS_PER_PARTICIPANT
        return max(1, min(self.threads, useful))

    def _plan_arena(self, binding: Binding, sizes: dict[str, int]) -> dict[str, int]:
        """Offsets of the buffers that lie in the arena; sets the size of the arena."""
        segment = self.segment
        buffers = [buffer for buffer in segment.buffers if buffer.kind in ("arena", "scratch")]
        epochs = barrier_epochs([stage.barrier for stage in segment.stages])
        ranges = []
        for buffer in buffers:
            size = sizes[buffer.name] * (binding.participants if buffer.per_thread else 1)
            ranges.append(LiveRange(size, epochs[buffer.first_stage], epochs[buffer.last_stage], buffer.offset))
        arena = plan(ranges, ALIGNMENT)
        binding.arena_bytes = arena.total
        return {buffer.name: offset for buffer, offset in zip(buffers, arena.offsets, strict=True)}

    def _build_tables(self, binding: Binding, argument_values: list[list[int]], offsets: dict[str, int]) -> None:
        buffers = {buffer.name: buffer for buffer in self.segment.buffers}
        words: list[int] = []
        starts: list[int] = []
        arena_slots: list[int] = []
        binding.input_patches, binding.output_patches = [], []
        for stage, values in zip(self.segment.stages, argument_values, strict=True):
            starts.append(len(words))
            for argument, value in zip(stage.arguments, values, strict=True):
                slot = len(words)
                if argument[0] == "dim":
                    words.append(value & _WORD_MASK)
                    continue
                buffer = buffers[argument[1]]
                if buffer.kind == "input":
                    binding.input_patches.append((buffer.index, slot, value))
                    words.append(0)
                elif buffer.kind == "output":
                    binding.output_patches.append((buffer.index, slot, value))
                    words.append(0)
                elif buffer.kind == "constant":
                    words.append(self._constant_address(buffer) + value)
                else:
                    arena_slots.append(slot)
                    words.append(offsets[buffer.name] + value)
        binding.records_start = len(words)
        table_pointers = []
        for stage, start in zip(self.segment.stages, starts, strict=True):
            table_pointers.append(len(words) + 1)
            words += [self._image.address(stage.function), start * _WORD, _flags(stage), 0]
        binding.stage_count = len(self.segment.stages)
        binding.template = np.array(words, dtype=np.uint64)
        binding.table_pointers = np.array(table_pointers, dtype=np.intp)
        binding.arena_slots = np.array(arena_slots, dtype=np.intp)
        binding.arena_offsets = binding.template[binding.arena_slots]

    def _constant_address(self, buffer: Buffer) -> int:
        constant = self._program.constants.get(buffer.constant or "")
        if constant is None:
            raise ProgramError(f"segment '{self.segment.name}': no constant '{buffer.constant}'")
        return self._constants + constant.offset


def _poison(arrays: Sequence[np.ndarray]) -> None:
    """Fills memory with ones: NaN in every floating-point type, -1 or the largest value in every integer type."""
    for array in arrays:
        array.reshape(-1).view(np.uint8)[...] = 0xFF


def _flags(stage: Stage) -> int:
    return (_BARRIER_FLAG if stage.barrier else 0) | (_SERIAL_FLAG if stage.serial else 0)


def _aligned_empty(shape: tuple[int, ...], dtype: np.dtype, size: int) -> np.ndarray:
    """Large outputs begin at a cache line, so that vector stores do not straddle two."""
    return np.ndarray(shape, dtype, aligned_bytes(size))
