"""Decision trees as ONNX lists them, brought into the form of ``graph.tree_ensemble``.

Every test becomes ``value <= threshold`` or ``value > threshold``, written so that the first child is where NaN goes:

==================== =====================================================================
LEQ t                <= t
LT t                 <= the number before t
GT t, GTE t          the same with the children exchanged
EQ, NEQ, MEMBER      a search of the interval that the value lies in, by tests as above
==================== =====================================================================

Nodes are numbered tree by tree and level by level, both children side by side behind their parent. A subtree that is
reached from several places, as a search does, stands once: in the other places is a node that always goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")
LEQ, LT, GTE, GT, EQ, NEQ, MEMBER = range(len(MODES))
_NEUTRAL = {"sum": 0.0, "min": np.inf, "max": -np.inf}


@dataclass
class Forest:
    """Nodes of all trees in one numbering; those at the end without a test are leaves.

    ``true``, ``false``: the children by number. ``members``: what a node of mode MEMBER, by number, looks for.
    """

    roots: np.ndarray
    modes: np.ndarray
    features: np.ndarray
    thresholds: np.ndarray
    true: np.ndarray
    false: np.ndarray
    nan_is_true: np.ndarray
    is_leaf: np.ndarray
    members: dict[int, np.ndarray]


@dataclass(frozen=True)
class Leaves:
    """Numbers that leaves hold for targets: parallel lists."""

    nodes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class PackedForest:
    """The operands of ``graph.tree_ensemble`` after x."""

    thresholds: np.ndarray
    features: np.ndarray
    children: np.ndarray
    weights: np.ndarray
    roots: np.ndarray


class ForestError(ValueError):
    """The nodes are no trees."""


def pack(forest: Forest, leaves: Leaves, targets: int, aggregate: str) -> PackedForest:
    """Raises ForestError where nodes form a cycle, or a root is a child."""
    _search_members(forest)
    is_greater, passing, other = _ordered_tests(forest)
    content, tree, first_child = _place(forest, other, passing)
    by_tree = np.argsort(tree, kind="stable")
    place = np.empty_like(by_tree)
    place[by_tree] = np.arange(len(by_tree))
    content, tree = content[by_tree], tree[by_tree]
    slot_of = np.zeros(len(forest.is_leaf), np.int64)
    is_jump = content < 0
    slot_of[content[~is_jump]] = np.flatnonzero(~is_jump)
    node = np.where(is_jump, ~content, content)
    has_test = ~is_jump & ~forest.is_leaf[node]
    children = np.arange(len(node))
    children[has_test] = place[first_child[node[has_test]]]
    children[is_jump] = slot_of[node[is_jump]]
    features = np.where(has_test, np.where(is_greater, ~forest.features, forest.features)[node], 0)
    thresholds = np.where(has_test, forest.thresholds[node], np.nan)
    roots = place[: len(forest.roots)]
    is_leaf = ~is_jump & forest.is_leaf[node]
    held = np.full((len(node), targets), _NEUTRAL[aggregate], leaves.weights.dtype)
    held[is_leaf] = _held(forest, leaves, targets, aggregate)[node[is_leaf]]
    packed = PackedForest(
        thresholds.astype(forest.thresholds.dtype),
        features.astype(np.int32),
        children.astype(np.int32),
        held,
        roots.astype(np.int32)[np.newaxis],
    )
    return _by_target(packed, forest, leaves, targets, tree[is_leaf], node[is_leaf], aggregate)


def _held(forest: Forest, leaves: Leaves, targets: int, aggregate: str) -> np.ndarray:
    """What each node holds for each target."""
    held = np.full((len(forest.is_leaf), targets), _NEUTRAL[aggregate], leaves.weights.dtype)
    combine = {"sum": np.add, "min": np.minimum, "max": np.maximum}[aggregate]
    combine.at(held, (leaves.nodes, leaves.targets), leaves.weights)
    return held


def _by_target(
    packed: PackedForest,
    forest: Forest,
    leaves: Leaves,
    targets: int,
    tree: np.ndarray,
    node: np.ndarray,
    aggregate: str,
) -> PackedForest:
    """Trees grouped by target where each is of one target alone, as those that were boosted for several classes are.

    ``tree``, ``node``: of each leaf, its tree and its number.
    """
    if targets == 1:
        return packed
    count = len(forest.roots)
    lowest, highest = np.full(len(forest.is_leaf), targets), np.full(len(forest.is_leaf), -1)
    np.minimum.at(lowest, leaves.nodes, leaves.targets)
    np.maximum.at(highest, leaves.nodes, leaves.targets)
    low, high = np.full(count, targets), np.full(count, -1)
    np.minimum.at(low, tree, lowest[node])
    np.maximum.at(high, tree, highest[node])
    sizes = np.bincount(low[low < targets], minlength=targets)
    if (low != high).any() or targets * sizes.max() > 2 * count:
        return packed
    nodes = len(packed.children)
    is_of = packed.children == np.arange(nodes)
    weights = np.full((nodes + 1, 1), _NEUTRAL[aggregate], packed.weights.dtype)
    weights[:nodes][is_of, 0] = packed.weights[np.flatnonzero(is_of), low[tree]]
    roots = np.full((targets, sizes.max()), nodes, np.int32)
    for target in range(targets):
        own = packed.roots[0, low == target]
        roots[target, : len(own)] = own
    return PackedForest(
        np.append(packed.thresholds, packed.thresholds.dtype.type(np.nan)),
        np.append(packed.features, np.int32(0)),
        np.append(packed.children, np.int32(nodes)),
        weights,
        roots,
    )


# --- tests ------------------------------------------------------------------------------------------------


def _before(numbers: np.ndarray) -> np.ndarray:
    """The numbers before; NaN, which nothing is below, before -inf. Denormals count as zero, as machines take them."""
    kind, tiny = numbers.dtype.type, np.finfo(numbers.dtype).tiny
    with np.errstate(all="ignore"):
        below = np.nextafter(numbers, kind(-np.inf))
    below = np.where(np.abs(numbers) < tiny, -tiny, below)
    return np.where(numbers == -np.inf, kind(np.nan), below)


def _ordered_tests(forest: Forest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each node whether it tests for >, where what passes goes, and where the rest and NaN go."""
    modes, nan_is_true = forest.modes, forest.nan_is_true.copy()
    is_strict = (modes == LT) | (modes == GTE)
    forest.thresholds = np.where(is_strict, _before(forest.thresholds), forest.thresholds)
    is_turned = (modes == GTE) | (modes == GT)
    true = np.where(is_turned, forest.false, forest.true)
    false = np.where(is_turned, forest.true, forest.false)
    nan_is_true ^= is_turned
    # Nothing passes a threshold of NaN, so that the rest must be where the test fails.
    is_greater = nan_is_true & ~np.isnan(forest.thresholds)
    return is_greater, np.where(is_greater, false, true), np.where(is_greater, true, false)


