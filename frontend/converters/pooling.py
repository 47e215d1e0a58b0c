"""Pooling."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import is_float
from ...dialects.shape import add, multiply, product, subtract
from ..node import Node
from ..registry import converter
from ..values import Value
from .linear import explicit_pads, with_explicit_padding

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@dataclass(frozen=True)
class _Window:
    """The fields of a pooling operation but for its pads, ``ceil_mode`` resolved into pads; how far windows reach
    past the padding."""

    fields: dict[str, Any]
    pads: Sequence[Dim]
    overhang: list[int]

    @property
    def moves(self) -> bool:
        """Whether the padding depends on free sizes."""
        return not all(isinstance(pad, int) for pad in self.pads)


def _window(node: Node, x: Value) -> _Window:
    rank = x.rank - 2
    kernel = node.attribute("kernel_shape")
    strides = node.attribute("strides", [1] * rank)
    dilations = node.attribute("dilations", [1] * rank)
    pads = explicit_pads(node, x.dims[2:], kernel, strides, dilations)
    overhang = [0] * rank
    automatic = node.attribute("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    if node.attribute("ceil_mode", 0) and not automatic:
        ends: list[int] = pads[rank:]  # pyright: ignore[reportAssignmentType]
        reaches = [(k - 1) * dilation + 1 for k, dilation in zip(kernel, dilations)]
        extra = [_ceil_padding(end, stride, reach) for end, stride, reach in zip(ends, strides, reaches)]
        pads = [*pads[:rank], *(end + more for end, more in zip(ends, extra))]
        overhang = [max(more, 0) for more in extra]
    if not automatic:
        _require_room(node, x, kernel, strides, dilations, pads)
    return _Window({"kernel": kernel, "strides": strides, "dilations": dilations}, pads, overhang)


def _require_room(
    node: Node, x: Value, kernel: list[int], strides: list[int], dilations: list[int], pads: Sequence[Any]
) -> None:
    """The number of windows, (padded - reach) floordiv stride + 1, is 0 or more.

    Where one nearly fits, and windows lie further apart than 1, readings of the specification differ: its formula
    has no window there, ONNX's shape inference one. That is refused.
    """
    rank, rounds_up = len(kernel), bool(node.attribute("ceil_mode", 0))
    for axis, (size, width, stride, dilation) in enumerate(zip(x.dims[2:], kernel, strides, dilations)):
        reach = (width - 1) * dilation + 1
        least = reach - pads[axis] - pads[rank + axis] - (stride if rounds_up or stride == 1 else 0)
        node.at_least(size, max(least, 0), f"dimension {2 + axis}, for windows that reach over {reach} elements,")


def _ceil_padding(end: int, stride: int, reach: int) -> int:
    """What is added to the padding at the end of an axis so that rounding down counts the windows of ``ceil_mode``.

    They are ceil((padded - reach) / stride) + 1, of which none may begin in the padding at the end, so that there are
    at most ceil((padded - end) / stride): the smaller is floor((padded + this - reach) / stride) + 1.
    """
    return min(stride - 1, reach - 1 - end)


@converter("MaxPool")
def convert_max_pool(node: Node) -> list[Value | None]:
    x, b = node.input(0), node.b
    window = _window(node, x)
    if node.wants(1) and is_float(x.element_type) and not window.moves and min(window.pads) >= 0:  # pyright: ignore[reportOperatorIssue]
        return _pooled_with_places(node, x, window)
    padded, pads = with_explicit_padding(node, x, window.pads, _lowest(node, x))
    if not node.wants(1):
        return [b.op(graph.MaxPoolOp, padded, pads=pads, **window.fields)]
    column_major = bool(node.attribute("storage_order", 0))
    fields = {**window.fields, "pads": pads, "column_major": column_major}
    largest, places = b.emit(graph.MaxPoolWithIndicesOp, [padded], **fields)
    return [largest, _places_before(node, places, x, padded, window.pads, column_major) if window.moves else places]


def _pooled_with_places(node: Node, x: Value, window: _Window) -> list[Value | None]:
    """The largest element of each window, and where in the flattened x the first one that equals it lies.

    Each tap of the windows is a strided slice of x; what is padded equals nothing.
    """
    b, rank, fields = node.b, x.rank - 2, window.fields
    largest = b.op(graph.MaxPoolOp, x, pads=window.pads, **fields)
    outputs, strides = largest.dims[2:], fields["strides"]
    begin, end = window.pads[:rank], window.pads[rank:]
    padded = b.pad(x, [0, 0, *begin, 0, 0, *end], b.scalar_like(math.nan, x))
    steps: list[Dim] = [1] * rank
    order = range(rank) if node.attribute("storage_order", 0) else range(rank - 1, -1, -1)
    for axis, before in itertools.pairwise(order):
        steps[before] = multiply(steps[axis], x.dims[2 + axis])
    found: Value | None = None
    for tap in reversed(list(itertools.product(*map(range, fields["kernel"])))):
        starts = [place * dilation for place, dilation in zip(tap, fields["dilations"])]
        ends = [add(start, add(multiply(subtract(size, 1), stride), 1))
                for start, size, stride in zip(starts, outputs, strides)]  # fmt: skip
        distance = functools.reduce(
            add, (multiply(subtract(start, pad), step) for start, pad, step in zip(starts, begin, steps))
        )
        here = b.dim_values([distance], shape=())
        if found is None:
            found = here
            continue
        element = b.slice(padded, range(2, 2 + rank), starts, ends, strides)
        found = b.where(b.op(graph.EqualOp, element, largest), here, found)
    assert found is not None
    size = product(x.dims[2:])
    planes = b.mul(b.iota(product(x.dims[:2])), b.dim_values([size], shape=()))
    places = b.add(b.reshape(planes, (*x.dims[:2], *[1] * rank)), found)
    for axis in range(rank):
        along = b.mul(b.iota(outputs[axis]), b.dim_values([multiply(steps[axis], strides[axis])], shape=()))
        shape: list[Dim] = [1] * rank
        shape[axis] = outputs[axis]
        places = b.add(places, b.reshape(along, shape))
    return [largest, places]


def _lowest(node: Node, x: Value) -> Value:
    return node.b.scalar_like(-math.inf if is_float(x.element_type) else int(np.iinfo(x.type.dtype).min), x)


def _places_before(
    node: Node, places: Value, x: Value, padded: Value, pads: Sequence[Dim], column_major: bool
) -> Value:
    """Positions in the flattened x, from those in the padded one."""
    b = node.b
    order = list(range(2, x.rank)) if column_major else list(range(x.rank - 1, 1, -1))
    rest, result, stride = places, None, b.dim_values([1], shape=())
    for axis in order:
        size = b.dim_values([padded.dims[axis]], shape=())
        # Axes whose pads are numbers were not padded.
        begin = pads[axis - 2] if padded.dims[axis] != x.dims[axis] else 0
        place = b.sub(b.op(graph.ModOp, rest, size), b.dim_values([begin], shape=()))
        term = b.mul(place, stride)
        result = term if result is None else b.add(result, term)
        rest = b.div(rest, size)
        stride = b.mul(stride, b.dim_values([x.dims[axis]], shape=()))
    assert result is not None
    return b.add(result, b.mul(rest, stride))


@converter("AveragePool")
def convert_average_pool(node: Node) -> Value:
    return average_pool(node, node.input(0))


def average_pool(node: Node, x: Value) -> Value:
    """The mean of each window of x, as the node's attributes say."""
    b = node.b
    window = _window(node, x)
    includes = bool(node.attribute("count_include_pad", 0))
    fields = {**window.fields, **({"overhang": window.overhang} if any(window.overhang) else {})}
    padded, pads = with_explicit_padding(node, x, window.pads)
    mean = b.op(graph.AvgPoolOp, padded, count_include_pad=includes or window.moves, pads=pads, **fields)
    if includes or not window.moves:
        return mean
    # The padding counted: the share of each window that is no padding makes up for it.
    ones = b.broadcast_to(b.scalar_like(1, x), [1, 1, *x.dims[2:]])
    ones, _ = with_explicit_padding(node, ones, window.pads)
    return b.div(mean, b.op(graph.AvgPoolOp, ones, count_include_pad=True, pads=pads, **fields))


@converter("LpPool", several_steps=True)
def convert_lp_pool(node: Node) -> Value:
    """(sum of |x|^p) ^ (1/p): the mean over the whole window times its size."""
    x, b, p = node.input(0), node.b, node.attribute("p", 2)
    window = _window(node, x)
    powers, pads = with_explicit_padding(node, _power_sum_terms(node, x, p), window.pads)
    mean = b.op(graph.AvgPoolOp, powers, count_include_pad=True, pads=pads, **window.fields)
    return _root(node, b.mul_scalar(mean, math.prod(window.fields["kernel"])), p)


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
        complaint = f"the indices {indices.type} do not have the shape of x {x.type}"
        node.relate(size, other, "an index for each element", complaint)
    if node.optional(2) is not None:
        dims = node.sizes_input(2, "the output's shape")
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
