"""Plans where the buffers of a segment lie in its arena.

A buffer has a size in bytes and a live range ``[first, last]`` of stages, both ends included. Two buffers may share
bytes when their live ranges do not meet. The planner takes the largest buffer first and puts it into the smallest
gap that is free for its whole live range; a gap at the end of the arena counts as the last resort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .memory import ALIGNMENT, align_up


@dataclass(frozen=True, slots=True)
class LiveRange:
    """A buffer to place: its bytes, its first and last stage, and its offset where that is already decided."""

    size: int
    first: int
    last: int
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class ArenaPlan:
    """Offsets in the order of the ranges, and the bytes of the whole arena."""

    offsets: tuple[int, ...]
    total: int


def plan(ranges: Sequence[LiveRange], alignment: int = ALIGNMENT) -> ArenaPlan:
    """Places all ranges; those of size zero get offset 0. Runs in the square of their number."""
    offsets = [0 if r.offset is None else r.offset for r in ranges]
    # Placed buffers in the order of their offsets: (begin, end, first, last).
    placed = sorted(
        (r.offset, r.offset + r.size, r.first, r.last) for r in ranges if r.offset is not None and r.size > 0
    )
    waiting = [index for index, r in enumerate(ranges) if r.offset is None and r.size > 0]
    # Ties: the longer life first, then the order given, so that a plan depends on nothing but its ranges.
    waiting.sort(key=lambda index: (-ranges[index].size, ranges[index].first - ranges[index].last, index))
    for index in waiting:
        wanted = ranges[index]
        size = align_up(wanted.size, alignment)
        position, offset = _smallest_gap(placed, wanted, size, alignment)
        placed.insert(position, (offset, offset + size, wanted.first, wanted.last))
        offsets[index] = offset
    total = max((end for _, end, _, _ in placed), default=0)
    return ArenaPlan(tuple(offsets), align_up(total, alignment))


def _smallest_gap(
    placed: list[tuple[int, int, int, int]], wanted: LiveRange, size: int, alignment: int
) -> tuple[int, int]:
    """Where to insert into ``placed`` and at which offset the buffer begins."""
    first, last = wanted.first, wanted.last
    best_gap, best_position, best_offset = -1, -1, -1
    free_from = 0
    for position, (begin, end, other_first, other_last) in enumerate(placed):
        if other_first > last or other_last < first:
            continue
        gap = begin - free_from
        if gap >= size and (best_gap < 0 or gap < best_gap):
            best_gap, best_position, best_offset = gap, position, free_from
        if end > free_from:
            free_from = align_up(end, alignment)
    if best_gap < 0:
        best_offset = free_from
    # `placed` stays sorted by offset: step back over, or forward past, buffers that are not live meanwhile.
    position = best_position if best_gap >= 0 else len(placed)
    while position > 0 and placed[position - 1][0] > best_offset:
        position -= 1
    return position, best_offset


def lower_bound(ranges: Sequence[LiveRange], alignment: int = ALIGNMENT) -> int:
    """Bytes that are live at the busiest stage: no plan is smaller."""
    changes: dict[int, int] = {}
    for r in ranges:
        size = align_up(r.size, alignment)
        changes[r.first] = changes.get(r.first, 0) + size
        changes[r.last + 1] = changes.get(r.last + 1, 0) - size
    live = busiest = 0
    for stage in sorted(changes):
        live += changes[stage]
        busiest = max(busiest, live)
    return busiest


def barrier_epochs(barriers: Sequence[bool]) -> list[int]:
    """For each stage the number of barriers before it, given which stages have a barrier after them.

    Stages of one epoch run at the same time, as far as the threads are free to, so that live ranges are compared
    by epochs and not by stages.
    """
    epochs, epoch = [], 0
    for barrier in barriers:
        epochs.append(epoch)
        epoch += barrier
    return epochs
