"""Decision trees, evaluated for each row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import f32, f64, i32
from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from ..shape import Dim, multiply
from .linear import may_differ
from .operation import GraphOperation, graph_operation, word
from .types import GraphTensorType

AGGREGATES = ("sum", "min", "max")


@graph_operation
class TreeEnsembleOp(GraphOperation):
    """What the leaves of many trees that each row of x reaches hold, added up, or the least or largest of them.

    Nodes of all trees are numbered in one list, both children of a node side by side, after it:

    ========== ========= ===========================================================================================
    x          [N, F]    rows of features, f32 or f64
    thresholds [M]       of x's type; NaN in a leaf
    features   [M]       i32: the feature that a node looks at, or -1 - feature where it tests for >
    children   [M]       i32: a row goes on at the child, or behind it where its feature is <= the threshold (or >);
                         NaN passes no test, and a leaf is its own child
    weights    [M, W]    what a leaf adds to W neighbouring targets
    roots      [G, K]    i32: K trees for each of G groups of W targets
    ========== ========= ===========================================================================================

    The result is [N, G * W]. C1: ranks as in the table; C2: element types as in the table; C3: one entry a node;
    C4: ``aggregate`` is sum, min or max.
    """

    name = "graph.tree_ensemble"
    x = operand_def(GraphTensorType)
    thresholds = operand_def(GraphTensorType)
    features = operand_def(GraphTensorType)
    children = operand_def(GraphTensorType)
    weights = operand_def(GraphTensorType)
    roots = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    aggregate: str = word("sum")

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, thresholds, features, children, weights, roots = types
        named = zip(("x", "thresholds", "features", "children", "weights", "roots"), types, (2, 1, 1, 1, 2, 2))
        for name, type_, rank in named:
            if type_.rank != rank:
                raise VerifyException(f"C1: {name} must have rank {rank}, got {type_}")
        if any(type_.element_type not in (f32, f64) for type_ in (x, weights)):
            raise VerifyException(f"C2: x and weights must be f32 or f64, got {x} and {weights}")
        if thresholds.element_type != x.element_type:
            raise VerifyException(f"C2: thresholds must have the elements of x, got {thresholds}")
        if any(type_.element_type != i32 for type_ in (features, children, roots)):
            raise VerifyException("C2: features, children and roots must be i32")
        nodes: Dim = thresholds.dims[0]
        if any(may_differ(type_.dims[0], nodes) for type_ in (features, children, weights)):
            raise VerifyException("C3: thresholds, features, children and weights must have one entry for each node")
        if values["aggregate"] not in AGGREGATES:
            raise VerifyException(f"C4: aggregate is '{values['aggregate']}', expected one of {', '.join(AGGREGATES)}")
        return [weights.with_dims((x.dims[0], multiply(roots.dims[0], weights.dims[1])))]
