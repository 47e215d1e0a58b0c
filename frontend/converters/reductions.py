"""Reductions along axes."""

from __future__ import annotations

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import is_bool, numpy_dtype, ui8
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value

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
    x, given = node.input(0), node.input(1)
    known = given.integers()
    if known is not None:
        return _cumulative_sum(node, x, node.axis(known[0], x.rank))
    # Along each axis, of which one is then taken.
    axis = node.b.reshape(given, ())
    result = _cumulative_sum(node, x, 0)
    for candidate in range(1, x.rank):
        is_meant = [_equals(node, axis, candidate), _equals(node, axis, candidate - x.rank)]
        result = node.b.where(node.b.op(graph.OrOp, *is_meant), _cumulative_sum(node, x, candidate), result)
    return result


def _cumulative_sum(node: Node, x: Value, axis: int) -> Value:
    fields = {name: bool(node.attribute(name, 0)) for name in ("exclusive", "reverse")}
    return node.b.op(graph.CumsumOp, x, axis=axis, **fields)


def _equals(node: Node, value: Value, number: int) -> Value:
    return node.b.op(graph.EqualOp, value, node.b.constant(np.asarray(number, numpy_dtype(value.element_type))))
