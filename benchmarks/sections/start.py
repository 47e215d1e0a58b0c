"""How soon a fresh process has its first answer, and how much memory it has to itself."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ...compiler import compile
from ..networks import Network

_REPEATS = 7
_THREADS = 1
"""A process that answers once has no use for more, and making them is no part of opening a model."""

# Prints the milliseconds of opening the model and of the first answer, and the KiB that no other process shares; then
# it waits for its standard input to end.
_SCRIPT = """
import re, sys, time
import numpy as np
import lamina
path, feeds = sys.argv[1], dict(np.load(sys.argv[2]))
def private_kib():
    rollup = open("/proc/self/smaps_rollup").read()
    return sum(int(kib) for kib in re.findall(r"^Private_\\w+: +(\\d+) kB", rollup, re.MULTILINE))
begin, memory = time.perf_counter(), private_kib()
executable = (lamina.load if path.endswith(".lamina") else lamina.compile)(path, threads=int(sys.argv[3]))
opened = time.perf_counter()
executable.run(feeds)
print((opened - begin) * 1e3, (time.perf_counter() - opened) * 1e3, private_kib() - memory, flush=True)
sys.stdin.read()
"""


def measure(networks: Iterable[Network]) -> list[dict[str, Any]]:
    """A row for each network and way to open it: medians of fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        return [row for network in networks for row in _measure_network(network, Path(folder))]


def _measure_network(network: Network, folder: Path) -> list[dict[str, Any]]:
    """From the ONNX file with a warm cache, and from a compiled file; ``total_ms`` is from the start of the process."""
    source, compiled, feeds = network.locate(), folder / f"{network.name}.lamina", folder / f"{network.name}.npz"
    environment = {**os.environ, "LAMINA_CACHE": "on", "LAMINA_CACHE_DIR": str(folder / "cache")}
    compile(source).save(compiled)
    with feeds.open("wb") as file:
        np.savez(file, **network.feeds())  # pyright: ignore[reportArgumentType]
    _answer(source, feeds, environment)  # Fills the cache.
    rows = []
    for label, path in (("model.onnx, cached", source), ("model.lamina", compiled)):
        runs = [_answer(path, feeds, environment) for _ in range(_REPEATS)]
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        row["second_private_mib"] = _memory_of_second(path, feeds, environment)
        rows.append({"network": network.name, "opened": label, "weights_mib": _weights_mib(compiled), **row})
    return rows


def _weights_mib(compiled: Path) -> float:
    from ...runtime.executable import load

    return load(compiled).constants.nbytes / 2**20


def _answer(path: Path, feeds: Path, environment: dict[str, str]) -> dict[str, float]:
    """What a fresh process measures, and ``total_ms`` until it has told so."""
    with _process(path, feeds, environment) as answer:
        return answer


def _memory_of_second(path: Path, feeds: Path, environment: dict[str, str]) -> float:
    with _process(path, feeds, environment), _process(path, feeds, environment) as second:
        return second["private_mib"]


@contextlib.contextmanager
def _process(path: Path, feeds: Path, environment: dict[str, str]) -> Iterator[dict[str, float]]:
    """A process that has answered, alive until the end of the block."""
    command = [sys.executable, "-c", _SCRIPT, str(path), str(feeds), str(_THREADS)]
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        total = (time.perf_counter() - begin) * 1e3
        try:
            open_ms, run_ms, private = map(float, line.split())
            yield {"open_ms": open_ms, "first_run_ms": run_ms, "total_ms": total, "private_mib": private / 1024}
        finally:
            process.communicate("")


def table(rows: list[dict[str, Any]]) -> Table:
    result = Table("network", "opened from", title="a fresh process, one thread: milliseconds and MiB, medians")
    for column in ("weights MiB", "open", "first run", "process start to answer", "private MiB of a second process"):
        result.add_column(column, justify="right")
    for row in rows:
        numbers = (row["weights_mib"], row["open_ms"], row["first_run_ms"], row["total_ms"], row["second_private_mib"])
        result.add_row(row["network"], row["opened"], *(f"{number:.0f}" for number in numbers))
    return result
