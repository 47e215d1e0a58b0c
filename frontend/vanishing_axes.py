"""Axes that are not there where their size is 1.

A Squeeze without axes drops a free axis only in runs in which it has length 1, so that the rank of what follows
differs from run to run. Here the axis is always kept: it vanishes from the outputs of the model at the end of a run.
That is the same as long as the operators in between do with an axis of length 1 what they do without it, e.g. because
they count axes from the last one. The rules below say of which that holds; for others a run checks that the size is
above 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..dialects.shape import Dim
    from .node import Node

Axes = frozenset[int]
_NONE: Axes = frozenset()

# From a node and the axes that vanish in each of its inputs, those of its first result; None where it cannot be told.
_Rule = Callable[["Node", Sequence[Axes]], "Axes | None"]


class VanishingAxes:
    """The axes that vanish, by the names of values."""

    def __init__(self) -> None:
        self._axes: dict[str, Axes] = {}

    def of(self, name: str) -> list[int]:
        return sorted(self._axes.get(name, _NONE))

    def follow(self, node: Node, is_main: bool) -> None:
        """Takes note of a node that has been converted. In a body nothing vanishes: sizes of 1 are refused."""
        if not self._axes and node.operator != "Squeeze":
            return
        given = [self._axes.get(name, _NONE) for name in node.proto.input]
        if node.operator != "Squeeze" and not any(given):
            return
        found = RULES.get(node.operator, _unknown)(node, given)
        if found is None or (found and not is_main):
            _refuse_size_one(node, given)
            return
        if found:
            self._axes.update(dict.fromkeys(filter(None, node.proto.output), found))


def _refuse_size_one(node: Node, given: Sequence[Axes]) -> None:
    sizes: list[Dim] = [value.dims[axis] for value, axes in zip(node.inputs, given) if value for axis in axes]
    if node.operator == "Squeeze" and not sizes:
        sizes = [size for size in node.input(0).dims if not isinstance(size, int)]
    for size in sizes:
        size_one = f"to run size 1, {node.how_to_fix(size)}"
        why = (
            f"{node.describe()} depends on a Squeeze that lists no axes and was compiled for sizes above 1; {size_one}"
        )
        node.b.symbols.require_at_least(size, 2, why)


# --- rules ----------------------------------------------------------------------------------------


def _unknown(node: Node, given: Sequence[Axes]) -> Axes | None:
    return None


def _same(node: Node, given: Sequence[Axes]) -> Axes | None:
    """Element by element of the first input."""
    return None if any(given[1:]) else given[0]


def _broadcast(node: Node, given: Sequence[Axes]) -> Axes | None:
    """Operands are aligned at the last axis: others end right of what vanishes, or lose the same axes."""
    vanishing = next(filter(None, given))
    rank = max(value.rank for value in node.present)
    for value, axes in zip(node.inputs, given):
        if value is None or (value.rank == rank and axes == vanishing):
            continue
        if axes or value.rank > rank - 1 - max(vanishing):
            return None
    return vanishing


def _squeeze(node: Node, given: Sequence[Axes]) -> Axes | None:
    """Without axes all that are free may be 1. Listed ones are negative, and right of what vanishes."""
    x = node.input(0)
    if node.has_computed_axes:
        return _none_of(given)
    listed = node.listed_axes()
    if listed is not None:
        return _right_of(given[0], listed, x.rank)
    kept = [size for size in map(node.b.symbols.resolve, x.dims) if size != 1]
    return frozenset(axis for axis, size in enumerate(kept) if not isinstance(size, int))


def _unsqueeze(node: Node, given: Sequence[Axes]) -> Axes | None:
    if node.has_computed_axes:
        return _none_of(given)
    listed = node.listed_axes() or []
    rank = node.input(0).rank + len(listed)
    added = {axis % rank for axis in listed}
    old = [axis for axis in range(rank) if axis not in added]
    vanishing = frozenset(old[axis] for axis in given[0])
    if not vanishing:
        return vanishing
    fits = all(axis % rank > max(vanishing) if axis < 0 else axis < min(vanishing) for axis in listed)
    return vanishing if fits else None


def _none_of(given: Sequence[Axes]) -> Axes | None:
    """For an operator of which no axis may vanish."""
    return None if any(given) else _NONE


def _right_of(vanishing: Axes, listed: Sequence[int], rank: int) -> Axes | None:
    """The same axes, where those listed are counted from the last one and lie right of them."""
    if not vanishing:
        return vanishing
    return vanishing if all(axis < 0 and axis + rank > max(vanishing) for axis in listed) else None


def _along(default: int) -> _Rule:
    """Operators that work along the attribute ``axis``."""

    def rule(node: Node, given: Sequence[Axes]) -> Axes | None:
        if any(given[1:]):
            return None
        return _right_of(given[0], [node.attribute("axis", default)], node.input(0).rank)

    return rule


def _softmax(node: Node, given: Sequence[Axes]) -> Axes | None:
    return _along(-1 if node.opset >= 13 else 1)(node, given)


def _reduce(node: Node, given: Sequence[Axes]) -> Axes | None:
    if node.has_computed_axes:
        return _none_of(given)
    listed = node.listed_axes()
    if listed:
        return _right_of(given[0], listed, node.input(0).rank)
    # Everything is reduced to a number, whatever the rank was.
    return None if node.attribute("keepdims", 1) else _NONE


def _concat(node: Node, given: Sequence[Axes]) -> Axes | None:
    if any(axes != given[0] for axes in given):
        return None
    return _right_of(given[0], [node.attribute("axis")], node.input(0).rank)


def _matmul(node: Node, given: Sequence[Axes]) -> Axes | None:
    """A matrix of rows that may be a single one, times a matrix."""
    a, b = node.input(0), node.input(1)
    fits = b.rank == 2 and not given[1] and a.rank >= 2 and max(given[0]) < a.rank - 1
    return given[0] if fits else None


def _reshape(node: Node, given: Sequence[Axes]) -> Axes | None:
    """To a shape that copies none of x's axes."""
    shape = node.input(1).known() if len(node.inputs) > 1 else None
    if shape is None or any(given[1:]):
        return None
    copies = any(size is None or size == 0 for size in shape.reshape(-1).tolist())
    return None if copies and not node.attribute("allowzero", 0) else _NONE


def _size(node: Node, given: Sequence[Axes]) -> Axes | None:
    return _NONE


_UNARY = [
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Cast",
    "Ceil",
    "Celu",
    "Cos",
    "Cosh",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "IsInf",
    "IsNaN",
    "LeakyRelu",
    "Log",
    "Mish",
    "Neg",
    "Not",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Clip",
]
_BROADCASTING = [
    "Add",
    "And",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Or",
    "Pow",
    "PRelu",
    "Sub",
    "Sum",
    "Where",
    "Xor",
]
_REDUCTIONS = [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
]

RULES: dict[str, _Rule] = {
    **dict.fromkeys(_UNARY, _same),
    **dict.fromkeys(_BROADCASTING, _broadcast),
    **dict.fromkeys(_REDUCTIONS, _reduce),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
    **dict.fromkeys(("LayerNormalization", "LpNormalization", "TopK"), _along(-1)),
    **dict.fromkeys(("ArgMax", "ArgMin"), _along(0)),
    "Concat": _concat,
    "MatMul": _matmul,
    "Reshape": _reshape,
    "Size": _size,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
