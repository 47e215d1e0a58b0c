"""Loops whose rounds run without a return to Python, beside onnxruntime and beside those that come back each round."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.runtime.errors import IndexOutOfRangeError
from lamina.runtime.executable import Executable
from lamina.runtime.rounds import Walk
from onnx import TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
H = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)
node, info = helper.make_node, helper.make_tensor_value_info
Nodes = list[onnx.NodeProto]


def loop(
    body: Nodes, results: Sequence[str], outputs: Sequence[str], carried: Sequence[str] = ("h",), start: str = ""
) -> onnx.ModelProto:
    """Of as many rounds as ``n``: what it carries begins with ``h0``, or ``h0`` and ``k0``; x is from outside."""
    inputs = [info("i", INT64, []), info("go", BOOL, []), *(info(name, FLOAT, ["B", 5]) for name in carried)]
    types = [info(results[0], BOOL, []), *(info(name, FLOAT, None) for name in results[1:])]
    graph = helper.make_graph(body, "body", inputs, types)
    initial = [f"{name}0" for name in carried]
    given = [info("n", INT64, []), *(info(name, FLOAT, ["B", 5]) for name in initial), info("x", FLOAT, ["T", 5])]
    whole = [node("Loop", ["n", start, *initial], outputs, body=graph)]
    ends = [onnx.ValueInfoProto(name=name) for name in outputs]
    whole_graph = helper.make_graph(whole, "g", given, ends)
    return helper.make_model(whole_graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def constant(name: str, value: object, dtype: object = np.float32) -> onnx.NodeProto:
    return node("Constant", [], [name], value=onnx.numpy_helper.from_array(np.asarray(value, dtype)))


ROW = [node("Gather", ["x", "i"], ["row"])]
GO_ON = [node("Identity", ["go"], ["next"])]
SMALL = [
    node("ReduceSum", ["h1"], ["sum"], keepdims=0),
    constant("most", 40),
    node("Less", ["sum", "most"], ["next"]),
]
STEP = [*ROW, node("Add", ["h", "row"], ["sum1"]), node("Tanh", ["sum1"], ["h1"])]
CASES: dict[str, onnx.ModelProto] = {
    "carried": loop([*GO_ON, *STEP], ["next", "h1"], ["h_end"]),
    "carried and stacked": loop([*GO_ON, *STEP], ["next", "h1", "h1"], ["h_end", "all"]),
    "stacked": loop([*GO_ON, *STEP, node("Neg", ["h1"], ["s"])], ["next", "h1", "s"], ["h_end", "all"]),
    "one stays": loop([*GO_ON, *STEP], ["next", "h1", "k"], ["h_end", "k_end"], ["h", "k"]),
    "exchanged": loop([*GO_ON, *STEP], ["next", "k", "h1"], ["h_end", "k_end"], ["h", "k"]),
    "until it is large": loop(
        [constant("one", 1), node("Add", ["h", "one"], ["h1"]), *SMALL, node("Neg", ["h1"], ["s"])],
        ["next", "h1", "s"],
        ["h_end", "all"],
    ),
    "once": loop([constant("next", False, np.bool_), *STEP], ["next", "h1", "h1"], ["h_end", "all"]),
    "grows": loop([*GO_ON, node("Concat", ["h", "h"], ["h1"], axis=0)], ["next", "h1"], ["h_end"]),
}
IN_ONE_GO = {"carried", "carried and stacked", "stacked", "one stays", "until it is large", "once"}


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rounds each loop had that did not come back."""
    found: list[int] = []
    run: Callable[[Walk], object] = Walk.run

    def counted(walk: Walk) -> object:
        result = run(walk)
        found.append(walk.done)
        return result

    monkeypatch.setattr(Walk, "run", counted)
    return found


def feeds_of(model: onnx.ModelProto, rounds: int, start: float = 0.0) -> dict[str, np.ndarray]:
    x = np.random.default_rng(1).standard_normal((max(rounds, 1), 5)).astype(np.float32)
    given = {"n": np.array(rounds), "h0": H + np.float32(start), "k0": -H, "x": x}
    return {value.name: given[value.name] for value in model.graph.input}


@pytest.mark.parametrize("name", CASES)
def test_loops_are_those_of_onnxruntime(name: str, walks: list[int]) -> None:
    model = CASES[name]
    executable, session = lamina.compile(model, threads=1), onnxruntime.InferenceSession(model.SerializeToString())
    for rounds in (0, 1, 2, 7):
        feeds = feeds_of(model, rounds)
        before = {key: array.copy() for key, array in feeds.items()}
        found = list(executable.run(feeds).values())
        for array, expected in zip(found, session.run(None, feeds), strict=True):
            if array.size or rounds:  # Of what no round stacks onnxruntime gives no sizes.
                np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-6)
        assert all(np.array_equal(feeds[key], before[key]) for key in feeds)
        poisoned = executable.run_poisoned(feeds)
        assert all(np.array_equal(one, other) for one, other in zip(found, poisoned.values()))
    assert (len(walks) == 3) == (name in IN_ONE_GO)


def test_many_rounds_on_several_threads(walks: list[int]) -> None:
    """More than native code runs at once, and than there are rows at first."""
    executable = lamina.compile(CASES["until it is large"], threads=1)
    feeds = feeds_of(CASES["until it is large"], 10_000, start=-100.0)
    found = executable.run(feeds)
    assert walks[0] == len(found["all"]) > 100
    np.testing.assert_array_equal(found["all"][-1], -found["h_end"])
    wide = executable.run({**feeds, "h0": np.full((20_000, 5), -0.03, np.float32)})
    executable.set_threads(2)
    again = executable.run({**feeds, "h0": np.full((20_000, 5), -0.03, np.float32)})
    assert all(np.array_equal(wide[key], again[key]) for key in wide)


def test_a_result_belongs_to_the_caller() -> None:
    executable = lamina.compile(CASES["carried and stacked"], threads=1)
    feeds = feeds_of(CASES["carried and stacked"], 3)
    first = executable.run(feeds)
    kept = {key: array.copy() for key, array in first.items()}
    first["h_end"][:] = 0
    np.testing.assert_array_equal(first["all"], kept["all"])
    executable.run({**feeds, "h0": H + 1})
    np.testing.assert_array_equal(first["all"], kept["all"])


def test_an_index_beyond_the_end_is_told(walks: list[int]) -> None:
    executable: Executable = lamina.compile(CASES["carried"], threads=1)
    feeds = feeds_of(CASES["carried"], 3)
    with pytest.raises(IndexOutOfRangeError):
        executable.run({**feeds, "n": np.array(5)})
    np.testing.assert_array_equal(executable.run(feeds)["h_end"], executable.run_poisoned(feeds)["h_end"])
