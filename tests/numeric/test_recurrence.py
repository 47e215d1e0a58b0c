"""LSTM, GRU and RNN with every two of their options together, and ReverseSequence, beside onnxruntime."""

from __future__ import annotations

import itertools
import random
from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.pipeline import PipelineOptions
from onnx import helper, numpy_helper

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
ACTIVATIONS: dict[str, dict[str, list[float]]] = {
    "Sigmoid": {}, "Tanh": {}, "Relu": {}, "Softsign": {}, "Softplus": {},
    "Affine": {"alpha": [0.4], "beta": [0.1]}, "Elu": {"alpha": [0.7]}, "HardSigmoid": {"alpha": [0.3], "beta": [0.4]},
    "LeakyRelu": {"alpha": [0.2]}, "ScaledTanh": {"alpha": [0.8], "beta": [1.2]}, "ThresholdedRelu": {"alpha": [0.3]},
}  # fmt: skip
OPTIONS: dict[str, list[Any]] = {
    "direction": ["forward", "reverse", "bidirectional"],
    "lengths": [False, True],
    "clip": [None, 0.6],
    "sizes": [(5, 3, 20), (1, 2, 33), (6, 1, 16), (4, 13, 40)],
    "free": [False, True],
    "initial": [True, False],
    "bias": [True, False],
    "layout": [0, 1],
    "weights": ["constant", "given"],
    "activations": ["usual", "first", "second"],
}
OWN: dict[str, dict[str, list[Any]]] = {
    "LSTM": {"peepholes": [False, True], "input_forget": [0, 1]},
    "GRU": {"linear_before_reset": [0, 1]},
    "RNN": {},
}


