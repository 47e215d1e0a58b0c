"""Normalisations, in the few operations that the graph level has for them."""

from __future__ import annotations

from ...dialects import graph
from ...dialects.graph.types import f32
from ...dialects.shape import add, product
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value


@converter("BatchNormalization", several_steps=True)
def convert_batch_norm(node: Node) -> list[Value | None]:
    """x * factor + shift, one of each a channel, or with ``spatial`` = 0 an element."""
    x, scale, bias, mean, variance = (node.input(i) for i in range(5))
    if node.attribute("training_mode", 0):
        return _trained_batch_norm(node)
    b = node.b
    factor = b.div(scale, b.op(graph.SqrtOp, b.add_scalar(variance, node.attribute("epsilon", 1e-5))))
    shift = b.sub(bias, b.mul(mean, factor))
    spread = _per_channel if node.attribute("spatial", 1) else _per_element
    y = b.add(b.mul(x, spread(node, factor, x)), spread(node, shift, x))
    return [y, *[None] * (node.output_count - 1)]


def _trained_batch_norm(node: Node) -> list[Value | None]:
    """By the mean and variance of the batch; those of all batches move a little towards them."""
    x, scale, bias, mean, variance = (node.input(i) for i in range(5))
    b, momentum = node.b, node.attribute("momentum", 0.9)
    axes = [axis for axis in range(x.rank) if axis != 1]
    own_mean = b.reduce("mean", x, axes)
    centred = b.sub(x, own_mean)
    own_variance = b.reduce("mean", b.mul(centred, centred), axes)
    deviation = b.op(graph.SqrtOp, b.add_scalar(own_variance, node.attribute("epsilon", 1e-5)))
    y = b.add(b.mul(b.div(centred, deviation), _per_channel(node, scale, x)), _per_channel(node, bias, x))
    moved: list[Value | None] = []
    for before, now in ((mean, own_mean), (variance, own_variance)):
        own = b.cast(b.reshape(now, before.dims), before.element_type)
        moved.append(b.add(b.mul_scalar(before, momentum), b.mul_scalar(own, 1 - momentum)))
    return [y, *moved][: node.output_count]


def _per_channel(node: Node, values: Value, x: Value) -> Value:
    """A vector over axis 1 of x, shaped to broadcast with it."""
    if x.rank > 1 and not node.b.symbols.unify(values.dims[0], x.dims[1], f"{node.describe()}: one value a channel"):
        node.contradiction(f"{values.dims[0]} values are given for {x.dims[1]} channels")
    values = node.b.cast(values, x.element_type)
    return node.b.reshape(values, (*values.dims, *[1] * max(x.rank - 2, 0)))


def _per_element(node: Node, values: Value, x: Value) -> Value:
    """Values of all axes but the first, as before opset 9 where the attribute ``spatial`` is 0."""
    if values.rank != x.rank - 1:
        node.invalid(f"{values.type} does not fit {x.type}: with spatial = 0 it has all axes but the first")
    for given, size in zip(values.dims, x.dims[1:]):
        if not node.b.symbols.unify(given, size, f"{node.describe()}: one value an element"):
            node.contradiction(f"{values.type} is given for {x.type}")
    return node.b.cast(values, x.element_type)


def normalised(node: Node, x: Value, axes: list[int], epsilon: float) -> tuple[Value, Value, Value]:
    """(x - mean) / sqrt(variance + epsilon) over axes; also mean and 1 / sqrt(...)."""
    b = node.b
    mean = b.reduce("mean", x, axes)
    centred = b.sub(x, mean)
    variance = b.reduce("mean", b.mul(centred, centred), axes)
    inverse = b.op(graph.ReciprocalOp, b.op(graph.SqrtOp, b.add_scalar(variance, epsilon)))
    return b.mul(centred, inverse), mean, inverse


@converter("InstanceNormalization", several_steps=True)
def convert_instance_norm(node: Node) -> Value:
    x, scale, bias = node.input(0), node.input(1), node.input(2)
    result, _, _ = normalised(node, x, list(range(2, x.rank)), node.attribute("epsilon", 1e-5))
    return node.b.add(node.b.mul(result, _per_channel(node, scale, x)), _per_channel(node, bias, x))


@converter("GroupNormalization", several_steps=True)
def convert_group_norm(node: Node) -> Value:
    x, scale, bias = node.input(0), node.input(1), node.input(2)
    b, groups = node.b, node.attribute("num_groups")
    grouped = b.reshape(x, (x.dims[0], groups, product((node.divided(x.dims[1], groups), *x.dims[2:]))))
    result, _, _ = normalised(node, grouped, [2], node.attribute("epsilon", 1e-5))
    if node.opset < 21:
        # One scale and bias a group.
        per_group = [b.reshape(v, (groups, 1)) for v in (scale, bias)]
        result = b.add(b.mul(result, per_group[0]), per_group[1])
        return b.reshape(result, x.dims)
    result = b.reshape(result, x.dims)
    return b.add(b.mul(result, _per_channel(node, scale, x)), _per_channel(node, bias, x))


