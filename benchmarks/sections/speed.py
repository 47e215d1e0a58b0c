"""Each network beside onnxruntime on one thread and on two, in one process, taking turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import ModelProto
from rich.table import Table

from ...cli.timing import Runners, measure_in_turn
from ...compiler import compile
from ...runtime.executable import Executable
from ..networks import Feeds, Network
from .each_network import Row, rows_of_each

THREADS = (1, 2)


def measure(networks: Iterable[Network], seconds: float, progress: Callable[[Row], None]) -> list[Row]:
    """A row a network: medians in ms by threads and engine, and the error against onnxruntime; or why it failed.

    ``progress`` is called with each row.
    """
    return rows_of_each(networks, lambda network: [_measure_network(network, seconds)], progress)


def _measure_network(network: Network, seconds: float) -> Row:
    path = network.locate()
    feeds = network.feeds()
    executable = compile(path, threads=1)
    row: Row = {"network": network.name, "failure": None, "shape": network.shapes[0], "threads": {}}
    for threads in THREADS:
        executable.set_threads(threads)
        session = open_session(path, threads)
        if threads == 1:
            row["error"] = relative_error(executable, session, feeds)
        times = measure_in_turn(in_turn(executable, session, feeds), seconds).statistics
        row["threads"][str(threads)] = {engine: figures["p50_ms"] for engine, figures in times.items()}
        del session
    return row


def open_session(model: Path | str | bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session of a file or of a serialised model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )


def in_turn(executable: Executable, session: onnxruntime.InferenceSession, feeds: Feeds) -> Runners:
    """Both engines on the same inputs, to be measured in turns."""
    return {"lamina": lambda: executable.run(feeds), "onnxruntime": lambda: session.run(None, feeds)}


def both_engines(model: ModelProto, feeds: Feeds) -> Runners:
    """The same, on one thread, of a model that is compiled and opened here."""
    return in_turn(compile(model, threads=1), open_session(model.SerializeToString(), 1), feeds)


def relative_error(executable: Executable, session: onnxruntime.InferenceSession, feeds: Feeds) -> float:
    """The largest difference to onnxruntime, relative to the largest magnitude of that output; worst output."""
    ours = executable.run(feeds)
    errors = []
    for info, theirs in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        expected = np.asarray(theirs, np.float64)
        difference = np.abs(ours[info.name] - expected).max(initial=0.0)
        errors.append(float(difference / (np.abs(expected).max(initial=0.0) or 1.0)))
    return max(errors, default=0.0)


def speed_ratio(row: Row, threads: int) -> float:
    times = row["threads"][str(threads)]
    return times["onnxruntime"] / times["lamina"]


def scaling(row: Row) -> float:
    """How much faster Lamina is on two threads than on one."""
    return row["threads"]["1"]["lamina"] / row["threads"]["2"]["lamina"]


def table(rows: list[Row]) -> Table:
    result = Table("network", title="speed, ms, medians in one run; ratio above 1: faster than onnxruntime")
    for threads in THREADS:
        for column in (f"lamina {threads}t", f"onnxruntime {threads}t", "ratio"):
            result.add_column(column, justify="right")
    for column in ("2t / 1t", "error"):
        result.add_column(column, justify="right")
    result.add_column("", max_width=60)
    for row in rows:
        if row["failure"]:
            result.add_row(row["network"], *[""] * 8, f"[red]{row['failure'].splitlines()[0]}[/]")
            continue
        cells = []
        for threads in THREADS:
            times = row["threads"][str(threads)]
            cells += [f"{times['lamina']:.2f}", f"{times['onnxruntime']:.2f}", f"{speed_ratio(row, threads):.2f}"]
        result.add_row(row["network"], *cells, f"{scaling(row):.2f}", f"{row['error']:.0e}", "")
    completed = [row for row in rows if not row["failure"]]
    if completed:
        means = [statistics.geometric_mean(speed_ratio(row, threads) for row in completed) for threads in THREADS]
        result.add_section()
        result.add_row("geometric mean", "", "", f"{means[0]:.2f}", "", "", f"{means[1]:.2f}")
    return result
