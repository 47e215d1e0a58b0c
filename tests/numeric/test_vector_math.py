"""Elementary functions over the whole range of f32, against f64, on every target this machine can run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lamina.backend.jit import load_module
from lamina.context import CompilerContext
from lamina.lowering.loops_to_llvm import lower_module
from lamina.machines import host_target, target_by_name
from lamina.passes.loops.expand_math import LoopsExpandMathPass, UnsupportedMathError
from xdsl.parser import Parser

LANES = 64
TINY = np.finfo(np.float32).tiny
_CAPABILITIES = {"x86_64": "sse2", "avx2": "fma", "host": ""}


def _runnable() -> list[str]:
    features = host_target().features
    return [name for name, needed in _CAPABILITIES.items() if not needed or f"+{needed}" in features]


@pytest.fixture(params=_runnable(), scope="module")
def target(request):
    return target_by_name(request.param)


def compile_function(name: str, operands: int, target, element: str = "f32", lanes: int = LANES, denormals="flush"):
    """A kernel (x, [y,] out, n) that applies `math.<name>`, or an op whose dialect is said, to n elements."""
    kind = f"vector<{lanes}x{element}>" if lanes > 1 else element
    inputs = ["x", "y"][:operands]
    if lanes > 1:
        loads = "\n".join(f"    %{v}v = vector.load %{v}[%i] : memref<?x{element}>, {kind}" for v in inputs)
        store = f"vector.store %r, %out[%i] : memref<?x{element}>, {kind}"
    else:
        loads = "\n".join(f"    %{v}v = memref.load %{v}[%i] : memref<?x{element}>" for v in inputs)
        store = f"memref.store %r, %out[%i] : memref<?x{element}>"
    parameters = ", ".join(f"%{v}: memref<?x{element}>" for v in [*inputs, "out"])
    text = f"""
func.func @apply({parameters}, %n: index, %thread: index, %threads: index) attributes {{lamina.kernel}} {{
  %c0 = arith.constant 0 : index
  %step = arith.constant {lanes} : index
  scf.for %i = %c0 to %n step %step {{
{loads}
    %r = {name if "." in name else "math." + name} {", ".join(f"%{v}v" for v in inputs)} : {kind}
    {store}
  }}
  func.return
}}
"""
    context = CompilerContext(target=target)
    module = Parser(context, text).parse_module()
    LoopsExpandMathPass(denormals=denormals).apply(context, module)
    module.verify()
    return load_module(lower_module(module, target), target)["apply"]


def apply(function, *inputs: np.ndarray) -> np.ndarray:
    count = -(-len(inputs[0]) // LANES) * LANES
    padded = [np.ones(count, values.dtype) for values in inputs]
    for values, given in zip(padded, inputs, strict=True):
        values[: len(given)] = given
    result = np.empty(count, inputs[0].dtype)
    function(*padded, result, count)
    return result[: len(inputs[0])]


def sweep(step: int = 1021) -> np.ndarray:
    """About 4 million floats: every exponent, both signs, infinities and NaN; no denormals."""
    bits = np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32)
    values = np.concatenate([bits.view(np.float32), special_values()])
    return values[np.isnan(values) | (np.abs(values) >= TINY) | (values == 0)]


def special_values() -> np.ndarray:
    whole = np.arange(-130, 131, dtype=np.float32)
    edges = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.0, 88.72, 88.73, -87.3, -103.0, 1e5, TINY], np.float32)
    return np.concatenate([edges, whole, whole / 2, np.nextafter(whole, np.float32(0))])


def errors(result: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Errors in units in the last place; infinite where a NaN, an infinity or a sign is wrong."""
    rounded = expected.astype(np.float32)
    with np.errstate(all="ignore"):
        error = np.abs(result.astype(np.float64) - expected) / np.spacing(np.abs(rounded).clip(TINY)).astype(np.float64)
    same = (result == rounded) | (np.isnan(result) & np.isnan(rounded))
    error[same] = 0
    flushed = (np.abs(expected) < TINY) & (result == 0)
    error[flushed] = 0
    error[np.isnan(error)] = np.inf
    return error


