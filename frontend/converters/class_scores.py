"""What operators of ai.onnx.ml make of scores: their transformation, and the labels of classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import i64
from ..node import Node
from ..values import Value

if TYPE_CHECKING:
    from ..builder import GraphBuilder

CLASSICAL = "ai.onnx.ml"
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
# Scores up to it count as zero where these are left out of a softmax.
_NEARLY_ZERO = 1e-7
_WINITZKI = 0.147


def post_transform(node: Node) -> str:
    """The transformation that the node asks for. Raises InvalidModelError for an unknown one."""
    name = node.attribute("post_transform", "NONE")
    if name not in TRANSFORMS:
        node.invalid(f"post_transform is '{name}', expected one of {', '.join(TRANSFORMS)}")
    return name


def transformed(b: GraphBuilder, scores: Value, name: str) -> Value:
    """Scores [N, classes] transformed row by row."""
    return _TRANSFORMS[name](b, scores)


def _softmax_zero(b: GraphBuilder, scores: Value) -> Value:
    """Softmax of the scores that are not zero; those that are stay so."""
    largest = b.reduce("max", scores, [1])
    is_zero = b.op(graph.LessEqualOp, b.op(graph.AbsOp, scores), b.scalar_like(_NEARLY_ZERO, scores))
    exps = b.op(graph.ExpOp, b.op(graph.SubOp, scores, largest))
    sums = b.reduce("sum", b.op(graph.WhereOp, is_zero, b.scalar_like(0, scores), exps), [1])
    kept = b.op(graph.MulOp, scores, b.op(graph.ExpOp, b.op(graph.NegOp, largest)))
    return b.op(graph.DivOp, b.op(graph.WhereOp, is_zero, kept, exps), sums)


def _probit(b: GraphBuilder, scores: Value) -> Value:
    """The number below which a normally distributed one is with this probability, by Winitzki's approximation."""
    x = b.op(graph.SubOp, b.op(graph.MulOp, scores, b.scalar_like(2, scores)), b.scalar_like(1, scores))
    one = b.scalar_like(1, scores)
    product = b.op(graph.MulOp, b.op(graph.SubOp, one, x), b.op(graph.AddOp, one, x))
    log = b.op(graph.LogOp, product)
    half = b.op(graph.MulOp, log, b.scalar_like(0.5, scores))
    v = b.op(graph.AddOp, half, b.scalar_like(2 / (math.pi * _WINITZKI), scores))
    inner = b.op(graph.SubOp, b.op(graph.MulOp, v, v), b.op(graph.MulOp, log, b.scalar_like(1 / _WINITZKI, scores)))
    size = b.op(graph.SqrtOp, b.op(graph.SubOp, b.op(graph.SqrtOp, inner), v))
    scaled = b.op(graph.MulOp, size, b.scalar_like(math.sqrt(2), scores))
    is_negative = b.op(graph.LessOp, x, b.scalar_like(0, scores))
    return b.op(graph.WhereOp, is_negative, b.op(graph.NegOp, scaled), scaled)


_TRANSFORMS: dict[str, Callable[[GraphBuilder, Value], Value]] = {
    "NONE": lambda b, scores: scores,
    "SOFTMAX": lambda b, scores: b.softmax(scores, 1),
    "LOGISTIC": lambda b, scores: b.op(graph.SigmoidOp, scores),
    "SOFTMAX_ZERO": _softmax_zero,
    "PROBIT": _probit,
}


def stacked(b: GraphBuilder, *columns: Value) -> Value:
    """Columns [N, 1] side by side."""
    return b.concat(columns, 1)


def column(b: GraphBuilder, x: Value, number: int) -> Value:
    """A column of x [N, C] as [N, 1]."""
    return b.slice(x, [1], [number], [number + 1])


def class_labels(node: Node, *names: str) -> np.ndarray:
    """The labels of classes, numbers or text, from the first of these attributes that is there.

    Raises InvalidModelError where none is.
    """
    for name in names:
        labels = node.attribute(name, [])
        if labels:
            dtype = object if isinstance(labels[0], str) else np.int64
            return np.array(labels, dtype)
    node.invalid(f"the labels of classes are missing: {' or '.join(names)}")
    return None


def picked(b: GraphBuilder, labels: np.ndarray, numbers: Value) -> Value:
    """The labels of classes by their numbers [N]."""
    if labels.dtype == np.int64 and np.array_equal(labels, np.arange(len(labels))):
        return numbers
    return b.op(graph.GatherOp, b.constant(labels, "labels"), numbers, axis=0)


def chosen(b: GraphBuilder, condition: Value, labels: np.ndarray) -> Value:
    """The second of two labels where the condition [N] holds, else the first."""
    return picked(b, labels, b.cast(condition, i64))


def largest(b: GraphBuilder, scores: Value, counted: Sequence[bool] = ()) -> Value:
    """The number of the class with the largest score, the first of several, [N]; of those that are counted."""
    if counted and not all(counted):
        out = np.where(counted, 0.0, -np.inf).astype(scores.type.dtype)
        scores = b.op(graph.AddOp, scores, b.constant(out))
    return b.op(graph.ArgMaxOp, scores, axis=1, keepdims=False)