def _search_members(forest: Forest) -> None:
    """Replaces the nodes that look for certain values by such that compare with bounds."""
    search = _Search(forest)
    for node in np.flatnonzero(~forest.is_leaf & (forest.modes >= EQ)):
        search.replace(int(node))
    search.finish()


class _Search:
    """Collects the nodes that are added to a forest."""

    def __init__(self, forest: Forest):
        self.forest = forest
        self.features: list[int] = []
        self.thresholds: list[float] = []
        self.children: list[tuple[int, int]] = []
        self.nan_is_true: list[bool] = []

    def replace(self, node: int) -> None:
        forest = self.forest
        values = forest.members.get(node, forest.thresholds[node : node + 1])
        values = np.unique(values[~np.isnan(values)])
        inside, outside = int(forest.true[node]), int(forest.false[node])
        nan_is_inside = bool(forest.nan_is_true[node])
        if forest.modes[node] == NEQ:
            inside, outside = outside, inside
            nan_is_inside = False  # NaN differs from all numbers.
        bounds = np.stack([_before(values), values], 1).reshape(-1)
        goals = [outside, inside] * len(values)
        kept = [n for n, bound in enumerate(bounds) if not np.isnan(bound) and (n == 0 or bound != bounds[n - 1])]
        intervals = [(bounds[n], goals[n]) for n in kept]
        # Above the last bound lies what is outside.
        goals = [goal for _, goal in intervals] + [outside]
        bounds = [float(bound) for bound, _ in intervals]
        forest.modes[node] = LEQ
        nan = inside if nan_is_inside and intervals else outside
        first = self._between(bounds, goals, int(forest.features[node]), nan, 0, len(goals))
        self._move_into(node, first)

    def _between(self, bounds: list[float], goals: list[int], feature: int, nan: int, start: int, end: int) -> int:
        """The node that finds the interval among those from ``start`` to ``end``."""
        if end - start == 1:
            return goals[start]
        middle = (start + end) // 2
        below = self._between(bounds, goals, feature, nan, start, middle)
        above = self._between(bounds, goals, feature, nan, middle, end)
        self.features.append(feature)
        self.thresholds.append(bounds[middle - 1])
        self.children.append((below, above))
        self.nan_is_true.append(nan in goals[start:middle])
        return len(self.forest.is_leaf) + len(self.features) - 1

    def _move_into(self, node: int, first: int) -> None:
        """Lets the node make the first test of its search."""
        forest, added = self.forest, first - len(self.forest.is_leaf)
        if added < 0:  # There is but one goal.
            forest.thresholds[node], forest.true[node], forest.false[node] = np.nan, first, first
            return
        forest.thresholds[node] = self.thresholds.pop()
        forest.true[node], forest.false[node] = self.children.pop()
        forest.nan_is_true[node] = self.nan_is_true.pop()
        self.features.pop()

    def finish(self) -> None:
        forest, count = self.forest, len(self.features)
        if not count:
            return
        true, false = np.array(self.children, np.int64).T
        forest.features = np.concatenate([forest.features, self.features])
        forest.thresholds = np.concatenate([forest.thresholds, np.array(self.thresholds, forest.thresholds.dtype)])
        forest.true, forest.false = np.concatenate([forest.true, true]), np.concatenate([forest.false, false])
        forest.nan_is_true = np.concatenate([forest.nan_is_true, self.nan_is_true])
        forest.modes = np.concatenate([forest.modes, np.full(count, LEQ)])
        forest.is_leaf = np.concatenate([forest.is_leaf, np.zeros(count, bool)])


