"""Each function over its whole range, within the bound that docs/accuracy.md states."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnx
import pytest
from onnx import helper

TABLE = Path(lamina.__file__).parent / "docs" / "accuracy.md"
Wide = np.longdouble


def bounds() -> dict[str, dict[str, float]]:
    """The page's first table: units in the last place, by operator and element type."""
    is_row = partial(re.match, r"\|")
    table = takewhile(is_row, dropwhile(lambda line: not is_row(line), TABLE.read_text().splitlines()))
    rows = [line.strip("| \n").split(" | ") for line in table if line.startswith("| ")]
    _, *columns = rows[0]
    return {name: dict(zip(columns, map(float, row[1:]))) for row in rows[1:] for name in row[0].split(", ")}


def each(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.array([function(float(value)) for value in x], Wide)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def elu(x: np.ndarray, alpha: float = 1.0, gamma: float = 1.0) -> np.ndarray:
    return np.float32(gamma) * np.where(x > 0, x, np.float32(alpha) * np.expm1(np.minimum(x, 0)))


def gelu(x: np.ndarray) -> np.ndarray:
    """x / 2 erfc(z) with z = -x / sqrt 2, and what rounding z to float64 leaves out, by erfc's derivative."""
    exact = np.clip(-x, -99, 99) * np.sqrt(Wide(0.5))
    z = exact.astype(np.float64).astype(Wide)
    complement = each(math.erfc)(z) - 2 / np.sqrt(Wide(np.pi)) * np.exp(-z * z) * (exact - z)
    return x / 2 * np.maximum(complement, 0)


def tanh_gelu(x: np.ndarray) -> np.ndarray:
    x = x.astype(Wide)
    return x / (1 + np.exp(-2 * np.sqrt(2 / Wide(np.pi)) * (x + 0.044715 * x * x * x)))


UNARY: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Exp": np.exp, "Log": np.log, "Sqrt": np.sqrt, "Reciprocal": lambda x: 1 / x, "Sin": np.sin, "Cos": np.cos,
    "Tan": np.tan, "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh,
    "Asinh": np.arcsinh, "Acosh": np.arccosh, "Atanh": np.arctanh, "Tanh": np.tanh, "Erf": each(math.erf),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Softplus": softplus, "Elu": elu,
    "Selu": lambda x: elu(x, 1.67326319217681884765625, 1.05070102214813232421875),
    "Mish": lambda x: x * np.tanh(softplus(x)), "Swish": lambda x: x / (1 + np.exp(-x)), "Gelu": gelu,
}  # fmt: skip


def arguments(dtype: Any) -> np.ndarray:
    """Numbers of most exponents and both signs, many where functions bend, and special ones; no denormals."""
    generator = np.random.default_rng(11)
    width = np.dtype(dtype).itemsize
    every = (
        np.arange(0, 1 << (8 * width), (1 << (8 * width - 13)) - 12345, dtype=object).astype(f"u{width}").view(dtype)
    )
    near = generator.choice([-1, 0, 1], 8000) + generator.uniform(-1, 1, 8000) * np.exp(generator.uniform(-30, 4, 8000))
    special = [0.0, np.inf, np.nan, 0.5, np.pi / 2, -12.3392, 88.7, -87.2, 2.0**33, 6.1594045e35, -1e-9]
    x = np.concatenate([every, np.array([*near, *special, *np.negative(special)], dtype)])
    return x[(np.abs(x) >= np.finfo(dtype).tiny) | (x == 0) | np.isnan(x)]


def near_denormals(dtype: Any) -> np.ndarray:
    """Denormals of all sizes and both signs, normal numbers not far above, and arguments whose results are denormal."""
    generator = np.random.default_rng(12)
    tiny, least = np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal
    exponents = generator.uniform(np.log2(least), np.log2(tiny) + 30, 4000)
    small = np.concatenate([np.exp2(exponents), [tiny, np.nextafter(tiny, dtype(0)), least]])
    low = np.concatenate([generator.uniform(0.9, 1.3, 3000) * np.log(tiny), -generator.uniform(8, 16, 3000)])
    return np.concatenate([small, -small, low]).astype(dtype)


