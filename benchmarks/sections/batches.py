"""What an image costs in batches of several sizes, beside onnxruntime: in one process, taking turns, on one thread.

Each engine gets a model of that very batch, and a third runner is Lamina on a model whose batch is of any size.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterable

import onnx
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from ..batched import model_of_batch, shape_of_batch
from ..networks import Network
from .each_network import Row, rows_of_each
from .speed import open_session, relative_error

BATCHES = (1, 4, 16, 64)
ENGINES = ("lamina", "any size", "onnxruntime")
_TOLERANCE = 1e-3


def measure(networks: Iterable[Network], seconds: float, progress: Callable[[Row], None]) -> list[Row]:
    """A row a network: by size of the batch and engine the ms of an image, the median of runs; or why it failed.

    ``progress`` is called with each row.
    """
    return rows_of_each(networks, lambda network: [_measure_network(network, seconds)], progress)


def _measure_network(network: Network, seconds: float) -> Row:
    path = network.locate()
    any_size = compile(_with_a_free_batch(model_of_batch(path, 2)), threads=1)
    row: Row = {"network": network.name, "failure": None, "batches": {}}
    for images in BATCHES:
        model, feeds = model_of_batch(path, images), network.feeds(shape_of_batch(network, images))
        fixed, session = compile(model, threads=1), open_session(model, 1)
        error = relative_error(fixed, session, feeds)
        if error > _TOLERANCE:
            raise ValueError(f"{network.name} of {images} images is off by {error:.0e}")
        runners = {
            "lamina": lambda fixed=fixed, feeds=feeds: fixed.run(feeds),
            "any size": lambda feeds=feeds: any_size.run(feeds),
            "onnxruntime": lambda session=session, feeds=feeds: session.run(None, feeds),
        }
        times = measure_in_turn(runners, seconds).statistics
        row["batches"][str(images)] = {engine: times[engine]["p50_ms"] / images for engine in ENGINES}
        del fixed, session, runners
        gc.collect()
    return row


def _with_a_free_batch(model: bytes) -> bytes:
    loaded = onnx.load_from_string(model)
    for value in (*loaded.graph.input, *loaded.graph.output):
        sizes = value.type.tensor_type.shape.dim
        if len(sizes):
            sizes[0].dim_param = "images"
    return loaded.SerializeToString()


def ratio(row: Row, images: int) -> float:
    """How much faster Lamina is than onnxruntime."""
    times = row["batches"][str(images)]
    return times["onnxruntime"] / times["lamina"]


def table(rows: list[Row]) -> Table:
    result = Table("network", title="batches, ms an image on one thread; any size: compiled for every batch at once")
    for column in ("images", *ENGINES, "ratio"):
        result.add_column(column, justify="right")
    result.add_column("", max_width=60)
    for row in rows:
        if row["failure"]:
            result.add_row(row["network"], *[""] * 5, f"[red]{row['failure'].splitlines()[0]}[/]")
            continue
        for images in BATCHES:
            times = [f"{row['batches'][str(images)][engine]:.2f}" for engine in ENGINES]
            name = row["network"] if images == BATCHES[0] else ""
            result.add_row(name, str(images), *times, f"{ratio(row, images):.2f}", "")
    completed = [row for row in rows if not row["failure"]]
    if completed:
        result.add_section()
        for images in BATCHES:
            mean = statistics.geometric_mean(ratio(row, images) for row in completed)
            result.add_row("geometric mean", str(images), *[""] * len(ENGINES), f"{mean:.2f}")
    return result
