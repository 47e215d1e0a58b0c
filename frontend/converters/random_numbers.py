"""Operators that draw random numbers. Those of a node with a seed are the same at each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import GraphTensorType, f32, is_float
from ..element_types import element_of
from ..node import Node
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    from xdsl.ir import Attribute

    from ...dialects.shape import Dim

_FLOAT = 1


def random_numbers(node: Node, dims: Any, element: Attribute = f32, distribution: str = "uniform") -> Value:
    """Numbers of a distribution, by the node's seed, or by what the system gives to a run and a stream of its own."""
    b, seed, stream = node.b, node.attribute("seed", None), 0
    if seed is None:
        key, stream = b.op(graph.EntropyOp), b.next_stream()
    else:
        key = b.constant(np.array([np.float32(seed).view(np.uint32), 0], np.int64))
    type_ = GraphTensorType.of(dims, element)
    return b.emit(graph.RandomOp, [key], [type_], distribution=distribution, stream=stream)[0]


@converter("RandomUniform", "RandomNormal")
def convert_random(node: Node) -> Value:
    return _scaled(node, node.attribute("shape"), element_of(node.attribute("dtype", _FLOAT)))


@converter("RandomUniformLike", "RandomNormalLike")
def convert_random_like(node: Node) -> Value:
    x = node.input(0)
    element = element_of(node.attribute("dtype", 0)) if node.has("dtype") else x.element_type
    return _scaled(node, x.dims, element if is_float(element) else f32)


def _scaled(node: Node, dims: tuple[Dim, ...] | list[int], element: Attribute) -> Value:
    b = node.b
    if node.operator.startswith("RandomNormal"):
        numbers = random_numbers(node, dims, element, "normal")
        return b.add_scalar(b.mul_scalar(numbers, node.attribute("scale", 1.0)), node.attribute("mean", 0.0))
    low, high = node.attribute("low", 0.0), node.attribute("high", 1.0)
    return b.add_scalar(b.mul_scalar(random_numbers(node, dims, element), high - low), low)


@converter("Bernoulli")
def convert_bernoulli(node: Node) -> Value:
    """1 with the probability that each element of x is."""
    x, b = node.input(0), node.b
    element = element_of(node.attribute("dtype")) if node.has("dtype") else x.element_type
    p = b.cast(x, f32)
    return b.cast(b.op(graph.LessOp, random_numbers(node, x.dims), p), element)


@converter("Multinomial")
def convert_multinomial(node: Node) -> Value:
    """Classes drawn by the logarithms of their probabilities: where the running sum passes a random number."""
    x, b = node.input(0), node.b
    batch, classes = x.dims
    reached = b.op(graph.CumsumOp, b.softmax(b.cast(x, f32), 1), axis=1)
    drawn = random_numbers(node, [batch, node.attribute("sample_size", 1), 1])
    passed = b.op(graph.GreaterEqualOp, drawn, b.unsqueeze(reached, [1]))
    count = b.reduce("sum", b.cast(passed, f32), [2], keepdims=False)
    last = b.cast(b.dim_values([classes], shape=()), f32)
    return b.cast(b.minimum(count, b.add_scalar(last, -1)), element_of(node.attribute("dtype", 6)))
