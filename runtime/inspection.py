"""Ways to look at a model while it runs: the time of each stage, whether the kernels keep to their memory, and what one
kernel alone makes of given memory."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter_ns
from typing import TextIO

import numpy as np

from .binding import Binding, Instance
from .errors import ExecutionError
from .image import MappedImage
from .memory import ALIGNMENT, address_of, align_up, aligned_bytes, map_pages, protect_pages, unmap_pages
from .program import Buffer, Segment, Stage
from .segment import OBSERVER, Observer, SegmentRunner
from .tables import RECORD_WORDS, WORD_BYTES, Tables
from .team import Team
from .threads import POOL
from .violations import raise_violation

_RECORD_BYTES = RECORD_WORDS * WORD_BYTES
_CANARY = 0xA5


@dataclass(frozen=True, slots=True)
class StageTime:
    """Nanoseconds of one stage in one run, how many threads it had, and the part of it in which the first waited.

    Much waiting on a quiet machine means that the work is not split evenly.
    """

    segment: str
    stage: str
    function: str
    threads: int
    nanoseconds: int
    waiting_share: float = 0.0

    def and_also(self, other: StageTime) -> StageTime:
        """Both times together."""
        total = self.nanoseconds + other.nanoseconds
        waited = self.waiting_share * self.nanoseconds + other.waiting_share * other.nanoseconds
        return replace(self, nanoseconds=total, waiting_share=waited / total if total else 0.0)


@contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Within it, runs of this Python thread (or task) go through ``observer``."""
    token = OBSERVER.set(observer)
    try:
        yield
    finally:
        OBSERVER.reset(token)


