"""Networks with products of bf16 beside themselves in f32."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable

import numpy as np
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from ..networks import Network
from .each_network import Row, rows_of_each


def measure(networks: Iterable[Network], seconds: float, progress: Callable[[Row], None]) -> list[Row]:
    """A row a network: medians in ms on one thread by precision, and the error of bf16; or why it failed."""
    return rows_of_each(networks, lambda network: [_measure(network, seconds)], progress)


def _measure(network: Network, seconds: float) -> Row:
    path, feeds = network.locate(), network.feeds()
    runs = {precision: compile(path, threads=1, precision=precision) for precision in ("f32", "bf16")}
    exact, rounded = (run.run(feeds) for run in runs.values())
    times = measure_in_turn({name: lambda run=run: run.run(feeds) for name, run in runs.items()}, seconds).statistics
    errors = [_root_mean_square(rounded[name], exact[name]) for name in exact]
    ms = {name: times[name]["p50_ms"] for name in runs}
    return {"network": network.name, "failure": None, "ms": ms, "error": max(errors)}


def _root_mean_square(found: np.ndarray, expected: np.ndarray) -> float:
    """Of the differences, relative to that of what is expected."""
    difference = np.sqrt(np.mean(np.square(found.astype(np.float64) - expected)))
    return float(difference / (np.sqrt(np.mean(np.square(expected, dtype=np.float64))) or 1.0))


def ratio(row: Row) -> float:
    return row["ms"]["f32"] / row["ms"]["bf16"]


def table(rows: list[Row]) -> Table:
    result = Table("network", title="products of bf16, one thread, ms, medians in one run")
    for column in ("f32", "bf16", "ratio", "error, r.m.s."):
        result.add_column(column, justify="right")
    for row in rows:
        if row["failure"]:
            result.add_row(row["network"], f"[red]{row['failure'].splitlines()[0]}[/]")
            continue
        times = [f"{row['ms'][name]:.2f}" for name in ("f32", "bf16")]
        result.add_row(row["network"], *times, f"{ratio(row):.2f}", f"{row['error']:.0e}")
    completed = [row for row in rows if not row["failure"]]
    if completed:
        result.add_section()
        mean = statistics.geometric_mean(map(ratio, completed))
        result.add_row("geometric mean", "", "", f"{mean:.2f}", "")
    return result