def check(name: str, found: np.ndarray, expected: np.ndarray, bound: float, keeps_denormals: bool = False) -> None:
    """Within ``bound`` units in the last place; flushed, those near the smallest normal number may be zero."""
    tiny = np.finfo(found.dtype).tiny
    with np.errstate(all="ignore"):
        rounded = expected.astype(found.dtype)
        error = np.abs(found.astype(Wide) - expected) / np.spacing(np.abs(rounded).clip(tiny)).astype(Wide)
    error[(found == rounded) | (np.isnan(found) & np.isnan(rounded))] = 0
    if not keeps_denormals:
        error[(np.abs(expected) < 256 * tiny) & (np.abs(found) < 256 * tiny)] = 0
    error[np.isnan(error)] = np.inf
    worst = int(np.argmax(error))
    assert error[worst] <= bound, (name, worst, found[worst], expected[worst], error[worst])


def model(nodes: list[onnx.NodeProto], dtype: Any, inputs: str) -> onnx.ModelProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    outputs = [helper.make_tensor_value_info(node.output[0], kind, ["N"]) for node in nodes]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, kind, ["N"]) for name in inputs], outputs
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10)


@pytest.mark.parametrize(("dtype", "column"), [(np.float32, "f32"), (np.float64, "f64")], ids=["f32", "f64"])
def test_functions(dtype: Any, column: str) -> None:
    x = arguments(dtype)
    nodes = [helper.make_node(name, ["x"], [name]) for name in UNARY]
    results = lamina.compile(model(nodes, dtype, "x")).run({"x": x})
    for name, function in UNARY.items():
        with np.errstate(all="ignore"):
            expected = function(x.astype(Wide))
        check(name, results[name], expected, bounds()[name][column])


@pytest.mark.parametrize(("dtype", "column"), [(np.float32, "f32"), (np.float64, "f64")], ids=["f32", "f64"])
def test_functions_where_denormals_are_kept(dtype: Any, column: str) -> None:
    x = np.concatenate([near_denormals(dtype), arguments(dtype)])
    nodes = [helper.make_node(name, ["x"], [name]) for name in UNARY]
    results = lamina.compile(model(nodes, dtype, "x"), denormals="keep").run({"x": x})
    for name, function in UNARY.items():
        with np.errstate(all="ignore"):
            expected = function(x.astype(Wide))
        check(name, results[name], expected, bounds()[name][column], keeps_denormals=True)


@pytest.mark.parametrize("denormals", ["flush", "keep"])
def test_tanh_gelu(denormals: Any) -> None:
    x = np.concatenate([near_denormals(np.float32), arguments(np.float32)])
    nodes = [helper.make_node("Gelu", ["x"], ["y"], approximate="tanh")]
    with np.errstate(all="ignore"):
        expected = tanh_gelu(x)
    found = lamina.compile(model(nodes, np.float32, "x"), denormals=denormals).run({"x": x})["y"]
    check("Gelu by tanh", found, expected, 5, denormals == "keep")


def test_powers_and_remainders_where_denormals_are_kept() -> None:
    generator = np.random.default_rng(8)
    x = np.abs(near_denormals(np.float32))
    with np.errstate(all="ignore"):
        exponent = (generator.uniform(-150, 128, len(x)) / np.log2(x)).astype(np.float32)
    y = generator.permutation(x)
    nodes = [helper.make_node("Pow", ["x", "e"], ["Pow"]), helper.make_node("Mod", ["x", "y"], ["Mod"], fmod=1)]
    results = lamina.compile(model(nodes, np.float32, "xey"), denormals="keep").run({"x": x, "e": exponent, "y": y})
    with np.errstate(all="ignore"):
        powers = x.astype(Wide) ** exponent.astype(Wide)
    check("Pow", results["Pow"], powers, bounds()["Pow"]["f32"], keeps_denormals=True)
    check("Mod", results["Mod"], np.fmod(x, y).astype(Wide), 0, keeps_denormals=True)


