"""Whether the runtime uses as many threads as is fastest: alone, in turns with onnxruntime, beside a busy program.

Three copies of each network are timed, one held to one thread, one to all, one that decides for itself, and
onnxruntime with as many threads.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rich.table import Table

from ...cli.timing import PAUSE_SECONDS
from ...compiler import compile
from ...runtime import pace
from ...runtime.cpus import default_threads
from ...runtime.executable import Executable
from ..networks import Network
from .each_network import Row, rows_of_each
from .speed import open_session

Run = Callable[[], Any]

SETTINGS = ("alone", "in turns", "beside a busy program")
PEER = "onnxruntime"
DECIDES = "decides"
_RUNS_A_TURN = 12
# What decides has its first runs, and its first trials, before it is timed.
_WARM_UP_RUNS = 30
_BUSY_LOOP = "while True: pass"


def measure(networks: Iterable[Network], seconds: float, progress: Callable[[Row], None]) -> list[Row]:
    """A row for each network and setting: the medians in ms by way of running; or why it failed."""
    return rows_of_each(networks, lambda network: _measure_network(network, seconds), progress)


def _measure_network(network: Network, seconds: float) -> list[Row]:
    path, feeds, threads = network.locate(), network.feeds(), default_threads()
    session = open_session(path, threads)

    def peer() -> Any:
        return session.run(None, feeds)

    rows = []
    for setting in SETTINGS:
        # New copies, which know nothing of the last setting.
        runs = {
            "1": _held(compile(path, threads=1), feeds),
            "all": _held(compile(path, threads=threads), feeds),
            DECIDES: _bound(compile(path, threads=threads), feeds),
        }
        between = peer if setting == "in turns" else None
        with _busy_program() if setting == SETTINGS[2] else contextlib.nullcontext():
            times = _measure(runs, peer, between, seconds)
        rows.append({"network": network.name, "setting": setting, "failure": None, "threads": threads, "ms": times})
    return rows


def _bound(executable: Executable, feeds: Any) -> Run:
    return lambda: executable.run(feeds)


def _held(executable: Executable, feeds: Any) -> Run:
    """Runs that are always on as many threads as the executable has: a binding that is made now never tries others."""
    usual = pace.WARM_UP_RUNS
    pace.WARM_UP_RUNS = 1 << 60
    try:
        executable.run(feeds)
    finally:
        pace.WARM_UP_RUNS = usual
    return _bound(executable, feeds)


@contextlib.contextmanager
def _busy_program() -> Iterator[None]:
    """Another process that would always run, so that it has a processor for as long as this one has others."""
    process = subprocess.Popen([sys.executable, "-c", _BUSY_LOOP])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def _measure(runs: dict[str, Run], peer: Run, between: Run | None, seconds: float) -> dict[str, float]:
    """Medians of runs in turns of several; ``between`` runs after each of them. The last is the peer's."""
    for run in runs.values():
        _turn(run, between, _WARM_UP_RUNS)
    everyone = {**runs, PEER: peer}
    times: dict[str, list[float]] = {name: [] for name in everyone}
    order = list(everyone)
    begin = time.perf_counter()
    while time.perf_counter() < begin + seconds or not all(times.values()):
        for name in order:
            # onnxruntime's threads spin for a while after a run.
            time.sleep(0.0 if between else PAUSE_SECONDS)
            times[name] += _turn(everyone[name], None if name == PEER else between, _RUNS_A_TURN)[2:]
        order.reverse()
    return {name: statistics.median(found) for name, found in times.items()}


def _turn(run: Run, between: Run | None, count: int) -> list[float]:
    """Milliseconds of each run."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        run()
        times.append((time.perf_counter() - begin) * 1e3)
        if between is not None:
            between()
    return times


def excess(row: Row) -> float:
    """How many times as long as the better way the one takes that decides for itself."""
    return row["ms"][DECIDES] / min(row["ms"]["1"], row["ms"]["all"])


def table(rows: list[Row]) -> Table:
    threads = next((row["threads"] for row in rows if not row["failure"]), 0)
    result = Table("network", "setting", title="ms, medians; excess: what decides for itself over the better way held")
    for column in ("1 thread", f"{threads} threads", "decides", "excess", PEER, "ratio"):
        result.add_column(column, justify="right")
    for row in rows:
        if row["failure"]:
            result.add_row(row["network"], f"[red]{row['failure'].splitlines()[0]}[/]")
            continue
        ms = row["ms"]
        times = [f"{ms[name]:.2f}" for name in ("1", "all", DECIDES)]
        ratio = f"{ms[PEER] / ms[DECIDES]:.2f}"
        result.add_row(row["network"], row["setting"], *times, f"{excess(row):.2f}", f"{ms[PEER]:.2f}", ratio)
    completed = [row for row in rows if not row["failure"]]
    if completed:
        result.add_section()
        worst = f"{max(map(excess, completed)):.2f}"
        mean = statistics.geometric_mean(row["ms"][PEER] / row["ms"][DECIDES] for row in completed)
        result.add_row("worst excess, geometric mean", "", "", "", "", worst, "", f"{mean:.2f}")
    return result
