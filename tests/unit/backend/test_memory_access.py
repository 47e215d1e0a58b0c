"""Loads and stores of tiles, lowered and run on this machine for every target it can run, against NumPy."""

# ruff: noqa: E501 (lines of MLIR text)

from __future__ import annotations

import itertools

import numpy as np
import pytest
from loops_kernels import flat, kernel, random


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