class StageTimer:
    """Runs the stages one by one, and records how long each takes: one of a batch, all its steps together."""

    def __init__(self) -> None:
        self.times: list[StageTime] = []

    def run(self, runner: SegmentRunner, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        def execute(_binding: Binding, instance: Instance) -> None:
            segment = runner.segment
            times: dict[int, StageTime] = {}
            with _team(runner.image, binding.participants) as (team, participants):
                address = None if team is None else team.address
                for number, index in enumerate(binding.record_stages):
                    stage = segment.stages[index]
                    threads = 1 if stage.serial else participants
                    record = instance.records_address + number * _RECORD_BYTES
                    begin = perf_counter_ns()
                    runner.image.run(address, record, 1, threads)
                    elapsed = perf_counter_ns() - begin
                    share = team.waiting_share() if team is not None and threads > 1 else 0.0
                    time = StageTime(segment.name, stage.name, stage.function, threads, elapsed, share)
                    times[index] = time if index not in times else times[index].and_also(time)
            self.times += [times[index] for index in sorted(times)]

        return runner.run_with(binding, arrays, execute)


@contextmanager
def _team(image: MappedImage, threads: int) -> Iterator[tuple[Team | None, int]]:
    grant = POOL.acquire(image, threads)
    try:
        yield grant.team, grant.participants
    finally:
        POOL.release(grant)


class Poison:
    """Fills intermediate memory and outputs with ones before each run: NaN in every floating-point type.

    What a kernel reads without anybody having written it, or leaves unwritten, then shows in the outputs.
    """

    def run(self, runner: SegmentRunner, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        outputs: list[tuple[int, int]] = []

        def execute(_binding: Binding, instance: Instance) -> None:
            for position, slot, offset in binding.output_patches:
                outputs.append((instance.slots[slot] - offset, binding.outputs[position][2]))
            for address, size in outputs:
                ctypes.memset(address, 0xFF, size)
            if binding.arena_bytes:
                ctypes.memset(instance.arena_base, 0xFF, binding.arena_bytes)
            with _team(runner.image, binding.participants) as (team, participants):
                address = None if team is None else team.address
                runner.image.run(address, instance.records_address, len(binding.record_stages), participants)

        return runner.run_with(binding, arrays, execute)


@dataclass(slots=True)
class _Region:
    """A buffer between two pages that cannot be touched; it ends at the second one, but for alignment."""

    name: str
    mapping: int
    mapped: int
    address: int
    size: int

    def bytes_at(self, address: int, size: int) -> np.ndarray:
        return np.frombuffer(memoryview((ctypes.c_uint8 * size).from_address(address)), np.uint8)

    def surroundings(self) -> tuple[np.ndarray, np.ndarray]:
        """The bytes before and after the buffer that can be touched but must not be written."""
        begin = self.mapping + mmap.PAGESIZE
        end = self.mapping + self.mapped - mmap.PAGESIZE
        after = self.address + self.size
        return self.bytes_at(begin, self.address - begin), self.bytes_at(after, end - after)


class MemoryGuard:
    """Runs the stages one by one, each buffer in pages of its own between pages that cannot be touched.

    A kernel that leaves its buffers far enough to matter ends the process with SIGSEGV: ``trace`` gets the name of each
    stage before it runs, so that the last line names the culprit. One that writes into the few bytes around a buffer
    raises ExecutionError. Memory that nobody has written holds NaN.
    """

    def __init__(self, trace: TextIO | None = None):
        self._trace = trace

    def run(self, runner: SegmentRunner, binding: Binding, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        values = runner.evaluator.evaluate(binding.key)
        segment = runner.segment
        # For one thread all steps of a batch are in the same memory, which all threads may share.
        tables = Tables.of(segment, values.arguments, values.steps, values.sizes, 1, runner.image.address)
        regions: dict[str, _Region] = {}
        try:
            for buffer in segment.buffers:
                if buffer.kind != "part":
                    size = values.sizes[buffer.name] * (runner.threads if buffer.per_thread else 1)
                    regions[buffer.name] = region = _map_region(buffer, size)
                    self._fill(runner, buffer, region, arrays)
            wholes = {buffer.name: segment.whole_of(buffer).name for buffer in segment.buffers}
            for (name, _), slots in tables.places.items():
                for slot in slots:
                    tables.words[slot] += regions[wholes[name]].address
            words = tables.as_array()
            words[tables.pointers] += np.uint64(address_of(words))
            records = address_of(words) + tables.records_start * WORD_BYTES
            self._run_stages(runner, records, tables.record_stages, regions)
            _look_at_reports(runner.segment, values.sizes, regions)
            return _outputs(runner, binding, regions)
        finally:
            for region in regions.values():
                unmap_pages(region.mapping, region.mapped)

    def _fill(self, runner: SegmentRunner, buffer: Buffer, region: _Region, arrays: Sequence[np.ndarray]) -> None:
        ctypes.memset(region.mapping + mmap.PAGESIZE, _CANARY, region.mapped - 2 * mmap.PAGESIZE)
        if buffer.kind == "input":
            ctypes.memmove(region.address, address_of(arrays[buffer.index]), region.size)
        elif buffer.kind == "constant":
            ctypes.memmove(region.address, runner.constant_address(buffer.constant or ""), region.size)
        else:
            ctypes.memset(region.address, 0 if buffer.kind == "report" else 0xFF, region.size)

    def _run_stages(
        self, runner: SegmentRunner, records: int, record_stages: Sequence[int], regions: dict[str, _Region]
    ) -> None:
        with _team(runner.image, runner.threads) as (team, participants):
            address = None if team is None else team.address
            for number, stage in enumerate(runner.segment.stages[index] for index in record_stages):
                if self._trace is not None:
                    print(f"{runner.segment.name} {stage.name} {stage.function}", file=self._trace, flush=True)
                threads = 1 if stage.serial else participants
                runner.image.run(address, records + number * _RECORD_BYTES, 1, threads)
                _check_surroundings(runner.segment, stage, regions)


def _map_region(buffer: Buffer, size: int) -> _Region:
    alignment = 1 if buffer.kind in ("input", "output") else ALIGNMENT
    occupied = align_up(size, alignment)
    inner = align_up(max(occupied, 1), mmap.PAGESIZE)
    mapped = inner + 2 * mmap.PAGESIZE
    mapping = map_pages(mapped)
    end = mapping + mmap.PAGESIZE + inner
    protect_pages(mapping, mmap.PAGESIZE)
    protect_pages(end, mmap.PAGESIZE)
    return _Region(buffer.name, mapping, mapped, end - occupied, size)


def _check_surroundings(segment: Segment, stage: Stage, regions: dict[str, _Region]) -> None:
    wholes = {buffer.name: segment.whole_of(buffer).name for buffer in segment.buffers}
    names = {wholes[argument[1]] for argument in stage.arguments if argument[0] == "buffer"}
    for region in (regions[str(name)] for name in sorted(names, key=str)):
        for where, canaries in zip(("before", "after"), region.surroundings(), strict=True):
            if (canaries != _CANARY).any():
                raise ExecutionError(
                    f"stage '{stage.name}' ({stage.function}) wrote {where} buffer '{region.name}' "
                    f"of {region.size} bytes"
                )


def _look_at_reports(segment: Segment, sizes: Mapping[str, int], regions: Mapping[str, _Region]) -> None:
    for buffer in segment.buffers:
        if buffer.kind == "report":
            region = regions[buffer.name]
            raise_violation(segment, sizes, region.bytes_at(region.address, region.size).view(np.int64).tolist())


def _outputs(runner: SegmentRunner, binding: Binding, regions: dict[str, _Region]) -> list[np.ndarray]:
    outputs = [np.empty(shape, dtype) for shape, dtype, _ in binding.outputs]
    for buffer in runner.segment.buffers:
        if buffer.kind == "output":
            output = outputs[buffer.index]
            ctypes.memmove(address_of(output), regions[buffer.name].address, output.nbytes)
    return outputs


def run_kernel(
    image: MappedImage,
    function: str,
    arguments: Sequence[np.ndarray | int],
    threads: int = 1,
) -> None:
    """Runs one function of an image, apart from any model. Arguments are buffers of bytes, changed in place, and sizes.

    Raises ExecutionError if it writes into the bytes around a buffer.
    """
    buffers = {number: given for number, given in enumerate(arguments) if isinstance(given, np.ndarray)}
    spaces = {number: _Space.around(buffer) for number, buffer in buffers.items()}
    table = np.array([spaces[n].address if n in spaces else given for n, given in enumerate(arguments)], np.int64)
    record = np.array([image.address(function), address_of(table), 0, 0], np.uint64)
    with _team(image, threads) as (team, participants):
        image.run(None if team is None else team.address, address_of(record), 1, participants)
    for number, space in spaces.items():
        if not space.is_intact():
            raise ExecutionError(f"{function} wrote around its argument {number}, a buffer of {space.size} bytes")
        buffers[number][:] = space.contents


@dataclass(frozen=True, slots=True)
class _Space:
    """A copy of a buffer, aligned, with known bytes before and after it."""

    memory: np.ndarray
    size: int

    @staticmethod
    def around(buffer: np.ndarray) -> _Space:
        memory = aligned_bytes(buffer.size + 2 * ALIGNMENT)
        memory[:] = _CANARY
        memory[ALIGNMENT : ALIGNMENT + buffer.size] = buffer
        return _Space(memory, buffer.size)

    @property
    def address(self) -> int:
        return address_of(self.memory) + ALIGNMENT

    @property
    def contents(self) -> np.ndarray:
        return self.memory[ALIGNMENT : ALIGNMENT + self.size]

    def is_intact(self) -> bool:
        around = np.concatenate([self.memory[:ALIGNMENT], self.memory[ALIGNMENT + self.size :]])
        return bool((around == _CANARY).all())
