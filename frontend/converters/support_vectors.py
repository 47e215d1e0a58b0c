"""ai.onnx.ml's support vector machines."""

from __future__ import annotations

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import i64
from ..node import Node
from ..registry import converter
from ..values import Value
from .class_scores import CLASSICAL, class_labels, largest, picked, post_transform, stacked, transformed
from .classical import coefficients, floats, of_both, rows_of_floats

# Probabilities of a pair are kept away from 0 and 1 by it.
_LEAST = 1e-7


def _parameters(node: Node) -> tuple[float, float, float]:
    """Gamma, the constant and the degree."""
    values = node.attribute("kernel_params", [])
    if values and len(values) < 3:
        node.invalid(f"kernel_params has {len(values)} entries, expected gamma, coef0 and degree")
    return (values[0], values[1], values[2]) if values else (0.0, 0.0, 0.0)


def _similarity(node: Node, x: Value, vectors: np.ndarray) -> Value:
    """The kernel of each row of x [N, F] and each vector [S, F]: [N, S]."""
    b, kind = node.b, node.attribute("kernel_type", "LINEAR")
    gamma, constant, degree = _parameters(node)
    if kind == "RBF":
        return _rbf(node, x, vectors, gamma)
    dot = b.matmul(x, b.constant(vectors, "support_vectors"), transpose_b=True)
    if kind == "LINEAR":
        return dot
    inner = b.op(graph.AddOp, b.op(graph.MulOp, dot, b.scalar_like(gamma, dot)), b.scalar_like(constant, dot))
    if kind == "POLY":
        return b.op(graph.PowOp, inner, b.scalar_like(degree, inner))
    if kind != "SIGMOID":
        node.invalid(f"kernel_type is '{kind}', expected LINEAR, POLY, RBF or SIGMOID")
    return b.op(graph.TanhOp, inner)


def _rbf(node: Node, x: Value, vectors: np.ndarray, gamma: float) -> Value:
    """exp(-gamma |x - v|^2) by |x|^2 - 2 x v + |v|^2, around the mean of the vectors, so that little cancels."""
    b = node.b
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    x = b.op(graph.SubOp, x, b.constant(mean.astype(np.float32)))
    own = b.reduce("sum", b.op(graph.MulOp, x, x), [1])
    theirs = b.constant((centred**2).sum(axis=1).astype(np.float32), "squared_vectors")
    dot = b.matmul(x, b.constant((-2 * centred).astype(np.float32), "support_vectors"), transpose_b=True)
    distance = b.op(graph.AddOp, b.op(graph.AddOp, dot, own), theirs)
    distance = b.op(graph.MaximumOp, distance, b.scalar_like(0, distance))
    return b.op(graph.ExpOp, b.op(graph.MulOp, distance, b.scalar_like(-gamma, distance)))


