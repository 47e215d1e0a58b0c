"""Loops-level kernels, lowered and run on this machine for every target it can run, against NumPy."""

# ruff: noqa: E501 (lines of MLIR text)

from __future__ import annotations

import itertools
import math

import ml_dtypes
import numpy as np
import pytest
from lamina.backend.targets import TARGETS
from lamina.context import CompilerContext
from lamina.lowering.loops_to_llvm import LoopsToLLVMError, lower_module
from xdsl.parser import Parser


def kernel(parameters: str, body: str) -> str:
    return f"""
func.func @kernel({parameters}, %thread: index, %threads: index) attributes {{lamina.kernel}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
{body}
  func.return
}}
"""


def flat(name: str, source: str, sizes: str, strides: str, element: str, offset: str = "0") -> str:
    """A strided view of a flat parameter, and its type."""
    shape = "x".join(size.strip() if not size.strip().startswith("%") else "?" for size in sizes.split(","))
    layout = ", ".join(stride.strip() if not stride.strip().startswith("%") else "?" for stride in strides.split(","))
    place = f", offset: {offset if not offset.startswith('%') else '?'}" if offset != "0" else ""
    return (
        f"  %{name} = memref.reinterpret_cast %{source} to offset: [{offset}], sizes: [{sizes}], strides: [{strides}] "
        f": memref<?x{element}> to memref<{shape}x{element}, strided<[{layout}]{place}>>\n"
    ), f"memref<{shape}x{element}, strided<[{layout}]{place}>>"


def random(*shape: int, dtype=np.float32) -> np.ndarray:
    generator = np.random.default_rng(sum(shape) + 7)
    if np.issubdtype(dtype, np.integer):
        information = np.iinfo(dtype)
        return generator.integers(max(information.min, -1000), min(information.max, 1000), shape).astype(dtype)
    return generator.standard_normal(shape).astype(dtype)


# --- memory


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 16, 24, 40, 67])
def test_load_and_store_of_ragged_tiles(compile_kernel, target, columns):
    view, kind = flat("v", "x", f"3, {columns}", "%stride, 1", "f32", "%offset")
    out, out_kind = flat("o", "y", f"3, {columns}", f"{columns}, 1", "f32")
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>, %stride: index, %offset: index",
            f"""{view}{out}
  %t = vector.load %v[%c0, %c0] : {kind}, vector<3x{columns}xf32>
  vector.store %t, %o[%c0, %c0] : {out_kind}, vector<3x{columns}xf32>""",
        ),
        target,
    )
    x = random(4, columns + 5)
    y = np.zeros((3, columns), np.float32)
    run(x, y, columns + 5, 2)
    np.testing.assert_array_equal(y, x.reshape(-1)[2:][: 3 * (columns + 5)].reshape(3, -1)[:, :columns])