def pairwise(options: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A few choices among which every two values of two options meet."""
    names, numbers = list(options), random.Random(0)
    missing = {
        ((a, x), (b, y)) for a, b in itertools.combinations(names, 2) for x in options[a] for y in options[b]
    }  # fmt: skip
    chosen = []
    while missing:
        tries = [{name: numbers.choice(values) for name, values in options.items()} for _ in range(400)]
        best = max(tries, key=lambda case: len(missing & _pairs(case)))
        missing -= _pairs(best)
        chosen.append(best)
    return chosen


def _pairs(case: dict[str, Any]) -> set[tuple]:
    return set(itertools.combinations(case.items(), 2))


CASES = [(cell, case) for cell in GATES for case in pairwise({**OPTIONS, **OWN[cell]})]


def activations(cell: str, which: str, directions: int, seed: int) -> dict[str, Any]:
    if which == "usual":
        return {}
    names = random.Random(f"{which}{seed}").choices(list(ACTIVATIONS), k=FUNCTIONS[cell] * directions)
    fields: dict[str, Any] = {"activations": names}
    for number in ("alpha", "beta"):
        given = [value for name in names for value in ACTIVATIONS[name].get(number, [])]
        fields |= {f"activation_{number}": given} if given else {}
    return fields


def normal(*shape: int) -> np.ndarray:
    """Small enough for activations without bounds."""
    return np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32) * np.float32(0.3)


def model_of(
    node: onnx.NodeProto, inputs: dict[str, np.ndarray], constants: dict[str, np.ndarray], shapes: dict[str, list]
) -> onnx.ModelProto:
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shapes.get(name, array.shape))
        for name, array in inputs.items()
    ]
    element = infos[0].type.tensor_type.elem_type
    outputs = [helper.make_tensor_value_info(name, element, None) for name in node.output]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([node], "graph", infos, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("cell", "case"), CASES, ids=[f"{cell}-{number}" for number, (cell, _) in enumerate(CASES)])
def test_options_of_recurrent_layers(cell: str, case: dict[str, Any]) -> None:
    directions, gates = 2 if case["direction"] == "bidirectional" else 1, GATES[cell]
    steps, batch, hidden = case["sizes"]
    feeds = {"x": normal(steps, batch, 7)}
    weights = {"w": normal(directions, gates * hidden, 7) / 3, "r": normal(directions, gates * hidden, hidden) / 6}
    order = ["x", "w", "r", "b" if case["bias"] else "", "n" if case["lengths"] else ""]
    if case["bias"]:
        weights["b"] = normal(directions, 2 * gates * hidden)
    if case["lengths"]:
        feeds["n"] = np.random.default_rng(batch).integers(1, steps + 1, batch).astype(np.int32)
    states = ["h", "c"] if cell == "LSTM" else ["h"]
    for name in states:
        feeds |= {name: normal(directions, batch, hidden)} if case["initial"] else {}
        order.append(name if case["initial"] else "")
    if case.get("peepholes"):
        weights["p"] = normal(directions, 3 * hidden)
        order.append("p")
    fields = {name: case[name] for name in ("direction", "clip", "linear_before_reset", "input_forget") if name in case}
    fields |= activations(cell, case["activations"], directions, batch)
    shapes: dict[str, list] = {}
    if case["free"]:
        state = [directions, "N", hidden]
        shapes = {"x": ["T", "N", 7], "n": ["N"], "h": state, "c": state}
    given = {} if case["weights"] == "constant" else weights
    constants = weights if case["weights"] == "constant" else {}
    results = ["y", "last", "cell"][: 1 + len(states)]

    def built(layout: int) -> onnx.ModelProto:
        node = helper.make_node(cell, order, results, hidden_size=hidden, **fields, **({"layout": 1} if layout else {}))
        own = {name: swapped(array, layout) for name, array in feeds.items()}
        free = {
            name: dims if name == "n" or not layout else [dims[1], dims[0], dims[2]] for name, dims in shapes.items()
        }
        return model_of(node, {**own, **given}, constants, free)

    def swapped(array: np.ndarray, layout: int) -> np.ndarray:
        return np.ascontiguousarray(array.swapaxes(0, 1)) if layout and array.ndim == 3 else array

    # onnxruntime has steps first only.
    expected = onnxruntime.InferenceSession(built(0).SerializeToString()).run(None, {**feeds, **given})
    if case["layout"]:
        expected = [expected[0].transpose(2, 0, 1, 3), *(last.swapaxes(0, 1) for last in expected[1:])]
    threads = 2 if batch > 1 or directions > 1 else 1
    executable = lamina.compile(built(case["layout"]), threads=threads)
    found = executable.run({**{name: swapped(array, case["layout"]) for name, array in feeds.items()}, **given})
    for have, want in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(have, want, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("cell", GATES)
def test_free_sequences_of_many_sizes(cell: str) -> None:
    """One compile serves every batch, every number of steps and lengths of none; each access is checked."""
    gates, hidden = GATES[cell], 20
    weights = {"w": normal(2, gates * hidden, 5), "r": normal(2, gates * hidden, hidden) / 4}
    node = helper.make_node(
        cell, ["x", "w", "r", "", "n"], ["y", "last"], hidden_size=hidden, direction="bidirectional"
    )
    sample = {"x": normal(1, 1, 5), "n": np.zeros(1, np.int32)}
    model = model_of(node, sample, weights, {"x": ["T", "N", 5], "n": ["N"]})
    executable = lamina.compile(model, options=PipelineOptions(checked=True))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for steps, batch in ((1, 1), (7, 2), (3, 7), (4, 18), (2, 9)):
        feeds = {"x": normal(steps, batch, 5), "n": (np.arange(batch) % steps + 1).astype(np.int32)}
        found = executable.run(feeds)
        for have, want in zip(found.values(), session.run(None, feeds), strict=True):
            np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
    none = executable.run({"x": normal(3, 4, 5), "n": np.zeros(4, np.int32)})
    assert not none["y"].any() and not none["last"].any()


@pytest.mark.parametrize(("time_axis", "batch_axis"), [(0, 1), (1, 0)])
@pytest.mark.parametrize("element", [np.float32, np.float16, np.int8, np.uint16, np.int64, np.float64, bool])
def test_reverse_sequence(time_axis: int, batch_axis: int, element: type) -> None:
    x = np.random.default_rng(0).integers(0, 2 if element is bool else 99, (5, 4, 3)).astype(element)
    lengths = (np.arange(x.shape[batch_axis]) % (x.shape[time_axis] + 1)).astype(np.int64)
    lengths = np.maximum(lengths, 1)
    node = helper.make_node("ReverseSequence", ["x", "n"], ["y"], time_axis=time_axis, batch_axis=batch_axis)
    model = model_of(node, {"x": x, "n": lengths}, {}, {"x": ["A", "B", "C"], "n": ["B" if batch_axis else "A"]})
    (found,) = lamina.compile(model, threads=2).run({"x": x, "n": lengths}).values()
    expected = x.copy()
    for sequence, length in enumerate(lengths):
        place = (slice(0, length), sequence) if time_axis == 0 else (sequence, slice(0, length))
        expected[place] = expected[place][::-1]
    np.testing.assert_array_equal(found, expected)
