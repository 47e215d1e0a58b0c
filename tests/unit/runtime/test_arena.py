from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lamina.runtime.arena import LiveRange, barrier_epochs, lower_bound, plan

_ranges = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 30), st.integers(0, 12)).map(
        lambda t: LiveRange(t[0], t[1], t[1] + t[2])
    ),
    max_size=40,
)


def assert_sound(ranges: list[LiveRange], offsets: tuple[int, ...], total: int) -> None:
    for r, offset in zip(ranges, offsets, strict=True):
        assert offset >= 0 and offset + r.size <= total
    for (a, at), (b, bt) in itertools.combinations(zip(ranges, offsets, strict=True), 2):
        if a.size and b.size and a.first <= b.last and b.first <= a.last:
            assert at + a.size <= bt or bt + b.size <= at, (a, at, b, bt)


@given(_ranges)
def test_no_two_live_buffers_overlap(ranges: list[LiveRange]) -> None:
    arena = plan(ranges)
    assert_sound(ranges, arena.offsets, arena.total)
    assert all(offset % 64 == 0 for offset in arena.offsets)
    assert lower_bound(ranges) <= arena.total <= sum(-(-r.size // 64) * 64 for r in ranges)


@given(_ranges, _ranges)
def test_decided_offsets_stay(decided: list[LiveRange], free: list[LiveRange]) -> None:
    fixed = [LiveRange(r.size, r.first, r.last, o) for r, o in zip(decided, plan(decided).offsets, strict=True)]
    arena = plan(fixed + free)
    assert arena.offsets[: len(fixed)] == tuple(r.offset for r in fixed)
    assert_sound(fixed + free, arena.offsets, arena.total)


def test_a_chain_needs_two_buffers() -> None:
    ranges = [LiveRange(640, stage, stage + 1) for stage in range(20)]
    assert plan(ranges).total == lower_bound(ranges) == 2 * 640


def test_the_smallest_gap_is_taken() -> None:
    ranges = [
        LiveRange(1024, 0, 0),
        LiveRange(512, 0, 9),
        LiveRange(256, 0, 0),
        LiveRange(192, 0, 9),
        LiveRange(128, 5, 9),
    ]
    arena = plan(ranges)
    assert arena.offsets == (0, 1024, 1536, 1792, 1536)


def test_no_buffers() -> None:
    assert plan([]).total == 0 == lower_bound([])


@pytest.mark.parametrize(
    ("barriers", "epochs"), [([], []), ([True, True], [0, 1]), ([False, True, False, False], [0, 0, 1, 1])]
)
def test_barrier_epochs(barriers: list[bool], epochs: list[int]) -> None:
    assert barrier_epochs(barriers) == epochs
