"""What orders, counts and selects elements, as detectors do, beside onnxruntime: one thread, taking turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from ..one_kernel import model_of
from .speed import in_turn, open_session


@dataclass(frozen=True)
class Case:
    """One operator on what ``feeds`` makes of a generator, and constants."""

    name: str
    operator: str
    feeds: Callable[[np.random.Generator], dict[str, np.ndarray]]
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    results: tuple[str, ...] = ("y",)
    element: int = TensorProto.INT64


def _numbers(*shape: int) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {"x": rng.standard_normal(shape, dtype=np.float32)}


def _sparse(share: float, *shape: int) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {"x": (rng.random(shape) < share).astype(np.float32)}


def _top(count: int, wanted: int) -> Case:
    return Case(
        f"TopK {wanted} of {count}",
        "TopK",
        _numbers(1, count),
        {"k": np.array([wanted])},
        results=("y", "places"),
        element=TensorProto.FLOAT,
    )


def _boxes(count: int, classes: int) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    def make(rng: np.random.Generator) -> dict[str, np.ndarray]:
        corner = rng.random((1, count, 2), dtype=np.float32) * 600
        sizes = 20 + 80 * rng.random((1, count, 2), dtype=np.float32)
        scores = rng.random((1, classes, count), dtype=np.float32)
        return {"boxes": np.concatenate([corner, corner + sizes], 2), "scores": scores}

    return make


def _suppression(count: int, classes: int, most: int, least: float) -> Case:
    constants = {"most": np.array([most]), "iou": np.array([0.5], np.float32), "least": np.array([least], np.float32)}
    name = f"NonMaxSuppression {count} x {classes}, most {most}, above {least}"
    return Case(name, "NonMaxSuppression", _boxes(count, classes), constants)


def _rows(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"x": rng.random((8400, 85), dtype=np.float32), "condition": rng.random(8400) < 0.05}


CASES = (
    _top(100_000, 100),
    _top(8400, 300),
    _top(100_000, 100_000),
    _top(1000, 5),
    _suppression(8400, 1, 100, 0.1),
    _suppression(8400, 1, 10_000, 0.1),
    _suppression(8400, 80, 100, 0.1),
    _suppression(8400, 80, 100, 0.9),
    Case("NonZero of 100000, 1 %", "NonZero", _sparse(0.01, 100, 1000)),
    Case("NonZero of 100000, 50 %", "NonZero", _sparse(0.5, 100, 1000)),
    Case("Unique of 10000, of 100", "Unique", lambda rng: {"x": rng.integers(0, 100, 10_000)}),
    Case("Unique of 10000, of many", "Unique", lambda rng: {"x": rng.integers(0, 1 << 40, 10_000)}),
    Case("Compress 8400 x 85, 5 %", "Compress", _rows, fields={"axis": 0}, element=TensorProto.FLOAT),
)


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """A row a case: microseconds of each engine. Raises ValueError where they select something else."""
    rows = []
    for case in CASES:
        rows.append(_measure(case, seconds))
        progress(rows[-1])
    return rows


def _measure(case: Case, seconds: float) -> dict[str, Any]:
    feeds = case.feeds(np.random.default_rng(0))
    node = helper.make_node(case.operator, [*feeds, *case.constants], list(case.results), **case.fields)
    model = model_of([node], feeds, case.constants, case.element).SerializeToString()
    executable, session = compile(model, threads=1), open_session(model, 1)
    if not np.array_equal(executable.run(feeds)["y"], np.asarray(session.run(None, feeds)[0])):
        raise ValueError(f"{case.name}: the engines differ in what they select")
    runners = in_turn(executable, session, feeds)
    times = measure_in_turn(runners, seconds).statistics
    return {"name": case.name, **{engine: times[engine]["p50_ms"] * 1e3 for engine in runners}}


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table("operator", title="what selects elements, us on one thread")
    for column in ("Lamina", "onnxruntime", "ratio"):
        shown.add_column(column, justify="right")
    for row in rows:
        ours, theirs = row["lamina"], row["onnxruntime"]
        shown.add_row(row["name"], f"{ours:.0f}", f"{theirs:.0f}", f"{theirs / ours:.2f}")
    mean = statistics.geometric_mean(row["onnxruntime"] / row["lamina"] for row in rows)
    shown.add_section()
    shown.add_row("geometric mean", "", "", f"{mean:.2f}")
    return shown