@converter("LayerNormalization", several_steps=True)
def convert_layer_norm(node: Node) -> list[Value | None]:
    x, scale, bias = node.input(0), node.input(1), node.optional(2)
    axis = node.axis(node.attribute("axis", -1), x.rank)
    epsilon = node.attribute("epsilon", 1e-5)
    result = layer_norm(node, x, scale, bias, axis, epsilon)
    if not node.wants(1) and not node.wants(2):
        return [result]
    _, mean, inverse = normalised(node, node.b.cast(x, f32), list(range(axis, x.rank)), epsilon)
    return [result, mean, inverse]


def layer_norm(node: Node, x: Value, scale: Value, bias: Value | None, axis: int, epsilon: float) -> Value:
    """graph.layer_norm where scale and bias span the normalised axes, else written out."""
    normal = x.dims[axis:]
    fits = [value.rank == len(normal) for value in (scale, bias) if value is not None]
    if all(fits):
        operands = [x, scale] if bias is None else [x, scale, bias]
        return node.b.op(graph.LayerNormOp, *operands, axis=axis, epsilon=epsilon)
    result, _, _ = normalised(node, x, list(range(axis, x.rank)), epsilon)
    result = node.b.mul(result, scale)
    return result if bias is None else node.b.add(result, bias)


@converter("RMSNormalization", several_steps=True)
@converter("SimplifiedLayerNormalization", several_steps=True)
@converter("SimplifiedLayerNormalization", domain=MICROSOFT, several_steps=True)
def convert_rms_norm(node: Node) -> Value:
    x, scale = node.input(0), node.input(1)
    axis = node.axis(node.attribute("axis", -1), x.rank)
    return rms_norm(node, x, scale, list(range(axis, x.rank)), node.attribute("epsilon", 1e-5))


def rms_norm(node: Node, x: Value, scale: Value, axes: list[int], epsilon: float) -> Value:
    """x / sqrt(mean(x^2) + epsilon) * scale, in the scale's type."""
    b = node.b
    square = b.add_scalar(b.reduce("mean", b.mul(x, x), axes), epsilon)
    return b.mul(b.cast(b.div(x, b.op(graph.SqrtOp, square)), scale.element_type), scale)


@converter("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", domain=MICROSOFT, several_steps=True)
def convert_skip_layer_norm(node: Node) -> list[Value | None]:
    simplified = node.operator != "SkipLayerNormalization"
    x, scale = node.b.add(node.input(0), node.input(1)), node.input(2)
    bias = node.optional(3 if simplified else 4)
    if bias is not None:
        x = node.b.add(x, bias)
    epsilon = node.attribute("epsilon", 1e-12)
    if simplified:
        result = rms_norm(node, x, scale, [x.rank - 1], epsilon)
    else:
        result = layer_norm(node, x, scale, node.optional(3), x.rank - 1, epsilon)
    return [result, None, None, x][: node.output_count]


@converter("MeanVarianceNormalization", several_steps=True)
def convert_mean_variance_norm(node: Node) -> Value:
    """(x - mean) / (deviation + 1e-9)."""
    x, b = node.input(0), node.b
    axes = node.axes(node.attribute("axes", [0, 2, 3]), x.rank)
    mean = b.reduce("mean", x, axes)
    centred = b.sub(x, mean)
    deviation = b.op(graph.SqrtOp, b.reduce("mean", b.mul(centred, centred), axes))
    return b.div(centred, b.add_scalar(deviation, 1e-9))


@converter("LpNormalization", several_steps=True)
def convert_lp_norm(node: Node) -> Value:
    x, b = node.input(0), node.b
    axis = node.axis(node.attribute("axis", -1), x.rank)
    if node.attribute("p", 2) == 1:
        norm = b.reduce("sum", b.op(graph.AbsOp, x), [axis])
    else:
        norm = b.op(graph.SqrtOp, b.reduce("sum", b.mul(x, x), [axis]))
    # All zeros stay zeros.
    return b.div(x, b.where(b.op(graph.EqualOp, norm, b.scalar_like(0, x)), b.scalar_like(1, x), norm))


@converter("LRN", several_steps=True)
def convert_lrn(node: Node) -> Value:
    """x / (bias + alpha / size * sum of squares of neighbouring channels) ^ beta."""
    x, b, size = node.input(0), node.b, node.attribute("size")
    alpha, beta, bias = node.attribute("alpha", 1e-4), node.attribute("beta", 0.75), node.attribute("bias", 1.0)
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    pads = [0, before, *[0] * (x.rank - 2), 0, after, *[0] * (x.rank - 2)]
    squares = b.pad(b.mul(x, x), pads)
    channels = x.dims[1]
    total = b.slice(squares, [1], [0], [channels])
    for offset in range(1, size):
        total = b.add(total, b.slice(squares, [1], [offset], [add(channels, offset)]))
    base = b.add_scalar(b.mul_scalar(total, alpha / size), bias)
    return b.div(x, b.op(graph.PowOp, base, b.scalar_like(beta, x)))
