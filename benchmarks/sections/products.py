"""Matrix products and convolutions: how near the peak, beside onnxruntime, on one thread.

The peak is measured in the same turns as each case, since the clock and what a neighbour leaves of a core vary.
Products too short to be told from a call are run in a row: rows x depth x columns, then rows x columns x depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.table import Table

from ...cli.timing import Measurement, measure_in_turn
from ..one_kernel import model_of
from ..peak import Chains
from .speed import both_engines

PRODUCTS = (
    (64, 25088, 4096), (64, 4096, 4096), (1024, 4096, 1000), (1024, 2048, 512), (196, 3072, 768), (196, 768, 3072),
    (128, 768, 768), (512, 512, 512), (512, 512, 81), (512, 512, 324), (100, 100, 100), (33, 65, 67), (32, 64, 64),
    (1, 2048, 1000), (1, 256, 1000), (2048, 256, 1), (2048, 256, 3),
)  # fmt: skip
"""Rows, depth and columns."""
BY_COLUMNS = ((1, 2048, 1000), (1, 256, 1000), (4, 256, 1000))
"""The same of a B that is given transposed."""
CONVOLUTIONS = ((1, 1088, 512, 100, 150), (1, 256, 64, 150, 188), (32, 512, 512, 14, 14), (1, 64, 64, 56, 56))
"""1 x 1: images, input and output channels, height and width."""


CHAINED_BELOW = 4e6
"""Products of fewer operations are chained until they have as many."""


@dataclass(frozen=True)
class Case:
    """One kernel or a chain of them, the numbers it multiplies and adds, and its inputs."""

    name: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    operations: float


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The peak in GFLOP/s, and a row a case: GFLOP/s by engine. ``progress`` is called with each row."""
    result: dict[str, Any] = {"rows": []}
    chains = Chains()
    for case in cases():
        runners = both_engines(case.model, case.feeds)
        measured = measure_in_turn({**runners, "peak": chains.run}, seconds)
        rates = {name: case.operations / measured.statistics[name]["p50_ms"] / 1e6 for name in runners}
        shares = {name: _share(measured, name, case, chains) for name in runners}
        row = {
            "name": case.name,
            **rates,
            "shares": shares,
            "peak": chains.operations / measured.statistics["peak"]["p50_ms"] / 1e6,
        }
        result["rows"].append(row)
        progress(row)
    return result


def _share(measured: Measurement, runner: str, case: Case, chains: Chains) -> float:
    """Of the peak in the same rounds."""
    return case.operations / chains.operations / measured.ratio(runner, "peak").median


def table(result: dict[str, Any]) -> Table:
    shown = Table("kernel", title="one thread, GFLOP/s, and share of the peak of multiply-adds in the same turns")
    for column in ("peak", "Lamina", "of the peak", "onnxruntime", "of the peak", "times as fast"):
        shown.add_column(column, justify="right")
    for row in result["rows"]:
        ours, theirs, shares = row["lamina"], row["onnxruntime"], row["shares"]
        cells = [f"{row['peak']:.0f}", f"{ours:.1f}", f"{shares['lamina']:.0%}"]
        shown.add_row(row["name"], *cells, f"{theirs:.1f}", f"{shares['onnxruntime']:.0%}", f"{ours / theirs:.2f}")
    return shown


def cases() -> list[Case]:
    return [
        *(_product(*sizes, packed) for sizes in PRODUCTS for packed in (True, False)),
        *(_product_by_columns(*sizes) for sizes in BY_COLUMNS),
        *(_convolution(*sizes) for sizes in CONVOLUTIONS),
    ]


def _product(rows: int, depth: int, columns: int, packed: bool) -> Case:
    operations = 2.0 * rows * depth * columns
    length = 1 if operations >= CHAINED_BELOW or rows == 1 else 2 * round(CHAINED_BELOW / operations / 2 + 0.5)
    factors = {"b": _numbers((depth, columns))} | ({"c": _numbers((columns, depth))} if length > 1 else {})
    a = {"a": _numbers((rows, depth))}
    kept, feeds = (factors, a) if packed else ({}, a | factors)
    values = ["a", *(f"a{index}" for index in range(1, length)), "y"]
    nodes = [
        helper.make_node("MatMul", [values[index], "bc"[index % 2]], [values[index + 1]]) for index in range(length)
    ]
    model = model_of(nodes, feeds, kept, TensorProto.FLOAT)
    chained = f", {length} in a row" if length > 1 else ""
    name = f"{rows} x {depth} x {columns}, B {'constant' if packed else 'given'}{chained}"
    return Case(name, model, feeds, length * operations)


def _product_by_columns(rows: int, depth: int, columns: int) -> Case:
    feeds = {"a": _numbers((rows, depth)), "b": _numbers((columns, depth))}
    model = model_of([helper.make_node("Gemm", ["a", "b"], ["y"], transB=1)], feeds, {}, TensorProto.FLOAT)
    return Case(f"{rows} x {depth} x {columns}, B given by columns", model, feeds, 2.0 * rows * depth * columns)


def _convolution(images: int, channels: int, results: int, height: int, width: int) -> Case:
    feeds, kept = {"x": _numbers((images, channels, height, width))}, {"w": _numbers((results, channels, 1, 1))}
    model = model_of([helper.make_node("Conv", ["x", "w"], ["y"])], feeds, kept, TensorProto.FLOAT)
    name = f"1 x 1, {channels} -> {results}, {images} of {height} x {width}"
    return Case(name, model, feeds, 2.0 * images * channels * results * height * width)


def _numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Such that products of any depth stay as large as what they multiply."""
    numbers = np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)
    return numbers / np.float32(shape[0] ** 0.5)
