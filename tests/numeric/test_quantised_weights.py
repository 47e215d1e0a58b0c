"""Weights alone that are quantised: read as they are by few rows, and scaled after the sum."""

from __future__ import annotations

import lamina
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

DEPTH, COLUMNS = 1200, 1101


def model(
    rows: int | str, dtype: type, zero: int, per_column: bool, transposed: bool
) -> tuple[onnx.ModelProto, np.ndarray]:
    """A product by dequantised weights plus a bias, and the weights as real numbers, [depth, columns]."""
    rng, limits = np.random.default_rng(0), np.iinfo(dtype)
    shape = (COLUMNS, DEPTH) if transposed else (DEPTH, COLUMNS)
    numbers = rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    scale = (rng.random(COLUMNS if per_column else ()) * 0.01 + 0.001).astype(np.float32)
    arrays = {"q": numbers, "s": scale, "z": np.full(scale.shape, zero, dtype), "b": np.ones(COLUMNS, np.float32)}
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=0 if transposed else 1),
        helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=int(transposed)),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, DEPTH])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    weights = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    real = (numbers.astype(np.float64).T if transposed else numbers.astype(np.float64)) - zero
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), real * scale


@pytest.mark.parametrize("transposed", [False, True], ids=["by columns", "by depth"])
@pytest.mark.parametrize(
    ("dtype", "zero", "most_bytes"), [(np.int8, 0, 1), (np.uint8, 128, 1), (np.uint8, 100, 2), (np.int8, -3, 2)]
)
@pytest.mark.parametrize("target", ["avx2", "avx512"])
def test_one_row_reads_them_as_they_are(
    monkeypatch: pytest.MonkeyPatch, target: str, dtype: type, zero: int, most_bytes: int, transposed: bool
) -> None:
    monkeypatch.setattr("lamina.passes.kernel.narrow_weights.SHARE_OF_WIDE", 2)
    proto, real = model(1, dtype, zero, not transposed or zero == 0, transposed)
    executable = lamina.compile(proto, target=target)
    assert executable.constants.nbytes < most_bytes * 1.1 * DEPTH * COLUMNS
    check(executable, real, 1)


@pytest.mark.parametrize("rows", [40, "rows"])
def test_many_rows(rows: int | str) -> None:
    proto, real = model(rows, np.int8, 0, True, False)
    check(lamina.compile(proto), real, 40)


def check(executable: lamina.Executable, real: np.ndarray, rows: int) -> None:
    x = np.random.default_rng(1).standard_normal((rows, DEPTH)).astype(np.float32)
    expected = x.astype(np.float64) @ real + 1
    bound = 2.0**-23 * (np.abs(x).astype(np.float64) @ np.abs(real)) * 16
    assert (np.abs(executable.run({"x": x})["y"] - expected) <= bound).all()
