"""Texts of loops-level kernels, and numbers to run them on."""

from __future__ import annotations

import ml_dtypes
import numpy as np


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
