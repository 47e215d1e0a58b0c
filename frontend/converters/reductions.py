"""Reductions along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import is_bool, numpy_dtype, ui8
from ...dialects.shape import subtract
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value
from .control import counted_loop

if TYPE_CHECKING:
    from ...dialects.shape import Dim

_SIMPLE = {
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceProd": "prod",
}


Axes = list[int] | Value | None
"""Numbers of axes, what gives them when the model runs, or None to reduce nothing."""


def _axes(node: Node, x: Value) -> Axes:
    """The axes to reduce, from the attribute or the second input."""
    axes = node.attribute("axes", None)
    given = node.optional(1)
    if given is not None:
        axes = given.integers()
        if axes is None and given.dims != (0,):
            return given
    if not axes:
        return None if node.attribute("noop_with_empty_axes", 0) else list(range(x.rank))
    return node.axes(axes, x.rank)


def _reduce(node: Node, kind: str, x: Value, axes: Axes, keepdims: bool | None = None) -> Value:
    keepdims = bool(node.attribute("keepdims", 1)) if keepdims is None else keepdims
    if axes is None:
        return x
    if isinstance(axes, list):
        return node.b.reduce(kind, x, axes, keepdims=keepdims)
    none_is_none = bool(node.attribute("noop_with_empty_axes", 0))
    fields = {"kind": kind, "keepdims": keepdims, "none_is_none": none_is_none}
    rank = x.rank if keepdims else _rest(node, x, axes)
    return node.dynamic(graph.DynamicReduceOp, [x, axes], [None] * rank, **fields)


def _rest(node: Node, x: Value, axes: Value) -> int:
    """How many axes are left."""
    count = axes.dims[0] if axes.rank else 1
    if not isinstance(count, int):
        node.unsupported("the number of axes (input #1) must be known when the model is compiled", MAKE_CONSTANT)
    return max(x.rank - count, 0)


@converter(*_SIMPLE)
def convert_reduce(node: Node) -> Value:
    x = node.input(0)
    axes = _axes(node, x)
    if is_bool(x.element_type):
        # Of truth values, max is "any" and min is "all".
        return node.b.cast(_reduce(node, _SIMPLE[node.operator], node.b.cast(x, ui8), axes), x.element_type)
    return _reduce(node, _SIMPLE[node.operator], x, axes)


@converter("ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", several_steps=True)
def convert_composite_reduce(node: Node) -> Value:
    x, b = node.input(0), node.b
    axes = _axes(node, x)
    terms = {
        "ReduceSumSquare": lambda: b.mul(x, x),
        "ReduceL2": lambda: b.mul(x, x),
        "ReduceL1": lambda: b.op(graph.AbsOp, x),
        "ReduceLogSum": lambda: x,
    }
    if node.operator == "ReduceLogSumExp":
        return _log_sum_exp(node, x, axes)
    total = _reduce(node, "sum", terms[node.operator](), axes)
    if node.operator == "ReduceL2":
        return b.op(graph.SqrtOp, total)
    return b.op(graph.LogOp, total) if node.operator == "ReduceLogSum" else total


def _log_sum_exp(node: Node, x: Value, axes: Axes) -> Value:
    """max + log(sum(exp(x - max))), which does not overflow."""
    b = node.b
    if axes is None:
        return x
    largest = _reduce(node, "max", x, axes, keepdims=True)
    if isinstance(axes, Value):
        # Sizes that only a run gives: whether they are those of x or 1 is not known before.
        shape = b.dim_values(x.dims)
        (spread,) = b.emit(graph.DynamicExpandOp, [largest, shape], [x.type])
    else:
        spread = largest
    total = _reduce(node, "sum", b.op(graph.ExpOp, b.sub(x, spread)), axes, keepdims=True)
    result = b.add(b.op(graph.LogOp, total), largest)
    # Along axes of one element.
    return result if node.attribute("keepdims", 1) else _reduce(node, "max", result, axes, keepdims=False)


@converter("ArgMax", "ArgMin")
def convert_arg_reduce(node: Node) -> Value:
    x = node.input(0)
    operation = graph.ArgMaxOp if node.operator == "ArgMax" else graph.ArgMinOp
    return node.b.op(
        operation,
        x,
        axis=node.axis(node.attribute("axis", 0), x.rank),
        keepdims=bool(node.attribute("keepdims", 1)),
        select_last=bool(node.attribute("select_last_index", 0)),
    )


@converter("CumSum")
def convert_cumsum(node: Node) -> Value:
    return _along_one_axis(node, _cumulative_sum)


@converter("CumProd")
def convert_cumprod(node: Node) -> Value:
    return _along_one_axis(node, _cumulative_product)


def _along_one_axis(node: Node, along: Callable[[Node, Value, int], Value]) -> Value:
    x, given = node.input(0), node.input(1)
    known = given.integers()
    if known is not None:
        return along(node, x, node.axis(known[0], x.rank))
    # Along each axis, of which one is then taken.
    axis = node.b.reshape(given, ())
    result = along(node, x, 0)
    for candidate in range(1, x.rank):
        is_meant = [_equals(node, axis, candidate), _equals(node, axis, candidate - x.rank)]
        result = node.b.where(node.b.op(graph.OrOp, *is_meant), along(node, x, candidate), result)
    return result


def _cumulative_sum(node: Node, x: Value, axis: int) -> Value:
    fields = {name: bool(node.attribute(name, 0)) for name in ("exclusive", "reverse")}
    return node.b.op(graph.CumsumOp, x, axis=axis, **fields)


def _cumulative_product(node: Node, x: Value, axis: int) -> Value:
    """Products of 1, 2, 4, 8 ... elements that end at each place, each step of two of the one before.

    before: [a, b, c, d]
    after: [a, ab, bc, cd], [a, ab, abc, abcd]
    """
    b, size = node.b, x.dims[axis]
    if not isinstance(size, int):
        return _looped_product(node, x, axis)
    is_reverse, reach = bool(node.attribute("reverse", 0)), 1
    result = _shifted_by(node, x, axis, 1, is_reverse) if node.attribute("exclusive", 0) else x
    while reach < size:
        result = b.mul(result, _shifted_by(node, result, axis, reach, is_reverse))
        reach *= 2
    return result


def _shifted_by(node: Node, x: Value, axis: int, count: int, is_reverse: bool) -> Value:
    """Each element moved that far along an axis, ones in the places that are left."""
    b, size = node.b, x.dims[axis]
    start, end = (count, size) if is_reverse else (0, subtract(size, count))
    kept = b.slice(x, [axis], [start], [end])
    pads: list[Dim] = [0] * (2 * x.rank)
    pads[x.rank + axis if is_reverse else axis] = count
    return b.pad(kept, pads, b.scalar_like(1, x))


def _looped_product(node: Node, x: Value, axis: int) -> Value:
    """Of an axis of free size: an element a round."""
    b, size = node.b, x.dims[axis]
    is_reverse, is_exclusive = bool(node.attribute("reverse", 0)), bool(node.attribute("exclusive", 0))
    last = b.dim_values([subtract(size, 1)], shape=())
    start = b.broadcast_to(b.scalar_like(1, x), (*x.dims[:axis], *x.dims[axis + 1 :]))

    def one_round(number: Value, before: Value) -> list[Value]:
        place = b.sub(last, number) if is_reverse else number
        product = b.mul(before, b.gather(x, place, axis))
        return [product, before if is_exclusive else product]

    _, stacked = counted_loop(node, one_round, size, [start])
    if is_reverse:
        stacked = b.slice(stacked, [0], [subtract(size, 1)], [-1], [-1])
    order = [*range(1, x.rank)]
    order.insert(axis, 0)
    return b.transpose(stacked, order)


def _equals(node: Node, value: Value, number: int) -> Value:
    return node.b.op(graph.EqualOp, value, node.b.constant(np.asarray(number, numpy_dtype(value.element_type))))