@pytest.mark.parametrize("element", ["f32", "i8", "f64"])
def test_masked_transfers_touch_nothing_else(compile_kernel, target, element):
    dtype = {"f32": np.float32, "i8": np.int8, "f64": np.float64}[element]
    width = 37
    view, kind = flat("v", "x", f"3, {width}", f"{width}, 1", element)
    out, out_kind = flat("o", "y", f"3, {width}", f"{width}, 1", element)
    zero = "-7" if element == "i8" else "-7.0"
    run = compile_kernel(
        kernel(
            f"%x: memref<?x{element}>, %y: memref<?x{element}>, %rows: index, %columns: index",
            f"""{view}{out}
  %p = arith.constant {zero} : {element}
  %m = vector.create_mask %rows, %columns : vector<3x{width}xi1>
  %t = vector.transfer_read %v[%c0, %c0], %p, %m {{in_bounds = [true, true]}} : {kind}, vector<3x{width}x{element}>
  %all = vector.create_mask %c3, %c37 : vector<3x{width}xi1>
  vector.transfer_write %t, %o[%c0, %c0], %all {{in_bounds = [true, true]}} : vector<3x{width}x{element}>, {out_kind}
  vector.transfer_write %t, %v[%c0, %c0], %m {{in_bounds = [true, true]}} : vector<3x{width}x{element}>, {kind}""",
        ).replace("%c1 = arith", "%c3 = arith.constant 3 : index\n %c37 = arith.constant 37 : index\n %c1 = arith"),
        target,
    )
    for rows, columns in itertools.product([0, 1, 3], [-4, 0, 1, 5, 16, 19, 37, 90]):
        x = random(3, width, dtype=dtype)
        before = x.copy()
        y = np.zeros_like(x)
        run(x, y, rows, columns)
        expected = np.full_like(x, -7)
        inside = slice(0, max(0, min(rows, 3))), slice(0, max(0, min(columns, width)))
        expected[inside] = before[inside]
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("length", [1, 5, 16, 33])
def test_maskedload_and_maskedstore(compile_kernel, target, length):
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>, %n: index",
            f"""
  %p = arith.constant dense<5.0> : vector<{length}xf32>
  %m = vector.create_mask %n : vector<{length}xi1>
  %t = vector.maskedload %x[%c0], %m, %p : memref<?xf32>, vector<{length}xi1>, vector<{length}xf32> into vector<{length}xf32>
  %s = arith.addf %t, %p : vector<{length}xf32>
  vector.maskedstore %y[%c0], %m, %s : memref<?xf32>, vector<{length}xi1>, vector<{length}xf32>""",
        ),
        target,
    )
    for active in {0, 1, length // 2, length}:
        x, y = random(length), np.zeros(length, np.float32)
        run(x, y, active)
        expected = np.where(np.arange(length) < active, x + 5, 0)
        np.testing.assert_allclose(y, expected, rtol=1e-6)


@pytest.mark.parametrize("stride", [2, 3, 4, 5, 0])
@pytest.mark.parametrize("length", [3, 16, 40])
def test_strided_reads_and_writes(compile_kernel, target, stride, length):
    step = "%s" if stride == 0 else str(stride)
    view, kind = flat("v", "x", f"{length}", step, "f32")
    out, out_kind = flat("o", "y", f"{length}", step, "f32")
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>, %s: index",
            f"""{view}{out}
  %p = arith.constant 0.0 : f32
  %t = vector.transfer_read %v[%c0], %p {{in_bounds = [true]}} : {kind}, vector<{length}xf32>
  vector.transfer_write %t, %o[%c0] {{in_bounds = [true]}} : vector<{length}xf32>, {out_kind}""",
        ),
        target,
    )
    actual = stride or 7
    x = random((length - 1) * actual + 1)
    y = np.zeros_like(x)
    run(x, y, actual)
    expected = np.zeros_like(x)
    expected[::actual] = x[::actual]
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (4, 8), (5, 13), (16, 3), (1, 20), (33, 18)])
@pytest.mark.parametrize("element", ["f32", "i8"])
def test_transposed_reads_and_writes(compile_kernel, target, rows, columns, element):
    dtype = {"f32": np.float32, "i8": np.int8}[element]
    view, kind = flat("v", "x", f"{columns}, {rows}", f"{rows}, 1", element)
    out, out_kind = flat("o", "y", f"{rows}, {columns}", f"{columns}, 1", element)
    back, back_kind = flat("b", "z", f"{columns}, {rows}", f"{rows}, 1", element)
    zero = "0" if element == "i8" else "0.0"
    permutation = "affine_map<(d0, d1) -> (d1, d0)>"
    run = compile_kernel(
        kernel(
            f"%x: memref<?x{element}>, %y: memref<?x{element}>, %z: memref<?x{element}>",
            f"""{view}{out}{back}
  %p = arith.constant {zero} : {element}
  %t = vector.transfer_read %v[%c0, %c0], %p {{permutation_map = {permutation}, in_bounds = [true, true]}} : {kind}, vector<{rows}x{columns}x{element}>
  vector.store %t, %o[%c0, %c0] : {out_kind}, vector<{rows}x{columns}x{element}>
  vector.transfer_write %t, %b[%c0, %c0] {{permutation_map = {permutation}, in_bounds = [true, true]}} : vector<{rows}x{columns}x{element}>, {back_kind}""",
        ),
        target,
    )
    x = random(columns, rows, dtype=dtype)
    y, z = np.zeros((rows, columns), dtype), np.zeros_like(x)
    run(x, y, z)
    np.testing.assert_array_equal(y, x.T)
    np.testing.assert_array_equal(z, x)