FUNCTIONS = {
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 2.5),
    "sinh": (np.sinh, 4.0),
    "cosh": (np.cosh, 4.0),
    "log": (np.log, 1.5),
    "log2": (np.log2, 2.5),
    "log10": (np.log10, 2.5),
    "log1p": (np.log1p, 3.0),
    "asinh": (np.arcsinh, 4.5),
    "acosh": (np.arccosh, 4.5),
    "atanh": (np.arctanh, 4.5),
    "tanh": (np.tanh, 5.5),
    "atan": (np.arctan, 3.0),
    "asin": (np.arcsin, 3.0),
    "acos": (np.arccos, 3.0),
    "cbrt": (np.cbrt, 1.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_whole_range(target, name):
    reference, bound = FUNCTIONS[name]
    x = sweep()
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.float64))
    if name in ("exp", "exp2"):
        # Results between the smallest normal number and 2^-125 become zero.
        expected[np.abs(expected) < 2.0**-125] = 0
    if not target.fma:
        bound *= 1.6
    result = apply(compile_function(name, 1, target), x)
    if name in ("exp", "exp2"):
        result[np.abs(result) < 2.0**-125] = 0
    error = errors(result, expected)
    worst = int(np.argmax(error))
    assert error[worst] <= bound, (x[worst], result[worst], expected[worst], error[worst])


@pytest.mark.parametrize("name", ["exp", "exp2", "log", "log2", "log10", "cbrt", "tanh"])
def test_denormals_that_are_kept(target, name):
    reference, bound = FUNCTIONS[name]
    generator = np.random.default_rng(2)
    small = np.exp2(generator.uniform(-149, -120, 5000))
    x = np.concatenate([small, -small, generator.uniform(-152, -80, 5000), [0.0, -0.0, 1e-45]]).astype(np.float32)
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.float64))
    result = apply(compile_function(name, 1, target, denormals="keep"), x)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(expected.astype(np.float32)).clip(TINY)).astype(np.float64)
        error = np.abs(result.astype(np.float64) - expected) / unit
    error[(result == expected) | (np.isnan(result) & np.isnan(expected))] = 0
    worst = int(np.argmax(error))
    assert error[worst] <= bound * (1 if target.fma else 1.6), (x[worst], result[worst], expected[worst], error[worst])


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_circular_functions(target, name):
    x = sweep(4093)
    with np.errstate(all="ignore"):
        expected = {"sin": np.sin, "cos": np.cos, "tan": np.tan}[name](x.astype(np.float64))
    result = apply(compile_function(name, 1, target), x)
    error = errors(result, expected)
    worst = int(np.argmax(error))
    assert error[worst] <= (3.5 if name == "tan" else 2.0), (x[worst], error[worst])
    zeros = x == 0
    np.testing.assert_array_equal(np.signbit(result[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("name", ["sin", "vectorx.remf"])
def test_rare_branches_of_scalars(target, name):
    """Large arguments alone, and among small ones, take the branch."""
    x = np.array([1.0, 6.1594045e35, -3e9, 1e20, 0.5, 2.0**25, -1e-30, 33554430.0] * 8, np.float32)
    inputs = [x, np.full_like(x, 7)][: 2 if "." in name else 1]
    scalars = apply(compile_function(name, len(inputs), target, lanes=1), *inputs)
    np.testing.assert_array_equal(scalars, apply(compile_function(name, len(inputs), target), *inputs))
    alone = np.repeat(x[:8], LANES)
    inputs = [alone, np.full_like(alone, 7)][: len(inputs)]
    np.testing.assert_array_equal(scalars[:8], apply(compile_function(name, len(inputs), target), *inputs)[::LANES])


def test_remainders_are_exact(target):
    x, generator = sweep(20_011), np.random.default_rng(2)
    y = generator.permutation(x)
    with np.errstate(all="ignore"):
        expected = np.fmod(x, y)
    result = apply(compile_function("vectorx.remf", 2, target), x, y)
    for values in (result, expected):
        values[np.abs(values) < TINY] *= 0
    np.testing.assert_array_equal(result, expected)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result[known]), np.signbit(expected[known]))


@pytest.mark.parametrize(("name", "limit"), [("tanh", 9.02), ("erf", 4.1)])
def test_large_arguments_give_one(target, name, limit):
    x = np.array([limit, 9.5, 1e10, np.inf, -limit, -1e30], np.float32)
    result = apply(compile_function(name, 1, target), x)
    np.testing.assert_array_equal(result, np.sign(x))


def test_erf(target):
    x = sweep(20_011)
    expected = np.array([math.erf(value) for value in x.tolist()])
    result = apply(compile_function("erf", 1, target), x)
    error = errors(result, expected)
    assert error.max() <= 6.0
    assert np.nanmax(np.abs(result - expected)) <= 5e-7
    assert np.nanmax(np.abs(result)) <= 1


def test_powers(target):
    generator = np.random.default_rng(3)
    count = 400_000
    x = np.exp(generator.uniform(-80, 80, count)).astype(np.float32)
    y = (generator.uniform(-1, 1, count) * np.exp(generator.uniform(-5, 5, count))).astype(np.float32)
    x[::7] *= -1
    y[::5] = np.rint(y[::5])
    x[1::11] = 1 + generator.uniform(-1e-3, 1e-3, len(x[1::11])).astype(np.float32)
    y[1::11] *= 100
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64))
    error = errors(apply(compile_function("powf", 2, target), x, y), expected)
    worst = int(np.argmax(error))
    assert error[worst] <= 1.0, (x[worst], y[worst], expected[worst], error[worst])


