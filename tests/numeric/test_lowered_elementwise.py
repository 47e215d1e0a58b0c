"""Elementwise operations of the graph before and after lowering."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lamina.context import CompilerContext
from lamina.dialects import graph
from lamina.dialects import kernel as kernels
from lamina.dialects.graph.types import ui8
from lamina.interpreters.kernel import interpret_kernels
from lamina.lowering.graph_to_kernel import LowerGraphToKernelPass
from lowered_graphs import Model, check, compiled_function, kernels_in, random
from xdsl.dialects.builtin import f16, f32, i1, i8, i32, i64
from xdsl.ir import SSAValue

FLOAT_UNARY = (
    "abs", "neg", "sign", "relu", "exp", "sqrt", "reciprocal", "erf", "tanh", "sigmoid", "sin", "cos", "tan", "floor",
    "ceil", "round", "is_nan", "log", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "expm1",
    "log1p", "gelu",
)  # fmt: skip


def operation(name: str) -> type[graph.ElementwiseOp]:
    return next(op for op in graph.ELEMENTWISE_OPERATIONS if op.name == f"graph.{name}")


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", FLOAT_UNARY)
def test_unary_floats(name: str, dtype: type) -> None:
    x = random(3, 17, dtype=dtype)
    x[0, :4] = [0.0, -0.0, np.nan, np.inf]
    if name in ("log", "sqrt"):
        x = np.abs(x)
    tolerance = 2e-6 if dtype == np.float32 else 2e-3
    check(lambda m, x: m.add(operation(name)([x])), x, tolerance=tolerance)


@pytest.mark.parametrize("name", ["abs", "neg", "sign", "relu"])
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_unary_integers(name: str, dtype: type) -> None:
    check(lambda m, x: m.add(operation(name)([x])), random(5, 6, dtype=dtype))


ARITHMETIC = ("add", "sub", "mul", "div", "maximum", "minimum")
COMPARISONS = ("equal", "less", "less_equal", "greater", "greater_equal")


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.int64])
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
def test_binary(name: str, dtype: type) -> None:
    a, b = random(4, 1, 5, dtype=dtype), random(3, 1, dtype=dtype)
    if name == "div":
        b[b == 0] = 2
    check(lambda m, a, b: m.add(operation(name)([a, b])), a, b)


@pytest.mark.parametrize("divisor", [-5, -1, 1, 3, 0])
def test_integer_division_never_traps(divisor: int) -> None:
    x = np.array([np.iinfo(np.int32).min, -7, 0, 7], np.int32)

    def run(dividend: np.ndarray, by: np.ndarray) -> np.ndarray:
        model = Model()
        result = model.add(graph.DivOp([model.argument(dividend), model.argument(by)]))
        module = model.finish([result])
        LowerGraphToKernelPass().apply(CompilerContext(constants=model.store), module)
        (divide,) = [op for op in module.walk() if op.name == "arith.divsi"]
        assert divide.operands[1].owner.name == "arith.select"
        return interpret_kernels(compiled_function(module), [dividend, by], model.store)[0]

    expected = {0: x, -1: -x}[divisor] if divisor in (0, -1) else np.trunc(x / divisor).astype(np.int32)
    np.testing.assert_array_equal(run(x, np.array([divisor], np.int32)), expected)


@pytest.mark.parametrize("fmod", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_mod(fmod: bool, dtype: type) -> None:
    a, b = random(40, dtype=dtype, low=-30, high=30), random(40, dtype=dtype, low=-7, high=8)
    b[b == 0] = 3
    if dtype == np.float32:
        b[:2] = [np.inf, -np.inf]
    check(lambda m, a, b: m.add(graph.ModOp([a, b], fmod=fmod)), a, b, tolerance=1e-5)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, 5.0, -1.0, -2.0, 0.5, -0.5, 2.7])
def test_pow_by_constant(exponent: float) -> None:
    x = np.abs(random(3, 5)) + np.float32(0.1)
    module = check(lambda m, x: m.add(graph.PowOp([x, m.constant(np.float32(exponent))])), x, tolerance=1e-5)
    has_powf = any(op.name == "math.powf" for op in module.walk())
    assert has_powf == (exponent == 2.7)


def test_pow_with_integer_exponents() -> None:
    x, y = random(3, 5), random(3, 5, dtype=np.int64)
    check(lambda m, x, y: m.add(graph.PowOp([x, y])), x, y, tolerance=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("name", ["and", "or", "xor", "shift_left", "shift_right"])
def test_bits(name: str, dtype: type) -> None:
    a, b = random(3, 5, dtype=dtype, low=-200, high=200), random(3, 5, dtype=dtype, low=0, high=40)
    check(lambda m, a, b: m.add(operation(name)([a, b])), a, b)


@pytest.mark.parametrize("name", ["and", "or", "xor"])
def test_truth_values(name: str) -> None:
    a, b = random(3, 5, dtype=bool), random(5, dtype=bool)
    check(lambda m, a, b: m.add(graph.NotOp([m.add(operation(name)([a, b]))])), a, b)


def test_where_broadcasts_three_ways() -> None:
    arrays = random(3, 1, dtype=bool), random(5), random(2, 1, 1)
    check(lambda m, c, a, b: m.add(graph.WhereOp([c, a, b])), *arrays)


DTYPES = (np.float32, np.float16, np.bool_, np.int8, np.uint8, np.int32, np.int64)


@pytest.mark.parametrize("to", [f32, f16, i1, i8, ui8, i32, i64], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cast(dtype: type, to: Any) -> None:
    x = random(4, 7, dtype=dtype)
    if np.dtype(dtype).kind == "f" and to == ui8:
        x = np.abs(x)

    def build(m: Model, x: SSAValue) -> SSAValue:
        return m.add(graph.CastOp([x], [x.type.with_element(to)]))

    check(build, x)


def test_saturating_cast() -> None:
    x = np.array([-1e9, -200, -3.7, 0, 3.7, 300, 1e9], np.float32)
    for to in (i8, ui8, i32):
        check(lambda m, x, to=to: m.add(graph.CastOp([x], [x.type.with_element(to)], saturate=True)), x)


def test_constants_of_one_element_go_inside_the_map() -> None:
    module = check(lambda m, x: m.add(graph.MulOp([m.constant(np.full((1, 1, 1), 2, np.float32)), x])), random(3, 4))
    (op,) = [op for op in module.walk() if isinstance(op, kernels.MapOp)]
    assert len(op.ins) == 1 and not any(isinstance(op, kernels.ConstantOp) for op in module.walk())


def test_chain_with_shared_values_becomes_one_map() -> None:
    """Mish: x * tanh(log(1 + exp(x)))."""

    def build(m: Model, x: SSAValue) -> SSAValue:
        one = m.constant(np.float32(1))
        softplus = m.add(graph.LogOp([m.add(graph.AddOp([one, m.add(graph.ExpOp([x]))]))]))
        return m.add(graph.MulOp([x, m.add(graph.TanhOp([softplus]))]))

    assert kernels_in(check(build, random(2, 3, 4), symbolic=[0])) == ["kernel.map"]


def test_a_result_that_is_broadcast_is_not_computed_again() -> None:
    def build(m: Model, x: SSAValue, y: SSAValue) -> SSAValue:
        return m.add(graph.AddOp([m.add(graph.ExpOp([x])), y]))

    assert kernels_in(check(build, random(3, 1), random(3, 4))) == ["kernel.map", "kernel.map"]
