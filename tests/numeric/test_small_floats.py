"""Floats of 8, 6 and 4 bits: casts of every number of 16 bits against ml_dtypes, and where they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
import ml_dtypes
import numpy as np
import onnx
import pytest
from lamina import onnx_backend
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

T = TensorProto
FORMATS = {
    T.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    T.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    T.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    T.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
    T.FLOAT4E2M1: ml_dtypes.float4_e2m1fn,
    T.FLOAT6E2M3: ml_dtypes.float6_e2m3fn,
    T.FLOAT6E3M2: ml_dtypes.float6_e3m2fn,
}


def model_of(
    nodes: Sequence[onnx.NodeProto],
    given: Sequence[tuple[str, int, Any]],
    wanted: Sequence[tuple[str, int, Any]],
    weights: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    infos = [[helper.make_tensor_value_info(*info) for info in side] for side in (given, wanted)]
    graph = helper.make_graph(list(nodes), "small_floats", *infos, list(weights))
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", onnx.defs.onnx_opset_version())], ir_version=13
    )


def all_numbers(dtype: Any) -> np.ndarray:
    """Every number of 16 bits that is no NaN; of f32 and f64 what lies around them, too."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[~np.isnan(halves)]
    if dtype in (np.float16, ml_dtypes.bfloat16):
        numbers = np.arange(1 << 16, dtype=np.uint16).view(dtype)
        return numbers[~np.isnan(numbers.astype(np.float32))]
    exact = halves[::5].astype(dtype)
    return np.concatenate([exact, np.nextafter(exact, dtype(np.inf)), np.nextafter(exact, dtype(-np.inf)), exact * 37])


@pytest.mark.parametrize("code", FORMATS, ids=T.DataType.Name)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_numbers_are_rounded_as_by_ml_dtypes(code: int, dtype: Any) -> None:
    held, x = FORMATS[code], all_numbers(dtype)
    nodes = [helper.make_node("Cast", ["x"], [f"y{saturate}"], to=code, saturate=saturate) for saturate in (0, 1)]
    source = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = model_of(nodes, [("x", source, ["N"])], [("y0", code, ["N"]), ("y1", code, ["N"])])
    executable = lamina.compile(model.SerializeToString())
    found = executable.run({"x": x})
    assert [step for step in executable.program.body.steps if hasattr(step, "operation")] == []
    limits = ml_dtypes.finfo(held)
    with np.errstate(all="ignore"):
        # ml_dtypes rounds f64 twice, by way of f32, as nothing else does.
        exact = x if dtype != np.float64 else x.astype(np.float32)
        cut = np.clip(exact.astype(np.float32), float(limits.min), float(limits.max))
        expected = exact.astype(held), (cut if code != T.FLOAT4E2M1 else exact).astype(held)
    once = exact == x
    for name, wanted in zip(("y0", "y1"), expected):
        np.testing.assert_array_equal(found[name][once], wanted.view(np.uint8)[once])


@pytest.mark.parametrize("code", [*FORMATS, T.FLOAT8E8M0], ids=T.DataType.Name)
def test_each_code_stands_for_its_number_and_becomes_it_again(code: int) -> None:
    held = FORMATS.get(code, ml_dtypes.float8_e8m0fnu)
    count = {T.FLOAT4E2M1: 16, T.FLOAT6E2M3: 64, T.FLOAT6E3M2: 64}.get(code, 256)
    codes = np.arange(count, dtype=np.uint8).view(held)
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=T.DOUBLE),
        helper.make_node("Cast", ["y"], ["z"], to=code, saturate=0),
    ]
    model = model_of(nodes, [("x", code, [count])], [("y", T.DOUBLE, [count]), ("z", code, [count])])
    y, z = onnx_backend.prepare(model).run([codes])
    first = int(code == T.FLOAT8E8M0)  # Of which 0 stands for a denormal number.
    np.testing.assert_array_equal(y[first:], codes.astype(np.float64)[first:])
    np.testing.assert_array_equal(z.astype(np.float32)[first:], codes.astype(np.float32)[first:])


