"""Gather, scatter, selection."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import bf16, f16, f32

from ...dialects import graph
from ...dialects.graph.types import GraphTensorType, i64
from ..node import Node
from ..registry import converter
from ..values import Value


@converter("Gather")
def convert_gather(node: Node) -> Value:
    x = node.input(0)
    return node.b.gather(x, node.input(1), node.axis(node.attribute("axis", 0), x.rank))


@converter("GatherElements")
def convert_gather_elements(node: Node) -> Value:
    x = node.input(0)
    axis = node.axis(node.attribute("axis", 0), x.rank)
    return node.b.op(graph.GatherElementsOp, x, node.input(1), axis=axis)


@converter("GatherND")
def convert_gather_nd(node: Node) -> Value:
    count, rank = node.attribute("batch_dims", 0), min(node.input(0).rank, node.input(1).rank)
    if not 0 <= count < max(rank, 1):
        node.invalid(f"the attribute 'batch_dims' is {count}, but must be at least 0 and below {rank}")
    x, indices = node.input(0), node.input(1)
    last = indices.dims[-1]
    if not isinstance(last, int):
        indices = _with_length(node, indices, indices.rank - 1, _index_length(node, x, indices, count))
    return node.b.op(graph.GatherNdOp, x, indices, batch_dims=count)


def _index_length(node: Node, x: Value, indices: Value, batch_dims: int) -> int:
    """How many axes of x the free last axis of ``indices`` names: by the rank that the model declares of the result."""
    most = x.rank - batch_dims
    declared = node.declared_rank(0)
    length = 1 if most == 1 else None if declared is None else indices.rank - 1 + most - declared
    if length is None:
        node.unknown_size(
            "the number of axes that the indices name, and with it the rank of the result,", indices.dims[-1]
        )
    if not 1 <= length <= most:
        node.contradiction(f"the result cannot have rank {declared} for x {x.type} and indices {indices.type}")
    return length


@converter("ScatterElements", "Scatter")
def convert_scatter_elements(node: Node) -> Value:
    return _scattered(node, graph.ScatterElementsOp, axis=node.axis(node.attribute("axis", 0), node.input(0).rank))


@converter("ScatterND")
def convert_scatter_nd(node: Node) -> Value:
    return _scattered(node, graph.ScatterNdOp)


def _scattered(node: Node, operation: type[graph.GraphOperation], **fields: int) -> Value:
    """Many short floats are added up in f32, and rounded once."""
    b, reduction = node.b, node.attribute("reduction", "none")
    x, indices, updates = (node.input(index) for index in range(3))
    element = x.element_type
    if reduction != "none" and element in (f16, bf16):
        x, updates = (b.cast(value, f32) for value in (x, updates))
    return b.cast(b.op(operation, x, indices, updates, reduction=reduction, **fields), element)


@converter("OneHot")
def convert_one_hot(node: Node) -> Value:
    indices, values, b = node.input(0), node.input(2), node.b
    depth = node.input(1)
    size = b.reshape(b.cast(depth, i64), (1,)).dimensions()
    axis = node.axis(node.attribute("axis", -1), indices.rank + 1)
    indices = b.cast(indices, i64)
    if size is None:
        return _one_hot_of_computed_depth(node, indices, b.reshape(b.cast(depth, i64), ()), values, axis)
    dims = (*indices.dims[:axis], size[0], *indices.dims[axis:])
    (result,) = b.emit(graph.OneHotOp, [indices, values], [GraphTensorType.of(dims, values.element_type)], axis=axis)
    return result


def _one_hot_of_computed_depth(node: Node, indices: Value, depth: Value, values: Value, axis: int) -> Value:
    """Each index beside all numbers below the depth; those that are negative count from there."""
    b = node.b
    zero, one = (b.constant(np.asarray(number, np.int64)) for number in range(2))
    (numbers,) = b.emit(graph.RangeOp, [zero, depth, one], [node.fresh_type(i64, [None])])
    numbers = b.unsqueeze(numbers, [place + 1 for place in range(indices.rank - axis)])
    wrapped = b.where(b.op(graph.LessOp, indices, zero), b.add(indices, depth), indices)
    is_hot = b.op(graph.EqualOp, b.unsqueeze(wrapped, [axis]), numbers)
    off, on = (b.reshape(b.slice(values, [0], [place], [place + 1]), ()) for place in range(2))
    return b.where(is_hot, on, off)


@converter("TopK")
def convert_topk(node: Node) -> list[Value]:
    x, b = node.input(0), node.b
    axis = node.axis(node.attribute("axis", -1), x.rank)
    count = b.dim_values([node.attribute("k")]) if node.opset < 10 else _of_one_element(node, node.input(1))
    known = count.dimensions()
    dims = list(x.dims)
    size = known[0] if known is not None else b.symbols.fresh("topk")
    dims[axis] = size
    if not b.symbols.require_at_least(x.dims[axis], size, f"TopK in {b.name}: k is more than there are elements"):
        node.invalid(f"k is {size}, but the axis has only {x.dims[axis]} elements")
    types = [x.type.with_dims(dims), GraphTensorType.of(dims, i64)]
    fields = {"axis": axis, "smallest": not node.attribute("largest", 1), "computed": known is None}
    return b.emit(graph.TopKOp, [x, count], types, **fields)


@converter("NonZero")
def convert_nonzero(node: Node) -> Value:
    x = node.input(0)
    if x.constant is not None:
        return node.b.constant(np.array(np.nonzero(np.atleast_1d(x.constant)), np.int64))
    (result,) = node.b.emit(graph.NonzeroOp, [x], [node.fresh_type(i64, [max(x.rank, 1), None])])
    return result


@converter("Compress")
def convert_compress(node: Node) -> Value:
    """The slices where the condition holds: nonzero, then gather."""
    x, condition, b = node.input(0), node.input(1), node.b
    axis = node.attribute("axis", None)
    if axis is None:
        x, axis = b.reshape(x, [b.element_count(x)]), 0
    axis = node.axis(axis, x.rank)
    if not b.symbols.require_at_least(x.dims[axis], condition.dims[0], f"Compress in {b.name}"):
        node.invalid(f"the condition has {condition.dims[0]} elements, but the axis only {x.dims[axis]}")
    (places,) = b.emit(graph.NonzeroOp, [condition], [node.fresh_type(i64, [1, None])])
    return b.op(graph.GatherOp, x, b.squeeze(places, [0]), axis=axis)


@converter("Unique")
def convert_unique(node: Node) -> list[Value]:
    x, b = node.input(0), node.b
    axis = node.attribute("axis", None)
    count = b.symbols.fresh("unique")
    if axis is None:
        dims, inverse, axes = [count], b.element_count(x), []
    else:
        axes = [node.axis(axis, x.rank)]
        dims = [count if a == axes[0] else d for a, d in enumerate(x.dims)]
        inverse = x.dims[axes[0]]
    vector = GraphTensorType.of([count], i64)
    types = [x.type.with_dims(dims), vector, GraphTensorType.of([inverse], i64), vector]
    return b.emit(graph.UniqueOp, [x], types, axes=axes, unsorted=not node.attribute("sorted", 1))


@converter("NonMaxSuppression")
def convert_non_max_suppression(node: Node) -> Value:
    b = node.b
    limit = node.optional(2) or b.constant(np.array([0], np.int64))
    overlap = node.optional(3) or b.constant(np.array([0], np.float32))
    least = node.optional(4)
    settings = [limit, overlap, *([] if least is None else [least])]
    operands = [node.input(0), node.input(1), *(_of_one_element(node, setting) for setting in settings)]
    result_type = node.fresh_type(i64, [None, 3])
    center = bool(node.attribute("center_point_box", 0))
    (result,) = b.emit(graph.NonMaxSuppressionOp, operands, [result_type], center_point_box=center)
    return result


def _of_one_element(node: Node, value: Value) -> Value:
    """A scalar, or a tensor of one axis, which must have one element."""
    return _with_length(node, value, 0, 1) if value.rank == 1 else value


def _with_length(node: Node, value: Value, axis: int, length: int) -> Value:
    """The value, whose axis must have a length that ONNX says; a free dim is taken to be that."""
    if value.rank <= axis or not node.b.symbols.unify(value.dims[axis], length, f"{node.describe()}: {value.type}"):
        node.contradiction(f"{value.type} must have {length} elements along axis {axis}")
    dims = [length if index == axis else size for index, size in enumerate(value.dims)]
    return value if value.dims[axis] == length else node.b.reshape(value, dims)


@converter("GridSample")
def convert_grid_sample(node: Node) -> Value:
    x, grid = node.input(0), node.input(1)
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(
        node.attribute("mode", "bilinear"), node.attribute("mode", "linear")
    )
    return node.b.op(
        graph.GridSampleOp,
        x,
        _with_length(node, grid, grid.rank - 1, x.rank - 2),
        mode=mode,
        padding=node.attribute("padding_mode", "zeros"),
        align_corners=bool(node.attribute("align_corners", 0)),
    )


@converter("RoiAlign")
def convert_roi_align(node: Node) -> Value:
    default = "half_pixel" if node.opset >= 16 else "output_half_pixel"
    return node.b.op(
        graph.RoiAlignOp,
        node.input(0),
        _with_length(node, node.input(1), 1, 4),
        node.input(2),
        size=[node.attribute("output_height", 1), node.attribute("output_width", 1)],
        mode=node.attribute("mode", "avg"),
        sampling_ratio=node.attribute("sampling_ratio", 0),
        spatial_scale=node.attribute("spatial_scale", 1.0),
        half_pixel=node.attribute("coordinate_transformation_mode", default) == "half_pixel",
    )
