"""Arithmetic, comparisons, conversions and elementary functions, lowered and run on this machine for every target it can run, against NumPy."""

# ruff: noqa: E501 (lines of MLIR text)

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from lamina.machines import target_by_name
from loops_kernels import elementwise, interesting, kernel, random


@pytest.mark.parametrize("element", ["f32", "f64", "f16", "bf16"])
@pytest.mark.parametrize("name", ["addf", "subf", "mulf", "divf", "maximumf", "minimumf", "maxnumf", "minnumf"])
def test_float_arithmetic(compile_kernel, target, element, name):
    dtype = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16}[element]
    a, b = interesting(dtype), interesting(dtype)[::-1, ::-1].copy()
    result = elementwise(
        compile_kernel, target, element, element, f"  %r = arith.{name} %a, %b : vector<2x21x{element}>", a, b
    )
    compute = {
        "addf": np.add, "subf": np.subtract, "mulf": np.multiply, "divf": np.divide,
        "maximumf": np.maximum, "minimumf": np.minimum, "maxnumf": np.fmax, "minnumf": np.fmin,
    }[name]  # fmt: skip
    wide = np.float64 if element == "f64" else np.float32
    with np.errstate(all="ignore"):
        expected = compute(a.astype(wide), b.astype(wide)).astype(dtype)
    np.testing.assert_array_equal(result.astype(np.float64), expected.astype(np.float64))


@pytest.mark.parametrize("order", ["%a, %k", "%k, %a"])
@pytest.mark.parametrize("name", ["maximumf", "minimumf"])
def test_maximum_with_a_constant_propagates_nan(compile_kernel, target, name, order):
    a = interesting(np.float32)
    body = f"  %k = arith.constant dense<0.25> : vector<2x21xf32>\n  %r = arith.{name} {order} : vector<2x21xf32>"
    result = elementwise(compile_kernel, target, "f32", "f32", body, a)
    np.testing.assert_array_equal(result, (np.maximum if name == "maximumf" else np.minimum)(a, np.float32(0.25)))


@pytest.mark.parametrize("element", ["f32", "f64", "f16", "bf16"])
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "roundeven", "sqrt", "absf"])
def test_rounding_and_roots(compile_kernel, target, element, name):
    dtype = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16}[element]
    a = interesting(dtype)
    if element in ("f32", "f64"):
        a.reshape(-1)[10:16] = [8388607.5, -8388609.0, 1e30, 0.49999997, -0.49999997, 3.0]
    result = elementwise(compile_kernel, target, element, element, f"  %r = math.{name} %a : vector<2x21x{element}>", a)
    compute = {
        "floor": np.floor,
        "ceil": np.ceil,
        "trunc": np.trunc,
        "roundeven": np.rint,
        "sqrt": np.sqrt,
        "absf": np.abs,
    }
    with np.errstate(all="ignore"):
        expected = compute[name](a.astype(np.float32) if element == "bf16" else a).astype(dtype)
    np.testing.assert_array_equal(result.astype(np.float64), expected.astype(np.float64))
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(result)[numbers], np.signbit(expected)[numbers])


