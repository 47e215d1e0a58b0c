"""Loops, sizes that only a run tells, and random numbers: models of a node each beside onnxruntime, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.table import Table

from ...cli.timing import measure_in_turn
from .speed import both_engines

_STATE = 64


@dataclass(frozen=True)
class Case:
    """Nodes with inputs like ``feeds``; those that ``free`` names have a first axis of any size."""

    name: str
    nodes: Sequence[onnx.NodeProto]
    feeds: Mapping[str, np.ndarray]
    constants: Mapping[str, np.ndarray]
    results: tuple[str, ...] = ("y",)
    free: tuple[str, ...] = ()

    def model(self) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info(
                name,
                helper.np_dtype_to_tensor_dtype(array.dtype),
                ["T", *array.shape[1:]] if name in self.free else array.shape,
            )
            for name, array in self.feeds.items()
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in self.results]
        constants = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(list(self.nodes), "case", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)


def _cases() -> list[Case]:
    return [*_rounds(), *_sizes(), *_random()]


def _state(*names: str) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, _STATE]) for name in names]


def _loop(name: str, nodes: Sequence[onnx.NodeProto], stacked: str = "") -> Case:
    number = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    before, after = (helper.make_tensor_value_info(each, TensorProto.BOOL, []) for each in ("go", "next"))
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["next"]), *nodes],
        "body",
        [number, before, *_state("h")],
        [after, *_state("h1", *([stacked] if stacked else []))],
    )
    results = ("y", "ys") if stacked else ("y",)
    feeds = {"n": np.array(100), "h0": _numbers(1, _STATE)}
    weights = {"w": _numbers(_STATE, _STATE) * np.float32(0.1)}
    return Case(name, [helper.make_node("Loop", ["n", "", "h0"], results, body=body)], feeds, weights, results)


def _scan(rounds: int, free: bool) -> Case:
    nodes = [
        helper.make_node("MatMul", ["h", "w"], ["product"]),
        helper.make_node("Add", ["product", "x"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["h1"]),
        helper.make_node("Relu", ["h1"], ["s"]),
    ]
    body = helper.make_graph(nodes, "body", _state("h", "x"), _state("h1", "s"))
    node = helper.make_node("Scan", ["h0", "xs"], ["y", "ys"], body=body, num_scan_inputs=1)
    feeds = {"h0": _numbers(1, _STATE), "xs": _numbers(rounds, 1, _STATE)}
    weights = {"w": _numbers(_STATE, _STATE) * np.float32(0.1)}
    name = f"Scan, {rounds} rounds of 4 nodes{', any number' if free else ''}"
    return Case(name, [node], feeds, weights, ("y", "ys"), ("xs",) if free else ())


def _rounds() -> list[Case]:
    step = [helper.make_node("MatMul", ["h", "w"], ["product"]), helper.make_node("Tanh", ["product"], ["h1"])]
    return [
        _loop("Loop, 100 rounds of an addition", [helper.make_node("Add", ["h", "h"], ["h1"])]),
        _loop("Loop, 100 rounds of a product and a tanh", step),
        _loop("the same, stacked", [*step, helper.make_node("Relu", ["h1"], ["s"])], "s"),
        _scan(100, False),
        _scan(100, True),
        _scan(1000, False),
    ]


def _sizes() -> list[Case]:
    def case(name: str, operator: str, feeds: Mapping[str, np.ndarray], constants: Any = None, **fields: Any) -> Case:
        given = {**feeds, **(constants or {})}
        return Case(name, [helper.make_node(operator, list(given), ["y"], **fields)], feeds, constants or {})

    ends = {"start": np.array([100]), "end": np.array([300])}
    limits = {"start": np.array(0), "limit": np.array(1000), "step": np.array(1)}
    return [
        case("Slice, 200 of 512 rows of 256", "Slice", {"x": _numbers(512, 256), **ends}, {"axes": np.array([0])}),
        case("Slice, 200 of 512 columns of 256", "Slice", {"x": _numbers(256, 512), **ends}, {"axes": np.array([1])}),
        case("Range, 1,000 numbers", "Range", limits),
        case("Expand, 256 to 200 x 256", "Expand", {"x": _numbers(1, 256), "shape": np.array([200, 256])}),
        case("Tile, 16 x 64 by 8 x 4", "Tile", {"x": _numbers(16, 64), "repeats": np.array([8, 4])}),
        case("Pad, 3 x 100 x 100 by 2", "Pad", {"x": _numbers(3, 100, 100), "pads": np.array([0, 2, 2, 0, 2, 2])}),
        case("Reshape, 64 x 64", "Reshape", {"x": _numbers(64, 64), "shape": np.array([32, 128])}),
        case("NonZero of 100", "NonZero", {"x": (_numbers(10, 10) > 0).astype(np.float32)}),
        case("Compress, 20 x 85", "Compress", {"x": _numbers(20, 85), "c": _numbers(20) > 1}, axis=0),
    ]


def _random() -> list[Case]:
    x = {"x": _numbers(64, 1000)}
    return [
        Case(f"{operator}, 64,000", [helper.make_node(operator, ["x"], ["y"])], x, {})
        for operator in ("RandomUniformLike", "RandomNormalLike")
    ] + [Case("Bernoulli, 64,000", [helper.make_node("Bernoulli", ["x"], ["y"])], {"x": np.abs(x["x"]) % 1}, {})]


def measure(seconds: float, progress: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    """A row a case: microseconds of each engine."""
    rows = []
    for case in _cases():
        runners = both_engines(case.model(), dict(case.feeds))
        times = measure_in_turn(runners, seconds).statistics
        rows.append({"name": case.name, **{engine: times[engine]["p50_ms"] * 1e3 for engine in runners}})
        progress(rows[-1])
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table("what a run tells", title="loops, computed sizes and random numbers, us on one thread")
    for column in ("Lamina", "onnxruntime", "ratio"):
        shown.add_column(column, justify="right")
    for row in rows:
        ours, theirs = row["lamina"], row["onnxruntime"]
        shown.add_row(row["name"], f"{ours:.0f}", f"{theirs:.0f}", f"{theirs / ours:.2f}")
    return shown
