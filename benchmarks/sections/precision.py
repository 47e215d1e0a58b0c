"""Networks with products of bf16 beside themselves in f32, and beside OpenVINO with such products."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from .. import openvino
from ..networks import Network
from .each_network import Row, rows_of_each


def measure(networks: Iterable[Network], seconds: float, progress: Callable[[Row], None]) -> list[Row]:
    """A row a network: medians in ms on one thread by precision, and the error of bf16; or why it failed."""
    return rows_of_each(networks, lambda network: [_measure(network, seconds)], progress)


def _measure(network: Network, seconds: float) -> Row:
    path, feeds = network.locate(), network.feeds()
    runs = {precision: compile(path, threads=1, precision=precision) for precision in ("f32", "bf16")}
    exact, rounded = (run.run(feeds) for run in runs.values())
    runners: dict[str, Callable[[], Any]] = {name: lambda run=run: run.run(feeds) for name, run in runs.items()}
    runners |= openvino.runners(path, feeds, 1, "bf16")
    times = measure_in_turn(runners, seconds).statistics
    errors = [_root_mean_square(rounded[name], exact[name]) for name in exact]
    ms = {name: times[name]["p50_ms"] for name in runners}
    return {"network": network.name, "failure": None, "ms": ms, "error": max(errors)}


def _root_mean_square(found: np.ndarray, expected: np.ndarray) -> float:
    """Of the differences, relative to that of what is expected."""
    difference = np.sqrt(np.mean(np.square(found.astype(np.float64) - expected)))
    return float(difference / (np.sqrt(np.mean(np.square(expected, dtype=np.float64))) or 1.0))


def ratio(row: Row, over: str = "f32") -> float:
    return row["ms"][over] / row["ms"]["bf16"]


def table(rows: list[Row]) -> Table:
    title = f"products of bf16, one thread, ms, medians in one run; {openvino.remark()}"
    result = Table("network", title=title)
    completed = [row for row in rows if not row["failure"]]
    others = ["f32"]
    if completed and all(openvino.NAME in row["ms"] for row in completed):
        others.append(openvino.NAME)
    result.add_column("bf16", justify="right")
    for other in others:
        for column in (other if other == "f32" else f"{other} bf16", "ratio"):
            result.add_column(column, justify="right")
    result.add_column("error, r.m.s.", justify="right")
    for row in rows:
        if row["failure"]:
            result.add_row(row["network"], f"[red]{row['failure'].splitlines()[0]}[/]")
            continue
        cells = [cell for other in others for cell in (f"{row['ms'][other]:.2f}", f"{ratio(row, other):.2f}")]
        result.add_row(row["network"], f"{row['ms']['bf16']:.2f}", *cells, f"{row['error']:.0e}")
    if completed:
        means = [statistics.geometric_mean(ratio(row, other) for row in completed) for other in others]
        result.add_section()
        result.add_row("geometric mean", "", *(cell for mean in means for cell in ("", f"{mean:.2f}")), "")
    return result
