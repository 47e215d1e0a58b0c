"""Dictionaries as inputs and outputs: ZipMap, DictVectorizer and CastMap of ai.onnx.ml, beside onnxruntime."""

from __future__ import annotations

from typing import Any

import lamina
import numpy as np
import onnx
import onnxruntime
import pytest
from lamina.runtime.errors import InputError
from onnx import TensorProto, helper

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def map_type(key: int, value: int) -> onnx.TypeProto:
    return helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))


def model_of(operator: str, given: onnx.TypeProto, result: onnx.TypeProto, **attributes: Any) -> bytes:
    node = helper.make_node(operator, ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node], operator, [helper.make_value_info("x", given)], [helper.make_value_info("y", result)]
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


@pytest.mark.parametrize(("key", "labels"), [(INT64, [3, 4, 5]), (STRING, ["a", "b", "c"])])
def test_rows_become_dictionaries(key: int, labels: list[Any]) -> None:
    name = "classlabels_int64s" if key == INT64 else "classlabels_strings"
    scores = helper.make_tensor_type_proto(FLOAT, ["N", 3])
    model = model_of("ZipMap", scores, helper.make_sequence_type_proto(map_type(key, FLOAT)), **{name: labels})
    x = np.arange(6, dtype=np.float32).reshape(2, 3) / 7
    ours, theirs = lamina.InferenceSession(model), onnxruntime.InferenceSession(model)
    (found,), (expected,) = (session.run(None, {"x": x}) for session in (ours, theirs))
    assert found == expected
    assert [type(entry) for entry in next(iter(found[0].items()))] == [type(labels[0]), float]
    assert ours.get_outputs()[0].type == theirs.get_outputs()[0].type


@pytest.mark.parametrize(
    ("operator", "key", "value", "feed", "kind", "attributes"),
    [
        (
            "DictVectorizer",
            STRING,
            FLOAT,
            {"a": 1.5, "q": 2.0},
            FLOAT,
            {"string_vocabulary": ["a", "b", "q"]},
        ),
        ("DictVectorizer", INT64, FLOAT, {2: 5.0}, FLOAT, {"int64_vocabulary": [1, 2]}),
        ("CastMap", INT64, FLOAT, {5: 1.0, 2: 7.0}, INT64, {"cast_to": "TO_INT64"}),
        ("CastMap", INT64, FLOAT, {5: 1.0, 2: 7.0}, FLOAT, {"map_form": "SPARSE", "max_map": 7}),
    ],
)
def test_dictionaries_become_rows(
    operator: str, key: int, value: int, feed: dict[Any, Any], kind: int, attributes: dict[str, Any]
) -> None:
    model = model_of(operator, map_type(key, value), helper.make_tensor_type_proto(kind, [1, None]), **attributes)
    (expected,) = onnxruntime.InferenceSession(model).run(None, {"x": feed})
    compiled = lamina.compile(model)
    found = compiled.run({"x": feed})["y"]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match="expected a dictionary for map"):
        compiled.run({"x": [1.0]})
    with pytest.raises(InputError, match=r"expected (int64|string) in map"):
        compiled.run({"x": {1.5: 1.0}})