@pytest.mark.parametrize("round_mode", ["up", "down", "nearest"])
@pytest.mark.parametrize("saturate", [0, 1])
def test_powers_of_two_are_rounded_as_by_the_reference(round_mode: str, saturate: int) -> None:
    bits = np.concatenate([np.arange(0, 1 << 32, 99991, dtype=np.uint32), np.arange(1 << 9, dtype=np.uint32) << 23])
    x = np.concatenate([bits, (bits & 0x7F800000) | 0x400000, (bits & 0x7F800000) | 0x400001]).view(np.float32)
    code = T.FLOAT8E8M0
    node = helper.make_node("Cast", ["x"], ["y"], to=code, round_mode=round_mode, saturate=saturate)
    model = model_of([node], [("x", T.FLOAT, ["N"])], [("y", code, ["N"])])
    (found,) = lamina.compile(model.SerializeToString()).run({"x": x}).values()
    np.testing.assert_array_equal(found, np.asarray(ReferenceEvaluator(model).run(None, {"x": x})[0]).view(np.uint8))


def test_they_are_stored_moved_and_dequantised() -> None:
    """Through weights, constants, sequences of views, a branch, a loop and padding, each keeps what it is."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((4, 6)).astype(ml_dtypes.float8_e4m3fn)
    code = T.FLOAT8E4M3FN
    weights = [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(np.array([24]), "flat")]
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operator, ["moved"], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, code, [6, 4])],
        )
        for name, operator in (("then", "Identity"), ("else", "Identity"))
    }
    nodes = [
        helper.make_node("Transpose", ["w"], ["moved"], perm=[1, 0]),
        helper.make_node("If", ["c"], ["chosen"], **branches),
        helper.make_node("Reshape", ["chosen", "flat"], ["line"]),
        helper.make_node("DequantizeLinear", ["line", "s"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "s", "point"], ["q"]),
        helper.make_node("CastLike", ["line", "s"], ["plain"]),
        helper.make_node("Constant", [], ["point"], value=onnx.numpy_helper.from_array(np.zeros((), w.dtype))),
    ]
    nodes.insert(0, nodes.pop())
    given = [("c", T.BOOL, []), ("s", T.FLOAT, [])]
    wanted = [("y", T.FLOAT, [24]), ("q", code, [24]), ("plain", T.FLOAT, [24])]
    model = model_of(nodes, given, wanted, weights)
    y, q, plain = onnx_backend.prepare(model).run([np.array(True), np.float32(0.37)])
    line = w.T.reshape(-1)
    np.testing.assert_array_equal(y, line.astype(np.float32) * np.float32(0.37))
    np.testing.assert_array_equal(plain, line.astype(np.float32))
    assert q.dtype == w.dtype and q.tobytes() == line.tobytes()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.float32, np.int32), (np.float64, np.uint64), (np.int16, np.float16), (np.float16, np.uint16),
        (ml_dtypes.bfloat16, np.int16), (np.uint16, ml_dtypes.bfloat16), (np.bool_, np.int8), (np.int8, np.uint8),
        (ml_dtypes.int4, ml_dtypes.uint4), (ml_dtypes.uint4, ml_dtypes.int4), (np.uint8, ml_dtypes.float8_e5m2),
    ],
)  # fmt: skip
def test_bits_are_read_as_another_type(source: Any, target: Any) -> None:
    codes = [helper.np_dtype_to_tensor_dtype(np.dtype(dtype)) for dtype in (source, target)]
    size = np.dtype(source).itemsize
    if np.dtype(source).name.endswith("int4"):
        x = (np.arange(-8, 8) if source == ml_dtypes.int4 else np.arange(16)).astype(source)
        expected = (x.astype(np.int8) & 15).astype(np.uint8) if target == ml_dtypes.uint4 else x.astype(np.int8)
        expected = expected.astype(target) if target == ml_dtypes.uint4 else ((expected ^ 8) - 8).astype(target)
    else:
        x = (np.arange(400 * size) * 37 % (2 if source == np.bool_ else 256)).astype(np.uint8).view(source)
        expected = x.view(target)
    model = model_of(
        [helper.make_node("BitCast", ["x"], ["y"], to=codes[1])], [("x", codes[0], ["N"])], [("y", codes[1], ["N"])]
    )
    (found,) = onnx_backend.prepare(model).run([x])
    assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
