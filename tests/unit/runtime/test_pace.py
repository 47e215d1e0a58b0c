"""The pace against simulated machines: no clock is read, so that the numbers are the same each time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from lamina.runtime import pace
from lamina.runtime.pace import LAST, Pace, ways_up_to

Machine = Callable[[int, Random], dict[int, float]]
"""The times of a run, by its number, on each number of threads."""
Waits = Callable[[float, dict[int, float]], float]

RUNS = 6000


@pytest.fixture(autouse=True)
def usual_warm_up(monkeypatch) -> None:
    monkeypatch.setattr(pace, "WARM_UP_RUNS", 5)


class Played:
    """A series of runs as the pace wants them, and what each would have taken in the other ways."""

    def __init__(
        self,
        machine: Machine,
        runs: int = RUNS,
        seed: int = 0,
        most: int = 2,
        first: int | None = None,
        share: Waits = lambda times, threads: 0.0,
        woke: Callable[[int], bool] = lambda number: False,
    ) -> None:
        model, random = Pace(most, first), Random(seed)
        self.threads: list[int] = []
        self.times: list[dict[int, float]] = []
        for number in range(runs):
            times, threads = machine(number, random), model.threads()
            model.report(threads, times[threads], share(times, threads), threads > 1 and woke(number))
            self.threads.append(threads)
            self.times.append(times)

    def total(self, start: int = 0, stop: int | None = None, threads: int | None = None) -> float:
        """The time of some runs, as they were or all on so many threads."""
        runs = list(zip(self.times, self.threads, strict=True))[start:stop]
        return sum(times[threads or chosen] for times, chosen in runs)

    def best(self, start: int = 0, stop: int | None = None) -> int:
        """The number of threads that takes the least time."""
        return min(self.times[0], key=lambda threads: self.total(start, stop, threads))

    def loss(self, start: int = 0, stop: int | None = None) -> float:
        """How much longer some runs took than the best way, as a part of that."""
        return self.total(start, stop) / self.total(start, stop, self.best(start, stop)) - 1.0

    def share(self, threads: int, start: int = 0, stop: int | None = None) -> float:
        """The part of some runs that was on so many threads."""
        chosen = self.threads[start:stop]
        return chosen.count(threads) / len(chosen)


def steady(**times: float) -> Machine:
    """``t2=55`` for 55 on two threads."""
    return lambda number, random: {int(name[1:]): time for name, time in times.items()}


def uneven(machine: Machine, often: float, factor: float, spread: float = 0.03) -> Machine:
    """Times that spread a little, and of which a part is many times as long, in whatever way it runs."""

    def noisy(number: int, random: Random) -> dict[int, float]:
        disturbed = factor if random.random() < often else 1.0
        times = machine(number, random)
        return {way: time * random.lognormvariate(0, spread) * disturbed for way, time in times.items()}

    return noisy


def waiting(times: dict[int, float], threads: int) -> float:
    """The caller has half of the work, and waits for the rest of the time."""
    return max(0.0, 1.0 - times[1] / threads / times[threads])


MACHINES = {
    "two threads are faster": steady(t1=100, t2=55),
    "two threads are little faster": steady(t1=100, t2=90),
    "one thread is faster": steady(t1=100, t2=130),
    "one thread is little faster": steady(t1=100, t2=108),
    "both are alike": steady(t1=100, t2=101),
    "waking costs many times the work": steady(t1=30, t2=300),
    "a busy processor costs a time slice": steady(t1=100, t2=4000),
}


# Of the first runs, and of the first trials, each way has its part.
START = 50


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("first", [1, 2])
def test_a_steady_machine(name: str, first: int) -> None:
    played = Played(MACHINES[name], first=first, share=waiting)
    assert played.loss(START) < 0.03
    if name != "both are alike":
        assert played.share(played.best(), START) > 0.8


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("often", "factor"), [(0.02, 20.0), (0.1, 3.0), (0.2, 3.0), (0.001, 300.0)])
@pytest.mark.parametrize("seed", range(2))
def test_a_machine_that_is_disturbed_now_and_then(name: str, often: float, factor: float, seed: int) -> None:
    played = Played(uneven(MACHINES[name], often, factor), seed=seed, share=waiting)
    assert played.loss(START) < 0.05


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_on_which_all_times_spread(name: str) -> None:
    played = Played(uneven(MACHINES[name], 0.0, 1.0, spread=0.25), share=waiting)
    assert played.loss(START) < 0.05


def test_without_waiting_little_is_tried() -> None:
    threads = Played(steady(t1=100, t2=55), share=lambda times, threads: 0.1).threads
    assert threads[:100] == [2] * 100
    assert threads.count(1) < 0.01 * len(threads)


def test_waiting_is_a_reason_for_a_trial_and_for_nothing_else() -> None:
    """The other thread may have more to do by design: several threads still win, and trials cost little."""
    played = Played(steady(t1=150, t2=100), share=lambda times, threads: 0.6 if threads == 2 else 0.0)
    assert 1 in played.threads[:10]
    assert played.loss() < 0.025


def test_a_single_slow_run_is_no_reason() -> None:
    played = Played(lambda number, _: {1: 100.0, 2: 900.0 if number % 5 == 0 else 60.0}, runs=100)
    assert played.threads == [2] * 100


def test_a_short_series_stays_as_the_compiler_says() -> None:
    """A program that runs a model twenty times should not spend a part of them on trials."""
    assert Played(steady(t1=100, t2=55), runs=40).threads == [2] * 40
    assert Played(steady(t1=20, t2=40), runs=40, first=1).threads == [1] * 40


@pytest.mark.parametrize("crowded", [110.0, 150.0, 400.0, 4000.0])
def test_a_processor_is_taken_by_another_program_and_freed(crowded: float) -> None:
    def machine(number: int, random: Random) -> dict[int, float]:
        return {1: 100.0, 2: crowded if 2000 <= number < 4000 else 55.0}

    played = Played(uneven(machine, 0.02, 5.0), runs=10_000, share=waiting)
    assert played.loss(START, 2000) < 0.05
    taken, freed = played.threads[2000:4000], played.threads[4000:]
    assert taken.index(1) <= 2 * LAST
    assert played.loss(2050, 4000) < 0.05
    # How soon the next trial comes follows from what one loses: 50 runs for each that it could have been.
    assert freed.index(2) <= 100 * max(crowded / 100, 2.0)
    assert played.loss(4000 + freed.index(2) + 50) < 0.05


def test_a_processor_that_is_taken_and_freed_again_and_again() -> None:
    def machine(number: int, random: Random) -> dict[int, float]:
        return {1: 100.0, 2: 200.0 if number // 500 % 2 else 55.0}

    played = Played(uneven(machine, 0.02, 5.0), share=waiting)
    best = sum(played.total(start, start + 500, played.best(start, start + 500)) for start in range(0, RUNS, 500))
    assert played.total() < 1.12 * best
    assert played.loss() < 0


@pytest.mark.parametrize("often", [0.1, 0.2, 0.3])
def test_in_turns_with_an_engine_whose_threads_go_on_spinning(often: float) -> None:
    """Each run finds its worker parked and caches cold; in some the other engine's thread keeps it from starting."""

    def machine(number: int, random: Random) -> dict[int, float]:
        return {1: 111.0, 2: 160.0 if random.random() < often else 66.0}

    played = Played(machine, share=waiting, woke=lambda number: True)
    assert played.loss(START) < 0.05
    assert played.share(2) > 0.8


