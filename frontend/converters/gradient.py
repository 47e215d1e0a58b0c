"""Gradients: the operators that lead from some values to another are gone through backwards, by the chain rule.

Source: ONNX's ai.onnx.preview.training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx

from ...dialects import graph
from ..node import Node, attribute_value
from ..registry import converter
from ..values import Value
from .training import TRAINING

_Rule = Callable[[Node, onnx.NodeProto, list[Value], Value, Value], Sequence[Value | None]]
"""From the inputs of a node, its output and the gradient of that: the gradients of the inputs."""


@converter("Gradient", domain=TRAINING)
def convert_gradient(node: Node) -> list[Value]:
    """dy/dx for each x, where what ``xs`` name takes the values of the inputs."""
    b, scope = node.b, node.scope
    names: list[str] = [*node.attribute("xs"), *node.attribute("zs", [])]
    wanted: list[str] = node.attribute("xs")
    target: str = node.attribute("y")
    same = all(scope.lookup(name) is value for name, value in zip(names, node.inputs))
    if not same:
        node.unsupported("gradients at other values than those that the graph computes", "name the inputs in 'xs'")
    path = _path(scope.nodes(), wanted, target)
    y: Value = scope.lookup(target)
    found: dict[str, Value] = {target: b.broadcast_to(b.scalar_like(1, y), y.dims)}
    for proto in reversed(path):
        output = proto.output[0]
        if output not in found:
            continue
        rule = _RULES.get(proto.op_type)
        if rule is None or len(proto.output) > 1:
            known = ", ".join(sorted(_RULES))
            node.unsupported(f"the gradient of {proto.op_type} is not known", f"those of {known} are")
        inputs = [scope.lookup(name) for name in proto.input]
        gradients = rule(node, proto, inputs, scope.lookup(output), found[output])
        for name, value, gradient in zip(proto.input, inputs, gradients):
            if gradient is not None:
                own = _summed_to(node, gradient, value)
                found[name] = b.add(found[name], own) if name in found else own
    zeros = (b.broadcast_to(b.scalar_like(0, value), value.dims) for value in node.present)
    return [found.get(name, zero) for name, zero in zip(wanted, zeros)]


def _path(nodes: Sequence[onnx.NodeProto], starts: Sequence[str], target: str) -> list[onnx.NodeProto]:
    """The nodes, in order, that compute the target from what depends on the starts."""
    reached, path = set(starts), []
    for proto in nodes:
        if reached.intersection(proto.input) and not reached.issuperset(proto.output):
            reached.update(proto.output)
            path.append(proto)
        if target in proto.output:
            break
    return path


def _summed_to(node: Node, gradient: Value, x: Value) -> Value:
    """The gradient of what was repeated to be combined with others."""
    extra = gradient.rank - x.rank
    is_one = [True] * extra + [size == 1 for size in x.dims]
    repeated = [axis for axis, size in enumerate(gradient.dims) if is_one[axis] and (axis < extra or size != 1)]
    return node.b.reshape(node.b.reduce("sum", gradient, repeated), x.dims)


def _times(node: Node, gradient: Value, factor: Value) -> Value:
    return node.b.mul(gradient, factor)


def _div(node: Node, proto: onnx.NodeProto, inputs: list[Value], y: Value, gradient: Value) -> list[Value]:
    first = node.b.div(gradient, inputs[1])
    return [first, node.b.op(graph.NegOp, node.b.mul(first, y))]


def _matmul(node: Node, proto: onnx.NodeProto, inputs: list[Value], y: Value, gradient: Value) -> list[Value]:
    a, c = inputs
    if a.rank < 2 or c.rank < 2:
        node.unsupported("the gradient of a product with a vector is not known", "use matrices")
    return [node.b.matmul(gradient, c, transpose_b=True), node.b.matmul(a, gradient, transpose_a=True)]


def _reduced(scale: bool) -> _Rule:
    def rule(node: Node, proto: onnx.NodeProto, inputs: list[Value], y: Value, gradient: Value) -> list[Value | None]:
        b, x = node.b, inputs[0]
        attributes = {attribute.name: attribute_value(attribute) for attribute in proto.attribute}
        axes: Any = attributes.get("axes") or (inputs[1].integers() if len(inputs) > 1 else None) or range(x.rank)
        kept = [1 if axis in {a % x.rank for a in axes} else size for axis, size in enumerate(x.dims)]
        spread = b.broadcast_to(b.reshape(gradient, kept), x.dims)
        if scale:
            count = b.div(b.dim_values([b.element_count(x)], shape=()), b.dim_values([b.element_count(y)], shape=()))
            spread = b.div(spread, b.cast(count, x.element_type))
        return [spread, *[None] * (len(inputs) - 1)]

    return rule


def _positive(node: Node, proto: onnx.NodeProto, inputs: list[Value], y: Value, gradient: Value) -> list[Value]:
    zero = node.b.scalar_like(0, y)
    return [node.b.where(node.b.op(graph.GreaterOp, y, zero), gradient, zero)]


def _of_output(factor: Callable[[Node, Value], Value]) -> _Rule:
    return lambda node, proto, inputs, y, gradient: [_times(node, gradient, factor(node, y))]


def _of_input(factor: Callable[[Node, Value], Value]) -> _Rule:
    return lambda node, proto, inputs, y, gradient: [_times(node, gradient, factor(node, inputs[0]))]


def _one_less(node: Node, value: Value) -> Value:
    return node.b.sub(node.b.scalar_like(1, value), value)


_RULES: dict[str, _Rule] = {
    "Identity": lambda node, proto, inputs, y, gradient: [gradient],
    "Add": lambda node, proto, inputs, y, gradient: [gradient, gradient],
    "Sub": lambda node, proto, inputs, y, gradient: [gradient, node.b.op(graph.NegOp, gradient)],
    "Mul": lambda node, proto, inputs, y, gradient: [node.b.mul(gradient, other) for other in reversed(inputs)],
    "Neg": lambda node, proto, inputs, y, gradient: [node.b.op(graph.NegOp, gradient)],
    "Div": _div,
    "MatMul": _matmul,
    "Relu": _positive,
    "ReduceSum": _reduced(scale=False),
    "ReduceMean": _reduced(scale=True),
    "Exp": _of_output(lambda node, y: y),
    "Sqrt": _of_output(lambda node, y: node.b.div(node.b.scalar_like(0.5, y), y)),
    "Sigmoid": _of_output(lambda node, y: node.b.mul(y, _one_less(node, y))),
    "Tanh": _of_output(lambda node, y: _one_less(node, node.b.mul(y, y))),
    "Log": _of_input(lambda node, x: node.b.op(graph.ReciprocalOp, x)),
    "Sin": _of_input(lambda node, x: node.b.op(graph.CosOp, x)),
    "Cos": _of_input(lambda node, x: node.b.op(graph.NegOp, node.b.op(graph.SinOp, x))),
}
