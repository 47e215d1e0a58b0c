"""The tables that native code reads: arguments of stages, and records of which stage runs when on which arguments.

A stage runs once, but for those of a batch that is taken in steps: they have arguments and a record for each step. As
many steps as threads can share evenly are taken by one thread each, in memory of its own, which needs no barriers; all
threads share the stages of the steps that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .program import Batches, Segment, Stage

WORD_BYTES = 8
RECORD_WORDS = 4
SHARED = -1
"""Instead of the number of the thread that takes a step alone."""

_BARRIER_FLAG, _SERIAL_FLAG, _OWN_FLAG = 1, 2, 4
_WORD_MASK = (1 << 64) - 1


@dataclass(slots=True)
class StepValues:
    """How a batch is taken: its steps, and the arguments of its stages in the last one."""

    count: int
    last_arguments: dict[int, list[int]]

    def own_steps(self, participants: int) -> int:
        """How many steps are taken by one thread each: as many as make the same number for all."""
        return self.count - self.count % participants if participants > 1 else 0


@dataclass(slots=True)
class _Pending:
    """A record before its table has an address."""

    stage: int
    table: int
    flags: int
    owner: int = 0


@dataclass(slots=True)
class Tables:
    """The 64-bit words that native code reads: the argument tables of all calls, then their records.

    ``words`` holds addresses of buffers as distances from the beginning of each buffer's memory, which may be negative;
    ``places`` says which words belong to which buffer, and to whose: a thread that takes steps alone, or SHARED.
    ``record_stages`` are the stages of the records.
    """

    segment: Segment
    arguments: Sequence[Sequence[int]]
    steps: Sequence[StepValues]
    sizes: Mapping[str, int]
    participants: int
    words: list[int] = field(default_factory=list)
    places: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    record_stages: list[int] = field(default_factory=list)
    records_start: int = 0
    pointers: list[int] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        segment: Segment,
        arguments: Sequence[Sequence[int]],
        steps: Sequence[StepValues],
        sizes: Mapping[str, int],
        participants: int,
        address: Callable[[str], int],
    ) -> Tables:
        """For arguments as they are in a whole step; ``sizes`` are those of the buffers."""
        tables = cls(segment, arguments, steps, sizes, participants)
        tables._add_records(list(tables._records()), address)
        return tables

    def as_array(self) -> np.ndarray:
        """The words as they lie in memory; addresses within the tables are still distances from their beginning."""
        return np.array([word & _WORD_MASK for word in self.words], dtype=np.uint64)

    def _records(self) -> Iterator[_Pending]:
        taken = {batches.first_stage: number for number, batches in enumerate(self.segment.batches)}
        stage = 0
        while stage < len(self.segment.stages):
            if stage in taken:
                batches = self.segment.batches[taken[stage]]
                yield from self._steps(batches, self.steps[taken[stage]])
                stage = batches.last_stage + 1
            else:
                yield _Pending(stage, len(self.words), _flags(self.segment.stages[stage]))
                self._add_arguments(stage, self.arguments[stage], SHARED)
                stage += 1

    def _steps(self, batches: Batches, values: StepValues) -> Iterator[_Pending]:
        stages = range(batches.first_stage, batches.last_stage + 1)
        strides = self._strides(stages)
        own = values.own_steps(self.participants)
        for step in range(values.count):
            owner = step % self.participants if step < own else SHARED
            for stage in stages:
                begin = len(self.words)
                is_last = step == values.count - 1 and stage in values.last_arguments
                self._add_arguments(stage, values.last_arguments[stage] if is_last else self.arguments[stage], owner)
                for position, stride in strides[stage]:
                    self.words[begin + position] += step * stride
                if owner == SHARED:
                    yield _Pending(stage, begin, _flags(self.segment.stages[stage]))
                else:
                    meets = step == own - 1 and stage == batches.last_stage
                    yield _Pending(stage, begin, _OWN_FLAG | (_BARRIER_FLAG if meets else 0), owner)

    def _strides(self, stages: range) -> dict[int, list[tuple[int, int]]]:
        """For each stage the positions of arguments that are parts, and the bytes from one step's to the next one's."""
        parts = {buffer.name: self.sizes[buffer.name] for buffer in self.segment.buffers if buffer.kind == "part"}
        return {
            stage: [
                (position, parts[str(argument[1])])
                for position, argument in enumerate(self.segment.stages[stage].arguments)
                if argument[1] in parts
            ]
            for stage in stages
        }

    def _add_arguments(self, stage: int, values: Sequence[int], owner: int) -> None:
        begin = len(self.words)
        for position, argument in enumerate(self.segment.stages[stage].arguments):
            if argument[0] == "buffer":
                self.places.setdefault((argument[1], owner), []).append(begin + position)
        self.words += values

    def _add_records(self, records: Sequence[_Pending], address: Callable[[str], int]) -> None:
        self.records_start = len(self.words)
        addresses = {stage.function: address(stage.function) for stage in self.segment.stages}
        for record in records:
            self.pointers.append(len(self.words) + 1)
            function = self.segment.stages[record.stage].function
            self.words += [addresses[function], record.table * WORD_BYTES, record.flags, record.owner]
            self.record_stages.append(record.stage)


def _flags(stage: Stage) -> int:
    return (_BARRIER_FLAG if stage.barrier else 0) | (_SERIAL_FLAG if stage.serial else 0)