def test_masked_transposed_and_broadcast_reads(compile_kernel, target):
    view, kind = flat("v", "x", "20, 3", "3, 1", "f32")
    out, out_kind = flat("o", "y", "2, 3, 20", "60, 20, 1", "f32")
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>, %rows: index, %columns: index",
            f"""{view}{out}
  %p = arith.constant -1.0 : f32
  %m = vector.create_mask %rows, %columns : vector<20x3xi1>
  %t = vector.transfer_read %v[%c0, %c0], %p, %m {{permutation_map = affine_map<(d0, d1) -> (0, d1, d0)>, in_bounds = [true, true, true]}} : {kind}, vector<2x3x20xf32>
  vector.store %t, %o[%c0, %c0, %c0] : {out_kind}, vector<2x3x20xf32>""",
        ),
        target,
    )
    for rows, columns in [(20, 3), (11, 2), (0, 3), (20, 1)]:
        x, y = random(20, 3), np.zeros((2, 3, 20), np.float32)
        run(x, y, rows, columns)
        expected = np.full((20, 3), -1, np.float32)
        expected[:rows, :columns] = x[:rows, :columns]
        np.testing.assert_array_equal(y, np.broadcast_to(expected.T, (2, 3, 20)))


def test_booleans_are_bytes_in_memory(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%x: memref<?xi1>, %y: memref<?xi1>, %z: memref<?xi1>",
            """
  %t = vector.load %x[%c0] : memref<?xi1>, vector<21xi1>
  %one = arith.constant dense<true> : vector<21xi1>
  %n = arith.xori %t, %one : vector<21xi1>
  vector.store %n, %y[%c0] : memref<?xi1>, vector<21xi1>
  %s = memref.load %x[%c1] : memref<?xi1>
  memref.store %s, %z[%c0] : memref<?xi1>""",
        ),
        target,
    )
    x = np.arange(21) % 3 == 1
    y, z = np.zeros(21, bool), np.zeros(1, bool)
    run(x, y, z)
    np.testing.assert_array_equal(y, ~x)
    assert z[0]


def test_stack_scratch_and_subviews(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>",
            """
  %scratch = memref.alloca() : memref<4x8xf32>
  %t = vector.load %x[%c0] : memref<?xf32>, vector<8xf32>
  vector.store %t, %scratch[%c1, %c0] : memref<4x8xf32>, vector<8xf32>
  %sub = memref.subview %scratch[1, 2] [1, 4] [1, 1] : memref<4x8xf32> to memref<1x4xf32, strided<[8, 1], offset: 10>>
  %u = vector.load %sub[%c0, %c1] : memref<1x4xf32, strided<[8, 1], offset: 10>>, vector<2xf32>
  vector.store %u, %y[%c0] : memref<?xf32>, vector<2xf32>""",
        ),
        target,
    )
    x, y = random(8), np.zeros(2, np.float32)
    run(x, y)
    np.testing.assert_array_equal(y, x[3:5])


# --- vectors