@pytest.mark.parametrize(("dtype", "column"), [(np.float32, "f32"), (np.float64, "f64")], ids=["f32", "f64"])
def test_pairs(dtype: Any, column: str) -> None:
    generator = np.random.default_rng(5)
    x = arguments(dtype)
    y = generator.permutation(x)
    x[:6], y[:6] = [1e10, 1e20, -1e10, 5.5, 3e38, -6.0], [3, 7, 3, -2, 2.0**-126, 3]
    base = np.exp(generator.uniform(-3, 3, len(x))).astype(dtype)
    exponent = generator.uniform(-20, 20, len(x)).astype(dtype)
    nodes = [helper.make_node("Mod", ["x", "y"], ["Mod"], fmod=1), helper.make_node("Pow", ["b", "e"], ["Pow"])]
    results = lamina.compile(model(nodes, dtype, "xybe")).run({"x": x, "y": y, "b": base, "e": exponent})
    with np.errstate(all="ignore"):
        remainders = np.fmod(x, y)
    check("Mod", results["Mod"], remainders.astype(Wide), bounds()["Mod"][column])
    check("Pow", results["Pow"], base.astype(Wide) ** exponent.astype(Wide), bounds()["Pow"][column])


def test_constant_exponents() -> None:
    """Also where the power of the positive exponent overflows or vanishes, and the inverse of it does not."""
    generator = np.random.default_rng(5)
    for exponent in (-16, -4, -3, -2, 4, 7, 8, 15, 16):
        x = np.exp(generator.uniform(-86, 87, 4000) / abs(exponent)).astype(np.float32)
        node = helper.make_node("Pow", ["x", "n"], ["y"])
        proto = model([node], np.float32, "x")
        proto.graph.initializer.append(helper.make_tensor("n", onnx.TensorProto.FLOAT, [], [exponent]))
        check(
            f"x^{exponent}",
            lamina.compile(proto).run({"x": x})["y"],
            x.astype(Wide) ** exponent,
            bounds()["Pow"]["f32"],
        )


@pytest.mark.parametrize("exponent", [0.5, -0.5, 2.0, -1.0, -3.0, 2.5, 0.0, np.inf, -np.inf, np.nan])
def test_powers_of_special_numbers(exponent: float) -> None:
    """As C's pow, which math.pow is but for its errors."""

    def power(x: float) -> float:
        if x == 0 and exponent < 0:
            is_odd = exponent in (-1.0, -3.0)
            return math.copysign(math.inf, x) if is_odd else math.inf
        try:
            return math.pow(x, exponent)
        except ValueError:
            return math.nan

    x = np.array([0.0, -0.0, 1, -1, 2, -2, 0.5, -8, np.inf, -np.inf, np.nan], np.float32)
    proto = model([helper.make_node("Pow", ["x", "n"], ["y"])], np.float32, "x")
    proto.graph.initializer.append(helper.make_tensor("n", onnx.TensorProto.FLOAT, [], [exponent]))
    found = lamina.compile(proto).run({"x": x})["y"]
    expected = np.array([power(float(value)) for value in x], np.float32)
    np.testing.assert_allclose(found, expected, rtol=4e-7)
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_softmax_of_likely_elements(dtype: Any) -> None:
    x = np.array([[0, -20, -30, 5e-3], [0, -20, -30, -40], [7, 7, -80, -1], [3, -np.inf, -60, -np.inf]], dtype)
    node = helper.make_node("LogSoftmax", ["x"], ["y"], axis=1)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    infos = [helper.make_tensor_value_info(name, kind, [4, 4]) for name in "xy"]
    graph = helper.make_graph([node], "g", infos[:1], infos[1:])
    found = lamina.compile(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)).run(
        {"x": x}
    )["y"]
    wide = x.astype(Wide)
    # The logarithm of the sum over the others, from each element's point of view.
    with np.errstate(all="ignore"):
        powers = np.exp(wide[:, None, :] - wide[:, :, None])
    others = np.where(np.eye(4, dtype=bool), 0, powers).sum(2)
    expected = np.where(np.isneginf(x), -np.inf, -np.log1p(others))
    np.testing.assert_allclose(found, expected, rtol=5 * np.finfo(dtype).eps)