@pytest.mark.parametrize(("name", "reference"), [("powf", np.power), ("atan2", np.arctan2)])
def test_special_pairs(target, name, reference):
    numbers = np.array(
        [
            0.0,
            -0.0,
            1,
            -1,
            2,
            -2,
            0.5,
            -0.5,
            3,
            -3,
            1.5,
            -1.5,
            np.inf,
            -np.inf,
            np.nan,
            1e30,
            -1e30,
            16777217.0,
            7e-39 * 10,
        ],
        np.float32,
    )
    first, second = (values.reshape(-1).copy() for values in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        expected = reference(first.astype(np.float64), second.astype(np.float64))
    result = apply(compile_function(name, 2, target), first, second)
    error = errors(result, expected)
    wrong = error > 3.5
    assert not wrong.any(), list(zip(first[wrong], second[wrong], result[wrong], expected[wrong]))
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(result[zeros]), np.signbit(expected[zeros]))


def test_atan2(target):
    generator = np.random.default_rng(5)
    y, x = (generator.standard_normal((2, 200_000)) * np.exp(generator.uniform(-20, 20, (2, 200_000)))).astype(
        np.float32
    )
    error = errors(
        apply(compile_function("atan2", 2, target), y, x), np.arctan2(y.astype(np.float64), x.astype(np.float64))
    )
    assert error.max() <= 4.0


@pytest.mark.parametrize(("name", "reference"), [("exp", np.exp), ("log", np.log)])
def test_f64(target, name, reference):
    x = np.exp(np.random.default_rng(1).uniform(-700, 700, 200_000))
    if name == "exp":
        x = np.random.default_rng(1).uniform(-707, 709.7, 200_000)
    x[:6] = [0.0, 1.0, np.inf, np.nan, 2.0, 0.9999999]
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.longdouble))
        result = apply(compile_function(name, 1, target, "f64"), x)
        error = np.abs(result - expected) / np.spacing(np.abs(expected.astype(np.float64)))
    same = (result == expected) | (np.isnan(result) & np.isnan(expected))
    assert np.all(same | (error <= (2.0 if target.fma else 3.0))), np.nanmax(np.where(same, 0, error))


@pytest.mark.parametrize("element", ["f16", "bf16"])
def test_narrow_floats_go_through_f32(target, element):
    import ml_dtypes

    dtype = np.float16 if element == "f16" else ml_dtypes.bfloat16
    x = np.linspace(-8, 8, 640).astype(dtype)
    result = apply(compile_function("tanh", 1, target, element), x)
    np.testing.assert_allclose(
        result.astype(np.float32), np.tanh(x.astype(np.float32)), rtol=2e-3 if element == "f16" else 8e-3
    )


def test_scalars(target):
    function = compile_function("exp", 1, target, lanes=1)
    x = np.linspace(-20, 20, 64).astype(np.float32)
    np.testing.assert_allclose(apply(function, x), np.exp(x), rtol=3e-7)


@pytest.mark.parametrize("exponent", [-2, 1, 2, 3, 4])
def test_small_constant_powers_are_products(exponent):
    context = CompilerContext(target=host_target())
    module = Parser(
        context,
        f"""
func.func @f(%x: vector<4xf32>) -> vector<4xf32> {{
  %n = arith.constant dense<{exponent}.0> : vector<4xf32>
  %r = math.powf %x, %n : vector<4xf32>
  func.return %r : vector<4xf32>
}}""",
    ).parse_module()
    LoopsExpandMathPass().apply(context, module)
    assert "arith.extf" not in str(module)


def test_f64_is_refused_where_it_is_missing():
    with pytest.raises(UnsupportedMathError, match=r"math\.sin is not available in f64"):
        compile_function("sin", 1, host_target(), "f64")