def test_broadcasts(compile_kernel, target):
    out, kind = flat("o", "y", "3, 3, 20", "60, 20, 1", "f32")
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>",
            f"""{out}
  %s = memref.load %x[%c0] : memref<?xf32>
  %row = vector.load %x[%c0] : memref<?xf32>, vector<20xf32>
"""
            + """  %w = memref.reinterpret_cast %x to offset: [0], sizes: [3, 1], strides: [1, 1] : memref<?xf32> to memref<3x1xf32, strided<[1, 1]>>
  %column = vector.load %w[%c0, %c0] : memref<3x1xf32, strided<[1, 1]>>, vector<3x1xf32>
  %a = vector.broadcast %s : f32 to vector<3x20xf32>
  %b = vector.broadcast %row : vector<20xf32> to vector<3x20xf32>
  %c = vector.broadcast %column : vector<3x1xf32> to vector<3x20xf32>
  %z = arith.constant dense<0.0> : vector<3x3x20xf32>
  %i0 = vector.insert %a, %z[0] : vector<3x20xf32> into vector<3x3x20xf32>
  %i1 = vector.insert %b, %i0[1] : vector<3x20xf32> into vector<3x3x20xf32>
  %i2 = vector.insert %c, %i1[2] : vector<3x20xf32> into vector<3x3x20xf32>
"""
            + f"  vector.store %i2, %o[%c0, %c0, %c0] : {kind}, vector<3x3x20xf32>",
        ),
        target,
    )
    x, y = random(20), np.zeros((3, 3, 20), np.float32)
    run(x, y)
    np.testing.assert_array_equal(y[0], np.full((3, 20), x[0]))
    np.testing.assert_array_equal(y[1], np.broadcast_to(x, (3, 20)))
    np.testing.assert_array_equal(y[2], np.broadcast_to(x[:3, None], (3, 20)))


def test_extract_insert_and_shuffle(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>",
            """
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [2, 24], strides: [24, 1] : memref<?xf32> to memref<2x24xf32, strided<[24, 1]>>
  %t = vector.load %v[%c0, %c0] : memref<2x24xf32, strided<[24, 1]>>, vector<2x24xf32>
  %s = vector.extract %t[1, 17] : f32 from vector<2x24xf32>
  %r = vector.extract %t[1] : vector<24xf32> from vector<2x24xf32>
  %q = vector.extract %t[0] : vector<24xf32> from vector<2x24xf32>
  %i = vector.insert %s, %r[3] : f32 into vector<24xf32>
  %u = vector.shuffle %i, %q [0, 24, 3, 40, 23, 47, 1, 2] : vector<24xf32>, vector<24xf32>
  vector.store %u, %y[%c0] : memref<?xf32>, vector<8xf32>""",
        ),
        target,
    )
    x, y = random(2, 24), np.zeros(8, np.float32)
    run(x, y)
    inserted = x[1].copy()
    inserted[3] = x[1, 17]
    np.testing.assert_array_equal(y, np.concatenate([inserted, x[0]])[[0, 24, 3, 40, 23, 47, 1, 2]])


@pytest.mark.parametrize("shape", ["1", "5", "16", "37", "3x21"])
@pytest.mark.parametrize("kind", ["add", "mul", "maxnumf", "minnumf", "maximumf", "minimumf"])
def test_float_reductions(compile_kernel, target, shape, kind):
    count = int(np.prod([int(size) for size in shape.split("x")]))
    sizes = [int(size) for size in shape.split("x")]
    view, view_kind = flat(
        "v", "x", ", ".join(map(str, sizes)), ", ".join(map(str, [sizes[-1], 1][-len(sizes) :])), "f32"
    )
    indices = ", ".join(["%c0"] * len(sizes))
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>",
            f"""{view}
  %t = vector.load %v[{indices}] : {view_kind}, vector<{shape}xf32>
  %r = "vector.reduction"(%t) <{{kind = #vector.kind<{kind}>, fastmath = #arith.fastmath<none>}}> : (vector<{shape}xf32>) -> f32
  memref.store %r, %y[%c0] : memref<?xf32>""",
        ),
        target,
    )
    x, y = random(count) + np.float32(1.5), np.zeros(1, np.float32)
    run(x, y)
    expected = {"add": np.sum, "mul": np.prod}.get(kind, np.max if "max" in kind else np.min)(x.astype(np.float64))
    np.testing.assert_allclose(y[0], expected, rtol=1e-5)
    if "imum" in kind:
        for position in (0, count - 1):
            x[position] = np.nan
            run(x, y)
            assert np.isnan(y[0])
            x[position] = 1


