"""Products of few rows or few columns, whose lanes run along the depth, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from lamina.compiler import compile, import_for
from lamina.dialects.schedule import StageOp
from lamina.pipeline import compile_through
from onnx import helper, numpy_helper

RNG = np.random.default_rng(0)
ROWS = (1, 2, 5, 17)
TARGETS = ("host", "avx2", "x86_64")

Node = tuple[dict[str, Sequence[int | str]], dict[str, np.ndarray], dict[str, int]]
"""Inputs, constants and attributes of a Gemm."""


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    values = RNG.standard_normal(shape)
    return (values * 100 if dtype.startswith("int") else values).astype(dtype)


def model_of(nodes: Sequence[Node], dtype: str = "float32", operator: str = "Gemm") -> onnx.ModelProto:
    """One product a node; inputs of one name are one input."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    shapes = {name: shape for inputs, _, _ in nodes for name, shape in inputs.items()}
    made, constants = [], []
    for number, (inputs, weights, attributes) in enumerate(nodes):
        names = {name: f"{name}_{number}" for name in weights}
        constants += [numpy_helper.from_array(array, names[name]) for name, array in weights.items()]
        made.append(helper.make_node(operator, [*inputs, *names.values()], [f"y{number}"], **attributes))
    graph = helper.make_graph(
        made,
        "products",
        [helper.make_tensor_value_info(name, element, shape) for name, shape in shapes.items()],
        [helper.make_empty_tensor_value_info(f"y{number}") for number in range(len(nodes))],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def check(nodes: Sequence[Node], model: onnx.ModelProto, target: str, runs: Sequence[dict[str, np.ndarray]]) -> None:
    executable = compile(model, target=target, threads=2)
    for feeds in runs:
        for (inputs, weights, attributes), found in zip(nodes, executable.run(feeds).values(), strict=True):
            a, b, *bias = [feeds[name] for name in inputs] + list(weights.values())
            a, b = (np.swapaxes(m, -1, -2) if attributes.get(key) else m for m, key in ((a, "transA"), (b, "transB")))
            wide = np.int64 if a.dtype.kind == "i" else np.float64
            expected = a.astype(wide) @ b.astype(wide) + (bias[0] if bias else 0)
            size = np.abs(a.astype(wide)) @ np.abs(b.astype(wide)) + (np.abs(bias[0]) if bias else 0)
            allowed = 0 if wide is np.int64 else 4 * np.finfo(a.dtype).eps * size
            assert found.shape == expected.shape
            assert (np.abs(found - expected) <= allowed).all(), (np.abs(found - expected) - allowed).max()


def decided(model: onnx.ModelProto) -> list[dict[str, Any]]:
    module, context = import_for(model.SerializeToString(), target="avx512", winograd_error=0.0)
    compile_through(module, context, stop="schedule")
    return [op.decisions for op in module.walk() if isinstance(op, StageOp)]


@pytest.mark.parametrize("depth", [0, 1, 7, 16, 100, 1030])
def test_few_columns(depth: int) -> None:
    """Constant B and B given by columns and by rows, with a bias and without; any number of rows."""
    nodes: list[Node] = []
    for columns in (1, 2, 3):
        b = numbers(depth, columns)
        nodes.append(({"a": ["M", depth]}, {"b": b, "c": numbers(columns)}, {}))
        nodes.append(({"a": ["M", depth], f"b{columns}": [columns, depth]}, {}, {"transB": 1}))
        nodes.append(({"a": ["M", depth], f"r{columns}": [depth, columns]}, {}, {}))
    given = {f"b{columns}": numbers(columns, depth) for columns in (1, 2, 3)}
    given |= {f"r{columns}": numbers(depth, columns) for columns in (1, 2, 3)}
    runs = [{"a": numbers(rows, depth), **given} for rows in ROWS]
    model = model_of(nodes)
    if depth >= 100:
        assert all("depth_lanes" in decisions for decisions in decided(model))
    for target in TARGETS if depth in (7, 100) else ["host"]:
        check(nodes, model, target, runs)


@pytest.mark.parametrize("rows", ROWS)
def test_few_rows_of_any_depth_by_any_number_of_columns(rows: int) -> None:
    """Where the number of rows is free, it decides when the product runs which way its lanes go."""
    nodes: list[Node] = [
        ({"a": [rows, "K"], "b": ["N", "K"]}, {}, {"transB": 1}),
        ({"p": ["K", rows], "b": ["N", "K"]}, {}, {"transA": 1, "transB": 1}),
        ({"a": [rows, "K"], "q": ["K", 1]}, {}, {}),
        ({"f": ["M", "K"], "b": ["N", "K"]}, {}, {"transB": 1}),
    ]
    runs = []
    for columns, depth in ((0, 5), (1, 0), (1, 40), (7, 16), (33, 7), (100, 1030)):
        shapes = {"a": (rows, depth), "f": (rows, depth), "p": (depth, rows), "b": (columns, depth), "q": (depth, 1)}
        runs.append({name: numbers(*shape) for name, shape in shapes.items()})
    check(nodes, model_of(nodes), "host", runs)


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_other_elements(dtype: str) -> None:
    nodes: list[Node] = [
        ({"a": ["M", 100]}, {"b": numbers(100, 1, dtype=dtype), "c": numbers(1, dtype=dtype)}, {}),
        ({"r": [1, 100]}, {"b": numbers(37, 100, dtype=dtype)}, {"transB": 1}),
        ({"r": [1, 100], "b": [37, 100]}, {}, {"transB": 1}),
    ]
    model = model_of(nodes, dtype)
    assert any("depth_lanes" in decisions for decisions in decided(model))
    given = {"r": numbers(1, 100, dtype=dtype), "b": numbers(37, 100, dtype=dtype)}
    check(nodes, model, "host", [{"a": numbers(rows, 100, dtype=dtype), **given} for rows in ROWS])


def test_batches_of_columns() -> None:
    """One matrix for all, which become one of many rows, and one of each."""
    nodes: list[Node] = [
        ({"a": ["B", 3, 5, 40]}, {"b": numbers(40, 1)}, {}),
        ({"a": ["B", 3, 5, 40], "b": [3, 40, 1]}, {}, {}),
    ]
    runs = [{"a": numbers(batch, 3, 5, 40), "b": numbers(3, 40, 1)} for batch in (1, 4)]
    check(nodes, model_of(nodes, operator="MatMul"), "host", runs)


def test_long_sums_stay_accurate() -> None:
    """A sum of a million like numbers, which one running sum would be 1e-3 off."""
    a, b = np.full((1, 1 << 20), 0.1, np.float32), np.full((1 << 20, 1), 0.3, np.float32)
    nodes: list[Node] = [({"a": [1, "K"], "b": ["K", 1]}, {}, {})]
    (found,) = compile(model_of(nodes)).run({"a": a, "b": b}).values()
    np.testing.assert_allclose(found, a.astype(np.float64) @ b, rtol=2e-5)
