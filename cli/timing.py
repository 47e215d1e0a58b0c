"""Timing engines, alone or against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

_RUNS_A_TURN = 3
_PAUSE_SECONDS = 0.05

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


def measure_in_turn(
    runners: Runners, seconds: float, progress: Callable[[float], None] | None = None
) -> dict[str, dict[str, float]]:
    """Statistics in milliseconds by runner, measured for about ``seconds`` in all; ``progress`` takes those gone.

    Several runners take turns of a few runs, so that a slower moment of the machine hits all of them. The first run of
    a turn is not timed then: it finds the caches full of another engine's data. Before it there is a pause, in which
    the other engine's threads stop spinning: onnxruntime's keep a processor busy for a while after each run.
    """
    times: dict[str, list[float]] = {name: [] for name in runners}
    cpu_seconds = dict.fromkeys(runners, 0.0)
    for run in runners.values():
        run()
    begin_all = time.perf_counter()
    while time.perf_counter() < begin_all + seconds or not all(times.values()):
        for name, run in runners.items():
            if len(runners) > 1:
                time.sleep(_PAUSE_SECONDS)
                run()
            begin_cpu = time.process_time()
            for _ in range(_RUNS_A_TURN):
                begin = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - begin)
            cpu_seconds[name] += time.process_time() - begin_cpu
        if progress is not None:
            progress(time.perf_counter() - begin_all)
    return {name: _statistics(times[name], cpu_seconds[name]) for name in runners}


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
