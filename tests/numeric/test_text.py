"""Tensors of text: operators on them against onnxruntime and ONNX's reference, and their way in, out and into files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lamina
import numpy as np
import onnxruntime
import pytest
from lamina.compiler import import_for
from lamina.runtime.errors import ExecutionError, InputError
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

T = TensorProto
WORDS = np.array([["Monday", "the 1st", "", "äÖ ß"], ["a,b,,c", "a  b c ", "monday", "x"]], object)
ROW = WORDS.reshape(-1)
PLAIN = np.array(["Monday", "the 1st", "x", "monday", "Sun"], object)


def text_model(
    operator: str, inputs: list[np.ndarray], outputs: list[tuple[int, int]], free: bool = False, **attributes: Any
) -> bytes:
    """One operator; outputs are given as element type and rank."""
    names = [f"x{index}" for index in range(len(inputs))]
    types = [T.STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype) for x in inputs]
    shapes = [[f"{name}_{axis}" for axis in range(x.ndim)] if free else x.shape for name, x in zip(names, inputs)]
    given = [helper.make_tensor_value_info(*info) for info in zip(names, types, shapes)]
    results = [f"y{index}" for index in range(len(outputs))]
    wanted = [helper.make_tensor_value_info(y, code, [None] * rank) for y, (code, rank) in zip(results, outputs)]
    graph = helper.make_graph([helper.make_node(operator, names, results, **attributes)], "text", given, wanted)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model.SerializeToString()


GRAMS = {
    "ngram_counts": [0, 4], "ngram_indexes": [0, 1, 2, 3, 4, 5, 6], "max_gram_length": 2, "min_gram_length": 1,
    "max_skip_count": 2,
}  # fmt: skip
NUMBERS = np.array([[2, 3, 5, 4, 2, 7, 8], [5, 6, 7, 8, 5, 4, 3]], np.int64)
POOL = {"pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]}

CASES: list[tuple[str, list[np.ndarray], list[tuple[int, int]], dict[str, Any]]] = [
    ("StringConcat", [WORDS, np.array(["!", "", "é", " "], object)], [(T.STRING, 2)], {}),
    ("StringSplit", [WORDS], [(T.STRING, 3), (T.INT64, 2)], {}),
    ("StringSplit", [ROW], [(T.STRING, 2), (T.INT64, 1)], {"delimiter": ",", "maxsplit": 2}),
    ("StringSplit", [WORDS], [(T.STRING, 3), (T.INT64, 2)], {"delimiter": ", ", "maxsplit": 1}),
    ("StringNormalizer", [PLAIN], [(T.STRING, 1)], {"case_change_action": "UPPER", "stopwords": ["MONDAY", "x"]}),
    ("StringNormalizer", [PLAIN], [(T.STRING, 1)], {"is_case_sensitive": 1, "stopwords": ["Monday", "X"]}),
    ("StringNormalizer", [PLAIN[None, :1]], [(T.STRING, 2)], {"stopwords": ["monday"], "case_change_action": "LOWER"}),
    ("RegexFullMatch", [WORDS], [(T.BOOL, 2)], {"pattern": r"[a-zA-Z]+( b|day)?"}),
    ("Equal", [WORDS, ROW[:4]], [(T.BOOL, 2)], {}),
    ("Gather", [WORDS, np.array([3, -4, 0])], [(T.STRING, 2)], {"axis": 1}),
    ("Concat", [WORDS, WORDS[:, :1]], [(T.STRING, 2)], {"axis": 1}),
    ("Transpose", [WORDS], [(T.STRING, 2)], {}),
    ("Where", [WORDS == "x", WORDS, WORDS[:1]], [(T.STRING, 2)], {}),
    ("Cast", [np.array(["1.5", "-2e3", "NaN", "INF", "7"], object)], [(T.FLOAT, 1)], {"to": T.FLOAT}),
    ("Cast", [np.array([["12", "-7"], ["0", "+3"]], object)], [(T.INT32, 2)], {"to": T.INT32}),
    ("Cast", [np.array([0.1, 2.5, np.inf, np.nan], np.float32)], [(T.STRING, 1)], {"to": T.STRING}),
    ("Cast", [np.array([-3, 0, 2**40])], [(T.STRING, 1)], {"to": T.STRING}),
    *[
        ("TfIdfVectorizer", [NUMBERS], [(T.FLOAT, 2)], {**GRAMS, **POOL, "mode": mode, "weights": weights})
        for mode, weights in (("TF", [1.0] * 7), ("IDF", [0.5] * 7), ("TFIDF", [0.25 * i for i in range(1, 8)]))
    ],
]  # fmt: skip


@pytest.mark.parametrize(("operator", "inputs", "outputs", "attributes"), CASES)
@pytest.mark.parametrize("free", [False, True], ids=["fixed", "free"])
def test_operators_give_what_others_do(
    operator: str, inputs: list[np.ndarray], outputs: list[tuple[int, int]], attributes: dict[str, Any], free: bool
) -> None:
    model = text_model(operator, inputs, outputs, free, **attributes)
    feeds = {f"x{index}": array for index, array in enumerate(inputs)}
    if operator in ("StringSplit", "StringNormalizer"):  # Of empty text and locales onnxruntime has views of its own.
        expected = ReferenceEvaluator(model).run(None, feeds)
    else:
        expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)
    for found, wanted in zip(lamina.compile(model).run(feeds).values(), expected, strict=True):
        assert found.dtype == (object if wanted.dtype.kind == "U" else wanted.dtype) and found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)


def test_text_goes_in_and_out_of_a_compiled_file(tmp_path: Path) -> None:
    model = text_model("RegexFullMatch", [ROW], [(T.BOOL, 1)], True, pattern='.*[ß"].*')
    lamina.compile(model).save(tmp_path / "text.lamina")
    session = lamina.InferenceSession(tmp_path / "text.lamina")
    assert [session.get_inputs()[0].type, session.get_outputs()[0].type] == ["tensor(string)", "tensor(bool)"]
    for feed in (ROW, ROW.astype(str), ROW.tolist(), np.array([word.encode() for word in ROW], object)):
        (found,) = session.run(None, {"x0": feed})
        assert found.tolist() == ["ß" in word for word in ROW]


@pytest.mark.parametrize("feed", [[1, 2], np.array(["a", 1], object), np.zeros(2, np.float32), [b"\xff"]])
def test_what_is_no_text_is_refused(feed: Any) -> None:
    model = text_model("StringConcat", [ROW, ROW], [(T.STRING, 1)], True)
    with pytest.raises(InputError, match="x0"):
        lamina.compile(model).run({"x0": feed, "x1": ["a", "b"]})


def test_text_that_is_no_number_is_told_of() -> None:
    with pytest.raises(ExecutionError, match="three"):
        lamina.compile(text_model("Cast", [ROW], [(T.FLOAT, 1)], True, to=T.FLOAT)).run({"x0": ["three"]})


def test_constants_of_text_survive_a_dump(tmp_path: Path) -> None:
    _, context = import_for(text_model("RegexFullMatch", [ROW], [(T.BOOL, 1)], pattern="a\0"))
    context.constants.save(tmp_path / "constants.npz")
    loaded = type(context.constants).load(tmp_path / "constants.npz")
    assert [array.tolist() for array in loaded.values()] == ["a\0"]