@pytest.mark.parametrize("kind", ["add", "maxsi", "minui", "xor"])
def test_integer_reductions(compile_kernel, target, kind):
    run = compile_kernel(
        kernel(
            "%x: memref<?xi32>, %y: memref<?xi32>",
            f"""
  %t = vector.load %x[%c0] : memref<?xi32>, vector<29xi32>
  %a = arith.constant 5 : i32
  %r = vector.reduction <{kind}>, %t, %a : vector<29xi32> into i32
  memref.store %r, %y[%c0] : memref<?xi32>""",
        ),
        target,
    )
    x, y = random(29, dtype=np.int32), np.zeros(1, np.int32)
    run(x, y)
    values = np.append(x, np.int32(5))
    expected = {
        "add": np.sum,
        "maxsi": np.max,
        "minui": lambda items: np.min(items.view(np.uint32)),
        "xor": np.bitwise_xor.reduce,
    }[kind](values)
    assert y[0] == np.int64(expected).astype(np.int32)


# --- arithmetic


def elementwise(
    compile_kernel, target, element: str, result: str, body: str, *inputs: np.ndarray, shape: str = "2x21"
) -> np.ndarray:
    """Runs `body`, which computes %r from %a, %b ..., on tiles."""
    dtypes = {
        "f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8,
        "i16": np.int16, "i32": np.int32, "i64": np.int64, "i1": np.bool_, "index": np.int64,
    }  # fmt: skip
    rows, columns = map(int, shape.split("x"))
    views, loads = "", ""
    for number in range(len(inputs)):
        view, kind = flat(f"v{number}", f"x{number}", f"{rows}, {columns}", f"{columns}, 1", element)
        views += view
        loads += f"  %{'abc'[number]} = vector.load %v{number}[%c0, %c0] : {kind}, vector<{shape}x{element}>\n"
    out, out_kind = flat("o", "y", f"{rows}, {columns}", f"{columns}, 1", result)
    parameters = ", ".join(f"%x{number}: memref<?x{element}>" for number in range(len(inputs)))
    text = kernel(
        f"{parameters}, %y: memref<?x{result}>",
        f"{views}{out}{loads}{body}\n  vector.store %r, %o[%c0, %c0] : {out_kind}, vector<{shape}x{result}>",
    )
    output = np.zeros((rows, columns), dtypes[result])
    compile_kernel(text, target)(*inputs, output)
    return output


def interesting(dtype) -> np.ndarray:
    """42 numbers with zeros, infinities and NaN."""
    values = random(42) * 20
    values[:10] = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, -0.5, 1.5, 2.5, -2.5]
    return values.astype(dtype).reshape(2, 21)


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


# --- control flow


