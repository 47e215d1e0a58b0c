"""Random tree ensembles, as ai.onnx.ml lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

ORDERED = ("LEQ", "LT", "GTE", "GT")
ALL_MODES = (*ORDERED, "EQ", "NEQ")


@dataclass
class RandomTrees:
    """Nodes of random trees: their lists, and the leaves of each tree."""

    rng: np.random.Generator
    features: int
    modes: Sequence[str] = ORDERED
    tracks_missing: bool = False
    lists: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _LISTS})
    leaves: list[tuple[int, int]] = field(default_factory=list)
    trees: int = 0

    def add(self, depth: int) -> None:
        """Another tree; ways end anywhere up to the depth."""
        self._count = 0
        self._node(depth)
        self.trees += 1

    def _node(self, depth: int) -> int:
        number = self._count
        self._count += 1
        at = len(self.lists["nodeids"])
        for values in self.lists.values():
            values.append(0)
        is_leaf = depth == 0 or (self._count > 2 and self.rng.random() < 0.2)
        self._say(at, nodeids=number, treeids=self.trees, modes="LEAF" if is_leaf else "BRANCH_" + self._mode())
        if is_leaf:
            self.leaves.append((self.trees, number))
            return number
        threshold = float(np.float32(np.round(self.rng.standard_normal() * 2) / 2))
        missing = int(self.tracks_missing and self.rng.random() < 0.5)
        self._say(
            at,
            featureids=int(self.rng.integers(self.features)),
            values=threshold,
            missing_value_tracks_true=missing,
            truenodeids=self._node(depth - 1),
            falsenodeids=self._node(depth - 1),
        )
        return number

    def _mode(self) -> str:
        return str(self.rng.choice(list(self.modes)))

    def _say(self, at: int, **values: Any) -> None:
        for name, value in values.items():
            self.lists[name][at] = value

    def attributes(self) -> dict[str, Any]:
        found = {f"nodes_{name}": values for name, values in self.lists.items()}
        if not self.tracks_missing:
            del found["nodes_missing_value_tracks_true"]
        return found


_LISTS = (
    "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true",
)  # fmt: skip


def random_trees(seed: int, count: int, depth: int, features: int = 5, **options: Any) -> RandomTrees:
    trees = RandomTrees(np.random.default_rng(seed), features, **options)
    for _ in range(count):
        trees.add(depth)
    return trees


def leaf_lists(trees: RandomTrees, kind: str, targets: Sequence[int], every: bool, positive: bool) -> dict[str, Any]:
    """Weights of the leaves: for each of the targets (``every``), or for one of them, which alternates by tree."""
    rows = [
        (tree, node, target)
        for tree, node in trees.leaves
        for target in (targets if every else [targets[tree % len(targets)]])
    ]
    weights = trees.rng.standard_normal(len(rows)).astype(np.float32)
    weights = np.abs(weights) / trees.trees if positive else weights
    return {
        f"{kind}_treeids": [row[0] for row in rows],
        f"{kind}_nodeids": [row[1] for row in rows],
        "class_ids" if kind == "class" else "target_ids": [row[2] for row in rows],
        f"{kind}_weights": weights.tolist(),
    }


def ensemble(
    trees: RandomTrees, operator: str, outputs: Sequence[tuple[str, int]], version: int = 3, **attributes: Any
) -> onnx.ModelProto:
    """A model of one ensemble on ``x`` [N, features]."""
    given = {name: value for name, value in attributes.items() if value != []}
    names = [name for name, _ in outputs]
    node = helper.make_node(operator, ["x"], names, domain="ai.onnx.ml", **trees.attributes(), **given)
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", trees.features])],
        [helper.make_tensor_value_info(name, type_, None) for name, type_ in outputs],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def rows_with_ties(rng: np.random.Generator, rows: int, features: int, missing: bool = False) -> np.ndarray:
    """Numbers that are often equal to thresholds."""
    x = np.round(rng.standard_normal((rows, features)) * 2).astype(np.float32) / 2
    if missing:
        x[rng.random(x.shape) < 0.2] = np.nan
    return x