def test_fma_negation_and_copysign(compile_kernel, target):
    a, b, c = random(2, 21), random(21, 2).reshape(2, 21), random(42).reshape(2, 21)
    body = """  %f = vector.fma %a, %b, %c : vector<2x21xf32>
  %g = math.fma %a, %b, %f : vector<2x21xf32>
  %n = arith.negf %g : vector<2x21xf32>
  %r = math.copysign %n, %a : vector<2x21xf32>"""
    result = elementwise(compile_kernel, target, "f32", "f32", body, a, b, c)
    expected = np.copysign(2 * a.astype(np.float64) * b + c, a)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("predicate", ["oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "une", "uno", "ult"])
def test_float_comparison_and_select(compile_kernel, target, predicate):
    a, b = interesting(np.float32), interesting(np.float32)[::-1].copy()
    body = f"""  %m = vectorx.cmpf {predicate}, %a, %b : vector<2x21xf32>
  %r = vectorx.select %m, %a, %b : vector<2x21xi1>, vector<2x21xf32>"""
    result = elementwise(compile_kernel, target, "f32", "f32", body, a, b)
    unordered = np.isnan(a) | np.isnan(b)
    compare = {"eq": a == b, "gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b, "ne": a != b}
    if predicate in ("ord", "uno"):
        mask = unordered if predicate == "uno" else ~unordered
    else:
        mask = compare[predicate[1:]]
        mask = (mask & ~unordered) if predicate[0] == "o" else (mask | unordered)
    np.testing.assert_array_equal(result, np.where(mask, a, b))


def integer_results(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """What every integer operation of arith gives; b divides, its low bits shift."""
    unsigned = np.dtype(f"u{a.dtype.name}")
    ua, ub = a.view(unsigned), b.view(unsigned)
    wide_a, wide_b = a.astype(np.int64), b.astype(np.int64)
    truncated = np.abs(wide_a) // np.abs(wide_b) * np.sign(wide_a) * np.sign(wide_b)
    shift = (b & 7).astype(a.dtype)
    return {
        "addi": a + b, "subi": a - b, "muli": a * b, "andi": a & b, "ori": a | b, "xori": a ^ b,
        "minsi": np.minimum(a, b), "maxsi": np.maximum(a, b), "minui": np.minimum(ua, ub), "maxui": np.maximum(ua, ub),
        "divsi": truncated, "remsi": wide_a - truncated * wide_b, "divui": ua // ub, "remui": ua % ub,
        "floordivsi": wide_a // wide_b, "ceildivsi": -(-wide_a // wide_b), "ceildivui": ua // ub + (ua % ub != 0),
        "shli": a << shift, "shrsi": a >> shift, "shrui": ua >> shift.view(unsigned),
    }  # fmt: skip


@pytest.mark.parametrize("element", ["i8", "i16", "i32", "i64"])
def test_integer_arithmetic(compile_kernel, target, element):
    dtype = np.dtype(element.replace("i", "int"))
    a, b = random(21, dtype=dtype), random(22, dtype=dtype)[:21].copy()
    b[(b == 0) | (b == -1)] = 3
    expected = integer_results(a, b)
    body = f"""
  %a = vector.load %x[%c0] : memref<?x{element}>, vector<21x{element}>
  %b = vector.load %y[%c0] : memref<?x{element}>, vector<21x{element}>
  %seven = arith.constant dense<7> : vector<21x{element}>
  %s = arith.andi %b, %seven : vector<21x{element}>
"""
    for row, name in enumerate(expected):
        second = "%s" if name.startswith("sh") else "%b"
        body += f"""
  %p{row} = arith.constant {21 * row} : index
  %r{row} = arith.{name} %a, {second} : vector<21x{element}>
  vector.store %r{row}, %z[%p{row}] : memref<?x{element}>, vector<21x{element}>
"""
    parameters = ", ".join(f"%{name}: memref<?x{element}>" for name in "xyz")
    results = np.zeros((len(expected), 21), dtype)
    compile_kernel(kernel(parameters, body), target)(a, b, results)
    for result, (name, wanted) in zip(results, expected.items(), strict=True):
        np.testing.assert_array_equal(result, wanted.astype(dtype), err_msg=name)


_IN_ARITH = ("extf", "truncf", "bitcast")


@pytest.mark.parametrize(
    ("source", "result", "op"),
    [("i32", "f32", "sitofp"), ("i8", "f32", "sitofp"), ("i64", "f32", "sitofp"), ("i8", "f16", "sitofp"),
     ("i32", "f32", "uitofp"), ("i8", "f32", "uitofp"), ("i64", "f64", "sitofp"), ("f32", "i32", "fptosi"),
     ("f32", "i64", "fptosi"), ("f32", "i8", "fptosi"), ("f16", "i32", "fptosi"), ("f64", "i64", "fptosi"),
     ("i8", "i32", "extsi"), ("i8", "i64", "extui"), ("i64", "i8", "trunci"), ("i32", "i16", "trunci"),
     ("f32", "f64", "extf"), ("f64", "f32", "truncf"), ("f16", "f32", "extf"), ("bf16", "f32", "extf"),
     ("f16", "f64", "extf"), ("f64", "bf16", "truncf"), ("i32", "f32", "bitcast"), ("f64", "i64", "bitcast")],
)  # fmt: skip
def test_conversions(compile_kernel, target, source, result, op):
    names = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "bf16": ml_dtypes.bfloat16}
    source_type = names.get(source) or np.dtype(source.replace("i", "int"))
    result_type = names.get(result) or np.dtype(result.replace("i", "int"))
    a = (random(2, 21) * 40).astype(source_type)
    computed = elementwise(
        compile_kernel,
        target,
        source,
        result,
        f"  %r = {'arith' if op in _IN_ARITH else 'vectorx'}.{op} %a : vector<2x21x{source}> to vector<2x21x{result}>",
        a,
    )
    if op == "bitcast":
        expected = a.view(result_type)
    elif op in ("uitofp", "extui"):
        expected = a.view(f"u{a.dtype.itemsize}").astype(result_type)
    else:
        expected = a.astype(result_type)
    np.testing.assert_array_equal(computed, expected)


@pytest.mark.parametrize("narrow", ["f16", "bf16"])
def test_every_narrow_float_converts_exactly_and_back(compile_kernel, target, narrow):
    dtype = np.float16 if narrow == "f16" else ml_dtypes.bfloat16
    everything = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    run = compile_kernel(
        kernel(
            f"%x: memref<?x{narrow}>, %y: memref<?xf32>, %z: memref<?x{narrow}>, %n: index",
            f"""
  %step = arith.constant 32 : index
  scf.for %i = %c0 to %n step %step {{
    %a = vector.load %x[%i] : memref<?x{narrow}>, vector<32x{narrow}>
    %b = arith.extf %a : vector<32x{narrow}> to vector<32xf32>
    vector.store %b, %y[%i] : memref<?xf32>, vector<32xf32>
    %c = arith.truncf %b : vector<32xf32> to vector<32x{narrow}>
    vector.store %c, %z[%i] : memref<?x{narrow}>, vector<32x{narrow}>
  }}""",
        ),
        target,
    )
    y, z = np.zeros(1 << 16, np.float32), np.zeros(1 << 16, dtype)
    run(everything, y, z, 1 << 16)
    np.testing.assert_array_equal(y, everything.astype(np.float32))
    numbers = ~np.isnan(everything.astype(np.float32))
    if narrow == "bf16" and target.bf16_conversion:
        # The instruction reads denormals as zero, whatever the mode.
        numbers &= np.abs(everything.astype(np.float32)) >= np.finfo(np.float32).tiny
    np.testing.assert_array_equal(z.view(np.uint16)[numbers], everything.view(np.uint16)[numbers])
    assert np.isnan(z.astype(np.float32)[np.isnan(everything.astype(np.float32))]).all()


@pytest.mark.parametrize("narrow", ["f16", "bf16"])
def test_narrowing_rounds_to_nearest_even(compile_kernel, target, narrow):
    dtype = np.float16 if narrow == "f16" else ml_dtypes.bfloat16
    generator = np.random.default_rng(1)
    bits = generator.integers(0, 1 << 32, 1 << 16, dtype=np.uint64).astype(np.uint32)
    bits[::4] &= 0xFFFF8000  # many ties
    bits[1::4] = (bits[1::4] & 0x8FFFFFFF) | 0x30000000  # many f16 subnormals and normals
    x = bits.view(np.float32)
    x = x[np.isnan(x) | (np.abs(x) >= np.finfo(np.float32).tiny)]
    x = x[: len(x) // 32 * 32].copy()
    run = compile_kernel(
        kernel(
            f"%x: memref<?xf32>, %z: memref<?x{narrow}>, %n: index",
            f"""
  %step = arith.constant 32 : index
  scf.for %i = %c0 to %n step %step {{
    %b = vector.load %x[%i] : memref<?xf32>, vector<32xf32>
    %c = arith.truncf %b : vector<32xf32> to vector<32x{narrow}>
    vector.store %c, %z[%i] : memref<?x{narrow}>, vector<32x{narrow}>
  }}""",
        ),
        target,
    )
    z = np.zeros(len(x), dtype)
    run(x, z, len(x))
    with np.errstate(all="ignore"):
        expected = x.astype(dtype)
    np.testing.assert_array_equal(z.astype(np.float32), expected.astype(np.float32))


def test_vector_bitcast_between_widths(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%x: memref<?xi32>, %y: memref<?xi8>, %z: memref<?xi32>",
            """
  %t = vector.load %x[%c0] : memref<?xi32>, vector<16xi32>
  %b = vector.bitcast %t : vector<16xi32> to vector<64xi8>
  vector.store %b, %y[%c0] : memref<?xi8>, vector<64xi8>
  %u = vector.bitcast %b : vector<64xi8> to vector<16xi32>
  vector.store %u, %z[%c0] : memref<?xi32>, vector<16xi32>""",
        ),
        target,
    )
    x, y, z = random(16, dtype=np.int32), np.zeros(64, np.int8), np.zeros(16, np.int32)
    run(x, y, z)
    np.testing.assert_array_equal(y, x.view(np.int8))
    np.testing.assert_array_equal(z, x)


ELEMENTARY = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "atan": np.arctan, "asinh": np.arcsinh, "cbrt": np.cbrt,
    "erf": np.vectorize(math.erf),
}  # fmt: skip
OF_POSITIVES = {"log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p}


@pytest.mark.parametrize("functions", [ELEMENTARY, OF_POSITIVES], ids=["all", "positive"])
def test_elementary_functions(compile_kernel, target, functions):
    """Each function on a few numbers; tests/numeric/test_vector_math.py has the whole range."""
    body = "  %a = vector.load %x[%c0] : memref<?xf32>, vector<21xf32>\n"
    for row, name in enumerate(functions):
        body += f"""
  %p{row} = arith.constant {21 * row} : index
  %r{row} = math.{name} %a : vector<21xf32>
  vector.store %r{row}, %y[%p{row}] : memref<?xf32>, vector<21xf32>
"""
    text = kernel("%x: memref<?xf32>, %y: memref<?xf32>", body)
    x = np.linspace(0.01 if functions is OF_POSITIVES else -9.3, 9.9, 21).astype(np.float32)
    results = np.zeros((len(functions), 21), np.float32)
    compile_kernel(text, target)(x, results)
    for result, (name, reference) in zip(results, functions.items(), strict=True):
        np.testing.assert_allclose(result, reference(x.astype(np.float64)), rtol=2e-6, err_msg=name)


def test_powers(compile_kernel, target):
    a = np.abs(random(2, 21)) + np.float32(0.01)
    b = random(21, 2).reshape(2, 21)
    result = elementwise(compile_kernel, target, "f32", "f32", "  %r = math.powf %a, %b : vector<2x21xf32>", a, b)
    np.testing.assert_allclose(result, np.power(a.astype(np.float64), b), rtol=1e-6)


def check_byte_tables(compile_kernel, target):
    """Pieces of all widths, looked up together or one by one."""
    rng = np.random.default_rng(3)
    table = rng.integers(0, 256, 256).astype(np.uint8)
    for shape in ("2x21", "3x64", "1x1"):
        x = rng.integers(-128, 128, tuple(map(int, shape.split("x")))).astype(np.int8)
        body = f'  %r = vectorx.byte_table %a, "{table.tobytes().hex()}" : vector<{shape}xi8>'
        result = elementwise(compile_kernel, target, "i8", "i8", body, x, shape=shape)
        np.testing.assert_array_equal(result.view(np.uint8), table[x.view(np.uint8)])


def test_byte_tables(compile_kernel, target):
    check_byte_tables(compile_kernel, target)


def test_byte_tables_in_registers(compile_kernel, can_run):
    if not can_run("avx512_amx"):
        pytest.skip("this CPU does not look bytes up in registers")
    check_byte_tables(compile_kernel, target_by_name("avx512_amx"))
