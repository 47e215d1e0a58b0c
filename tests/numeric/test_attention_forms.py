"""Attention as exporters write it becomes one kernel, and gives what ONNX's reference and onnxruntime give."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.compiler import import_for
from lamina.pipeline import compile_through, module_text
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(0)
Node = helper.make_node
Model = tuple[onnx.ModelProto, dict[str, np.ndarray]]


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def masked(*shape: int, by: float) -> np.ndarray:
    return np.where(RNG.random(shape) < 0.3, np.float32(by), np.float32(0))


def built(
    nodes: Sequence[onnx.NodeProto],
    feeds: dict[str, np.ndarray],
    constants: dict[str, np.ndarray] | None = None,
    free: dict[str, list] | None = None,
) -> Model:
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), (free or {}).get(name, array.shape)
        )
        for name, array in feeds.items()
    ]
    known = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    results = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "attention", inputs, results, known)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10), feeds


def operator(free: bool = False, shared: int = 4, **attributes: object) -> Model:
    """ONNX's Attention, with a mask of truth values that leaves some queries nothing."""
    mask = RNG.random((20, 21)) < 0.6
    mask[3] = False
    feeds = {"q": floats(2, 4, 20, 16), "k": floats(2, shared, 21, 16), "v": floats(2, shared, 21, 16), "m": mask}
    sizes = {"q": [2, 4, "S", 16], "k": [2, shared, "T", 16], "v": [2, shared, "T", 16], "m": ["S", "T"]}
    return built([Node("Attention", list(feeds), ["y"], **attributes)], feeds, free=sizes if free else None)


def repeated() -> Model:
    """Keys and values repeated for the heads of queries; what is NaN becomes 0."""
    feeds = {"q": floats(1, 6, 5, 16), "k": floats(1, 2, 8, 16), "v": floats(1, 2, 8, 16)}
    feeds["m"] = masked(1, 1, 5, 8, by=-np.inf)
    feeds["m"][..., 2, :] = -np.inf
    nodes = []
    for name in "kv":
        nodes += [
            Node("Unsqueeze", [name, "two"], [f"{name}1"]),
            Node("Expand", [f"{name}1", "wide"], [f"{name}2"]),
            Node("Reshape", [f"{name}2", "heads"], [f"{name}3"]),
        ]
    nodes += [
        Node("Transpose", ["k3"], ["k4"], perm=[0, 1, 3, 2]),
        Node("MatMul", ["q", "k4"], ["s"]),
        Node("Add", ["s", "m"], ["t"]),
        Node("Softmax", ["t"], ["p"]),
        Node("IsNaN", ["p"], ["n"]),
        Node("Where", ["n", "zero", "p"], ["w"]),
        Node("MatMul", ["w", "v3"], ["y"]),
    ]
    constants = {"wide": np.array([1, 2, 3, 8, 16]), "heads": np.array([1, 6, 8, 16]), "two": np.array([2])}
    return built(nodes, feeds, constants | {"zero": np.float32(0)})


def merged(softmax_first: bool) -> Model:
    """Batch and heads are one axis of the products and two of the mask."""
    feeds = {"q": floats(8, 5, 16), "k": floats(8, 7, 16), "v": floats(8, 7, 16), "m": masked(2, 1, 5, 7, by=-1e4)}
    steps = ["Softmax", "Reshape"] if softmax_first else ["Reshape", "Softmax"]
    nodes = [
        Node("Transpose", ["k"], ["k1"], perm=[0, 2, 1]),
        Node("MatMul", ["q", "k1"], ["s"]),
        Node("Mul", ["s", "scale"], ["s1"]),
        Node("Reshape", ["s1", "apart"], ["s2"]),
        Node("Add", ["s2", "m"], ["s3"]),
        Node(steps[0], ["s3", "together"][: 1 + (steps[0] == "Reshape")], ["s4"]),
        Node(steps[1], ["s4", "together"][: 1 + (steps[1] == "Reshape")], ["w"]),
        Node("MatMul", ["w", "v"], ["y"]),
    ]
    shapes = {"apart": np.array([2, 4, 5, 7]), "together": np.array([8, 5, 7]), "scale": np.float32(0.25)}
    return built(nodes, feeds, shapes)


def chosen(free: bool) -> Model:
    """Scores that a triangle chooses, then a mask of keys; heads of 24 numbers, values of 40."""
    feeds = {"q": floats(2, 4, 9, 24), "k": floats(2, 4, 9, 24), "v": floats(2, 4, 9, 40)}
    feeds |= {"tri": np.tril(np.ones((1, 1, 9, 9), bool)), "m": masked(2, 1, 1, 9, by=-1e4)}
    nodes = [
        Node("Transpose", ["k"], ["k1"], perm=[0, 1, 3, 2]),
        Node("MatMul", ["q", "k1"], ["s"]),
        Node("Div", ["s", "root"], ["s1"]),
        Node("Where", ["tri", "s1", "low"], ["s2"]),
        Node("Add", ["s2", "m"], ["s3"]),
        Node("Softmax", ["s3"], ["p"]),
        Node("MatMul", ["p", "v"], ["y"]),
    ]
    sizes = {"q": ["B", 4, "S", 24], "k": ["B", 4, "S", 24], "v": ["B", 4, "S", 40]}
    sizes |= {"tri": [1, 1, "S", "S"], "m": ["B", 1, 1, "S"]}
    return built(nodes, feeds, {"root": np.float32(4.9), "low": np.float32(-3.4e38)}, sizes if free else None)


FORMS: dict[str, Callable[[], Model]] = {
    "operator": lambda: operator(),
    "operator, free": lambda: operator(free=True, is_causal=1),
    "operator, capped": lambda: operator(softcap=2.0, scale=0.5),
    "operator, grouped": lambda: operator(shared=2),
    "repeated": repeated,
    "merged": lambda: merged(softmax_first=False),
    "merged, softmax first": lambda: merged(softmax_first=True),
    "chosen": lambda: chosen(free=False),
    "chosen, free": lambda: chosen(free=True),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_is_one_kernel(name: str) -> None:
    model, feeds = FORMS[name]()
    module, context = import_for(model)
    text = module_text(compile_through(module, context, stop="kernel"))
    assert text.count("= kernel.attention") == 1 and "= kernel.softmax" not in text
    found = lamina.compile(model, threads=1).run(feeds)["y"]
    if "operator" in name:
        (expected,) = ReferenceEvaluator(model).run(None, feeds)
    else:
        expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)
