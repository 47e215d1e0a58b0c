"""ai.onnx.ml's tree ensembles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import f32, f64, is_float
from ..forests import MEMBER, MODES, Forest, ForestError, Leaves, modes_of, pack
from ..node import Node
from ..registry import converter
from ..values import Value
from .class_scores import (
    CLASSICAL,
    TRANSFORMS,
    chosen,
    class_labels,
    column,
    largest,
    picked,
    post_transform,
    stacked,
    transformed,
)

_MOST_TARGETS = 1 << 16
_AGGREGATES = {"AVERAGE": "sum", "SUM": "sum", "MIN": "min", "MAX": "max"}


def _table(node: Node) -> Value:
    """The rows of features: f64 as they are, all else as f32; a vector is one row."""
    x = node.input(0)
    if x.element_type != f64:
        x = node.b.cast(x, f32) if x.element_type != f32 else x
    if x.rank == 1:
        x = node.b.unsqueeze(x, [0])
    if x.rank != 2:
        node.invalid(f"the rows of features have {x.rank} axes, expected 2")
    return x


def _numbers(node: Node, name: str, dtype: Any) -> np.ndarray:
    """A list of numbers, which later versions have as a tensor."""
    values = node.attribute(f"{name}_as_tensor", None)
    return np.asarray(node.attribute(name, []) if values is None else values, dtype).reshape(-1)


def _integers(node: Node, name: str) -> np.ndarray:
    return np.asarray(node.attribute(name, []), np.int64)


def _same_length(node: Node, count: int, **lists: np.ndarray) -> None:
    for name, values in lists.items():
        if len(values) != count:
            node.invalid(f"{name} has {len(values)} entries, expected {count}")


class _Numbering:
    """The places in the list of nodes of those that are named by a tree and a number in it."""

    def __init__(self, node: Node, trees: np.ndarray, numbers: np.ndarray):
        self.node = node
        self.trees = np.unique(trees)
        self.numbers = np.unique(numbers)
        keys = self._keys(trees, numbers)
        self.order = np.argsort(keys, kind="stable")
        self.keys = keys[self.order]
        if (self.keys[1:] == self.keys[:-1]).any():
            node.invalid("two nodes of a tree have the same number")

    def _keys(self, trees: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        tree = np.searchsorted(self.trees, trees)
        number = np.searchsorted(self.numbers, numbers)
        known = (tree < len(self.trees)) & (number < len(self.numbers))
        known[known] = (self.trees[tree[known]] == trees[known]) & (self.numbers[number[known]] == numbers[known])
        return np.where(known, tree * len(self.numbers) + number, -1)

    def places(self, trees: np.ndarray, numbers: np.ndarray, what: str) -> np.ndarray:
        """Raises InvalidModelError where there is no such node."""
        keys = self._keys(trees, numbers)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        unknown = np.flatnonzero(self.keys[place] != keys)
        if len(unknown):
            self.node.invalid(f"{what} {numbers[unknown[0]]} of tree {trees[unknown[0]]} is not among its nodes")
        return self.order[place]


def _listed_forest(node: Node, dtype: Any) -> tuple[Forest, _Numbering]:
    """The nodes of versions 1 and 3: leaves are among them, children are named by tree and number."""
    trees, numbers = _integers(node, "nodes_treeids"), _integers(node, "nodes_nodeids")
    features, thresholds = _integers(node, "nodes_featureids"), _numbers(node, "nodes_values", dtype)
    true, false = _integers(node, "nodes_truenodeids"), _integers(node, "nodes_falsenodeids")
    modes, count = modes_of(node.attribute("nodes_modes", [])), len(trees)
    if not count:
        node.invalid("there are no trees")
    _same_length(
        node, count, nodes_nodeids=numbers, nodes_featureids=features, nodes_values=thresholds, nodes_modes=modes,
        nodes_truenodeids=true, nodes_falsenodeids=false,
    )  # fmt: skip
    numbering = _Numbering(node, trees, numbers)
    is_leaf = modes < 0
    tests = np.flatnonzero(~is_leaf)
    children = []
    for what, named in (("child", true), ("child", false)):
        places = np.zeros(count, np.int64)
        places[tests] = numbering.places(trees[tests], named[tests], what)
        children.append(places)
    is_child = np.zeros(count, bool)
    for places in children:
        is_child[places[tests]] = True
    # The first node of each tree that is no child; a leaf only where the tree has no tests.
    has_tests = np.isin(trees, trees[tests])
    starts = np.flatnonzero(~is_child & ~(is_leaf & has_tests))
    _, firsts = np.unique(trees[starts], return_index=True)
    if len(firsts) < len(numbering.trees):
        node.invalid("a tree has no root")
    forest = Forest(
        roots=starts[np.sort(firsts)],
        modes=modes,
        features=features,
        thresholds=thresholds,
        true=children[0],
        false=children[1],
        nan_is_true=_missing(node, count),
        is_leaf=is_leaf,
        members={},
    )
    return forest, numbering


def _missing(node: Node, count: int) -> np.ndarray:
    tracks = _integers(node, "nodes_missing_value_tracks_true")
    return tracks.astype(bool) if len(tracks) == count else np.zeros(count, bool)


def _listed_leaves(node: Node, numbering: _Numbering, kind: str, ids: str, dtype: Any, targets: int) -> Leaves:
    weights, target = _numbers(node, f"{kind}_weights", dtype), _integers(node, ids)
    trees, numbers = _integers(node, f"{kind}_treeids"), _integers(node, f"{kind}_nodeids")
    lists = {ids: target, f"{kind}_treeids": trees, f"{kind}_nodeids": numbers}
    _same_length(node, len(weights), **lists)
    if len(target) and not (target.min() >= 0 and target.max() < targets):
        node.invalid(f"{ids} has {target.min()} to {target.max()}, and there are {targets}")
    return Leaves(numbering.places(trees, numbers, "node"), target, weights)


def _evaluated(node: Node, x: Value, forest: Forest, leaves: Leaves, targets: int, aggregate: str) -> Value:
    """What the trees give for each target [N, targets]."""
    if targets > _MOST_TARGETS:
        node.unsupported(f"{targets} targets are more than {_MOST_TARGETS}", "split the model")
    scores, used = _evaluated_for_some(node, x, forest, leaves, targets, aggregate)
    if len(used) == targets:
        return scores
    places = np.full(targets, len(used))
    places[used] = np.arange(len(used))
    return node.b.gather(stacked(node.b, scores, _zeros(node, scores)), node.b.constant(places), 1)


def _zeros(node: Node, scores: Value) -> Value:
    """A column of them."""
    return node.b.broadcast_to(node.b.constant(np.zeros((1, 1), scores.type.dtype)), [scores.dims[0], 1])


def _evaluated_for_some(
    node: Node, x: Value, forest: Forest, leaves: Leaves, targets: int, aggregate: str
) -> tuple[Value, np.ndarray]:
    """What the trees give for those targets that some leaf speaks of, and which these are."""
    used = np.unique(leaves.targets)
    if not len(used):
        return _of_all(node, x, forest, leaves, targets, aggregate), np.arange(targets)
    own = replace(leaves, targets=np.searchsorted(used, leaves.targets))
    return _of_all(node, x, forest, own, len(used), aggregate), used


def _of_all(node: Node, x: Value, forest: Forest, leaves: Leaves, targets: int, aggregate: str) -> Value:
    b, trees = node.b, len(forest.roots)
    used = forest.features[~forest.is_leaf]
    if len(used):
        if used.min() < 0:
            node.invalid(f"nodes_featureids has {used.min()}")
        node.at_least(x.dims[1], int(used.max()) + 1, "the number of features")
    else:
        node.at_least(x.dims[1], 1, "the number of features")
    kind = _AGGREGATES[aggregate]
    try:
        packed = pack(forest, leaves, targets, kind)
    except ForestError as error:
        node.invalid(str(error))
    name = node.path.replace("/", ".")
    operands = [
        b.constant(getattr(packed, part), f"{name}.{part}")
        for part in ("thresholds", "features", "children", "weights", "roots")
    ]
    scores = b.op(graph.TreeEnsembleOp, x, *operands, aggregate=kind)
    if aggregate == "AVERAGE":
        scores = b.op(graph.DivOp, scores, b.scalar_like(trees, scores))
    if kind != "sum" and np.isinf(packed.weights).any():
        # No tree says anything of such a target.
        is_none = b.op(graph.EqualOp, b.op(graph.AbsOp, scores), b.scalar_like(np.inf, scores))
        scores = b.op(graph.WhereOp, is_none, b.scalar_like(0, scores), scores)
    return scores


def _forest_type(x: Value) -> Any:
    return np.float64 if x.element_type == f64 else np.float32


def _aggregate(node: Node) -> str:
    name = node.attribute("aggregate_function", "SUM")
    if name not in _AGGREGATES:
        node.invalid(f"aggregate_function is '{name}', expected one of {', '.join(_AGGREGATES)}")
    return name


def _regression(node: Node, scores: Value, base: np.ndarray, targets: int, transform: str) -> Value:
    """Of a single target only probit is a transformation."""
    b = node.b
    if len(base) == targets:
        scores = b.op(graph.AddOp, scores, b.constant(base.astype(scores.type.dtype)))
    return transformed(b, scores, transform if targets > 1 or transform == "PROBIT" else "NONE")


@converter("TreeEnsembleRegressor", domain=CLASSICAL)
def convert_tree_regressor(node: Node) -> Value:
    x, transform, targets = _table(node), post_transform(node), node.attribute("n_targets", 1)
    dtype = _forest_type(x)
    try:
        forest, numbering = _listed_forest(node, dtype)
    except ForestError as error:
        node.invalid(str(error))
    leaves = _listed_leaves(node, numbering, "target", "target_ids", dtype, targets)
    scores = _evaluated(node, x, forest, leaves, targets, _aggregate(node))
    return node.b.cast(_regression(node, scores, _numbers(node, "base_values", dtype), targets, transform), f32)


@converter("TreeEnsemble", domain=CLASSICAL, since=5)
def convert_tree_ensemble(node: Node) -> Value:
    x, targets = node.input(0), node.attribute("n_targets", 1)
    if not is_float(x.element_type):
        node.invalid(f"the features are {x.element_type}, expected floats")
    wide = _table(node)
    forest, leaves = _forest_of_roots(node, _forest_type(wide), targets)
    aggregates, number = ("AVERAGE", "SUM", "MIN", "MAX"), node.attribute("aggregate_function", 1)
    transform = node.attribute("post_transform", 0)
    if number not in range(len(aggregates)) or transform not in range(len(TRANSFORMS)):
        node.invalid(f"there is no aggregate_function {number} or post_transform {transform}")
    scores = _evaluated(node, wide, forest, leaves, targets, aggregates[number])
    none = np.zeros(0, np.float32)
    return node.b.cast(_regression(node, scores, none, targets, TRANSFORMS[transform]), x.element_type)


def _forest_of_roots(node: Node, dtype: Any, targets: int) -> tuple[Forest, Leaves]:
    """The nodes of version 5: inner ones and leaves are numbered apart, by their place in the lists."""
    modes = np.asarray(node.attribute("nodes_modes"), np.int64).reshape(-1)
    thresholds = np.asarray(node.attribute("nodes_splits"), dtype).reshape(-1)
    weights = np.asarray(node.attribute("leaf_weights"), dtype).reshape(-1)
    features, target = _integers(node, "nodes_featureids"), _integers(node, "leaf_targetids")
    inner, ends = len(modes), len(weights)
    children = []
    for side in ("true", "false"):
        ids, is_end = _integers(node, f"nodes_{side}nodeids"), _integers(node, f"nodes_{side}leafs").astype(bool)
        _same_length(node, inner, **{f"nodes_{side}nodeids": ids, f"nodes_{side}leafs": is_end})
        if ((ids < 0) | (ids >= np.where(is_end, ends, inner))).any():
            node.invalid(f"nodes_{side}nodeids names nodes that are not there")
        children.append(np.concatenate([np.where(is_end, inner + ids, ids), np.zeros(ends, np.int64)]))
    _same_length(node, inner, nodes_featureids=features, nodes_splits=thresholds)
    _same_length(node, ends, leaf_targetids=target)
    if ends and not (target.min() >= 0 and target.max() < targets):
        node.invalid(f"leaf_targetids has {target.min()} to {target.max()}, and there are {targets} targets")
    if inner and not (modes.min() >= 0 and modes.max() < len(MODES)):
        node.invalid(f"nodes_modes has {modes.min()} to {modes.max()}, expected 0 to {len(MODES) - 1}")
    roots = _integers(node, "tree_roots")
    if not len(roots) or not inner or roots.min() < 0 or roots.max() >= inner:
        node.invalid("tree_roots must name nodes")
    nothing = np.zeros(ends, np.int64)
    forest = Forest(
        roots=roots,
        modes=np.concatenate([modes, nothing]),
        features=np.concatenate([features, nothing]),
        thresholds=np.concatenate([thresholds, nothing.astype(dtype)]),
        true=children[0],
        false=children[1],
        nan_is_true=np.concatenate([_missing(node, inner), nothing.astype(bool)]),
        is_leaf=np.arange(inner + ends) >= inner,
        members=_members(node, modes, dtype),
    )
    return forest, Leaves(inner + np.arange(ends), target, weights)


def _members(node: Node, modes: np.ndarray, dtype: Any) -> dict[int, np.ndarray]:
    """The sets of nodes of mode MEMBER, which follow each other, a NaN behind each."""
    listed = np.asarray(node.attribute("membership_values", []), dtype).reshape(-1)
    askers = np.flatnonzero(modes == MEMBER)
    ends = np.flatnonzero(np.isnan(listed))
    if len(ends) != len(askers):
        node.invalid(f"membership_values has {len(ends)} sets for {len(askers)} nodes")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    return {int(asker): listed[start:end] for asker, start, end in zip(askers, starts, ends)}


# --- classification -----------------------------------------------------------------------------------------


@converter("TreeEnsembleClassifier", domain=CLASSICAL)
def convert_tree_classifier(node: Node) -> list[Value]:
    x, transform = _table(node), post_transform(node)
    labels = class_labels(node, "classlabels_strings", "classlabels_int64s")
    dtype = _forest_type(x)
    try:
        forest, numbering = _listed_forest(node, dtype)
    except ForestError as error:
        node.invalid(str(error))
    leaves = _listed_leaves(node, numbering, "class", "class_ids", dtype, len(labels))
    base = _numbers(node, "base_values", dtype)
    if len(labels) > 2:
        scores = _evaluated(node, x, forest, leaves, len(labels), "SUM")
        label, scores = _of_several(node, scores, leaves, base, labels)
        scores = transformed(node.b, scores, transform)
    else:
        some, used = _evaluated_for_some(node, x, forest, leaves, len(labels), "SUM")
        columns = [_zeros(node, some) for _ in labels]
        for place, number in enumerate(used):
            columns[number] = column(node.b, some, place)
        label, scores = _of_two(node, columns, leaves, base, labels, transform)
    return [label, node.b.cast(scores, f32)]


def _of_several(node: Node, scores: Value, leaves: Leaves, base: np.ndarray, labels: np.ndarray) -> tuple[Value, Value]:
    """The class of the largest score among those that some leaf or base value says something of."""
    b, count = node.b, len(labels)
    if len(base) > count:
        node.invalid(f"base_values has {len(base)} entries for {count} classes")
    if len(base):
        padded = np.zeros(count, scores.type.dtype)
        padded[: len(base)] = base
        scores = b.op(graph.AddOp, scores, b.constant(padded))
    counted = np.isin(np.arange(count), leaves.targets) | (np.arange(count) < len(base))
    return picked(b, labels, largest(b, scores, counted.tolist())), scores


def _of_two(
    node: Node, columns: list[Value], leaves: Leaves, base: np.ndarray, labels: np.ndarray, transform: str
) -> tuple[Value, Value]:
    """Labels and scores of one or two classes, as onnxruntime has them where ONNX is vague.

    Where leaves speak of one class only, what they say is of the second class, against a bound of 0.5 where it is
    never negative, else of 0.
    """
    b = node.b
    first, second = columns[0], columns[1] if len(labels) == 2 else None
    if second is not None and not np.isin(1, leaves.targets):
        second = None
    is_single_class = len(labels) == 2 and len(np.unique(leaves.targets)) == 1
    dtype = first.type.dtype

    def plus(value: Value, number: float) -> Value:
        return b.op(graph.AddOp, value, b.constant(np.array(number, dtype)))

    nothing = _zeros(node, first)
    decisive, shown = first, [first]
    if len(base) == 2 and len(labels) == 2:
        if second is not None:
            second = plus(first, base[1])
            decisive, shown = second, [b.op(graph.NegOp, second), second]
        else:
            first = plus(first, base[0])
            decisive, shown = first, [first, nothing]
    else:
        if len(base):
            first = plus(first, base[0])
        decisive, shown = (first, [first]) if second is None else (second, [first, second])
    if not np.isin(0, leaves.targets) and len(shown) == 2:
        shown[0] = nothing
    is_positive = is_single_class and bool((leaves.weights >= 0).all())
    bound = b.scalar_like(0.5 if is_positive else 0, decisive)
    above = b.reshape(b.op(graph.GreaterOp, decisive, bound), [decisive.dims[0]])
    by_number = labels if is_single_class or labels.dtype == object else np.arange(2)
    label = chosen(b, above, by_number)
    if len(shown) == 2:
        return label, transformed(b, stacked(b, *shown), transform)
    return label, _completed(node, shown[0], nothing, is_single_class, is_positive, transform)


def _completed(
    node: Node, score: Value, nothing: Value, is_single_class: bool, is_positive: bool, transform: str
) -> Value:
    """The scores of both classes from that of one."""
    b = node.b
    if transform == "PROBIT":
        probit = transformed(b, score, transform)
        return stacked(b, probit, nothing) if is_single_class else probit
    if not is_single_class:
        return score
    negated = b.op(graph.NegOp, score)
    if transform == "LOGISTIC":
        return transformed(b, stacked(b, negated, score), transform)
    if is_positive:
        return stacked(b, b.op(graph.SubOp, b.scalar_like(1, score), score), score)
    return stacked(b, negated, score)
