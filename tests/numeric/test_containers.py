"""Sequences and optional values as inputs, outputs and parts of control flow, against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.runtime.errors import ExecutionError, InputError
from onnx import parser

RNG = np.random.default_rng(0)
ROWS = [RNG.standard_normal((length, 3), dtype=np.float32) for length in (2, 1, 4)]
MATRIX = RNG.standard_normal((5, 6), dtype=np.float32)


def container_model(graph: str) -> bytes:
    text = f'<ir_version: 9, opset_import: ["" : 18]>\nagraph {graph}'
    return onnx.shape_inference.infer_shapes(parser.parse_model(text)).SerializeToString()


LOOP = """(int64 n, float[K] x) => (float[M] y, seq(float[L]) all, int64 count) {
  yes = Constant <value = bool {1}> ()
  none = SequenceEmpty ()
  all = Loop (n, yes, none) <body = round (int64 i, bool c, seq(float[L]) before) => (bool go, seq(float[L]) after) {
    go = Identity (c)
    scale = Cast <to = 1> (i)
    row = Mul (x, scale)
    after = SequenceInsert (before, row)
  }>
  y = ConcatFromSequence <axis = 0> (all)
  count = SequenceLength (all)
}"""
MAP = """(seq(float[N, 3]) s, float[3] t) => (seq(float[N, 3]) y, seq(int64[2]) shapes) {
  y, shapes = SequenceMap (s, t) <body = each (float[N, 3] a, float[3] b) => (float[N, 3] c, int64[2] d) {
    c = Add (a, b)
    d = Shape (a)
  }>
}"""
BRANCH = """(bool c, float[N] x, float[M] y) => (seq(float[L]) z) {
  z = If (c) <
    then_branch = one () => (seq(float[L]) a) { a = SequenceConstruct (x, y, x) },
    else_branch = two () => (seq(float[L]) b) { b = SequenceConstruct (y) }
  >
}"""

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "at": (
        "(seq(float[N, 3]) s, int64 i) => (float[N, 3] y) { y = SequenceAt (s, i) }",
        {"s": ROWS, "i": np.int64(-1)},
    ),
    "insert": (
        "(seq(float[N, 3]) s, float[N, 3] x, int64 i) => (seq(float[N, 3]) y) { y = SequenceInsert (s, x, i) }",
        {"s": ROWS, "x": ROWS[1], "i": np.int64(2)},
    ),
    "erase": ("(seq(float[N, 3]) s) => (seq(float[N, 3]) y) { y = SequenceErase (s) }", {"s": ROWS}),
    "length of none": ("(seq(float[N, 3]) s) => (int64 y) { y = SequenceLength (s) }", {"s": []}),
    "concat": ("(seq(float[N, 3]) s) => (float[M, 3] y) { y = ConcatFromSequence <axis = 0> (s) }", {"s": ROWS}),
    "stack": (
        "(seq(float[N, 3]) s) => (float[N, 3, M] y) { y = ConcatFromSequence <axis = -1, new_axis = 1> (s) }",
        {"s": [ROWS[0], ROWS[0] + 1]},
    ),
    "construct": ("(float[N] a, float[M] b) => (seq(float[L]) y) { y = SequenceConstruct (a, b, a) }",
                  {"a": MATRIX[0], "b": MATRIX[:, 1]}),
    "at a computed place": (
        "(float[N] a, float[M] b, int64 i) => (float[L] y) { s = SequenceConstruct (a, b)\n y = SequenceAt (s, i) }",
        {"a": MATRIX[0], "b": MATRIX[:, 1].copy(), "i": np.int64(1)},
    ),
    "split by given sizes": (
        "(float[N, 6] x, int64[K] k) => (seq(float[A, B]) y) { y = SplitToSequence <axis = 1> (x, k) }",
        {"x": MATRIX, "k": np.array([1, 3, 2])},
    ),
    "split by a given size": (
        "(float[N, M] x, int64 k) => (seq(float[A, B]) y) { y = SplitToSequence <axis = 1> (x, k) }",
        {"x": MATRIX, "k": np.int64(4)},
    ),
    "split into single ones": (
        "(float[N, M] x) => (seq(float[M]) y) { y = SplitToSequence <axis = 0, keepdims = 0> (x) }", {"x": MATRIX}
    ),
    "loop": (LOOP, {"n": np.int64(4), "x": MATRIX[0]}),
    "map": (MAP, {"s": ROWS, "t": MATRIX[0, :3].copy()}),
    "branch": (BRANCH, {"c": np.array(True), "x": MATRIX[0], "y": MATRIX[:, 1].copy()}),
    "other branch": (BRANCH, {"c": np.array(False), "x": MATRIX[0], "y": MATRIX[:, 1].copy()}),
}  # fmt: skip


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected)
        for one, other in zip(found, expected):
            same(one, other)
        return
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("graph", "feeds"), CASES.values(), ids=CASES)
def test_models_give_what_onnxruntime_does(graph: str, feeds: dict[str, Any]) -> None:
    model = container_model(graph)
    given = {name: np.asarray(value) if isinstance(value, np.generic) else value for name, value in feeds.items()}
    expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, given)
    same(list(lamina.compile(model).run(given).values()), expected)


OPTIONAL = """(optional(float[N]) x, float[N] otherwise) => (bool there, float[N] y) {
  there = OptionalHasElement (x)
  y = If (there) <
    then_branch = one () => (float[N] a) { a = OptionalGetElement (x) },
    else_branch = two () => (float[N] b) { b = Neg (otherwise) }
  >
}"""


@pytest.mark.parametrize("x", [None, MATRIX[0]], ids=["none", "a tensor"])
def test_optional_inputs_may_be_none(x: np.ndarray | None) -> None:
    there, y = lamina.compile(container_model(OPTIONAL)).run({"x": x, "otherwise": MATRIX[1]}).values()
    assert bool(there) == (x is not None)
    np.testing.assert_array_equal(y, -MATRIX[1] if x is None else x)


def test_none_that_is_taken_for_a_value_is_told_of() -> None:
    model = container_model("(optional(float[N]) x) => (float[N] y) { y = OptionalGetElement (x) }")
    with pytest.raises(ExecutionError, match="not there"):
        lamina.compile(model).run({"x": None})


def test_positions_out_of_range_are_told_of() -> None:
    with pytest.raises(ExecutionError, match="position 3 is out of range in a sequence of 3"):
        lamina.compile(container_model(CASES["at"][0])).run({"s": ROWS, "i": np.array(3)})


@pytest.mark.parametrize("s", [MATRIX, None, [MATRIX.astype(np.float64)], [MATRIX, "text"]])
def test_what_is_no_sequence_of_its_kind_is_refused(s: Any) -> None:
    with pytest.raises(InputError, match="input 's"):
        lamina.compile(container_model(CASES["erase"][0])).run({"s": s})


def test_sessions_name_the_types_and_compiled_files_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "map.lamina"
    lamina.compile(container_model(MAP)).save(path)
    session = lamina.InferenceSession(path)
    assert [info.type for info in session.get_inputs()] == ["seq(tensor(float))", "tensor(float)"]
    assert [info.type for info in session.get_outputs()] == ["seq(tensor(float))", "seq(tensor(int64))"]
    y, shapes = session.run(None, {"s": ROWS, "t": MATRIX[0, :3]})
    same(y, [row + MATRIX[0, :3] for row in ROWS])
    same(shapes, [np.array(row.shape) for row in ROWS])
    (info,) = lamina.compile(
        container_model("(optional(seq(float[N])) x) => (bool y) { y = OptionalHasElement (x) }")
    ).inputs
    assert info.kind == "optional(seq(tensor(float)))"


def test_results_belong_to_the_caller() -> None:
    s = [row.copy() for row in ROWS]
    (y,) = lamina.compile(container_model(CASES["erase"][0])).run({"s": s}).values()
    y[0][:] = 7
    same(s, ROWS)


def test_a_size_that_only_the_shape_of_an_unread_tensor_tells_is_known() -> None:
    model = container_model("(float[N] x) => (int64[2] y) { found = NonZero (x)\n y = Shape (found) }")
    (y,) = lamina.compile(model).run({"x": np.array([0, 1, 2, 0], np.float32)}).values()
    assert y.tolist() == [1, 2]
