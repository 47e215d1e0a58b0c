"""Decision trees: the nodes of ``graph.tree_ensemble`` packed as ``kernel.tree_ensemble`` reads them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from ...dialects import graph, kernel
from ...dialects.shape import Dim
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule

# More rows than a tile has: places in it are counted in words.
_ROWS_OF_TILE = 1 << 12


def lower_tree_ensemble(lowering: FunctionLowering, op: graph.TreeEnsembleOp) -> Sequence[SSAValue]:
    x, weights, roots = (lowering.plain(lowering.value(operand)) for operand in (op.x, op.weights, op.roots))
    known = [lowering.array(operand) for operand in (op.features, op.children, op.roots)]
    features, children, starts = (array for array in known if array is not None)
    words, feature_bits = _words(features, children, _largest_place(type_of(x).dims[1], type_of(weights).dims))
    walk = kernel.TreeEnsembleOp(
        [x, lowering.value(op.thresholds), lowering.constant(words, f"{_handle(op.features)}.words"), weights, roots],
        result_type(op),
        kind=op.aggregate,
        depth=_depth(children, starts),
        feature_bits=feature_bits,
        both_ways=bool((features < 0).any()),
    )
    return [lowering.add(walk)]


def _handle(constant: SSAValue) -> str:
    assert isinstance(constant.owner, graph.ConstantOp)
    return constant.owner.handle


def _largest_place(features: Dim, weights: Sequence[Dim]) -> int:
    """Of an element in a tile of x or in the weights."""
    if not isinstance(features, int):
        return 1 << 62
    return max(_ROWS_OF_TILE * features, int(weights[0]) * int(weights[1]))


def _words(features: np.ndarray, children: np.ndarray, largest: int) -> tuple[np.ndarray, int]:
    """A word for each node, of 32 bits where these hold all numbers, and in how many bits the feature is."""
    is_greater = features < 0
    feature = np.where(is_greater, ~features, features).astype(np.int64)
    distance = children.astype(np.int64) - np.arange(len(children))
    bits = int(feature.max(initial=0)).bit_length()
    words = distance << bits | feature
    fits = max(largest, int(words.max(initial=0))) < 1 << 31
    dtype = np.int32 if fits else np.int64
    return (words | np.where(is_greater, np.iinfo(dtype).min, 0)).astype(dtype), bits


def _depth(children: np.ndarray, roots: np.ndarray) -> int:
    """The longest way from a root to a leaf."""
    level, depth = np.unique(roots), 0
    while True:
        level = level[children[level] != level]
        if not len(level):
            return depth
        first = children[level]
        level, depth = np.unique(np.concatenate([first, first + 1])), depth + 1


def tree_ensemble_obstacle(op: graph.TreeEnsembleOp) -> Obstacle | None:
    if all(isinstance(operand.owner, graph.ConstantOp) for operand in list(op.operands)[1:]):
        return None
    return Obstacle("its trees are not known when the model is compiled", "export them as constants")


RULES = {"graph.tree_ensemble": Rule(lower_tree_ensemble, tree_ensemble_obstacle)}
