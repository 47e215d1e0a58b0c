"""What ``precision`` asks for: products of numbers rounded to half the width, within the bounds of docs/accuracy.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lamina
import numpy as np
import onnx
import pytest
from lamina.benchmarks.models import ModelUnavailable
from lamina.benchmarks.networks import NETWORKS
from lamina.cache.models import find_entry
from lamina.compiler import import_for
from lamina.machines import Target, host_target, target_by_name
from lamina.pipeline import PipelineOptions, compile_through, module_text
from onnx import TensorProto, helper, numpy_helper

WITH_DOT = "avx512_vnni_bf16"
needs_dot = pytest.mark.skipif("+avx512bf16" not in host_target().features, reason="this CPU has no avx512_bf16")
BOUNDS = {"bf16": 2e-2, "f16": 2e-3}
"""Root mean square of what an output is off by, over that of the output in f32."""


def perceptron() -> onnx.ModelProto:
    """Two products with a residual connection around them, for any number of rows."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array((rng.standard_normal(shape) / 8).astype(np.float32), name)
        for name, shape in (("w", (64, 96)), ("v", (96, 64)), ("u", (64, 10)))
    ]
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Tanh", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "v"], ["d"]),
        helper.make_node("Add", ["d", "a"], ["e"]),
        helper.make_node("MatMul", ["e", "u"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 64])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def error(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    pairs = [(found[name].astype(np.float64), array.astype(np.float64)) for name, array in expected.items()]
    return max(float(np.sqrt(np.mean((a - b) ** 2) / np.mean(b**2))) for a, b in pairs)


def stages(model: onnx.ModelProto, precision: str, target: str | Target) -> list[str]:
    module, context = import_for(model, precision=precision, target=target)  # pyright: ignore[reportArgumentType]
    text = module_text(compile_through(module, context, stop="schedule"))
    return [line for line in text.splitlines() if "schedule.stage" in line]


def test_products_alone_are_rounded() -> None:
    """The casts are part of what computes the tensors: there are no more stages."""
    wide, narrow = (stages(perceptron(), precision, WITH_DOT) for precision in ("f32", "bf16"))
    assert len(narrow) == len(wide)
    assert sum("atom vdpbf16ps" in line for line in narrow) == 3


@pytest.mark.parametrize("target", ["host", pytest.param(WITH_DOT, marks=needs_dot)])
@pytest.mark.parametrize("precision", list(BOUNDS))
def test_is_within_bounds(precision: str, target: str) -> None:
    exact = lamina.compile(perceptron())
    narrow = lamina.compile(perceptron(), precision=precision, target=target)
    for rows in (1, 37):
        feeds = {"x": np.random.default_rng(rows).standard_normal((rows, 64)).astype(np.float32)}
        assert error(narrow.run(feeds), exact.run(feeds)) < BOUNDS[precision]


def product(rows: int | str, transposed: bool, dtype: type = np.float32) -> onnx.ModelProto:
    """One product by weights that are worth reading as few bytes."""
    shape, kind = (1101, 1200) if transposed else (1200, 1101), helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array((rng.standard_normal(shape) / 8).astype(dtype), "w"),
        numpy_helper.from_array(rng.standard_normal(1101).astype(dtype), "b"),
    ]
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=int(transposed))
    inputs = [helper.make_tensor_value_info("x", kind, [rows, 1200])]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    graph = helper.make_graph([node], "g", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


@pytest.mark.parametrize("transposed", [False, True], ids=["by columns", "by depth"])
@pytest.mark.parametrize("target", ["avx2", "avx512", "aarch64_neon"])
@pytest.mark.parametrize("precision", list(BOUNDS))
def test_few_rows_read_narrow_weights(
    monkeypatch: pytest.MonkeyPatch, precision: str, target: str, transposed: bool
) -> None:
    """Widened as they are read: the loops multiply and add in f32 whatever the machine has."""
    monkeypatch.setattr("lamina.passes.kernel.narrow_weights.SHARE_OF_WIDE", 2)
    (line,) = [line for line in stages(product(1, transposed), precision, target) if "kernel.gemm" in line]
    assert "atom" not in line
    if target.startswith("avx"):
        narrow = lamina.compile(product(1, transposed), precision=precision, target=target)  # pyright: ignore[reportArgumentType]
        x = {"x": np.random.default_rng(1).standard_normal((1, 1200)).astype(np.float32)}
        assert narrow.constants.nbytes < 2.2 * 1101 * 1200
        assert error(narrow.run(x), lamina.compile(product(1, transposed)).run(x)) < BOUNDS[precision]


@pytest.mark.parametrize("transposed", [False, True], ids=["by columns", "by depth"])
@pytest.mark.parametrize("target", ["avx2", "avx512", "aarch64_neon"])
def test_any_number_of_rows_reads_narrow_weights(target: str, transposed: bool) -> None:
    """Few rows widen them as they are read, many share panels that are widened once; no access leaves its buffer."""
    model = product("rows", transposed)
    machine = replace(target_by_name(target), l3_bytes=1 << 20)
    (line,) = [line for line in stages(model, "f16", machine) if "kernel.gemm" in line]
    assert "pack true" in line
    if not target.startswith("avx"):
        return
    options = PipelineOptions(checked=True)
    narrow = lamina.compile(model, precision="f16", target=machine, options=options)
    exact = lamina.compile(model)
    for rows in (1, 5, 6, 7, 29):
        x = {"x": np.random.default_rng(rows).standard_normal((rows, 1200)).astype(np.float32)}
        assert error(narrow.run(x), exact.run(x)) < BOUNDS["f16"]


def test_weights_of_models_in_f16_stay_so() -> None:
    """Where no number changes: the sums are those of the same weights stored as f32."""
    narrow = lamina.compile(product(1, False, np.float16))
    assert narrow.constants.nbytes < 2.2 * 1101 * 1200
    x = np.random.default_rng(1).standard_normal((1, 1200)).astype(np.float16)
    arrays = product(1, False, np.float16).graph.initializer
    weight, bias = (numpy_helper.to_array(each).astype(np.float64) for each in arrays)
    found = narrow.run({"x": x})["y"]
    np.testing.assert_allclose(found, x.astype(np.float64) @ weight + bias, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "target"),
    [("squeezenet1_1", "host"), pytest.param("mobilenet_v2", WITH_DOT, marks=needs_dot)],
)
def test_networks_are_within_bounds(name: str, target: str) -> None:
    network = NETWORKS[name]
    try:
        path = network.locate()
    except ModelUnavailable as problem:
        pytest.skip(str(problem))
    feeds = network.feeds()
    exact, narrow = lamina.compile(path), lamina.compile(path, precision="bf16", target=target)
    assert error(narrow.run(feeds), exact.run(feeds)) < BOUNDS["bf16"]
    if target != "host":
        assert narrow.constants.nbytes < exact.constants.nbytes


def test_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "model.lamina"
    lamina.compile(perceptron(), precision="bf16").save(path)
    assert lamina.load(path).precision == "bf16"
    assert lamina.compile(perceptron()).precision == "f32"
    options = lamina.SessionOptions()
    options.precision = "f16"
    with pytest.raises(lamina.InputError, match="compiled with precision='bf16', which cannot be made 'f16'"):
        lamina.InferenceSession(path, options)
    assert lamina.InferenceSession(perceptron().SerializeToString(), options).executable.precision == "f16"


def test_others_are_refused() -> None:
    with pytest.raises(ValueError, match="precision='fp16': expected 'f32', 'bf16' or 'f16'"):
        lamina.compile(perceptron(), precision="fp16")  # pyright: ignore[reportArgumentType]


def test_has_entries_of_its_own_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMINA_CACHE", raising=False)
    entries = [find_entry(b"model", None, "host", precision=precision) for precision in ("f32", "bf16", "f16")]
    assert len({entry.request for entry in entries if entry is not None}) == 3
