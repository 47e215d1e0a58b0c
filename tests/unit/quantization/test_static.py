"""Static int8: the text says what it shall, onnxruntime computes the same from it, and errors are what is reported."""

from __future__ import annotations

from collections import Counter

import lamina
import numpy as np
import onnx
import pytest
from onnx import helper

node = helper.make_node
RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """So that each test has the same numbers, whichever run before."""
    global RNG
    RNG = np.random.default_rng(1)


def operators(model: onnx.ModelProto) -> Counter:
    return Counter(entry.op_type for entry in model.graph.node)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found.astype(np.float64) - wanted) / np.linalg.norm(wanted))


def scales(quantised: lamina.Quantized) -> list[np.ndarray]:
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in quantised.model.graph.initializer}
    return [arrays[entry.input[1]] for entry in quantised.model.graph.node if entry.op_type == "QuantizeLinear"]


CONVOLUTIONS = {
    "conv": (node("Conv", ["x", "w", "b"], ["y"], pads=[1] * 4), {"w": normal(32, 16, 3, 3), "b": normal(32)}),
    "no bias": (node("Conv", ["x", "w"], ["y"], strides=[2, 2]), {"w": normal(32, 16, 3, 3)}),
    "groups": (node("Conv", ["x", "w", "b"], ["y"], group=4), {"w": normal(32, 4, 1, 1), "b": normal(32)}),
    "depthwise": (node("Conv", ["x", "w", "b"], ["y"], group=16), {"w": normal(16, 1, 3, 3), "b": normal(16)}),
    "transposed": (node("ConvTranspose", ["x", "w", "b"], ["y"]), {"w": normal(16, 8, 2, 2), "b": normal(8)}),
    "transposed groups": (node("ConvTranspose", ["x", "w"], ["y"], group=2), {"w": normal(16, 8, 2, 2)}),
}
PRODUCTS = {
    "gemm": (node("Gemm", ["x", "w", "b"], ["y"]), {"w": normal(64, 48), "b": normal(48)}),
    "transposed weights": (node("Gemm", ["x", "w", "b"], ["y"], transB=1), {"w": normal(48, 64), "b": normal(48)}),
    "factors": (node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5, beta=2.0), {"w": normal(64, 48), "b": normal(1, 48)}),
    "matmul": (node("MatMul", ["x", "w"], ["y"]), {"w": normal(64, 48)}),
}


@pytest.mark.parametrize("case", [*CONVOLUTIONS, *PRODUCTS])
def test_each_product_by_itself(case: str, make_model, run_onnxruntime) -> None:
    product, constants = (CONVOLUTIONS | PRODUCTS)[case]
    dims = (2, 16, 12, 12) if case in CONVOLUTIONS else (40, 64)
    model = make_model([product], {"x": dims}, ["y"], constants)
    samples = [{"x": normal(*dims)} for _ in range(3)]
    quantised = lamina.quantize(model, data=samples, all_layers=True)
    (layer,) = quantised.report.layers
    assert layer.is_narrow and layer.error is not None and layer.error < 0.03
    assert operators(quantised.model)["QuantizeLinear"] >= 1
    (exact,) = run_onnxruntime(model, samples[0])
    (theirs,) = run_onnxruntime(quantised.model, samples[0])
    ours = lamina.compile(quantised.model).run(samples[0])["y"]
    # They are at most a step apart, where the result has steps.
    step = max(float(scale) for scale in scales(quantised))
    assert np.abs(ours - theirs).max() <= 1.01 * step
    assert relative(theirs, exact) < 0.03
    assert layer.bytes <= 0.5 * layer.bytes_before


