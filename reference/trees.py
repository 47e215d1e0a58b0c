"""Decision trees; the operands are those of ``graph.tree_ensemble``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .elementwise import Operation

_COMBINE = {"sum": np.add, "min": np.minimum, "max": np.maximum}


def reached_leaves(
    x: np.ndarray, thresholds: np.ndarray, features: np.ndarray, children: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """The leaf that each row of x [N, F] reaches from each of some nodes [G]: node numbers [N, G]."""
    nodes = np.broadcast_to(starts, (len(x), len(starts)))
    rows = np.arange(len(x))[:, np.newaxis]
    while True:
        feature, threshold = features[nodes], thresholds[nodes]
        value = x[rows, np.where(feature < 0, ~feature, feature)]
        passes = np.where(feature < 0, value > threshold, value <= threshold)
        following = children[nodes] + passes
        if np.array_equal(following, nodes):
            return nodes
        nodes = following


def _tree_ensemble(inputs: Sequence[np.ndarray], attributes: Mapping[str, Any]) -> list[np.ndarray]:
    x, thresholds, features, children, weights, roots = inputs
    combine = _COMBINE[attributes.get("aggregate", "sum")]
    total: np.ndarray | None = None
    for starts in roots.T:
        leaves = weights[reached_leaves(x, thresholds, features, children, starts)]
        total = leaves if total is None else combine(total, leaves)
    assert total is not None
    return [total.reshape(len(x), -1)]


TREES: dict[str, Operation] = {"tree_ensemble": _tree_ensemble}