def test_runs_that_all_wake_their_workers_are_judged() -> None:
    """Of a model that is called now and then, or where the system is slow to run the workers."""
    played = Played(steady(t1=100, t2=2000), runs=1000, share=waiting, woke=lambda number: True)
    assert played.threads[:7] == [2] * 6 + [1]
    assert played.threads.count(2) < 15


def test_the_first_run_of_a_series_is_not_judged() -> None:
    """It finds its worker parked and its caches cold."""

    def machine(number: int, random: Random) -> dict[int, float]:
        cold = 1.5 if number % 4 == 0 else 1.0
        return {1: 100.0 * cold, 2: 55.0 * cold + (90.0 if number % 4 == 0 else 0.0)}

    played = Played(machine, woke=lambda number: number % 4 == 0, share=waiting)
    assert played.share(2) > 0.98


@pytest.mark.parametrize("small", [20.0, 30.0])
def test_waking_the_worker_for_a_trial_does_not_decide(small: float) -> None:
    """On one thread a worker parks; the first run of a trial wakes it, which costs more than a small model takes."""
    total, threads_before = 0.0, 1
    model = Pace(2, first=1)
    for _ in range(RUNS):
        threads = model.threads()
        woke = threads == 2 and threads_before == 1
        elapsed = small if threads == 1 else 0.6 * small + (50.0 if woke else 0.0)
        model.report(threads, elapsed, 0.8 if woke else 0.1, woke)
        total, threads_before = total + elapsed, threads
    assert total < 1.05 * 0.6 * small * RUNS


