"""ai.onnx.ml's linear models and what prepares tables of features; trees, machines of vectors and text apart."""

from __future__ import annotations

import math

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import f32, f64, is_float
from ..node import Node
from ..registry import converter
from ..values import Value
from .class_scores import CLASSICAL, chosen, class_labels, largest, picked, post_transform, stacked, transformed


def rows_of_floats(node: Node) -> Value:
    """The table of features [N, F] in f32; a vector is one row."""
    x = node.b.cast(node.input(0), f32)
    if x.rank == 1:
        x = node.b.unsqueeze(x, [0])
    if x.rank != 2:
        node.invalid(f"the rows of features have {x.rank} axes, expected 2")
    return x


def floats(node: Node, name: str) -> np.ndarray:
    return np.asarray(node.attribute(name, []), np.float32)


def coefficients(node: Node, x: Value, rows: int) -> np.ndarray:
    """The coefficients [rows, F]. Raises InvalidModelError where they do not fit the features."""
    values = floats(node, "coefficients")
    if rows < 1 or not len(values) or len(values) % rows:
        node.invalid(f"{len(values)} coefficients do not make {rows} rows")
    node.relate(x.dims[1], len(values) // rows, "the number of features")
    return values.reshape(rows, -1)


def _linear(node: Node, x: Value, rows: int) -> Value:
    b = node.b
    scores = b.matmul(x, b.constant(coefficients(node, x, rows), "coefficients"), transpose_b=True)
    intercepts = floats(node, "intercepts")
    if not len(intercepts):
        return scores
    if len(intercepts) != rows:
        node.invalid(f"there are {len(intercepts)} intercepts for {rows} rows of coefficients")
    return b.op(graph.AddOp, scores, b.constant(intercepts))


@converter("LinearRegressor", domain=CLASSICAL)
def convert_linear_regressor(node: Node) -> Value:
    """Of a single target only probit is a transformation."""
    targets, transform = node.attribute("targets", 1), post_transform(node)
    scores = _linear(node, rows_of_floats(node), targets)
    return transformed(node.b, scores, transform if targets > 1 or transform == "PROBIT" else "NONE")


@converter("LinearClassifier", domain=CLASSICAL)
def convert_linear_classifier(node: Node) -> list[Value]:
    b, transform = node.b, post_transform(node)
    labels = class_labels(node, "classlabels_strings", "classlabels_ints")
    count = len(floats(node, "intercepts"))
    scores = _linear(node, rows_of_floats(node), count or len(labels))
    if count != 1:
        if len(labels) < count:
            node.invalid(f"there are {len(labels)} labels for {count} classes")
        return [picked(b, labels, largest(b, scores)), transformed(b, scores, transform)]
    if len(labels) != 2:
        node.invalid(f"there are {len(labels)} labels for one row of coefficients, which tells two classes apart")
    above = b.op(graph.GreaterOp, scores, b.scalar_like(0, scores))
    return [chosen(b, b.reshape(above, [above.dims[0]]), labels), of_both(node, scores, transform)]


def of_both(node: Node, score: Value, transform: str, one_minus: bool = True) -> Value:
    """The scores of both classes from that of the second."""
    b = node.b
    negated = b.op(graph.NegOp, score)
    if transform == "LOGISTIC":
        return transformed(b, stacked(b, negated, score), transform)
    first = b.op(graph.AddOp, negated, b.scalar_like(1, score)) if one_minus else negated
    return stacked(b, first, score)


# --- preparation --------------------------------------------------------------------------------------------


def _of_columns(node: Node, name: str, x: Value, values: np.ndarray) -> Value:
    """Numbers for the columns of x, or one for all."""
    if not len(values):
        node.invalid(f"'{name}' is missing")
    if len(values) > 1:
        node.relate(x.dims[-1], len(values), f"the number of features, as many as '{name}' has,")
    return node.b.constant(values.astype(x.type.dtype))


@converter("Scaler", domain=CLASSICAL)
def convert_scaler(node: Node) -> Value:
    b, x = node.b, node.input(0)
    x = x if x.element_type == f64 else b.cast(x, f32)
    shifted = b.op(graph.SubOp, x, _of_columns(node, "offset", x, floats(node, "offset")))
    return b.cast(b.op(graph.MulOp, shifted, _of_columns(node, "scale", x, floats(node, "scale"))), f32)


@converter("Normalizer", domain=CLASSICAL)
def convert_normalizer(node: Node) -> Value:
    """Rows divided by their largest element, the sum of absolute values or the root of that of squares, unless 0."""
    b, x, norm = node.b, node.input(0), node.attribute("norm", "MAX")
    x = x if x.element_type == f64 else b.cast(x, f32)
    axis = [x.rank - 1]
    if norm == "MAX":
        size = b.reduce("max", x, axis)
    elif norm == "L1":
        size = b.reduce("sum", b.op(graph.AbsOp, x), axis)
    elif norm == "L2":
        size = b.op(graph.SqrtOp, b.reduce("sum", b.op(graph.MulOp, x, x), axis))
    else:
        node.invalid(f"norm is '{norm}', expected MAX, L1 or L2")
    is_zero = b.op(graph.EqualOp, size, b.scalar_like(0, size))
    return b.cast(b.op(graph.DivOp, x, b.op(graph.WhereOp, is_zero, b.scalar_like(1, size), size)), f32)


@converter("Binarizer", domain=CLASSICAL)
def convert_binarizer(node: Node) -> Value:
    b, x, threshold = node.b, node.input(0), node.attribute("threshold", 0.0)
    compared = x if is_float(x.element_type) or float(threshold).is_integer() else b.cast(x, f64)
    return b.cast(b.op(graph.GreaterOp, compared, b.scalar_like(threshold, compared)), x.element_type)


@converter("Imputer", domain=CLASSICAL)
def convert_imputer(node: Node) -> Value:
    b, x = node.b, node.input(0)
    kind = "float" if is_float(x.element_type) else "int64"
    replaced = node.attribute(f"replaced_value_{kind}", 0)
    imputed = _of_columns(node, f"imputed_value_{kind}s", x, np.asarray(node.attribute(f"imputed_value_{kind}s", [])))
    if math.isnan(replaced):
        is_missing = b.op(graph.IsNanOp, x)
    else:
        is_missing = b.op(graph.EqualOp, x, b.scalar_like(replaced, x))
    return b.op(graph.WhereOp, is_missing, imputed, x)


@converter("ArrayFeatureExtractor", domain=CLASSICAL)
def convert_array_feature_extractor(node: Node) -> Value:
    """Columns of x by their numbers; a vector is one row."""
    b, x, columns = node.b, node.input(0), node.input(1)
    if x.rank < 1:
        node.invalid("x is a scalar, and has no columns")
    x = b.unsqueeze(x, [0]) if x.rank == 1 else x
    return b.gather(x, b.reshape(columns, [b.element_count(columns)]), x.rank - 1)


@converter("FeatureVectorizer", domain=CLASSICAL)
def convert_feature_vectorizer(node: Node) -> Value:
    """The inputs side by side, each cut or filled up with zeros to as many columns as ``inputdimensions`` says."""
    b, wanted, parts = node.b, node.attribute("inputdimensions", []), []
    if len(wanted) != len(node.present):
        node.invalid(f"inputdimensions has {len(wanted)} entries for {len(node.present)} inputs")
    for x, size in zip(node.present, wanted):
        x = b.cast(x, f32)
        x = b.unsqueeze(x, [1]) if x.rank == 1 else x
        if x.rank != 2:
            node.invalid(f"an input has {x.rank} axes, expected 2")
        have = x.dims[1]
        if not isinstance(have, int):
            node.relate(have, size, "the number of features")
        elif have > size:
            x = b.slice(x, [1], [0], [size])
        elif have < size:
            x = b.pad(x, [0, 0, 0, size - have])
        parts.append(x)
    return b.concat(parts, 1)
