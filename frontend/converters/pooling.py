"""Pooling."""

from __future__ import annotations

import math
from typing import Any

from ...dialects import graph
from ...dialects.shape import product
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value
from .linear import explicit_pads


def _window(node: Node, x: Value) -> tuple[dict[str, Any], list[int]]:
    """The fields of a pooling operation, ``ceil_mode`` resolved; and how far windows reach past the padding."""
    rank = x.rank - 2
    kernel = node.attribute("kernel_shape")
    strides = node.attribute("strides", [1] * rank)
    dilations = node.attribute("dilations", [1] * rank)
    pads = list(explicit_pads(node, x.dims[2:], kernel, strides, dilations))
    overhang = [0] * rank
    automatic = node.attribute("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    if node.attribute("ceil_mode", 0) and not automatic:
        overhang = [_overhang(node, x, pads, kernel, strides, dilations, axis) for axis in range(rank)]
        pads = pads[:rank] + [pad + extra for pad, extra in zip(pads[rank:], overhang)]
    fields = {"kernel": kernel, "strides": strides, "pads": pads, "dilations": dilations}
    return fields, overhang


def _overhang(
    node: Node, x: Value, pads: list[int], kernel: list[int], strides: list[int], dilations: list[int], axis: int
) -> int:
    """Padding at the end of an axis that makes room for the window that ``ceil_mode`` adds."""
    size, rank = x.dims[2 + axis], len(kernel)
    stride, reach = strides[axis], (kernel[axis] - 1) * dilations[axis] + 1
    free = size + pads[axis] + pads[rank + axis] - reach
    if stride == 1:
        return 0
    if not isinstance(free, int) or not isinstance(size, int):
        # Room for any remainder; what is left over is less than a stride, so that no window begins behind it.
        if stride + pads[rank + axis] <= reach:
            return stride - 1
        node.unknown_size(f"ceil_mode with stride {stride} and a smaller kernel", size)
    count = -(-free // stride) + 1
    # A window that would begin in the padding at the end is left out.
    if (count - 1) * stride >= size + pads[axis]:
        count -= 1
    return max((int(count) - 1) * stride - free, 0)


@converter("MaxPool")
def convert_max_pool(node: Node) -> list[Value | None]:
    x = node.input(0)
    fields, _ = _window(node, x)
    if not node.wants(1):
        return [node.b.op(graph.MaxPoolOp, x, **fields)]
    column_major = bool(node.attribute("storage_order", 0))
    return list(node.b.emit(graph.MaxPoolWithIndicesOp, [x], column_major=column_major, **fields))


@converter("AveragePool")
def convert_average_pool(node: Node) -> Value:
    x = node.input(0)
    fields, overhang = _window(node, x)
    count_include_pad = bool(node.attribute("count_include_pad", 0))
    if any(overhang):
        fields["overhang"] = overhang
    return node.b.op(graph.AvgPoolOp, x, count_include_pad=count_include_pad, **fields)


@converter("LpPool", several_steps=True)
def convert_lp_pool(node: Node) -> Value:
    """(sum of |x|^p) ^ (1/p): the mean over the whole window times its size."""
    x, b, p = node.input(0), node.b, node.attribute("p", 2)
    fields, _ = _window(node, x)
    powers = _power_sum_terms(node, x, p)
    mean = b.op(graph.AvgPoolOp, powers, count_include_pad=True, **fields)
    return _root(node, b.mul_scalar(mean, math.prod(fields["kernel"])), p)


def _power_sum_terms(node: Node, x: Value, p: int) -> Value:
    if p == 2:
        return node.b.mul(x, x)
    magnitude = node.b.op(graph.AbsOp, x)
    return magnitude if p == 1 else node.b.op(graph.PowOp, magnitude, node.b.scalar_like(p, x))


def _root(node: Node, x: Value, p: int) -> Value:
    if p == 1:
        return x
    return node.b.op(graph.SqrtOp, x) if p == 2 else node.b.op(graph.PowOp, x, node.b.scalar_like(1 / p, x))


@converter("GlobalAveragePool", "GlobalMaxPool")
def convert_global_pool(node: Node) -> Value:
    x = node.input(0)
    kind = "mean" if node.operator == "GlobalAveragePool" else "max"
    return node.b.reduce(kind, x, list(range(2, x.rank)))


@converter("GlobalLpPool", several_steps=True)
def convert_global_lp_pool(node: Node) -> Value:
    x, p = node.input(0), node.attribute("p", 2)
    total = node.b.reduce("sum", _power_sum_terms(node, x, p), list(range(2, x.rank)))
    return _root(node, total, p)


@converter("MaxUnpool")
def convert_max_unpool(node: Node) -> Value:
    """Scatters x into zeros at the flattened positions that max pooling gave."""
    x, indices, b = node.input(0), node.input(1), node.b
    for size, other in zip(x.dims, indices.dims):
        if not b.symbols.unify(size, other, f"{node.describe()}: an index for each element"):
            node.invalid(f"the indices {indices.type} do not have the shape of x {x.type}")
    shape = node.optional(2)
    if shape is not None:
        dims = shape.dimensions()
        if dims is None:
            node.unsupported("output_shape (input #2) must be known when the model is compiled", MAKE_CONSTANT)
    else:
        dims = list(x.dims[:2]) + [_unpooled(node, x, axis) for axis in range(x.rank - 2)]
    zeros = b.broadcast_to(b.scalar_like(0, x), [product(dims)])
    flat = [b.reshape(value, [product(x.dims)]) for value in (indices, x)]
    return b.reshape(b.op(graph.ScatterElementsOp, zeros, *flat), dims)


def _unpooled(node: Node, x: Value, axis: int) -> Any:
    rank = x.rank - 2
    stride = node.attribute("strides", [1] * rank)[axis]
    pads = node.attribute("pads", [0] * 2 * rank)
    return (x.dims[2 + axis] - 1) * stride - pads[axis] - pads[rank + axis] + node.attribute("kernel_shape")[axis]
