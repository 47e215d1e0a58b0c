"""Timing engines, alone or against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_RUNS_A_TURN = 3
PAUSE_SECONDS = 0.05

Runners = Mapping[str, Callable[[], Any]]


def warm_up(runners: Runners, seconds: float) -> dict[str, dict[str, float]]:
    """Runs each for its part of ``seconds``, once at least; gives the number of runs and how long the first took."""
    result = {}
    for name, run in runners.items():
        begin = time.perf_counter()
        run()
        first = time.perf_counter() - begin
        runs = 1
        while time.perf_counter() < begin + seconds / len(runners):
            run()
            runs += 1
        result[name] = {"runs": runs, "first_ms": first * 1e3}
    return result


@dataclass(frozen=True)
class Ratio:
    """How many times as long one runner takes as another, round by round: what half of the rounds lie between."""

    median: float
    lower_quartile: float
    upper_quartile: float
    rounds: int

    def report(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Measurement:
    """Statistics in milliseconds by runner, and the medians of its turns in seconds: one a round."""

    statistics: dict[str, dict[str, float]]
    turns: dict[str, Sequence[float]]

    def ratio(self, runner: str, other: str) -> Ratio:
        """The time that ``runner`` takes in units of the time of the ``other``.

        Compared within each round: what slows the machine down for longer than a round touches no ratio.
        """
        import numpy as np

        ratios = np.array(self.turns[runner]) / np.array(self.turns[other])
        lower, median, upper = map(float, np.percentile(ratios, [25, 50, 75]))
        return Ratio(median, lower, upper, len(ratios))


def measure_in_turn(
    runners: Runners,
    seconds: float,
    progress: Callable[[float], None] | None = None,
    pause: float = PAUSE_SECONDS,
) -> Measurement:
    """Measures for about ``seconds`` in all; ``progress`` takes those gone.

    Several runners take turns of a few runs, so that a slower moment of the machine hits all of them; every other
    round goes through them backwards, so that none is always the one after a certain other. The first run of a turn is
    not timed then: it finds the caches full of another engine's data. Before it there is a ``pause``, in which the
    other engine's threads stop spinning: onnxruntime's keep a processor busy for a while after each run.
    """
    times: dict[str, list[float]] = {name: [] for name in runners}
    turns: dict[str, list[float]] = {name: [] for name in runners}
    cpu_seconds = dict.fromkeys(runners, 0.0)
    for run in runners.values():
        run()
    order = list(runners)
    begin_all = time.perf_counter()
    while time.perf_counter() < begin_all + seconds or not all(times.values()):
        for name in order:
            run = runners[name]
            if len(runners) > 1:
                time.sleep(pause)
                run()
            begin_cpu = time.process_time()
            turn = [_timed(run) for _ in range(_RUNS_A_TURN)]
            cpu_seconds[name] += time.process_time() - begin_cpu
            times[name] += turn
            turns[name].append(statistics.median(turn))
        order.reverse()
        if progress is not None:
            progress(time.perf_counter() - begin_all)
    return Measurement({name: _statistics(times[name], cpu_seconds[name]) for name in runners}, {**turns})


def _timed(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _statistics(times: list[float], cpu_seconds: float) -> dict[str, float]:
    import numpy as np

    milliseconds = np.array(times) * 1e3
    p50, p90, p99 = np.percentile(milliseconds, [50, 90, 99])
    return {
        "runs": len(times),
        "min_ms": float(milliseconds.min()),
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "runs_per_second": len(times) / sum(times),
        "cpu_ms_per_run": cpu_seconds / len(times) * 1e3,
    }
