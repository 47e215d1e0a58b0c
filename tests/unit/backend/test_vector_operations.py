"""Operations that move or combine lanes, lowered and run on this machine for every target it can run, against NumPy."""

# ruff: noqa: E501 (lines of MLIR text)

from __future__ import annotations

import numpy as np
import pytest
from loops_kernels import flat, kernel, random


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