@pytest.mark.parametrize("pattern", ["in turns", "at random"])
def test_input_sizes_that_change_from_run_to_run(pattern: str) -> None:
    """Each size has a pace of its own: the large one is faster on two threads, the small one on one."""
    times = {"large": {1: 1000.0, 2: 550.0}, "small": {1: 20.0, 2: 35.0}}
    paces = {size: Pace(2) for size in times}
    random = Random(0)
    total = better = 0.0
    for number in range(RUNS):
        size = ("large", "small")[number % 2] if pattern == "in turns" else random.choice(("large", "small"))
        threads = paces[size].threads()
        paces[size].report(threads, times[size][threads], 0.3 * (threads - 1), woke=False)
        total, better = total + times[size][threads], better + min(times[size].values())
    assert total < 1.05 * better
    assert [paces[size].threads() for size in times] == [2, 1]


@pytest.mark.parametrize(
    ("times", "best"),
    [
        ({1: 800, 2: 410, 4: 210, 7: 130, 8: 115}, 8),
        ({1: 800, 2: 410, 4: 210, 7: 130, 8: 240}, 7),  # One of the processors is taken.
        ({1: 800, 2: 410, 4: 210, 7: 400, 8: 450}, 4),
        ({1: 80, 2: 100, 4: 150, 7: 220, 8: 260}, 1),
    ],
)
def test_many_threads(times: dict[int, float], best: int) -> None:
    played = Played(uneven(lambda number, _: dict(times), 0.02, 5.0), most=8, share=waiting)
    assert played.loss(START) < 0.05
    assert played.share(best, 1000) > 0.8


def test_runs_on_other_numbers_of_threads_say_nothing() -> None:
    """Where other runs hold the processors, a run has fewer threads than the pace wants."""
    model = Pace(4)
    for _ in range(1000):
        model.report(2, 5000.0, 0.9)
    assert model.threads() == 4


def test_python_threads_that_share_a_pace(monkeypatch) -> None:
    """Their reports come between those of others, at any instruction: trials may be spoilt, and nothing else."""
    monkeypatch.setattr(pace, "REST", 1)
    model = Pace(4)

    def report(seed: int) -> None:
        random = Random(seed)
        for _ in range(3000):
            threads = model.threads()
            model.report(threads, random.choice((50.0, 100.0, 900.0)) / threads, random.random(), random.random() < 0.5)
            assert model.threads() in (1, 2, 3, 4)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as executor:
            list(executor.map(report, range(4)))
    finally:
        sys.setswitchinterval(interval)
    for _ in range(2000):
        model.report(model.threads(), {1: 100.0, 2: 55.0, 3: 40.0, 4: 30.0}[model.threads()])
    assert model.threads() == 4


def test_one_thread_at_most() -> None:
    model = Pace(1)
    for _ in range(1000):
        assert model.threads() == 1
        model.report(1, 100.0)


def test_the_ways_of_running() -> None:
    assert [ways_up_to(most) for most in (1, 2, 3, 8)] == [(1,), (1, 2), (1, 2, 3), (1, 2, 4, 7, 8)]