@pytest.mark.parametrize("unroll", [1, 2, 4, 7, 100])
@pytest.mark.parametrize("static_trips", [None, 0, 1, 4, 9])
def test_loops_unrolled_or_not(compile_kernel, target, unroll, static_trips):
    bound = "%n" if static_trips is None else "%bound"
    trips = static_trips or 0
    run = compile_kernel(
        kernel(
            "%x: memref<?xf32>, %y: memref<?xf32>, %n: index",
            f"""
  %bound = arith.constant {3 + trips * 2 - (1 if trips else 0)} : index
  %start = arith.constant 3 : index
  %two = arith.constant 2 : index
  %z = arith.constant dense<0.0> : vector<2x5xf32>
  %count = arith.constant 0 : i32
  %r, %k = scf.for %i = %start to {bound} step %two iter_args(%acc = %z, %c = %count) -> (vector<2x5xf32>, i32) {{
    %s = memref.load %x[%i] : memref<?xf32>
    %b = vector.broadcast %s : f32 to vector<2x5xf32>
    %m = arith.addf %acc, %b : vector<2x5xf32>
    %one = arith.constant 1 : i32
    %d = arith.addi %c, %one : i32
    scf.yield %m, %d : vector<2x5xf32>, i32
  }} {{lamina.unroll = {unroll} : index}}
  %v = memref.reinterpret_cast %y to offset: [1], sizes: [2, 5], strides: [5, 1] : memref<?xf32> to memref<2x5xf32, strided<[5, 1], offset: 1>>
  vector.store %r, %v[%c0, %c0] : memref<2x5xf32, strided<[5, 1], offset: 1>>, vector<2x5xf32>
  %f = arith.sitofp %k : i32 to f32
  memref.store %f, %y[%c0] : memref<?xf32>""",
        ),
        target,
    )
    for trips in [0, 1, 3, 4, 9, 16] if static_trips is None else [static_trips]:
        end = 3 + trips * 2 - (1 if trips else 0)
        x, y = random(40), np.zeros(11, np.float32)
        run(x, y, end)
        assert y[0] == trips
        np.testing.assert_allclose(y[1:], x[3:end:2].astype(np.float64).sum(), rtol=1e-4, atol=1e-5)


def test_conditions_and_while(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%y: memref<?xi64>, %n: index",
            """
  %two = arith.constant 2 : index
  %three = arith.constant 3 : index
  %one = arith.constant 1 : index
  %last, %steps = scf.while (%a = %n, %s = %c0) : (index, index) -> (index, index) {
    %more = arith.cmpi sgt, %a, %one : index
    scf.condition(%more) %a, %s : index, index
  } do {
  ^bb0(%a: index, %s: index):
    %half = arith.divui %a, %two : index
    %odd = arith.remui %a, %two : index
    %is_odd = arith.cmpi ne, %odd, %c0 : index
    %next = scf.if %is_odd -> (index) {
      %t = arith.muli %a, %three : index
      %u = arith.addi %t, %one : index
      scf.yield %u : index
    } else {
      scf.yield %half : index
    }
    %s1 = arith.addi %s, %one : index
    scf.yield %next, %s1 : index, index
  }
  %steps64 = arith.index_cast %steps : index to i64
  memref.store %steps64, %y[%c0] : memref<?xi64>
  %big = arith.cmpi sgt, %steps, %two : index
  scf.if %big {
    %c = arith.constant 7 : i64
    memref.store %c, %y[%one] : memref<?xi64>
  }""",
        ),
        target,
    )
    for start, steps in [(1, 0), (2, 1), (6, 8), (27, 111)]:
        y = np.zeros(2, np.int64)
        run(y, start)
        assert y.tolist() == [steps, 7 if steps > 2 else 0]


