"""Recurrent layers of one kernel each: steps a second beside onnxruntime, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from ..one_kernel import model_of
from .speed import both_engines

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
SIZES = (
    (1, 1, 256, 256), (1, 1, 768, 1024), (100, 1, 64, 64), (400, 1, 161, 256), (50, 1, 512, 512), (50, 8, 128, 128),
    (20, 32, 256, 256),
)  # fmt: skip
"""Steps, sequences, inputs and hidden units."""


@dataclass(frozen=True)
class Case:
    """One layer, its inputs, and the steps that all its sequences have together."""

    name: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    steps: int


def cases() -> list[Case]:
    return [
        *(_layer(cell, *sizes) for cell in GATES for sizes in SIZES),
        *(_layer("GRU", *sizes, linear_before_reset=1) for sizes in SIZES[3:6]),
        *(_layer(cell, 100, 4, 80, 128, direction="bidirectional") for cell in GATES),
        *(_layer(cell, 100, 4, 80, 128, has_lengths=True) for cell in GATES),
        _layer("LSTM", 100, 1, 80, 128, clip=3.0),
    ]


def _layer(
    cell: str, steps: int, sequences: int, inputs: int, hidden: int, has_lengths: bool = False, **options: Any
) -> Case:
    rng = np.random.default_rng(steps + hidden)
    directions = 2 if options.get("direction") == "bidirectional" else 1
    rows = GATES[cell] * hidden
    weights = {
        "w": rng.standard_normal((directions, rows, inputs), dtype=np.float32) / np.float32(np.sqrt(inputs)),
        "r": rng.standard_normal((directions, rows, hidden), dtype=np.float32) / np.float32(np.sqrt(hidden)),
        "b": rng.standard_normal((directions, 2 * rows), dtype=np.float32),
    }
    feeds: dict[str, Any] = {"x": rng.standard_normal((steps, sequences, inputs), dtype=np.float32)}
    names = ["x", *weights, "lengths" if has_lengths else ""]
    if has_lengths:
        feeds["lengths"] = np.linspace(steps // 2, steps, sequences).astype(np.int32)
    # A step goes on from a state.
    for state in ("h", "c") if cell == "LSTM" else ("h",):
        feeds[state] = rng.standard_normal((directions, sequences, hidden), dtype=np.float32)
        names.append(state)
    node = helper.make_node(cell, names, ["y"], hidden_size=hidden, **options)
    model = model_of([node], feeds, weights, TensorProto.FLOAT)
    said = [*(f"{name} {value}" for name, value in options.items()), *(["lengths"] if has_lengths else [])]
    name = ", ".join([f"{cell}, {steps} x {sequences} x {inputs} -> {hidden}", *said])
    return Case(name, model, feeds, steps * sequences * directions)


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A row a layer: seconds by engine. ``progress`` is called with each row."""
    rows = []
    for case in cases():
        runners = both_engines(case.model, case.feeds)
        times = measure_in_turn(runners, seconds).statistics
        row = {
            "name": case.name,
            "steps": case.steps,
            "seconds": {name: times[name]["p50_ms"] / 1e3 for name in runners},
        }
        rows.append(row)
        progress(row)
    return {"rows": rows}


def table(result: dict[str, Any]) -> Table:
    shown = Table("layer, steps x sequences x inputs -> units", title="recurrent layers, one thread")
    for column in ("Lamina, us", "us a step", "onnxruntime, us", "times as fast"):
        shown.add_column(column, justify="right")
    ratios = []
    for row in result["rows"]:
        ours, theirs = row["seconds"]["lamina"], row["seconds"]["onnxruntime"]
        ratios.append(theirs / ours)
        cells = [f"{ours * 1e6:.0f}", f"{ours * 1e6 / row['steps']:.2f}", f"{theirs * 1e6:.0f}", f"{ratios[-1]:.2f}"]
        shown.add_row(row["name"], *cells)
    shown.add_section()
    shown.add_row("geometric mean", "", "", "", f"{np.exp(np.mean(np.log(ratios))):.2f}")
    return shown
