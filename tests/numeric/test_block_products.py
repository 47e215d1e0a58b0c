"""Products by weights of few bits, in blocks, against onnxruntime and against what the operator says in NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.compiler import compile_module, import_for
from lamina.dialects.block_decisions import BlockGemm
from lamina.dialects.kernel import BlockGemmOp
from lamina.dialects.schedule import StageOp
from lamina.errors import UnsupportedOperatorError
from lamina.pipeline import PipelineOptions, compile_through
from lamina.reference.block_products import packed, quantised_by_blocks, unpacked
from onnx import TensorProto, helper, numpy_helper

DOMAINS = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]


def product(
    rows: list[Any], depth: int, columns: int, bits: int, block: int, level: int, *names: str
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A model of one MatMulNBits, and its constants; ``names`` of optional ones: ints or floats (zero points), bias."""
    rng = np.random.default_rng(depth * columns)
    blocks = -(-depth // block)
    arrays = {
        "b": rng.integers(0, 256, (columns, blocks, block * bits // 8), np.uint8),
        "scales": (rng.random((columns, blocks), np.float32) + 0.5) / 64,
    }
    inputs = ["a", "b", "scales", "", "", ""]
    if "ints" in names:
        arrays["zeros"] = packed(rng.integers(0, 1 << bits, (columns, blocks + -blocks % (8 // bits))), bits)
    if "floats" in names:
        arrays["zeros"] = rng.random((columns, blocks), np.float32) * (1 << bits)
    if "zeros" in arrays:
        inputs[3] = "zeros"
    if "groups" in names:
        arrays["groups"] = rng.integers(0, blocks, depth).astype(np.int32)
        inputs[4] = "groups"
    if "bias" in names:
        arrays["bias"] = rng.standard_normal(columns).astype(np.float32)
        inputs[5] = "bias"
    node = helper.make_node(
        "MatMulNBits", inputs, ["y"], "product", domain="com.microsoft",
        K=depth, N=columns, bits=bits, block_size=block, accuracy_level=level,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [*rows, depth])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*rows, columns])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=DOMAINS, ir_version=10), arrays


def expected(a: np.ndarray, arrays: dict[str, np.ndarray], bits: int, block: int, level: int) -> np.ndarray:
    """The operator's formula in f64; a rounded to 8 bits where the level allows it."""
    weights = unpacked(arrays["b"], bits).astype(np.float64)
    columns, blocks, _ = weights.shape
    zeros = arrays.get("zeros", np.float32(1 << (bits - 1)))
    if zeros.dtype == np.uint8:
        zeros = unpacked(zeros, bits)[:, :blocks]
    wide = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, blocks * block - a.shape[-1])])
    if "groups" in arrays:
        flat, group = weights.reshape(columns, -1)[:, : a.shape[-1]], arrays["groups"]
        zero = zeros[:, group] if np.ndim(zeros) else zeros
        return a.astype(np.float64) @ ((flat - zero) * arrays["scales"][:, group]).T
    if level == 4:
        integers, scale = quantised_by_blocks(wide, block)
        wide = (integers.astype(np.float64) * scale).reshape(wide.shape)
    weights = (weights - (zeros[..., None] if np.ndim(zeros) else zeros)) * arrays["scales"][..., None]
    return wide @ weights.reshape(columns, -1).T + arrays.get("bias", 0)


# rows, depth, columns, bits, block, level, what is given
CASES = {
    "row, 8-bit activations": ([1], 64, 40, 4, 32, 4),
    "row, floats": ([1], 96, 33, 4, 32, 1, "bias"),
    "tiles": ([13], 160, 75, 4, 32, 4, "bias"),
    "tiles of floats": ([13], 160, 75, 4, 32, 0),
    "depth in the middle of a block": ([2, 3], 100, 75, 4, 64, 4, "ints"),
    "the same of floats": ([2, 3], 100, 75, 4, 64, 0, "ints"),
    "zero points between numbers": ([7], 128, 20, 4, 128, 0, "floats"),
    "the same by 8-bit activations": ([7], 128, 20, 4, 128, 4, "floats"),
    "bytes": ([5], 128, 48, 8, 32, 4),
    "bytes with zero points": ([5], 128, 48, 8, 16, 4, "ints"),
    "bytes and floats": ([5], 256, 48, 8, 256, 0, "ints"),
    "two bits": ([5], 128, 20, 2, 16, 4),
    "two bits and floats": ([5], 128, 20, 2, 32, 1, "ints"),
    "free rows": (["m"], 64, 70, 4, 32, 4),
    "free rows of floats": (["m"], 64, 70, 4, 16, 0),
    "many rows": ([40], 160, 75, 4, 32, 0, "ints"),
    "many rows of bytes": ([3, 11], 128, 70, 8, 32, 1, "bias"),
    "free rows, which are many": (["many"], 96, 70, 4, 16, 0),
    "groups by index": ([4], 64, 20, 4, 32, 0, "groups"),
}


@pytest.mark.parametrize("name", CASES)
def test_product(name: str) -> None:
    rows, depth, columns, bits, block, level, *given = CASES[name]
    model, arrays = product(rows, depth, columns, bits, block, level, *given)
    sizes = [*({"m": 9, "many": 33}.get(row, row) for row in rows), depth]
    a = np.random.default_rng(1).standard_normal(sizes).astype(np.float32)
    a[..., 0, 16:32] = 0
    want = expected(a, arrays, bits, block, level)
    for threads in (1, 2):
        (found,) = lamina.compile(model, threads=threads).run({"a": a}).values()
        np.testing.assert_allclose(found, want, rtol=0, atol=2e-6 * np.abs(want).max())
    (theirs,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"a": a})
    # It keeps activations in f32, whatever the level, in 2 bits and where zero points are floats.
    as_they_do = level != 4 or not (bits == 2 or "floats" in given)
    np.testing.assert_allclose(found, theirs, rtol=0, atol=(2e-5 if as_they_do else 2e-2) * np.abs(want).max())