def _vectors(node: Node, x: Value, count: int) -> np.ndarray:
    vectors = floats(node, "support_vectors")
    if not len(vectors) or len(vectors) % count:
        node.invalid(f"support_vectors has {len(vectors)} numbers, which do not make {count} vectors")
    node.relate(x.dims[1], len(vectors) // count, "the number of features")
    return vectors.reshape(count, -1)


def _rho(node: Node, least: int) -> np.ndarray:
    rho = floats(node, "rho")
    if len(rho) < least:
        node.invalid(f"rho has {len(rho)} entries, expected {least}")
    return rho


@converter("SVMRegressor", domain=CLASSICAL)
def convert_svm_regressor(node: Node) -> Value:
    b, x, count = node.b, rows_of_floats(node), node.attribute("n_supports", 0)
    weights = x if not count else _similarity(node, x, _vectors(node, x, count))
    result = b.matmul(weights, b.constant(coefficients(node, weights, 1), "coefficients"), transpose_b=True)
    result = b.op(graph.AddOp, result, b.constant(_rho(node, 1)[:1]))
    if not node.attribute("one_class", 0):
        return result
    is_inside = b.op(graph.GreaterOp, result, b.scalar_like(0, result))
    return b.op(graph.WhereOp, is_inside, b.scalar_like(1, result), b.scalar_like(-1, result))


@converter("SVMClassifier", domain=CLASSICAL)
def convert_svm_classifier(node: Node) -> list[Value]:
    labels = class_labels(node, "classlabels_strings", "classlabels_ints")
    counts = [int(count) for count in node.attribute("vectors_per_class", [])]
    if not sum(counts):
        return _of_planes(node, labels)
    if len(counts) != len(labels):
        node.invalid(f"vectors_per_class has {len(counts)} entries for {len(labels)} classes")
    return _of_pairs(node, labels, counts)


def _of_planes(node: Node, labels: np.ndarray) -> list[Value]:
    """A plane for each class, all at the same distance ``rho``."""
    b, x, transform = node.b, rows_of_floats(node), post_transform(node)
    planes = coefficients(node, x, len(labels))
    scores = b.matmul(x, b.constant(planes, "coefficients"), transpose_b=True)
    scores = b.op(graph.AddOp, scores, b.constant(_rho(node, 1)[:1]))
    number = largest(b, scores)
    if len(labels) == 2:
        # The second class where the largest score is beyond a bound, as onnxruntime has it.
        best = b.reduce("max", scores, [1], keepdims=False)
        is_positive = bool((planes >= 0).all())
        compare = graph.GreaterEqualOp if is_positive else graph.GreaterOp
        beyond = b.op(compare, best, b.scalar_like(0.5 if is_positive else 0, best))
        number = b.op(graph.WhereOp, beyond, b.scalar(1, i64), number)
    return [picked(b, labels, number), transformed(b, scores, transform)]


def _of_pairs(node: Node, labels: np.ndarray, counts: list[int]) -> list[Value]:
    """A machine for each pair of classes: the class that wins most of them, the first of several."""
    b, x, transform, classes = node.b, rows_of_floats(node), post_transform(node), len(labels)
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    similar = _similarity(node, x, _vectors(node, x, sum(counts)))
    weights = b.constant(_pair_weights(node, counts, pairs), "coefficients")
    scores = b.matmul(similar, weights, transpose_b=True)
    scores = b.op(graph.AddOp, scores, b.constant(_rho(node, len(pairs))[: len(pairs)]))
    is_first = b.cast(b.op(graph.GreaterOp, scores, b.scalar_like(0, scores)), scores.element_type)
    wins = np.zeros((len(pairs), classes), np.float32)
    losses = np.zeros((1, classes), np.float32)
    for number, (i, j) in enumerate(pairs):
        wins[number, i], wins[number, j] = 1, -1
        losses[0, j] += 1
    votes = b.op(graph.AddOp, b.matmul(is_first, b.constant(wins)), b.constant(losses))
    label = picked(b, labels, largest(b, votes))
    if node.attribute("prob_a", []):
        return [label, transformed(b, _probabilities(node, scores, pairs, classes), transform)]
    if classes == 2:
        return [label, of_both(node, scores, transform, one_minus=transform != "NONE")]
    return [label, transformed(b, scores, transform)]


def _pair_weights(node: Node, counts: list[int], pairs: list[tuple[int, int]]) -> np.ndarray:
    """The coefficients of each pair's vectors [pairs, S], zero for those of other classes.

    In a row of the attribute stand those of each vector against one of the classes other than its own.
    """
    values, total = floats(node, "coefficients"), sum(counts)
    if len(values) < (len(counts) - 1) * total:
        node.invalid(f"there are {len(values)} coefficients, expected {(len(counts) - 1) * total}")
    rows = values[: (len(counts) - 1) * total].reshape(-1, total)
    ends = np.cumsum(counts)
    weights = np.zeros((len(pairs), total), np.float32)
    for number, (i, j) in enumerate(pairs):
        first, second = (slice(ends[k] - counts[k], ends[k]) for k in (i, j))
        weights[number, first] = rows[j - 1, first]
        weights[number, second] = rows[i, second]
    return weights


def _probabilities(node: Node, scores: Value, pairs: list[tuple[int, int]], classes: int) -> Value:
    """Probabilities of classes from those of pairs, which a logistic function gives."""
    b = node.b
    slopes, shifts = floats(node, "prob_a"), floats(node, "prob_b")
    if len(slopes) < len(pairs) or len(slopes) != len(shifts):
        node.invalid(f"prob_a and prob_b have {len(slopes)} and {len(shifts)} entries for {len(pairs)} pairs")
    scaled = b.op(graph.MulOp, scores, b.constant(-slopes[: len(pairs)]))
    first = b.op(graph.SigmoidOp, b.op(graph.SubOp, scaled, b.constant(shifts[: len(pairs)])))
    first = b.op(graph.MaximumOp, first, b.scalar_like(_LEAST, first))
    first = b.op(graph.MinimumOp, first, b.scalar_like(1 - _LEAST, first))
    second = b.op(graph.SubOp, b.scalar_like(1, first), first)
    # Columns of both, and a zero for the diagonal, put where a matrix has them.
    zero = b.broadcast_to(b.constant(np.zeros((1, 1), np.float32)), [first.dims[0], 1])
    places = np.full((classes, classes), 2 * len(pairs))
    for number, (i, j) in enumerate(pairs):
        places[i, j], places[j, i] = number, len(pairs) + number
    columns = b.gather(stacked(b, first, second, zero), b.constant(places.reshape(-1).astype(np.int64)), 1)
    return b.op(graph.CoupleProbabilitiesOp, b.reshape(columns, [first.dims[0], classes, classes]))
