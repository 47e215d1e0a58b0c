"""Numbers below the smallest normal one: taken as zero by default, kept on request."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lamina
import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.cache.models import find_entry
from onnx import TensorProto, helper

TINY = np.finfo(np.float32).tiny
BINARY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Max": np.maximum}
REST = {
    "Sqrt": helper.make_node("Sqrt", ["positive"], ["Sqrt"]),
    "ReduceSum": helper.make_node("ReduceSum", ["a"], ["ReduceSum"], keepdims=0),
    "MatMul": helper.make_node("MatMul", ["a", "b"], ["MatMul"]),
    "Relu": helper.make_node("Relu", ["a"], ["Relu"]),
    "Log": helper.make_node("Log", ["positive"], ["Log"]),
}


def model(nodes: list[onnx.NodeProto], inputs: dict[str, Any], kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(node.output[0], kind, None) for node in nodes],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def operands() -> dict[str, np.ndarray]:
    """Denormals, and normal numbers whose products, quotients and differences are denormal."""
    generator = np.random.default_rng(4)
    size = (48, 48)
    a = np.exp2(generator.uniform(-149, -120, size)) * generator.choice([-1, 1], size)
    b = np.where(generator.random(size) < 0.5, a * generator.uniform(0.5, 2, size), generator.uniform(0.01, 100, size))
    return {"a": a.astype(np.float32), "b": b.astype(np.float32), "positive": np.abs(a).astype(np.float32)}


def flushed(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < TINY, np.copysign(np.float32(0), x), x)


@pytest.mark.parametrize("threads", [1, 2])
def test_arithmetic(threads: int) -> None:
    feeds = operands()
    nodes = [helper.make_node(name, ["a", "b"], [name]) for name in BINARY]
    proto = model(nodes, {"a": [48, 48], "b": [48, 48]})
    pair = {name: feeds[name] for name in "ab"}
    kept, zeros = (lamina.compile(proto, denormals=way, threads=threads) for way in ("keep", "flush"))
    with np.errstate(all="ignore"):
        for name, function in BINARY.items():
            for executable, expected in (
                (kept, function(pair["a"], pair["b"])),
                (zeros, flushed(function(flushed(pair["a"]), flushed(pair["b"])))),
            ):
                found = executable.run(pair)[name]
                if name == "Max" and executable is zeros:  # Which of several zeros it takes is open.
                    found, expected = flushed(found), flushed(expected)
                np.testing.assert_array_equal(found, expected, name)


def test_as_onnxruntime_does_it() -> None:
    feeds = operands()
    proto = model(list(REST.values()), {name: [48, 48] for name in feeds})
    expected = onnxruntime.InferenceSession(proto.SerializeToString()).run(list(REST), feeds)
    found = lamina.compile(proto, denormals="keep").run(feeds)
    unit = float(np.finfo(np.float32).smallest_subnormal)
    for name, wanted in zip(REST, expected, strict=True):
        np.testing.assert_allclose(found[name], wanted, 2e-6, 8 * unit, err_msg=name)
    lost = lamina.compile(proto).run(feeds)
    assert not lost["Sqrt"][feeds["positive"] < TINY].any() and np.isneginf(lost["Log"][feeds["positive"] < TINY]).all()


def test_bfloat16() -> None:
    """Also where the machine has an instruction for it, which takes denormals as zero in every mode."""
    magnitudes = np.arange(0x90, dtype=np.uint16)
    x = np.concatenate([magnitudes, magnitudes | 0x8000]).astype(np.uint16).view(ml_dtypes.bfloat16)
    one = np.ones((), ml_dtypes.bfloat16)
    nodes = [helper.make_node("Mul", ["x", "one"], ["y"])]
    executable = lamina.compile(model(nodes, {"x": ["N"], "one": []}, TensorProto.BFLOAT16), denormals="keep")
    np.testing.assert_array_equal(executable.run({"x": x, "one": one})["y"].view(np.uint16), x.view(np.uint16))


def test_the_choice_travels_with_the_code(tmp_path: Path) -> None:
    x = np.full(64, 1e-40, np.float32)
    proto = model([helper.make_node("Add", ["x", "x"], ["y"])], {"x": [64]})
    executable = lamina.compile(proto, denormals="keep")
    executable.save(tmp_path / "kept.lamina")
    for copy in (lamina.load(tmp_path / "kept.lamina"), pickle.loads(pickle.dumps(executable))):
        np.testing.assert_array_equal(copy.run({"x": x})["y"], x + x)
    assert not lamina.compile(proto).run({"x": x})["y"].any()
    entries = [find_entry(b"model", None, "host", denormals=way) for way in ("flush", "keep")]
    assert entries[0] is None or entries[0]._name() != entries[1]._name()
    with pytest.raises(ValueError, match="denormals='yes': expected 'flush' or 'keep'"):
        lamina.compile(proto, denormals="yes")
