"""Matrix products and convolutions of one kernel each: how near the peak, beside onnxruntime, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from ..one_kernel import model_of
from ..peak import peak
from .speed import open_session

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


@dataclass(frozen=True)
class Case:
    """One kernel, the numbers it multiplies and adds, and its inputs."""

    name: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    operations: float


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The peak in GFLOP/s, and a row a case: GFLOP/s by engine. ``progress`` is called with each row."""
    result: dict[str, Any] = {"peak": peak(), "rows": []}
    for case in cases():
        executable, session = compile(case.model, threads=1), open_session(case.model.SerializeToString(), 1)
        runners = {
            "lamina": lambda run=executable.run, feeds=case.feeds: run(feeds),
            "onnxruntime": lambda run=session.run, feeds=case.feeds: run(None, feeds),
        }
        times = measure_in_turn(runners, seconds).statistics
        row = {"name": case.name, **{name: case.operations / times[name]["p50_ms"] / 1e6 for name in runners}}
        result["rows"].append(row)
        progress(row)
    return result


def table(result: dict[str, Any]) -> Table:
    shown = Table("kernel", title=f"one kernel, one thread, GFLOP/s (peak of multiply-adds {result['peak']:.0f})")
    for column in ("Lamina", "of the peak", "onnxruntime", "times as fast"):
        shown.add_column(column, justify="right")
    for row in result["rows"]:
        ours, theirs = row["lamina"], row["onnxruntime"]
        share = f"{ours / result['peak']:.0%}"
        shown.add_row(row["name"], f"{ours:.1f}", share, f"{theirs:.1f}", f"{ours / theirs:.2f}")
    return shown


def cases() -> list[Case]:
    return [
        *(_product(*sizes, packed) for sizes in PRODUCTS for packed in (True, False)),
        *(_product_by_columns(*sizes) for sizes in BY_COLUMNS),
        *(_convolution(*sizes) for sizes in CONVOLUTIONS),
    ]


def _product(rows: int, depth: int, columns: int, packed: bool) -> Case:
    a, b = (_numbers(shape) for shape in ((rows, depth), (depth, columns)))
    kept, feeds = ({"b": b}, {"a": a}) if packed else ({}, {"a": a, "b": b})
    model = model_of(helper.make_node("MatMul", ["a", "b"], ["y"]), feeds, kept, TensorProto.FLOAT)
    name = f"{rows} x {depth} x {columns}, B {'constant' if packed else 'given'}"
    return Case(name, model, feeds, 2.0 * rows * depth * columns)


def _product_by_columns(rows: int, depth: int, columns: int) -> Case:
    feeds = {"a": _numbers((rows, depth)), "b": _numbers((columns, depth))}
    model = model_of(helper.make_node("Gemm", ["a", "b"], ["y"], transB=1), feeds, {}, TensorProto.FLOAT)
    return Case(f"{rows} x {depth} x {columns}, B given by columns", model, feeds, 2.0 * rows * depth * columns)


def _convolution(images: int, channels: int, results: int, height: int, width: int) -> Case:
    feeds, kept = {"x": _numbers((images, channels, height, width))}, {"w": _numbers((results, channels, 1, 1))}
    model = model_of(helper.make_node("Conv", ["x", "w"], ["y"]), feeds, kept, TensorProto.FLOAT)
    name = f"1 x 1, {channels} -> {results}, {images} of {height} x {width}"
    return Case(name, model, feeds, 2.0 * images * channels * results * height * width)


def _numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)
