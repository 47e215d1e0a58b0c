"""Reductions along axes."""

from __future__ import annotations

from ...dialects import graph
from ...dialects.graph.types import is_bool, ui8
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


def _axes(node: Node, x: Value) -> list[int] | None:
    """The axes to reduce, from the attribute or the second input; None for a no-op."""
    axes = node.attribute("axes", None)
    given = node.optional(1)
    if given is not None:
        axes = given.integers()
        if axes is None:
            if given.dims == (0,):
                axes = []
            else:
                node.unsupported("the axes (input #1) must be known when the model is compiled", MAKE_CONSTANT)
    if not axes:
        return None if node.attribute("noop_with_empty_axes", 0) else list(range(x.rank))
    return node.axes(axes, x.rank)


def _reduce(node: Node, kind: str, x: Value, axes: list[int]) -> Value:
    return node.b.reduce(kind, x, axes, keepdims=bool(node.attribute("keepdims", 1)))


@converter(*_SIMPLE)
def convert_reduce(node: Node) -> Value:
    x = node.input(0)
    axes = _axes(node, x)
    if axes is None:
        return x
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
    total = terms[node.operator]()
    if axes is not None:
        total = _reduce(node, "sum", total, axes)
    if node.operator == "ReduceL2":
        return b.op(graph.SqrtOp, total)
    return b.op(graph.LogOp, total) if node.operator == "ReduceLogSum" else total


def _log_sum_exp(node: Node, x: Value, axes: list[int] | None) -> Value:
    """max + log(sum(exp(x - max))), which does not overflow."""
    b = node.b
    if axes is None:
        return x
    largest = b.reduce("max", x, axes)
    total = b.reduce("sum", b.op(graph.ExpOp, b.sub(x, largest)), axes)
    result = b.add(b.op(graph.LogOp, total), largest)
    return result if node.attribute("keepdims", 1) else b.squeeze(result, axes)


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
    x = node.input(0)
    axis = int(node.constant_input(1, "the axis").reshape(()))
    return node.b.op(
        graph.CumsumOp,
        x,
        axis=node.axis(axis, x.rank),
        exclusive=bool(node.attribute("exclusive", 0)),
        reverse=bool(node.attribute("reverse", 0)),
    )
