"""ai.onnx.ml's encoders: labels, categories and one-hot vectors, of numbers and of text."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.encoders import UnzipMapOp, ZipMapOp
from ...dialects.graph.types import (
    GraphTensorType,
    MapType,
    SequenceType,
    element_type_of,
    f32,
    i64,
    is_float,
    is_integer,
)
from ...dialects.graph.types import string as text
from ..node import Node
from ..registry import converter
from ..values import Value
from .class_scores import CLASSICAL, class_labels

# So many keys are compared with each element, in vectors; more are searched on the host.
_MOST_COMPARED = 128
_DEFAULTS: dict[str, Any] = {"i": -1, "u": 0, "f": -0.0, "O": "_Unused"}


def _looked_up(node: Node, x: Value, keys: np.ndarray, values: np.ndarray, default: np.ndarray) -> Value:
    """The value of the key that each element is, of equal keys the first, else the default; NaN is equal to NaN.

    Few numbers are compared with all elements at once:

    before: look_up x
    after:  gather [values, default] at where (any (x == keys)) (arg_max (x == keys)) count
    """
    b, count = node.b, len(keys)
    if len(values) != count:
        node.invalid(f"there are {count} keys and {len(values)} values")
    if keys.dtype != x.type.dtype:
        node.invalid(f"the keys are {keys.dtype}, and the input is {x.element_type}")
    if not (is_float(x.element_type) or is_integer(x.element_type)) or not 0 < count <= _MOST_COMPARED:
        operands = (b.constant(keys, "keys"), b.constant(values, "values"), b.constant(default))
        return b.op(graph.LookUpOp, x, *operands)
    column = b.unsqueeze(x, [x.rank])
    matches = b.op(graph.EqualOp, column, b.constant(keys))
    if keys.dtype.kind == "f" and np.isnan(keys).any():
        is_nan = b.op(graph.AndOp, b.op(graph.IsNanOp, column), b.constant(np.isnan(keys)))
        matches = b.op(graph.OrOp, matches, is_nan)
    # The first match weighs most, and a place behind all keys less than any.
    weights = np.arange(count, 0, -1).astype(np.int32)
    weighed = b.op(graph.WhereOp, matches, b.constant(weights), b.constant(np.array(0, np.int32)))
    place = b.op(graph.SubOp, b.scalar(count, i64), b.cast(b.reduce("max", weighed, [x.rank], keepdims=False), i64))
    table = np.append(values, default)
    if table.dtype == np.int64 and np.array_equal(table, np.arange(count + 1)):
        return place
    return b.op(graph.GatherOp, b.constant(table, "values"), place, axis=0)


def _array(values: Any) -> np.ndarray:
    """A vector of text, int64 or f32, as lists of attributes are."""
    if isinstance(values, np.ndarray):
        return values.reshape(-1)
    kind = object if isinstance(values[0], str) else np.float32 if isinstance(values[0], float) else np.int64
    return np.array(values, kind)


def _listed(node: Node, side: str) -> np.ndarray:
    """The keys or values, from the attribute that has them."""
    lists = [node.attribute(f"{side}_{kind}", None) for kind in ("tensor", "strings", "int64s", "floats")]
    found = [values for values in lists if values is not None and len(values)]
    if not found:
        node.invalid(f"it has no {side}")
    return _array(found[0])


def _default(node: Node, values: np.ndarray) -> np.ndarray:
    tensor = node.attribute("default_tensor", None)
    if tensor is not None:
        return np.asarray(tensor).reshape(-1)[0:1].astype(values.dtype).reshape(())
    name = {"i": "int64", "f": "float", "O": "string"}.get(values.dtype.kind, "")
    return np.array(node.attribute(f"default_{name}", _DEFAULTS[values.dtype.kind]), values.dtype)


@converter("LabelEncoder", domain=CLASSICAL)
def convert_label_encoder_1(node: Node) -> Value:
    """Classes to their numbers, or numbers to classes."""
    return _text_or_number(node, "classes_strings", None)


@converter("CategoryMapper", domain=CLASSICAL)
def convert_category_mapper(node: Node) -> Value:
    return _text_or_number(node, "cats_strings", "cats_int64s")


def _text_or_number(node: Node, texts: str, numbers: str | None) -> Value:
    """Text to numbers or numbers to text, whichever the input is; without numbers these count from 0."""
    x, words = node.input(0), np.array(node.attribute(texts, []), object)
    listed = np.arange(len(words)) if numbers is None else np.array(node.attribute(numbers, []), np.int64)
    if x.type.dtype == object:
        default = np.array(node.attribute("default_int64", _DEFAULTS["i"]), np.int64)
        return _looked_up(node, x, words, listed, default)
    default = np.array(node.attribute("default_string", _DEFAULTS["O"]), object)
    return _looked_up(node, x, listed, words, default)


@converter("LabelEncoder", domain=CLASSICAL, since=2)
def convert_label_encoder_2(node: Node) -> Value:
    """A key of NaN is found from version 4 on."""
    keys, values = _listed(node, "keys"), _listed(node, "values")
    default = _default(node, values)
    if node.opset < 4 and keys.dtype.kind == "f" and len(keys) == len(values):
        keys, values = keys[~np.isnan(keys)], values[~np.isnan(keys)]
    return _looked_up(node, node.input(0), keys, values, default)


@converter("OneHotEncoder", domain=CLASSICAL)
def convert_one_hot_encoder(node: Node) -> Value:
    """A vector for each element; one of no category gives zeros or, where ``zeros`` is 0, an index out of range."""
    b, x = node.b, node.input(0)
    categories = node.attribute("cats_strings", []) or node.attribute("cats_int64s", [])
    if not categories:
        node.invalid("it has no categories")
    count = len(categories)
    if isinstance(categories[0], str) != (x.type.dtype == object):
        node.invalid(f"the categories are {'numbers' if x.type.dtype == object else 'text'}, and x is {x.element_type}")
    x = x if x.type.dtype == object else b.cast(x, i64)
    place = _looked_up(node, x, _array(categories), np.arange(count), np.array(count))
    vectors = np.eye(count + 1 if node.attribute("zeros", 1) else count, count, dtype=np.float32)
    return b.op(graph.GatherOp, b.constant(vectors, "one_hot"), place, axis=0)


# --- maps ---------------------------------------------------------------------------------------------------


@converter("ZipMap", domain=CLASSICAL)
def convert_zip_map(node: Node) -> list[Value]:
    """A dictionary for each row, of the scores of classes by their labels."""
    b, x = node.b, node.input(0)
    labels = class_labels(node, "classlabels_strings", "classlabels_int64s")
    x = b.unsqueeze(x, [0]) if x.rank == 1 else x
    if x.rank != 2:
        node.invalid(f"the scores have {x.rank} axes, expected 2")
    node.relate(x.dims[1], len(labels), "the number of classes")
    kind = SequenceType.of(MapType(element_type_of(labels.dtype), x.element_type), 0)
    return b.emit(ZipMapOp, [x, b.constant(labels, "labels")], [GraphTensorType.of((), kind)])


def _map_of(node: Node) -> MapType:
    kind = node.input(0).element_type
    if not isinstance(kind, MapType):
        node.invalid(f"the input holds {kind}, expected a map")
    return kind


@converter("DictVectorizer", domain=CLASSICAL)
def convert_dict_vectorizer(node: Node) -> list[Value]:
    """The values of the keys of a vocabulary."""
    b, kind = node.b, _map_of(node)
    keys = class_labels(node, "string_vocabulary", "int64_vocabulary")
    if element_type_of(keys.dtype) != kind.key:
        node.invalid(f"the vocabulary is of {element_type_of(keys.dtype)}, the map's keys are {kind.key}")
    result = GraphTensorType.of((1, len(keys)), kind.value)
    return b.emit(UnzipMapOp, [node.input(0), b.constant(keys, "keys")], [result])


@converter("CastMap", domain=CLASSICAL)
def convert_cast_map(node: Node) -> Value:
    """The values of a map in the order of its keys, or (SPARSE) each in the column that its key says."""
    b, kind = node.b, _map_of(node)
    name = node.attribute("cast_to", "TO_FLOAT")
    wanted = {"TO_FLOAT": f32, "TO_STRING": text, "TO_INT64": i64}.get(name)
    if wanted is None:
        node.invalid(f"cast_to is '{name}', expected TO_FLOAT, TO_STRING or TO_INT64")
    operands, columns = [node.input(0)], None
    if node.attribute("map_form", "DENSE") == "SPARSE":
        columns = node.attribute("max_map", 1)
        operands.append(b.constant(np.arange(columns, dtype=np.int64)))
    row_type = node.fresh_type(kind.value, [1, columns])
    (row,) = b.emit(UnzipMapOp, operands, [row_type])
    return b.cast(row, wanted)
