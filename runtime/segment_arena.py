"""Where the buffers of a segment lie in its arena, for given sizes and threads.

What is inside of batches has a part of the arena to itself: once for each thread that takes steps alone, and again for
the steps that threads share, one after the other in the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .arena import ArenaPlan, LiveRange, barrier_epochs, plan, shared_bytes
from .errors import ProgramError
from .program import Batches, Buffer, Segment
from .tables import SHARED, StepValues


@dataclass(slots=True)
class SegmentArena:
    """Bytes of the arena, and offsets of buffers by name and thread (SHARED for those that all threads use)."""

    total: int = 0
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, segment: Segment, sizes: Mapping[str, int], steps: Iterable[StepValues], participants: int
    ) -> SegmentArena:
        planner = _Planner(segment, sizes, participants)
        batches = [planner.steps(number, values) for number, values in enumerate(steps)]
        return planner.whole(batches)


class _Planner:
    def __init__(self, segment: Segment, sizes: Mapping[str, int], participants: int):
        self.segment, self.sizes, self.participants = segment, sizes, participants
        self.epochs = barrier_epochs([stage.barrier for stage in segment.stages])
        placed = [buffer for buffer in segment.buffers if buffer.kind in ("arena", "scratch")]
        self.buffers: dict[int | None, list[Buffer]] = {None: []}
        for buffer in placed:
            self.buffers.setdefault(buffer.inside, []).append(buffer)

    def whole(self, batches: list[SegmentArena]) -> SegmentArena:
        """Everything, with what is inside of each batches as one piece that lives as long as they run."""
        buffers = self.buffers[None]
        ranges = [self.live_range(buffer, self.participants) for buffer in buffers]
        pieces = [self.piece(steps, own) for steps, own in zip(self.segment.batches, batches, strict=True)]
        arena = plan([*ranges, *pieces])
        result = SegmentArena(arena.total)
        for buffer, offset in zip(buffers, arena.offsets):
            result.offsets[buffer.name, SHARED] = offset
        for begin, own in zip(arena.offsets[len(buffers) :], batches, strict=True):
            result.offsets |= {place: begin + offset for place, offset in own.offsets.items()}
        return result

    def piece(self, steps: Batches, own: SegmentArena) -> LiveRange:
        return LiveRange(own.total, self.epochs[steps.first_stage], self.epochs[steps.last_stage])

    def steps(self, number: int, values: StepValues) -> SegmentArena:
        """What is inside of batches, from the beginning of their piece of the arena."""
        own_steps = values.own_steps(self.participants)
        result = SegmentArena()
        if own_steps:
            alone = self.plan_inside(number, 1)
            result.total = alone.total * self.participants
            for owner in range(self.participants):
                self.add(result, number, alone, owner)
        if values.count > own_steps:
            shared = self.plan_inside(number, self.participants)
            result.total = max(result.total, shared.total)
            self.add(result, number, shared, SHARED)
        return result

    def plan_inside(self, number: int, threads: int) -> ArenaPlan:
        """Raises ProgramError where decided offsets let buffers share bytes: sizes are known from here on."""
        buffers = self.buffers.get(number, [])
        ranges = [self.live_range(buffer, threads) for buffer in buffers]
        if self.segment.batches[number].symbol:
            decided = [index for index, one in enumerate(ranges) if one.offset is not None]
            shared = shared_bytes([ranges[index] for index in decided])
            if shared is not None:
                names = " and ".join(f"'{buffers[decided[index]].name}'" for index in shared)
                raise ProgramError(
                    f"segment '{self.segment.name}': the buffers {names} share bytes while both are live"
                )
        return plan(ranges)

    def add(self, result: SegmentArena, number: int, arena: ArenaPlan, owner: int) -> None:
        begin = max(owner, 0) * arena.total
        for buffer, offset in zip(self.buffers.get(number, []), arena.offsets):
            result.offsets[buffer.name, owner] = begin + offset

    def live_range(self, buffer: Buffer, threads: int) -> LiveRange:
        size = self.sizes[buffer.name] * (threads if buffer.per_thread else 1)
        return LiveRange(size, self.epochs[buffer.first_stage], self.epochs[buffer.last_stage], buffer.offset)