@pytest.mark.parametrize("name", ["many rows", "many rows of bytes", "free rows of floats", "two bits and floats"])
def test_blocks_of_an_unpacked_panel(name: str) -> None:
    """The depth is unpacked in several blocks; threads share panels and rows."""
    rows, depth, columns, bits, block, level, *given = CASES[name]
    model, arrays = product(rows, depth, columns, bits, block, level, *given)
    module, context = import_for(model.SerializeToString())
    compile_through(module, context, stop="schedule", options=PipelineOptions(use_cache=False))
    (stage,) = [op for op in module.walk() if isinstance(op, StageOp) and isinstance(op.kernel, BlockGemmOp)]
    stage.decide(replace(stage.decided(BlockGemm), unpacked_rows=1, depth_block=block, row_chunks=2))
    executable = compile_module(module, context, start="schedule", threads=2, options=PipelineOptions(checked=True))
    a = (
        np.random.default_rng(3)
        .standard_normal([*(9 if row == "m" else row for row in rows), depth])
        .astype(np.float32)
    )
    (found,) = executable.run({"a": a}).values()
    want = expected(a, arrays, bits, block, level)
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("target", ["x86_64", "avx2", "avx512"])
@pytest.mark.parametrize("name", ["tiles", "tiles of floats", "many rows", "bytes with zero points", "two bits"])
def test_machines_without_an_atom(name: str, target: str) -> None:
    """Integers are summed as exactly in f32."""
    rows, depth, columns, bits, block, level, *given = CASES[name]
    model, arrays = product(rows, depth, columns, bits, block, level, *given)
    a = np.random.default_rng(2).standard_normal([*rows, depth]).astype(np.float32)
    (found,) = lamina.compile(model, threads=1, target=target).run({"a": a}).values()
    want = expected(a, arrays, bits, block, level)
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.parametrize("level", [0, 4])
def test_blocks_longer_than_an_unpacked_panel(level: int) -> None:
    """By default 1024 of the depth are unpacked at a time: nothing to a product of which none is."""
    model, arrays = product([2], 4096, 20, 4, 2048, level)
    a = np.random.default_rng(4).standard_normal([2, 4096]).astype(np.float32)
    (found,) = lamina.compile(model, threads=1).run({"a": a}).values()
    want = expected(a, arrays, 4, 2048, level)
    np.testing.assert_allclose(found, want, rtol=0, atol=2e-6 * np.abs(want).max())


def test_weights_that_are_no_constants() -> None:
    model, _ = product([2], 64, 8, 4, 32, 0)
    del model.graph.initializer[0]
    model.graph.input.append(helper.make_tensor_value_info("b", TensorProto.UINT8, [8, 2, 16]))
    with pytest.raises(UnsupportedOperatorError, match=r"the weights .* must be known"):
        lamina.compile(model)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("has_zeros", [False, True])
def test_rows_of_packed_weights(bits: int, has_zeros: bool) -> None:
    rng = np.random.default_rng(3)
    rows, width, block = 10, 48, 16
    arrays = {"data": rng.integers(0, 256, (rows, width * bits // 8), np.uint8)}
    arrays["scales"] = rng.random((rows, width // block), np.float32)
    if has_zeros:
        arrays["zeros"] = rng.integers(0, 256, (rows, -(-width // block * bits // 8)), np.uint8)
    node = helper.make_node(
        "GatherBlockQuantized", ["data", "i", *list(arrays)[1:]], ["y"], domain="com.microsoft",
        bits=bits, block_size=block, quantize_axis=1, gather_axis=0,
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("i", TensorProto.INT64, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, width])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=DOMAINS, ir_version=10)
    feeds = {"i": rng.integers(0, rows, (2, 3))}
    (found,) = lamina.compile(model, threads=1).run(feeds).values()
    (want,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    np.testing.assert_allclose(found, want, rtol=1e-6)