# --- places -----------------------------------------------------------------------------------------------


def _levels(forest: Forest) -> np.ndarray:
    """The longest way from a root to each node; -1 where there is none. Raises ForestError."""
    is_leaf, true, false = forest.is_leaf, forest.true, forest.false
    is_reached = np.zeros(len(is_leaf), bool)
    level = np.unique(forest.roots)
    while len(level):
        is_reached[level] = True
        inner = level[~is_leaf[level]]
        level = np.unique(np.concatenate([true[inner], false[inner]]))
        level = level[~is_reached[level]]
    inner = np.flatnonzero(is_reached & ~is_leaf)
    parents = np.bincount(np.concatenate([true[inner], false[inner]]), minlength=len(is_leaf))
    if parents[forest.roots].any():
        raise ForestError("a root is a child of another node")
    levels, level, number = np.full(len(is_leaf), -1), np.unique(forest.roots), 0
    while len(level):
        levels[level] = number
        inner = level[~is_leaf[level]]
        children, counts = np.unique(np.concatenate([true[inner], false[inner]]), return_counts=True)
        parents[children] -= counts
        level, number = children[parents[children] == 0], number + 1
    if (levels[is_reached] < 0).any():
        raise ForestError("nodes form a cycle")
    return levels


def _place(forest: Forest, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A place for every node, children side by side, level by level.

    Gives what stands in each place (a node, or ~node where it goes on there), its tree, and of each node the place of
    its first child.
    """
    levels = _levels(forest)
    first_child = np.zeros(len(levels), np.int64)
    here, tree, number, placed = forest.roots, np.arange(len(forest.roots)), 0, 0
    contents: list[np.ndarray] = []
    trees: list[np.ndarray] = []
    while len(here):
        contents.append(here)
        trees.append(tree)
        placed, number = placed + len(here), number + 1
        inner = here >= 0
        inner[inner] = ~forest.is_leaf[here[inner]]
        parents = here[inner]
        children = np.stack([first[parents], second[parents]], 1).reshape(-1)
        first_child[parents] = placed + 2 * np.arange(len(parents))
        here = np.where(_stays(forest, levels, children, number), children, ~children)
        tree = np.repeat(tree[inner], 2)
    return np.concatenate(contents), np.concatenate(trees), first_child


def _stays(forest: Forest, levels: np.ndarray, children: np.ndarray, level: int) -> np.ndarray:
    """Whether a node has its place here: where it is referred to last. Leaves are repeated."""
    stays = forest.is_leaf[children]
    last = len(children) - 1 - np.unique(children[::-1], return_index=True)[1]
    stays[last] |= levels[children[last]] == level
    return stays


def modes_of(names: Sequence[str]) -> np.ndarray:
    """The modes of nodes, by number; -1 for a leaf. Raises ForestError for an unknown one."""
    known, where = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)
    numbers = {**{f"BRANCH_{name}": number for number, name in enumerate(MODES[:-1])}, "LEAF": -1}
    unknown = [name for name in known if name not in numbers]
    if unknown:
        raise ForestError(f"the mode of a node is '{unknown[0]}', expected one of {', '.join(numbers)}")
    return np.array([numbers[name] for name in known], np.int64)[where] if len(known) else np.zeros(0, np.int64)
