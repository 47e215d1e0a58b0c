"""Quantised networks beside onnxruntime and OpenVINO, and beside themselves in f32."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from .. import openvino
from ..networks import Network
from ..quantised_networks import quantised
from .each_network import Row, rows_of_each
from .speed import THREADS, open_session, relative_error

CASES = (
    ("resnet18", "QDQ"),
    ("resnet50", "QDQ"),
    ("mobilenet_v2", "QDQ"),
    ("bert_base", "QDQ"),
    ("bert_base", "dynamic"),
    ("vit_b_16", "dynamic"),
    ("yolov8n", "QDQ"),
    ("minilm_l6", "QDQ"),
    ("minilm_l6", "dynamic"),
)
NETWORKS = tuple(dict.fromkeys(name for name, _ in CASES))


def measure(networks: Iterable[Network], seconds: float, progress: Callable[[Row], None]) -> list[Row]:
    """A row a network and form: medians in ms by threads and engine; or why it failed."""

    def rows(network: Network) -> list[Row]:
        forms = [form for name, form in CASES if name == network.name]
        return [_measure(network, form, seconds) for form in forms]

    chosen = [network for network in networks if any(network.name == name for name, _ in CASES)]
    return rows_of_each(chosen, rows, progress)


def _measure(network: Network, form: str, seconds: float) -> Row:
    path, feeds = quantised(network, form), network.feeds()
    executable, floats = compile(path, threads=1), compile(network.locate(), threads=1)
    row: Row = {"network": f"{network.name}, {form}", "failure": None, "threads": {}}
    for threads in THREADS:
        session = open_session(path, threads)
        for runner in (executable, floats):
            runner.set_threads(threads)
        if threads == 1:
            row["error"] = relative_error(executable, session, feeds)
        runners: dict[str, Callable[[], Any]] = {
            "lamina": lambda: executable.run(feeds),
            "onnxruntime": lambda s=session: s.run(None, feeds),
            "f32": lambda: floats.run(feeds),
        }
        runners |= openvino.runners(path, feeds, threads)
        times = measure_in_turn(runners, seconds).statistics
        row["threads"][str(threads)] = {engine: times[engine]["p50_ms"] for engine in runners}
    return row


def ratio(row: Row, threads: int, over: str = "onnxruntime") -> float:
    times = row["threads"][str(threads)]
    return times[over] / times["lamina"]


def peers(rows: list[Row]) -> list[str]:
    """The engines beside Lamina that were measured, on some of the networks at least."""
    every = [times for row in rows if not row["failure"] for times in row["threads"].values()]
    return [name for name in ("onnxruntime", openvino.NAME) if any(name in times for times in every)]


def _beside(row: Row, threads: int, other: str) -> tuple[str, str]:
    """What another engine takes, and the ratio; nothing where it does not take the network."""
    times = row["threads"][str(threads)]
    return (f"{times[other]:.2f}", f"{ratio(row, threads, other):.2f}") if other in times else ("", "")


def _mean_ratio(rows: list[Row], threads: int, other: str) -> str:
    measured = [row for row in rows if other in row["threads"][str(threads)]]
    return f"{statistics.geometric_mean(ratio(row, threads, other) for row in measured):.2f}"


def table(rows: list[Row]) -> Table:
    title = f"8-bit networks, ms, medians in one run; ratios above 1: Lamina is faster; {openvino.remark()}"
    result = Table("network", title=title)
    others = peers(rows)
    for threads in THREADS:
        result.add_column(f"Lamina {threads}t", justify="right")
        for other in others:
            for column in (f"{other} {threads}t", "ratio"):
                result.add_column(column, justify="right")
        result.add_column("over own f32", justify="right")
    result.add_column("differs by", justify="right")
    for row in rows:
        if row["failure"]:
            result.add_row(row["network"], f"[red]{row['failure'].splitlines()[0]}[/]")
            continue
        cells: list[Any] = []
        for threads in THREADS:
            times = row["threads"][str(threads)]
            cells.append(f"{times['lamina']:.2f}")
            for other in others:
                cells += _beside(row, threads, other)
            cells.append(f"{ratio(row, threads, 'f32'):.2f}")
        result.add_row(row["network"], *cells, f"{row['error']:.0e}")
    completed = [row for row in rows if not row["failure"]]
    if completed:
        cells = []
        for threads in THREADS:
            cells.append("")
            for other in others:
                cells += ["", _mean_ratio(completed, threads, other)]
            cells.append("")
        result.add_section()
        result.add_row("geometric mean", *cells)
    return result