def test_relu_is_folded_and_chains_stay_in_integers(make_model, run_onnxruntime) -> None:
    """Conv, Relu, MaxPool, two Convs, Add, Relu, pool, Flatten, Gemm: a pair on each tensor but the result."""
    nodes = [
        node("Conv", ["x", "w0"], ["c0"], pads=[1] * 4),
        node("Relu", ["c0"], ["r0"]),
        node("MaxPool", ["r0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p0", "w1"], ["c1"], pads=[1] * 4),
        node("BatchNormalization", ["c1", "s", "o", "o", "s"], ["n1"]),
        node("Clip", ["n1", "zero", "six"], ["r1"]),
        node("Conv", ["r1", "w1"], ["c2"], pads=[1] * 4),
        node("Add", ["c2", "p0"], ["sum"]),
        node("Relu", ["sum"], ["r2"]),
        node("GlobalAveragePool", ["r2"], ["p2"]),
        node("Flatten", ["p2"], ["f"]),
        node("Gemm", ["f", "w3"], ["g"]),
        node("Softmax", ["g"], ["y"]),
    ]
    constants = {
        "w0": normal(32, 8, 3, 3), "w1": normal(32, 32, 3, 3) / 9, "s": np.abs(normal(32)) + 1, "o": normal(32),
        "w3": normal(32, 10), "zero": np.float32(0), "six": np.float32(6),
    }  # fmt: skip
    model = make_model(nodes, {"x": ["N", 8, 16, 16]}, ["y"], constants)
    samples = [{"x": normal(2, 8, 16, 16)} for _ in range(4)]
    quantised = lamina.quantize(model, data=samples, all_layers=True)
    counts = operators(quantised.model)
    assert not counts.keys() & {"Relu", "Clip", "BatchNormalization", "Identity"}
    # x, r0, p0, r1, c2, r2, p2, f; and the constants beside them.
    assert counts["QuantizeLinear"] == 8
    assert (
        counts["DequantizeLinear"] == 8 + 4 + 3
    )  # Four weights, and the biases of convolutions: corrections where there was none.
    (theirs,) = run_onnxruntime(quantised.model, samples[0])
    ours = lamina.compile(quantised.model).run(samples[0])["y"]
    assert np.abs(ours - theirs).max() < 2e-3
    assert quantised.report.error is not None and quantised.report.error < 0.15


def test_attention_of_two_computed_matrices(make_model, run_onnxruntime) -> None:
    nodes = [
        node("MatMul", ["x", "wq"], ["q0"]),
        node("Add", ["bq", "q0"], ["q"]),
        node("MatMul", ["x", "wk"], ["k"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], ["scores"]),
        node("Softmax", ["scores"], ["p"], axis=-1),
        node("MatMul", ["p", "x"], ["y"]),
    ]
    constants = {"wq": normal(64, 64) / 8, "bq": normal(64), "wk": normal(64, 64) / 8}
    model = make_model(nodes, {"x": [2, "S", 64]}, ["y"], constants)
    samples = [{"x": normal(2, 20, 64)} for _ in range(3)]
    quantised = lamina.quantize(model, data=samples, all_layers=True)
    assert [layer.form for layer in quantised.report.layers] == ["int8"] * 4
    counts = operators(quantised.model)
    assert (counts["QuantizeLinear"], counts["Softmax"]) == (5, 1)  # x, q, k, kt, p
    (theirs,) = run_onnxruntime(quantised.model, samples[1])
    (exact,) = run_onnxruntime(model, samples[1])
    ours = lamina.compile(quantised.model).run(samples[1])["y"]
    assert relative(ours, theirs) < 2e-3
    assert relative(ours, exact) < 0.1


def test_budget_leaves_layers_in_float(make_model) -> None:
    """The layer with one weight far larger than the others of its channel is the one to give up."""
    bad = normal(64, 64) * 0.01
    bad[0] = 10 * normal(64)
    nodes = [node("MatMul", ["x", "good"], ["h"], "good"), node("MatMul", ["h", "bad"], ["y"], "bad")]
    model = make_model(nodes, {"x": ["N", 64]}, ["y"], {"good": normal(64, 64) / 8, "bad": bad})
    samples = [{"x": normal(300, 64)} for _ in range(2)]
    free = lamina.quantize(model, data=samples, all_layers=True)
    assert free.report.error is not None
    assert [layer.form for layer in free.report.layers] == ["int8", "int8"]
    bound = lamina.quantize(model, data=samples, all_layers=True, budget=free.report.error * 0.9)
    assert bound.report.error is not None and bound.report.error <= free.report.error * 0.9
    left = [layer for layer in bound.report.layers if not layer.is_narrow]
    assert len(left) == 1 and "budget" in left[0].reason
    nothing = lamina.quantize(model, data=samples, all_layers=True, budget=0.0)
    assert nothing.report.error is not None and nothing.report.error < 1e-5 and not nothing.report.narrow


