"""int8 by each run's range, 4 bits in blocks, floats of 16 bits: the same numbers in onnxruntime, and how far off."""

from __future__ import annotations

from collections import Counter

import lamina
import numpy as np
import onnx
import pytest
from lamina.quantization.block_form import BLOCK
from lamina.quantization.rounding import Moments, round_in_blocks
from onnx import helper

node = helper.make_node
RNG = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """So that each test has the same numbers, whichever run before."""
    global RNG
    RNG = np.random.default_rng(4)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found.astype(np.float64) - wanted) / np.linalg.norm(wanted))


@pytest.fixture
def products(make_model) -> onnx.ModelProto:
    """Two products of matrices that share weights, with a bias and transposed, and one of 100 rows of weights."""
    nodes = [
        node("MatMul", ["x", "w"], ["p"]),
        node("Add", ["p", "b"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "w"], ["s"]),
        node("Gemm", ["s", "v", "c"], ["y"], transB=1),
    ]
    constants = {"w": normal(64, 64) / 8, "b": normal(64), "v": normal(100, 64) / 8, "c": normal(100)}
    return make_model(nodes, {"x": ["N", 64]}, ["y"], constants)


@pytest.mark.parametrize(
    ("to", "bound", "given"), [("int8-dynamic", 0.03, "data"), ("bf16", 0.01, "probe"), ("f16", 1e-3, "data")]
)
def test_same_numbers_as_onnxruntime(to: str, bound: float, given: str, products, run_onnxruntime) -> None:
    samples = [{"x": normal(200, 64)} for _ in range(2)]
    quantised = lamina.quantize(products, to=to, all_layers=True, **{given: samples})
    assert [layer.form for layer in quantised.report.layers] == [to] * 3
    assert quantised.report.error is not None and 0 < quantised.report.error < bound
    (exact,) = run_onnxruntime(products, samples[0])
    (theirs,) = run_onnxruntime(quantised.model, samples[0])
    ours = lamina.compile(quantised.model).run(samples[0])["y"]
    assert relative(theirs, exact) < bound
    # Engines add up in different orders, after which a number between two may be rounded either way.
    assert relative(ours, theirs) < bound / 10
    # The shared matrix is there once.
    narrow = [tensor for tensor in quantised.model.graph.initializer if len(tensor.dims) == 2]
    assert len(narrow) == 2


def test_four_bits_in_blocks(products, run_onnxruntime) -> None:
    samples = [{"x": normal(200, 64)} for _ in range(2)]
    plain = lamina.quantize(products, to="int4", all_layers=True)
    assert plain.report.error is None
    assert Counter(entry.op_type for entry in plain.model.graph.node)["MatMulNBits"] == 3
    (exact,) = run_onnxruntime(products, samples[0])
    (theirs,) = run_onnxruntime(plain.model, samples[0])
    assert relative(theirs, exact) < 0.2
    assert all(layer.bytes < layer.bytes_before / 5 for layer in plain.report.layers)


def test_rounding_makes_up_for_its_errors() -> None:
    """Of inputs whose channels go together, the product is off less than half as far as by plain rounding."""
    x = (normal(500, 12) @ normal(12, 96) + 0.1 * normal(500, 96)).astype(np.float32)
    w = normal(96, 40)
    exact = x @ w
    moments = Moments.none(96)
    moments.add(x)
    plain, better = round_in_blocks(w, 4, BLOCK), round_in_blocks(w, 4, BLOCK, moments)
    assert relative(plain.real(), w) < 0.1
    assert relative(x @ better.real(), exact) < 0.5 * relative(x @ plain.real(), exact)
    assert better.integers.max() <= 15 and better.zeros.max() <= 15


def test_outlier_channels_are_smoothed(make_model, run_onnxruntime) -> None:
    """A norm whose scale makes two channels 100 times as large as the others takes the factors."""
    scale = np.ones(64, np.float32)
    scale[[3, 40]] = 100
    weights = normal(64, 64)
    weights[[3, 40]] /= 100
    nodes = [
        node("LayerNormalization", ["x", "scale", "shift"], ["n"]),
        node("MatMul", ["n", "w"], ["a"], "first"),
        node("MatMul", ["n", "v"], ["b"], "second"),
        node("Add", ["a", "b"], ["y"]),
    ]
    constants = {"scale": scale, "shift": normal(64), "w": weights, "v": weights[::-1].copy()[::-1].copy()}
    model = make_model(nodes, {"x": ["N", 64]}, ["y"], constants)
    samples = [{"x": normal(200, 64)} for _ in range(2)]
    quantised = lamina.quantize(model, data=samples, all_layers=True)
    for layer in quantised.report.layers:
        assert layer.error is not None and layer.error_before is not None
        assert "smoothing" in layer.remedies
        assert layer.error < layer.error_before / 5
    assert all(entry.op_type != "Mul" for entry in quantised.model.graph.node)
    (exact,) = run_onnxruntime(model, samples[0])
    (theirs,) = run_onnxruntime(quantised.model, samples[0])
    assert relative(theirs, exact) < 0.03


def test_forms_that_a_layer_has_not(make_model) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv"),
        node("MatMul", ["c", "c"], ["m"], "computed"),
        node("MatMul", ["m", "v"], ["y"], "huge"),
    ]
    constants = {"w": normal(8, 8, 1, 1), "v": np.full((16, 16), 1e5, np.float32)}
    model = make_model(nodes, {"x": [1, 8, 16, 16]}, ["y"], constants)

    def reasons(to: str) -> dict[str, str]:
        return {layer.name: layer.reason for layer in lamina.quantize(model, to=to).report.layers}

    assert "with --data" in reasons("int8-dynamic")["conv"]
    assert reasons("int4")["computed"] == "int4 is for products of matrices with constant weights"
    assert reasons("int4")["huge"] == "sums of fewer than 32 products fill no block"
    assert reasons("f16")["huge"] == "a weight is too large for f16"


def test_four_bits_fitted_to_data_run_here_as_there(products, run_onnxruntime) -> None:
    """Errors that are made up for are less than those of rounding alone, on the data."""
    hidden = normal(8, 64)
    samples = [{"x": (normal(200, 8) @ hidden + 0.1 * normal(200, 64)).astype(np.float32)} for _ in range(2)]
    fitted = lamina.quantize(products, to="int4", data=samples, all_layers=True)
    plain = lamina.quantize(products, to="int4", probe=samples, all_layers=True)
    assert fitted.report.error is not None and plain.report.error is not None
    assert fitted.report.error < 0.8 * plain.report.error
    (theirs,) = run_onnxruntime(fitted.model, samples[0])
    assert relative(lamina.compile(fitted.model).run(samples[0])["y"], theirs) < 1e-4
