"""MaxRoiPool."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import f32

from ...dialects import graph
from ...dialects.graph.types import i64
from ...dialects.shape import Dim
from ..node import Node
from ..registry import converter
from ..values import Value


@converter("MaxRoiPool")
def convert_max_roi_pool(node: Node) -> Value:
    """Of each region [image, x, y, last x, last y] the largest element in each of its bins, 0 in a bin without any.

    x [N, C, H, W], regions [R, 5] -> [R, C, PH, PW]. A bin is a range of columns by a range of rows:

        largest over columns[r, pw], then over rows[r, ph]
    """
    x, regions, b = node.input(0), node.input(1), node.b
    if x.rank != 4 or regions.rank != 2:
        node.invalid(f"x is {x.type} and the regions are {regions.type}, but must have 4 and 2 axes")
    node.relate(regions.dims[1], 5, "the length of a region")
    height, width = node.attribute("pooled_shape")
    images = b.gather(x, b.cast(_column(node, regions, 0), i64))
    columns = _bins(node, regions, 1, width, x.dims[3])
    rows = _bins(node, regions, 2, height, x.dims[2])
    lowest = b.scalar_like(-math.inf, x)
    inside = b.where(b.unsqueeze(columns, [1, 2]), b.unsqueeze(images, [3]), lowest)
    largest = b.reduce("max", inside, [4], keepdims=False)
    inside = b.where(b.unsqueeze(rows, [1, 4]), b.unsqueeze(largest, [2]), lowest)
    largest = b.reduce("max", inside, [3], keepdims=False)
    is_empty = b.op(graph.EqualOp, largest, lowest)
    return b.where(is_empty, b.scalar_like(0, x), largest)


def _column(node: Node, regions: Value, index: int) -> Value:
    return node.b.squeeze(node.b.slice(regions, [1], [index], [index + 1]), [1])


def _bins(node: Node, regions: Value, first: int, count: int, size: Dim) -> Value:
    """Whether an element along an axis lies in a bin: [R, count, size]. Ends are rounded; bins overlap by a part."""
    b = node.b
    begin, last = (_rounded(node, _column(node, regions, index)) for index in (first, first + 2))
    extent = b.maximum(b.add_scalar(b.sub(last, begin), 1), b.scalar(1.0, f32))
    length = b.unsqueeze(b.mul_scalar(extent, 1 / count), [1])
    number, begin = b.iota(count, f32), b.unsqueeze(begin, [1])
    low = b.add(b.op(graph.FloorOp, b.mul(number, length)), begin)
    high = b.add(b.op(graph.CeilOp, b.mul(b.add_scalar(number, 1), length)), begin)
    place = b.iota(size, f32)
    is_after = b.op(graph.GreaterEqualOp, place, b.unsqueeze(low, [2]))
    return b.op(graph.AndOp, is_after, b.op(graph.LessOp, place, b.unsqueeze(high, [2])))


def _rounded(node: Node, end: Value) -> Value:
    """An end in elements of x, halves away from 0."""
    b = node.b
    scaled = b.mul_scalar(b.cast(end, f32), node.attribute("spatial_scale", 1.0))
    size = b.op(graph.FloorOp, b.add_scalar(b.op(graph.AbsOp, scaled), 0.5))
    return b.mul(b.op(graph.SignOp, scaled), size)