def test_what_cannot_be_narrow_says_why(make_model) -> None:
    nodes = [
        node("MatMul", ["a", "x"], ["l"], "left"),
        node("Gemm", ["l", "w"], ["g"], "kept"),
        node("Gemm", ["g", "w"], ["y"], "turned", transA=1),
    ]
    model = make_model(nodes, {"x": [16, 16]}, ["y"], {"a": normal(16, 16), "w": normal(16, 16)})
    report = lamina.quantize(model, data=[{"x": normal(16, 16)}], keep=["kep*"], all_layers=True).report
    reasons = {layer.name: layer.reason for layer in report.layers}
    assert reasons == {
        "left": "its left matrix is constant",
        "kept": "it shall be kept (--keep)",
        "turned": "its left matrix is transposed",
    }
    assert report.error is not None and report.error < 1e-5


def test_what_is_no_faster_stays_in_float(make_model) -> None:
    """To quantise a matrix for a single column takes longer than the products."""
    model = make_model([node("MatMul", ["x", "w"], ["y"])], {"x": [4096, 16]}, ["y"], {"w": normal(16, 1)})
    report = lamina.quantize(model, data=[{"x": normal(4096, 16)}]).report
    assert not report.narrow and "it would take" in report.layers[0].reason
    assert report.notes == ["no layer is narrow: the model computes what it did"]


def test_wrong_requests(make_model) -> None:
    model = make_model([node("MatMul", ["x", "w"], ["y"])], {"x": [4, 4]}, ["y"], {"w": normal(4, 4)})
    with pytest.raises(lamina.LaminaError, match="int8-dynamic"):
        lamina.quantize(model)
    with pytest.raises(lamina.LaminaError, match="expected one of int8"):
        lamina.quantize(model, to="int3")
    with pytest.raises(lamina.LaminaError, match="expected one of minimum-maximum"):
        lamina.quantize(model, data=[{"x": normal(4, 4)}], calibration="entropy")
    with pytest.raises(lamina.LaminaError, match=r"neither \.onnx nor \.lamina"):
        lamina.quantize(model, "model.txt", data=[{"x": normal(4, 4)}])


def test_models_as_exporters_write_them(make_model, run_onnxruntime) -> None:
    """An old opset, nodes of one name, weights that are shared, transposed or computed of constants, dims without a
    name, metadata."""
    nodes = [
        node("Constant", [], ["turned"], value=onnx.numpy_helper.from_array(normal(64, 64) / 8)),
        node("Transpose", ["turned"], ["w"], perm=[1, 0]),
        node("MatMul", ["x", "w"], ["a"], "same"),
        node("Relu", ["a"], ["b"], "same"),
        node("MatMul", ["b", "w"], ["c"], "same"),
        node("Squeeze", ["c"], ["y"], axes=[0]),
    ]
    model = make_model(nodes, {"x": [1, None, 64]}, ["y"], {})
    model.opset_import[0].version = 11
    model.metadata_props.add(key="character", value="a b c")
    samples = [{"x": normal(1, rows, 64)} for rows in (150, 200)]
    quantised = lamina.quantize(model, data=samples, all_layers=True)
    assert [layer.name for layer in quantised.report.layers] == ["same", "same (c)"]
    assert quantised.model.metadata_props[0].value == "a b c"
    assert [list(tensor.dims) for tensor in quantised.model.graph.initializer].count([64, 64]) == 1
    (theirs,) = run_onnxruntime(quantised.model, samples[0])
    exact = lamina.compile(model).run(samples[0])["y"]
    assert relative(theirs, exact) < 0.03


def test_data_in_files(make_model, tmp_path) -> None:
    """A folder of files: runs along the first axis, in the model's batches, and stacked ones."""
    model = make_model(
        [node("MatMul", ["x", "w"], ["p"]), node("Mul", ["p", "s"], ["y"])],
        {"x": [2, 40], "s": []}, ["y"], {"w": normal(40, 40)},
    )  # fmt: skip
    np.savez(tmp_path / "a.npz", x=normal(6, 40), s=np.float32(2))
    np.savez(tmp_path / "b.npz", x=normal(5, 2, 40), s=np.float32(3))
    assert lamina.quantize(model, data=tmp_path).report.samples == 8
    np.savez(tmp_path / "c.npz", x=normal(3, 40), s=np.float32(3))
    with pytest.raises(lamina.LaminaError, match="3 rows for input 'x', no multiple of the model's 2"):
        lamina.quantize(model, data=tmp_path)
    np.savez(tmp_path / "c.npz", x=normal(2, 40))
    with pytest.raises(lamina.LaminaError, match="has no array for input 's'"):
        lamina.quantize(model, data=tmp_path / "c.npz")
