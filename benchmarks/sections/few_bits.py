"""One row times weights of 4 bits in blocks, as decoders multiply: how near the speed of the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile
from ..one_kernel import model_of
from .speed import open_session

SHAPES = ((1, 4096, 16384), (1, 2048, 8192), (1, 576, 1536), (128, 2048, 8192))
"""Rows, depth and columns."""
BITS, BLOCK = 4, 32
LEVELS = {1: "f32", 4: "int8"}
"""By accuracy level what rows are multiplied as."""
_READ_BYTES = 256 << 20


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Bytes a second that a thread reads from memory, and a row a case. ``progress`` is called with each."""
    result: dict[str, Any] = {"bandwidth": _bandwidth(seconds), "rows": []}
    for sizes in SHAPES:
        for level, factors in LEVELS.items():
            row = _measure(*sizes, level, seconds) | {"name": f"{' x '.join(map(str, sizes))}, {factors}"}
            result["rows"].append(row)
            progress(row)
    return result


def _bandwidth(seconds: float) -> float:
    """Of a sum over more than caches hold."""
    node = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    feeds = {"x": np.ones((_READ_BYTES // 4,), np.float32)}
    executable = compile(model_of([node], feeds, {}, TensorProto.FLOAT), threads=1)
    return _READ_BYTES / _median({"lamina": lambda: executable.run(feeds)}, seconds)["lamina"]


def _measure(rows: int, depth: int, columns: int, level: int, seconds: float) -> dict[str, Any]:
    rng = np.random.default_rng(rows + depth)
    weights = {
        "b": rng.integers(0, 256, (columns, depth // BLOCK, BLOCK * BITS // 8), np.uint8),
        "scales": rng.uniform(1e-3, 2e-3, columns * depth // BLOCK).astype(np.float32),
    }
    sizes: dict[str, Any] = {"K": depth, "N": columns, "bits": BITS, "block_size": BLOCK, "accuracy_level": level}
    node = helper.make_node("MatMulNBits", ["x", *weights], ["y"], domain="com.microsoft", **sizes)
    feeds = {"x": rng.standard_normal((rows, depth), dtype=np.float32)}
    model: onnx.ModelProto = model_of([node], feeds, weights, TensorProto.FLOAT)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    executable, session = compile(model, threads=1), open_session(model.SerializeToString(), 1)
    runners = {"lamina": lambda: executable.run(feeds), "onnxruntime": lambda: session.run(None, feeds)}
    return {"bytes": sum(array.nbytes for array in weights.values()), "seconds": _median(runners, seconds)}


def _median(runners: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    statistics = measure_in_turn(runners, seconds).statistics
    return {name: statistics[name]["p50_ms"] / 1e3 for name in runners}


def table(result: dict[str, Any]) -> Table:
    bandwidth = result["bandwidth"]
    shown = Table("product", title=f"weights of {BITS} bits, one thread; memory is read at {bandwidth / 1e9:.1f} GB/s")
    for column in ("weights, MB", "Lamina, us", "onnxruntime, us", "ratio", "Lamina reads, GB/s", "of the memory's"):
        shown.add_column(column, justify="right")
    for row in result["rows"]:
        ours, theirs = row["seconds"]["lamina"], row["seconds"]["onnxruntime"]
        read = row["bytes"] / ours
        cells = [f"{row['bytes'] / 1e6:.1f}", f"{ours * 1e6:.0f}", f"{theirs * 1e6:.0f}", f"{theirs / ours:.2f}"]
        shown.add_row(row["name"], *cells, f"{read / 1e9:.1f}", f"{read / bandwidth:.0%}")
    return shown
