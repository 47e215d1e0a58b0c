"""Products and convolutions of 8-bit integers, one kernel each: how near the peak of the machine's own instruction.

Convolutions run by each algorithm, whichever the compiler would choose. onnxruntime runs the same models; it has a
ConvInteger that is not made for speed, so that its QLinearConv, which does more, stands beside ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from ...compiler import compile_module, import_for
from ...machines import host_target
from ...pipeline import PipelineOptions, compile_through, phase_named, run_phase
from ...runtime.executable import Executable
from ..one_kernel import model_of
from ..peak import peak
from .speed import in_turn, open_session

PRODUCTS = ((512, 512, 512), (64, 4096, 4096), (196, 768, 3072), (128, 770, 1001), (33, 65, 67))
"""Rows, depth and columns."""
CONVOLUTIONS = ((64, 64, 56, 3), (256, 512, 28, 1), (130, 100, 30, 3))
"""Input and output channels, side of the image and of the window."""
ALGORITHMS = ("direct", "indirect", "im2col")
DEPTHWISE = (256, 56, 3)
THREADS = (1, 2)


@dataclass(frozen=True)
class Case:
    """A model of one kernel and what onnxruntime runs in its place; the products are multiplied and added."""

    name: str
    model: onnx.ModelProto
    beside: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    operations: float
    algorithm: str | None = None


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The peak in billions of operations a second on a thread, and a row a case. ``progress`` is called with each."""
    atom = host_target().atom_for("ui8", "i8", "i32")
    result: dict[str, Any] = {"atom": atom.name if atom else None, "peak": peak(atom.name) if atom else None}
    result["rows"] = []
    for case in cases():
        row: dict[str, Any] = {"name": case.name}
        for threads in THREADS:
            executable, session = compiled(case, threads), open_session(case.beside.SerializeToString(), threads)
            runners = in_turn(executable, session, case.feeds)
            times = measure_in_turn(runners, seconds).statistics
            row |= {f"{name} {threads}": case.operations / times[name]["p50_ms"] / 1e6 for name in runners}
        result["rows"].append(row)
        progress(row)
    return result


def table(result: dict[str, Any]) -> Table:
    top = result["peak"]
    of = f", one thread's peak of {result['atom']}: {top:.0f}" if top else ", no instruction for them"
    shown = Table("kernel", title=f"8-bit integers, billions of products and sums a second{of}")
    for column in ("Lamina", "of the peak", "onnxruntime", "Lamina, 2 threads", "of two peaks", "onnxruntime, 2"):
        shown.add_column(column, justify="right")
    for row in result["rows"]:
        cells = [row["name"]]
        for threads in THREADS:
            ours, theirs = row[f"lamina {threads}"], row[f"onnxruntime {threads}"]
            cells += [f"{ours:.0f}", f"{ours / top / threads:.0%}" if top else "-", f"{theirs:.0f}"]
        shown.add_row(*cells)
    return shown


def compiled(case: Case, threads: int) -> Executable:
    """The case's model, its convolution by the algorithm that the case names."""
    module, context = import_for(case.model.SerializeToString())
    options = PipelineOptions(use_cache=False)
    compile_through(module, context, stop="graph", options=options)
    kernel = phase_named("kernel")
    if case.algorithm is not None:
        choice = "kernel-choose-algorithms"
        forced = (f"{name}{{force={case.algorithm}}}" if name == choice else name for name in kernel.passes)
        kernel = replace(kernel, passes=tuple(forced))
    run_phase(module, context, kernel, options)
    return compile_module(module, context, start="kernel", threads=threads, options=options)


def cases() -> Iterator[Case]:
    for sizes in PRODUCTS:
        for constant in (True, False):
            yield _product(*sizes, constant)
    for sizes in CONVOLUTIONS:
        for algorithm in ALGORITHMS:
            yield _convolution(*sizes, groups=1, algorithm=algorithm)
    channels, side, window = DEPTHWISE
    yield _convolution(channels, channels, side, window, groups=channels, algorithm="depthwise")


def _product(rows: int, depth: int, columns: int, constant: bool) -> Case:
    a, b = _numbers(np.uint8, rows, depth), _numbers(np.int8, depth, columns)
    kept, feeds = ({"b": b}, {"a": a}) if constant else ({}, {"a": a, "b": b})
    model = model_of([helper.make_node("MatMulInteger", ["a", "b"], ["y"])], feeds, kept, TensorProto.INT32)
    name = f"{rows} x {depth} x {columns}, B {'constant' if constant else 'given'}"
    return Case(name, model, model, feeds, 2.0 * rows * depth * columns)


def _convolution(channels: int, results: int, side: int, window: int, groups: int, algorithm: str) -> Case:
    feeds, kept = (
        {"x": _numbers(np.uint8, 1, channels, side, side)},
        {"w": _numbers(np.int8, results, channels // groups, window, window)},
    )
    attributes = {"pads": [window // 2] * 4, "group": groups}
    nodes = [helper.make_node("ConvInteger", ["x", "w"], ["y"], **attributes)]
    model = model_of(nodes, feeds, kept, TensorProto.INT32)
    scales = {"one": np.float32(1), "xz": np.uint8(0), "wz": np.int8(0), "scale": np.float32(1000), "yz": np.uint8(0)}
    names = ["x", "one", "xz", "w", "one", "wz", "scale", "yz"]
    node = helper.make_node("QLinearConv", names, ["y"], **attributes)
    beside = model_of([node], feeds, kept | scales, TensorProto.UINT8)
    size = f"{window} x {window}, {channels} -> {results}, {side} x {side}"
    operations = 2.0 * results * channels // groups * window**2 * side**2
    return Case(f"{algorithm}, {size}", model, beside, feeds, operations, algorithm)


def _numbers(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(sum(shape)).integers(limits.min, limits.max, shape, dtype, endpoint=True)
