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
    """Places all ranges; those of size zero get offset 0 unless theirs is decided."""
    spans: list[tuple[int, int] | None] = [None] * len(ranges)  # Begin and end of what is placed.
    waiting = []
    for index, wanted in enumerate(ranges):
        if wanted.offset is not None:
            spans[index] = (wanted.offset, wanted.offset + wanted.size)
        elif wanted.size > 0:
            waiting.append(index)
    # Ties: the longer life first, then the order given, so that a plan depends on nothing but its ranges.
    waiting.sort(key=lambda index: (-ranges[index].size, ranges[index].first - ranges[index].last, index))
    meeting = meeting_ranges(ranges)
    for index in waiting:
        size = align_up(ranges[index].size, alignment)
        taken = sorted([span for other in meeting[index] if (span := spans[other]) is not None])
        offset = _smallest_gap(taken, size, alignment)
        spans[index] = (offset, offset + size)
    total = max((span[1] for span in spans if span is not None), default=0)
    return ArenaPlan(tuple([0 if span is None else span[0] for span in spans]), align_up(total, alignment))


def meeting_ranges(ranges: Sequence[LiveRange]) -> list[list[int]]:
    """For each range the others, of size above zero, that are live at the same time at some stage."""
    meeting: list[list[int]] = [[] for _ in ranges]
    live: list[int] = []
    for index in sorted(range(len(ranges)), key=lambda index: ranges[index].first):
        if ranges[index].size <= 0:
            continue
        first = ranges[index].first
        live = [other for other in live if ranges[other].last >= first]
        for other in live:
            meeting[other].append(index)
        meeting[index] += live
        live.append(index)
    return meeting


def shared_bytes(ranges: Sequence[LiveRange]) -> tuple[int, int] | None:
    """The first two ranges, whose offsets are decided, that share bytes at some stage; None where none do."""
    for one, others in enumerate(meeting_ranges(ranges)):
        for other in sorted(others):
            mine, its = ranges[one].offset or 0, ranges[other].offset or 0
            if mine < its + ranges[other].size and its < mine + ranges[one].size:
                return one, other
    return None


def _smallest_gap(taken: list[tuple[int, int]], size: int, alignment: int) -> int:
    """The offset of the smallest gap of at least ``size`` bytes between spans sorted by their begin, else their end."""
    best_gap, best_offset = -1, 0
    free_from = 0
    for begin, end in taken:
        gap = begin - free_from
        if gap >= size and (best_gap < 0 or gap < best_gap):
            best_gap, best_offset = gap, free_from
        if end > free_from:
            free_from = align_up(end, alignment)
    return free_from if best_gap < 0 else best_offset


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