def test_index_arithmetic_with_unknowns(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%y: memref<?xi64>, %a: index, %b: index",
            """
  %five = arith.constant 5 : index
  %s = arith.addi %a, %five : index
  %t = arith.subi %b, %a : index
  %p = arith.muli %s, %t : index
  %q = arith.muli %p, %five : index
  %d = arith.floordivsi %t, %five : index
  %e = arith.ceildivsi %t, %five : index
  %m = arith.minsi %a, %b : index
  %r0 = arith.index_cast %q : index to i64
  %r1 = arith.index_cast %d : index to i64
  %r2 = arith.index_cast %e : index to i64
  %r3 = arith.index_cast %m : index to i64
  %v = memref.reinterpret_cast %y to offset: [%a], sizes: [4], strides: [%b] : memref<?xi64> to memref<4xi64, strided<[?], offset: ?>>
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  memref.store %r0, %v[%c0] : memref<4xi64, strided<[?], offset: ?>>
  memref.store %r1, %v[%c1] : memref<4xi64, strided<[?], offset: ?>>
  memref.store %r2, %v[%c2] : memref<4xi64, strided<[?], offset: ?>>
  memref.store %r3, %v[%c3] : memref<4xi64, strided<[?], offset: ?>>""",
        ),
        target,
    )
    for a, b in [(7, 3), (2, 30), (0, 1)]:
        y = np.zeros(200, np.int64)
        run(y, a, b)
        t = b - a
        assert y[a : a + 4 * b : b].tolist() == [(a + 5) * t * 5, t // 5, -(-t // 5), min(a, b)]


def test_helper_functions_take_and_return_tiles(compile_kernel, target):
    text = """
func.func @twice(%m: memref<?xf32>, %t: vector<2x20xf32>, %i: index) -> (vector<2x20xf32>, index) {
  %r = arith.addf %t, %t : vector<2x20xf32>
  %one = arith.constant 1 : index
  %s = memref.load %m[%i] : memref<?xf32>
  %b = vector.broadcast %s : f32 to vector<2x20xf32>
  %u = arith.addf %r, %b : vector<2x20xf32>
  %j = arith.addi %i, %one : index
  func.return %u, %j : vector<2x20xf32>, index
}
""" + kernel(
        "%x: memref<?xf32>, %y: memref<?xf32>",
        """
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [2, 20], strides: [20, 1] : memref<?xf32> to memref<2x20xf32, strided<[20, 1]>>
  %w = memref.reinterpret_cast %y to offset: [0], sizes: [2, 20], strides: [20, 1] : memref<?xf32> to memref<2x20xf32, strided<[20, 1]>>
  %t = vector.load %v[%c0, %c0] : memref<2x20xf32, strided<[20, 1]>>, vector<2x20xf32>
  %a, %i = func.call @twice(%x, %t, %c0) : (memref<?xf32>, vector<2x20xf32>, index) -> (vector<2x20xf32>, index)
  %b, %j = func.call @twice(%x, %a, %i) : (memref<?xf32>, vector<2x20xf32>, index) -> (vector<2x20xf32>, index)
  vector.store %b, %w[%c0, %c0] : memref<2x20xf32, strided<[20, 1]>>, vector<2x20xf32>""",
    )
    run = compile_kernel(text, target)
    x, y = random(2, 20), np.zeros((2, 20), np.float32)
    run(x, y)
    np.testing.assert_allclose(y, 4 * x + 2 * x[0, 0] + x[0, 1], rtol=1e-6, atol=1e-6)


def test_thread_numbers_arrive(compile_kernel, target):
    run = compile_kernel(
        kernel(
            "%y: memref<?xi64>",
            """
  %t = arith.index_cast %thread : index to i64
  memref.store %t, %y[%c0] : memref<?xi64>
  %n = arith.index_cast %threads : index to i64
  memref.store %n, %y[%c1] : memref<?xi64>""",
        ),
        target,
    )
    y = np.zeros(2, np.int64)
    run(y, thread=3, threads=5)
    assert y.tolist() == [3, 5]


# --- errors


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('  %a = "math.exp"(%f) <{fastmath = #arith.fastmath<none>}> : (f32) -> f32', "math.exp in @kernel"),
        ("  %v = vector.load %s[%c0] : memref<4xf32, strided<[2]>>, vector<4xf32>", "innermost stride must be 1"),
    ],
)
def test_what_has_no_lowering_is_refused(body, message):
    view, _ = flat("s", "x", "4", "2", "f32")
    text = kernel("%x: memref<?xf32>, %f: f32", view + body)
    module = Parser(CompilerContext(), text).parse_module()
    with pytest.raises(LoopsToLLVMError, match=message):
        lower_module(module, TARGETS["avx2"])
