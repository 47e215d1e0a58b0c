"""Steps of optimisers: new parameters from gradients. Source: ONNX's ai.onnx.preview.training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dialects import graph
from ...dialects.graph.types import i64
from ..node import Node
from ..registry import converter
from ..values import Value

TRAINING = "ai.onnx.preview.training"


def _for_each(node: Node, kinds: int, step: Callable[[list[Value]], Sequence[Value]]) -> list[Value]:
    """Inputs after the rate and the count are ``kinds`` lists of as many tensors; so are the results, kind by kind."""
    tensors = [node.input(index) for index in range(2, len(node.inputs))]
    count, rest = divmod(len(tensors), kinds)
    if rest or not count:
        node.invalid(f"there are {len(tensors)} tensors, which must be {kinds} for each parameter")
    results = [step([tensors[kind * count + place] for kind in range(kinds)]) for place in range(count)]
    return [each[kind] for kind in range(len(results[0])) for each in results]


def _regularised(node: Node, x: Value, gradient: Value, name: str = "norm_coefficient") -> Value:
    return node.b.add(node.b.mul_scalar(x, node.attribute(name, 0.0)), gradient)


def _number(node: Node, value: Value, like: Value) -> Value:
    return node.b.cast(node.b.reshape(value, ()), like.element_type)


@converter("Adagrad", domain=TRAINING)
def convert_adagrad(node: Node) -> list[Value]:
    b, epsilon = node.b, node.attribute("epsilon", 1e-6)

    def step(tensors: list[Value]) -> list[Value]:
        x, gradient, squares = tensors
        rate, time = (_number(node, node.input(index), x) for index in (0, 1))
        rate = b.div(rate, b.add_scalar(b.mul_scalar(time, node.attribute("decay_factor", 0.0)), 1.0))
        gradient = _regularised(node, x, gradient)
        squares = b.add(squares, b.mul(gradient, gradient))
        adapted = b.add_scalar(b.op(graph.SqrtOp, squares), epsilon)
        return [b.sub(x, b.div(b.mul(rate, gradient), adapted)), squares]

    return _for_each(node, 3, step)


@converter("Adam", domain=TRAINING)
def convert_adam(node: Node) -> list[Value]:
    b, alpha, beta = node.b, node.attribute("alpha", 0.9), node.attribute("beta", 0.999)
    is_first = b.op(graph.EqualOp, b.reshape(node.input(1), ()), b.scalar(0, i64))

    def step(tensors: list[Value]) -> list[Value]:
        x, gradient, mean, square = tensors
        rate, time = (_number(node, node.input(index), x) for index in (0, 1))
        one, base = b.scalar_like(1, x), (b.scalar_like(number, x) for number in (alpha, beta))
        alpha_left, beta_left = (b.sub(one, b.op(graph.PowOp, number, time)) for number in base)
        rate = b.where(is_first, rate, b.div(b.mul(rate, b.op(graph.SqrtOp, beta_left)), alpha_left))
        gradient = _regularised(node, x, gradient)
        mean = b.add(b.mul_scalar(mean, alpha), b.mul_scalar(gradient, 1 - alpha))
        square = b.add(b.mul_scalar(square, beta), b.mul_scalar(b.mul(gradient, gradient), 1 - beta))
        adapted = b.add_scalar(b.op(graph.SqrtOp, square), node.attribute("epsilon", 1e-6))
        new = b.sub(x, b.div(b.mul(rate, mean), adapted))
        return [b.mul_scalar(new, 1 - node.attribute("norm_coefficient_post", 0.0)), mean, square]

    return _for_each(node, 4, step)


@converter("Momentum", domain=TRAINING)
def convert_momentum(node: Node) -> list[Value]:
    b, alpha, mode = node.b, node.attribute("alpha"), node.attribute("mode")
    if mode not in ("standard", "nesterov"):
        node.invalid(f"the attribute 'mode' is '{mode}', but must be standard or nesterov")
    is_first = b.op(graph.EqualOp, b.reshape(node.input(1), ()), b.scalar(0, i64))

    def step(tensors: list[Value]) -> list[Value]:
        x, gradient, momentum = tensors
        rate = _number(node, node.input(0), x)
        gradient = _regularised(node, x, gradient)
        weight = b.where(is_first, b.scalar_like(1, x), b.scalar_like(node.attribute("beta"), x))
        momentum = b.add(b.mul_scalar(momentum, alpha), b.mul(weight, gradient))
        direction = momentum if mode == "standard" else b.add(gradient, b.mul_scalar(momentum, alpha))
        return [b.sub(x, b.mul(rate, direction)), momentum]

    return _for_each(node, 3, step)
