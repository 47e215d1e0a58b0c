"""Runs segments: keeps what a run needs ready, and calls the native code.

Three things are told apart, from the most to the least often made:

- an `Arena` is memory for intermediate values; any run of any segment of a model may use it;
- an `Instance` is the argument tables of one run at a time; it points into an arena;
- a `Binding` is a segment for given values of its symbols: shapes, arena offsets, the template of the tables.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Protocol

import numpy as np

from .binding import Binding, Instance, SegmentEvaluator
from .errors import ProgramError
from .image import MappedImage
from .memory import address_of, align_up, aligned_bytes
from .outline import Outline
from .program import Program, Segment
from .threads import POOL
from .violations import raise_violation

MAXIMUM_BINDINGS = 64
"""Kept for each segment; the one that was not used for longest goes first."""
MAXIMUM_IDLE = 16
"""Arenas of a model, and instances of a binding, that are kept for the next run."""

ALIGNED_OUTPUT_BYTES = 16 << 10


class Observer(Protocol):
    """Runs segments in its own way, to look at them (see inspection.py)."""

    def run(self, runner: SegmentRunner, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]: ...


OBSERVER: ContextVar[Observer | None] = ContextVar("lamina_observer", default=None)
"""What runs the segments of this Python thread (or task) instead of SegmentRunner."""


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


class SegmentRunner:
    """Runs one segment of a program. All methods may be called from any Python thread."""

    def __init__(self, program: Program, segment: Segment, image: MappedImage, constants: int, arenas: ArenaPool):
        self.segment = segment
        self.image = image
        self.arenas = arenas
        self.threads = 1
        self.asked = False
        self._program = program
        self._constants = constants
        self.input_dtypes = [np.dtype(tensor.dtype) for tensor in segment.inputs]
        self._bindings: OrderedDict[tuple[int, ...], Binding] = OrderedDict()
        self._last: tuple[OrderedDict[tuple[int, ...], Binding], Binding] | None = None
        """What was used last, and the bindings that it is one of."""
        self._evaluator: SegmentEvaluator | None = None
        self._outline: Outline | None = None

    def set_threads(self, threads: int, asked: bool) -> None:
        """``asked``: the user wants so many even where there are fewer processors."""
        self.threads = threads
        self.asked = asked
        self._bindings = OrderedDict()
        self._outline = None

    @property
    def evaluator(self) -> SegmentEvaluator:
        if self._evaluator is None:
            self._evaluator = SegmentEvaluator(self.segment)
        return self._evaluator

    def binding(self, symbols: dict[str, int]) -> Binding:
        """The segment for these values, from the cache or made now. Raises KeyError for a symbol without a value."""
        key = tuple([symbols[name] for name in self.segment.symbols])
        bindings, last = self._bindings, self._last
        if last is not None and last[0] is bindings and last[1].key == key:
            return last[1]
        binding = bindings.get(key)
        if binding is not None:
            with suppress(KeyError):  # Another thread may just have removed it.
                bindings.move_to_end(key)
            self._last = bindings, binding
            return binding
        binding = self._made(key)
        bindings[key] = binding
        while len(bindings) > MAXIMUM_BINDINGS:
            with suppress(KeyError):
                bindings.popitem(last=False)
        return binding

    def _made(self, key: tuple[int, ...]) -> Binding:
        """The first binding is made from the beginning, as are those that the outline is not for."""
        addresses = self.image.address, self.constant_address
        if self._bindings:
            if self._outline is None:
                self._outline = Outline(self.segment, *addresses)
            binding = self._outline.binding(key, self.threads)
            if binding is not None:
                return binding
        return Binding.of(self.segment, key, self.evaluator.evaluate(key), self.threads, *addresses)

    def constant_address(self, name: str) -> int:
        constant = self._program.constants.get(name)
        if constant is None:
            raise ProgramError(f"segment '{self.segment.name}': no constant '{name}'")
        return self._constants + constant.offset

    def run(
        self, binding: Binding, arrays: Sequence[np.ndarray], placed: Mapping[int, np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Output arrays, new but for those that are ``placed``, by position.

        The arrays must lie as the binding says: C-contiguous, or with room behind them along an axis, and have its
        dtypes and shapes.
        """
        observer = OBSERVER.get()
        if observer is not None:
            return observer.run(self, binding, arrays)
        return self.run_with(binding, arrays, self.execute, placed)

    def run_with(
        self,
        binding: Binding,
        arrays: Sequence[np.ndarray],
        execute: Callable[[Binding, Instance], None],
        placed: Mapping[int, np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """As ``run``; ``execute`` runs the stages of an instance that has all its memory."""
        instance = instance_of(binding)
        slots = instance.slots
        for position, slot, offset in binding.input_patches:
            slots[slot] = address_of(arrays[position]) + offset
        if placed:
            outputs = [
                _new_array(*output) if position not in placed else placed[position]
                for position, output in enumerate(binding.outputs)
            ]
        else:
            outputs = [
                np.empty(shape, dtype) if size < ALIGNED_OUTPUT_BYTES else aligned_empty(shape, dtype, size)
                for shape, dtype, size in binding.outputs
            ]
        for position, slot, offset in binding.output_patches:
            slots[slot] = address_of(outputs[position]) + offset
        if binding.arena_bytes == 0:
            execute(binding, instance)
        else:
            arena = self.arenas.take(binding.arena_bytes)
            instance.move_to(binding, arena.address)
            execute(binding, instance)
            self.arenas.give(arena)
        if instance.report is not None:
            self.check_report(binding, instance)
        give_back(binding, instance)
        return outputs

    def execute(self, binding: Binding, instance: Instance) -> None:
        """Runs all stages of an instance, on as many threads as pay."""
        if binding.participants == 1:
            self.image.run(None, instance.records_address, len(binding.record_stages), 1)
            return
        records, count = instance.records_address, len(binding.record_stages)

        def run(team: int | None, participants: int) -> int:
            self.image.run(team, records, count, participants)
            return 1

        self._execute_together(binding, run)

    def execute_rounds(
        self, binding: Binding, instance: Instance, changes: np.ndarray, rounds: int, condition: int | None
    ) -> int:
        """Runs all stages so many times, or until the byte at ``condition`` is zero; gives how many times it was.

        ``changes`` (rows of three words) are made between two rounds: see @lamina_repeat in backend/support/threads.ll.
        """
        records, count, first_change = instance.records_address, len(binding.record_stages), address_of(changes)

        def repeat(team: int | None, participants: int) -> int:
            return self.image.repeat(team, records, count, participants, first_change, len(changes), rounds, condition)

        return repeat(None, 1) if binding.participants == 1 else self._execute_together(binding, repeat)

    def check_report(self, binding: Binding, instance: Instance) -> None:
        """Raises what the stages of a run have reported."""
        if instance.report is not None and instance.report.tobytes() != instance.empty_report:
            sizes = self.evaluator.evaluate(binding.key).sizes
            raise_violation(self.segment, sizes, instance.report.tolist())

    def _execute_together(self, binding: Binding, run: Callable[[int | None, int], int]) -> int:
        """``run`` takes the address of a team and a number of participants, and gives how many rounds it was."""
        pace = binding.pace
        wanted = pace.threads()
        grant = POOL.acquire(self.image, wanted, binding.eager, self.asked)
        try:
            team, participants = grant.team, grant.participants
            woke = team is not None and team.parked
            begin = perf_counter_ns()
            rounds = run(None if team is None else team.address, participants)
            elapsed = (perf_counter_ns() - begin) / rounds
            if team is not None:
                pace.report(participants, elapsed, team.waiting_share(), woke)
            elif wanted == 1:
                pace.report(1, elapsed, 0.0)
            return rounds
        finally:
            POOL.release(grant)


def instance_of(binding: Binding) -> Instance:
    """One that is idle, or a new one."""
    try:
        instance = binding.instances.pop()
    except IndexError:
        instance = Instance(binding)
    if instance.template is not binding.template:
        instance.take(binding)
    return instance


def give_back(binding: Binding, instance: Instance) -> None:
    if len(binding.instances) < MAXIMUM_IDLE:
        binding.instances.append(instance)


def _new_array(shape: tuple[int, ...], dtype: np.dtype, size: int) -> np.ndarray:
    return np.empty(shape, dtype) if size < ALIGNED_OUTPUT_BYTES else aligned_empty(shape, dtype, size)


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype, size: int) -> np.ndarray:
    """Large outputs begin at a cache line, so that vector stores do not straddle two."""
    return np.ndarray(shape, dtype, aligned_bytes(size))
