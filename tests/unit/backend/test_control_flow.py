"""Loops, conditions, functions and index arithmetic, lowered and run on this machine for every target it can run, against NumPy."""

# ruff: noqa: E501 (lines of MLIR text)

from __future__ import annotations

import numpy as np
import pytest
from lamina.context import CompilerContext
from lamina.lowering.loops_to_llvm import LoopsToLLVMError, lower_module
from lamina.machines import TARGETS
from loops_kernels import flat, kernel, random
from xdsl.parser import Parser


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
