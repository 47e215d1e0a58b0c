from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from lamina.runtime.pace import Pace


@pytest.fixture(autouse=True)
def usual_suspicion(monkeypatch) -> None:
    monkeypatch.setattr("lamina.runtime.pace.SUSPICIOUS_RUNS", 2)


def play(pace: Pace, runs: int, alone: Callable[[int], float], together: Callable[[int], tuple[float, float]]):
    """The threads of each run of a series on two threads, and the time of all; times are given by number of run."""
    threads, total = [], 0.0
    for number in range(runs):
        count = pace.threads(2)
        elapsed, share = (alone(number), 0.0) if count == 1 else together(number)
        pace.report(count, elapsed, share)
        threads.append(count)
        total += elapsed
    return threads, total


def test_without_waiting_nothing_is_tried() -> None:
    threads, _ = play(Pace(), 1000, lambda _: 100.0, lambda _: (55.0, 0.1))
    assert threads == [2] * 1000


def test_one_thread_where_it_is_faster() -> None:
    threads, total = play(Pace(), 5000, lambda _: 100.0, lambda _: (4000.0, 0.9))
    assert threads[:3] == [2, 2, 1]
    assert threads.count(2) < 10
    assert total < 5000 * 100 * 1.1


def test_waiting_alone_is_no_reason() -> None:
    """The other thread may have more to do by design: several threads still win, and trials cost little."""
    threads, total = play(Pace(), 5000, lambda _: 150.0, lambda _: (100.0, 0.6))
    assert 1 in threads
    assert total < 5000 * 100 * 1.03


def test_back_to_all_threads_when_the_others_have_gone() -> None:
    def together(number: int) -> tuple[float, float]:
        return (4000.0, 0.9) if number < 100 else (60.0, 0.1)

    threads, _ = play(Pace(), 10_000, lambda _: 100.0, together)
    assert threads[50:100] == [1] * 50
    assert threads[-5000:] == [2] * 5000


def test_runs_that_all_wake_their_workers_are_judged() -> None:
    """Of a model that is called now and then, or where the system is slow to run the workers."""
    pace = Pace()
    threads = []
    for _ in range(1000):
        threads.append(pace.threads(2))
        pace.report(threads[-1], *((100.0, 0.0) if threads[-1] == 1 else (2000.0, 0.9)), woke=threads[-1] == 2)
    assert threads[:4] == [2, 2, 2, 1]
    assert threads.count(2) < 15


def test_the_first_run_of_a_series_is_not_judged() -> None:
    pace = Pace()
    for number in range(1000):
        assert pace.threads(2) == 2
        first = number % 4 == 0
        pace.report(2, 2000.0 if first else 60.0, 0.9 if first else 0.1, woke=first)


def test_a_single_slow_run_is_no_reason() -> None:
    threads, _ = play(Pace(), 100, lambda _: 100.0, lambda number: (900.0, 0.9) if number % 5 == 0 else (60.0, 0.1))
    assert threads == [2] * 100


@pytest.mark.parametrize("disturbed", [0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_a_machine_that_is_disturbed_now_and_then(disturbed: float, seed: int) -> None:
    """Some runs take three times as long because another program has one of the processors: two threads still win."""
    random = Random(seed)
    times = [300.0 if random.random() < disturbed else 100.0 for _ in range(20_000)]
    pace = Pace()
    threads, total = play(pace, len(times), lambda _: 180.0, lambda number: (times[number], times[number] / 400))
    assert threads.count(1) < 0.05 * len(times)
    assert total < 1.06 * sum(times)
