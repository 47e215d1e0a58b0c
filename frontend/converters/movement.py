"""Operators that move elements."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects import graph
from ...dialects.graph.movement import slice_size
from ...dialects.graph.types import i64, numpy_dtype
from ...dialects.shape import (
    add,
    canonical,
    ceildiv,
    divide_towards_zero,
    is_bounded,
    maximum,
    minimum,
    multiply,
    subtract,
)
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@converter("Transpose")
def convert_transpose(node: Node) -> Value:
    x = node.input(0)
    return node.b.transpose(x, node.attribute("perm", list(range(x.rank))[::-1]))


@converter("Concat")
def convert_concat(node: Node) -> Value:
    parts = node.present
    axis = node.axis(node.attribute("axis", 1), parts[0].rank)
    filled = [part for part in parts if part.dims[axis] != 0] or parts[:1]
    for part in parts:
        if part.dims[axis] == 0:
            _relate_beside(node, part, filled[0], axis)
    return node.b.concat(filled, axis)


def _relate_beside(node: Node, part: Value, first: Value, axis: int) -> None:
    """A part without elements, which is left out, has the other parts' size along all other axes."""
    if part.rank != first.rank:
        node.invalid(f"the parts have {first.rank} and {part.rank} dimensions, but must have as many")
    for place, (size, wanted) in enumerate(zip(part.dims, first.dims)):
        if place != axis:
            node.relate(size, wanted, f"the size along axis {place} of each part")


# --- slice ----------------------------------------------------------------------------------------


@converter("Slice", since=1)
def convert_slice_attributes(node: Node) -> Value:
    x, starts, ends = node.input(0), node.attribute("starts"), node.attribute("ends")
    axes = node.attribute("axes", list(range(len(starts))))
    return static_slice(node, x, axes, starts, ends, [1] * len(starts))


@converter("Slice", since=10)
def convert_slice(node: Node) -> Value:
    x, starts, ends, axes, steps = node.input(0), node.input(1), node.input(2), node.optional(3), node.optional(4)
    count = starts.dims[0]
    for index, other in enumerate((ends, axes, steps), 2):
        if other is not None:
            node.relate(other.dims[0], count, f"the length of input #{index}")
    axis_list = list(range(count)) if axes is None and isinstance(count, int) else axes and axes.integers()
    if axis_list is None:
        return _slice_of_computed_axes(node, x, starts, ends, axes, steps)
    axis_list = node.axes(axis_list, x.rank)
    step_list = [1] * len(axis_list) if steps is None else steps.integers()
    bounds = [_bounds(starts), _bounds(ends)]
    if step_list is not None and None not in bounds:
        return static_slice(node, x, axis_list, bounds[0] or [], bounds[1] or [], step_list)
    return _dynamic_slice(node, x, starts, ends, axis_list, steps)


def _slice_of_computed_axes(
    node: Node, x: Value, starts: Value, ends: Value, axes: Value | None, steps: Value | None
) -> Value:
    """Which axes are sliced, or how many of the first, only a run can tell."""
    b, count = node.b, starts.dims[0]
    axes = b.iota(count) if axes is None else axes
    steps = b.broadcast_to(b.scalar(1, i64), [count]) if steps is None else steps
    operands = [b.cast(value, i64) for value in (starts, ends, axes, steps)]
    return node.dynamic(graph.DynamicSliceOp, [x, *operands], [None] * x.rank)


def _bounds(value: Value) -> list[Dim] | None:
    return [] if value.dims == (0,) else value.dimensions()


def static_slice(
    node: Node, x: Value, axes: Sequence[int], starts: Sequence[Dim], ends: Sequence[Dim], steps: Sequence[int]
) -> Value:
    """A slice with ONNX's bounds: from the end where negative, clamped to the axis."""
    axes = node.axes(list(axes), x.rank)
    first: list[Dim] = []
    last: list[Dim] = []
    for axis, start, end, step in zip(axes, starts, ends, steps):
        begin, stop = _positions(node, x.dims[axis], start, end, step)
        first.append(begin)
        last.append(stop)
    return node.b.slice(x, axes, first, last, steps)


def _positions(node: Node, size: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim]:
    """Both bounds as positions within the axis, the end not before the start."""
    one_away = 1 in (abs(bound) for bound in (start, end) if isinstance(bound, int))
    not_empty = one_away and _assume_not_empty(node, size)
    begin = _bound(start, size, step, is_end=False, not_empty=not_empty)
    return begin, _in_order(begin, _bound(end, size, step, is_end=True, not_empty=not_empty), step)


def _bound(bound: Dim, size: Dim, step: int, *, is_end: bool, not_empty: bool) -> Dim:
    """A bound as a position within the axis; where it lies is decided by the signs that all sizes share."""
    original = bound
    low = -1 if step < 0 and is_end else 0
    high = subtract(size, 1) if step < 0 and not is_end else size
    if _surely_negative(bound):
        if isinstance(bound, int) and bound < -(2**31) + 1:
            return minimum(low, high)
        bound = add(bound, size)
    if isinstance(bound, int) and bound >= 2**31 - 1:
        return high
    if step > 0 and (original == 0 or (not_empty and original in (1, -1))):
        return bound
    if step < 0 and not_empty and original in (0, 1):
        return minimum(bound, high)
    return minimum(maximum(bound, low), high)


def _assume_not_empty(node: Node, size: Dim) -> bool:
    """Has the run check that an axis is not empty, so that a bound one from either end needs no clamping.

    False where it may well be: the axis is what slices left of another.
    """
    if isinstance(size, int):
        return size > 0
    if is_bounded(size):
        return False
    if not size.is_positive:
        node.b.symbols.require_at_least(size, 1, f"Slice in {node.b.name}: the axis is not empty")
    return True


def _surely_negative(bound: Dim) -> bool:
    return bound < 0 if isinstance(bound, int) else bool(bound.is_negative)


def _in_order(start: Dim, end: Dim, step: int) -> Dim:
    """The end moved to the start where it lies before it, so that sizes are never negative."""
    if isinstance(start, int) and isinstance(end, int):
        return max(start, end) if step > 0 else min(start, end)
    if step > 0 and isinstance(start, int) and start == 0:
        return end
    distance = canonical(subtract(end, start) if step > 0 else subtract(start, end))
    if distance >= 0 if isinstance(distance, int) else distance.is_nonnegative:
        return end
    return maximum(start, end) if step > 0 else minimum(start, end)


def _dynamic_slice(node: Node, x: Value, starts: Value, ends: Value, axes: list[int], steps: Value | None) -> Value:
    b = node.b
    count = len(axes)
    dims: list[Any] = [None if axis in axes else d for axis, d in enumerate(x.dims)]
    _known_widths(node, x, starts, ends, axes, steps, dims)
    operands = [
        b.cast(starts, i64),
        b.cast(ends, i64),
        b.dim_values(axes),
        b.dim_values([1] * count) if steps is None else b.cast(steps, i64),
    ]
    return node.dynamic(graph.DynamicSliceOp, [x, *operands], dims)


def _known_widths(
    node: Node, x: Value, starts: Value, ends: Value, axes: list[int], steps: Value | None, dims: list[Any]
) -> None:
    """Axes whose bounds are all known keep a computed size although others are not."""
    known = [value.known() for value in (starts, ends)]
    step_list = [1] * len(axes) if steps is None else steps.integers()
    if step_list is None or known[0] is None or known[1] is None:
        return
    for axis, start, end, step in zip(axes, known[0].tolist(), known[1].tolist(), step_list):
        if start is None or end is None:
            continue
        begin, stop = _positions(node, x.dims[axis], start, end, step)
        dims[axis] = slice_size(begin, stop, step)


# --- split ----------------------------------------------------------------------------------------


@converter("Split")
def convert_split(node: Node) -> list[Value]:
    x = node.input(0)
    axis = node.axis(node.attribute("axis", 0), x.rank)
    given = node.optional(1)
    if given is not None and given.dimensions() is None and node.attribute("split", None) is None:
        return _computed_parts(node, x, axis, given)
    return node.b.split(x, axis, split_sizes(node, x.dims[axis]))


def _computed_parts(node: Node, x: Value, axis: int, sizes: Value) -> list[Value]:
    """Parts of sizes that a run gives, and checks."""
    b, size = node.b, x.dims[axis]
    node.relate(sizes.dims[0], node.output_count, "the number of parts")
    ends = b.op(graph.CumsumOp, b.cast(sizes, i64), axis=0)
    bounds = [b.slice(ends, [0], [place], [place + 1]) for place in range(node.output_count)]
    starts, one, along = [b.dim_values([0]), *bounds], b.dim_values([1]), b.dim_values([axis])
    parts: list[Value] = []
    for start, end in zip(starts, bounds):
        is_last = len(parts) == node.output_count - 1
        # What is left for the last part is what it must have.
        left = functools.reduce(subtract, [part.dims[axis] for part in parts], size) if is_last else None
        dims = [*x.dims[:axis], left, *x.dims[axis + 1 :]]
        parts.append(node.dynamic(graph.DynamicSliceOp, [x, start, end, along, one], dims))
    return parts


def split_sizes(node: Node, size: Dim) -> list[Dim]:
    """The sizes of all parts: as given, else equal, the last one smaller where they can't be."""
    sizes = node.attribute("split", None)
    given = node.optional(1)
    if sizes is None and given is not None:
        sizes = given.dimensions()
        if sizes is None:
            node.unsupported(
                "the sizes of the parts (input #1) must be known when the model is compiled", MAKE_CONSTANT
            )
    if sizes is not None:
        total = functools.reduce(add, sizes, 0)
        if not node.b.symbols.unify(total, size, f"{node.describe()}: the parts make up the axis"):
            node.contradiction(f"the parts have the sizes {sizes}, but the axis has {size}")
        return sizes
    count = node.attribute("num_outputs", node.output_count)
    even = ceildiv(size, count)
    if not isinstance(size, int) and node.opset < 18:
        node.b.symbols.unify(multiply(even, count), size, f"Split in {node.b.name}: the size must divide")
        return [even] * count
    last = subtract(size, multiply(even, count - 1))
    node.b.symbols.require_at_least(last, 0, f"Split in {node.b.name}: the last part has a size")
    return [*[even] * (count - 1), last]


# --- pad ------------------------------------------------------------------------------------------


@converter("Pad", since=1)
def convert_pad_attributes(node: Node) -> Value:
    x = node.input(0)
    pads = node.attribute("pads", None) or node.attribute("paddings")
    return node.b.pad(x, pads, node.b.scalar_like(node.attribute("value", 0.0), x), node.attribute("mode", "constant"))


@converter("Pad", since=11)
def convert_pad(node: Node) -> Value:
    x, pads, value, axes = node.input(0), node.input(1), node.optional(2), node.optional(3)
    mode, b = node.attribute("mode", "constant"), node.b
    value = b.scalar_like(0, x) if value is None else b.reshape(value, ())
    amounts = pads.dimensions()
    if axes is not None and axes.integers() is None:
        pads = _pads_of_computed_axes(node, b.cast(pads, i64), b.cast(axes, i64), x.rank)
        return node.dynamic(graph.DynamicPadOp, [x, value, pads], [None] * x.rank, mode=mode)
    chosen = list(range(x.rank)) if axes is None else node.axes(node.constant_input(3, "the axes").tolist(), x.rank)
    if amounts is not None:
        return b.pad(x, _for_all_axes(amounts, chosen, x.rank), value, mode)
    pads = b.cast(pads, i64)
    if axes is not None:
        pads = _dynamic_pads_for_all_axes(node, pads, chosen, x.rank)
    return node.dynamic(graph.DynamicPadOp, [x, value, pads], [None] * x.rank, mode=mode)


def _for_all_axes(amounts: list[Dim], axes: list[int], rank: int) -> list[Dim]:
    pads: list[Dim] = [0 for _ in range(2 * rank)]
    for index, axis in enumerate(axes):
        pads[axis] = amounts[index]
        pads[rank + axis] = amounts[len(axes) + index]
    return pads


def _dynamic_pads_for_all_axes(node: Node, pads: Value, axes: list[int], rank: int) -> Value:
    places = np.array([*axes, *(rank + axis for axis in axes)], np.int64)
    zeros = node.b.constant(np.zeros(2 * rank, np.int64))
    return node.b.op(graph.ScatterElementsOp, zeros, node.b.constant(places), pads)


def _pads_of_computed_axes(node: Node, pads: Value, axes: Value, rank: int) -> Value:
    """Two amounts for each axis of x, from those of ``axes``."""
    b = node.b
    zero, count = (b.constant(np.asarray(number, np.int64)) for number in (0, rank))
    axes = b.where(b.op(graph.LessOp, axes, zero), b.add(axes, count), axes)
    places = b.concat([axes, b.add(axes, count)], 0)
    return b.op(graph.ScatterElementsOp, b.constant(np.zeros(2 * rank, np.int64)), places, pads)


# --- blocks and triangles -------------------------------------------------------------------------


@converter("DepthToSpace")
def convert_depth_to_space(node: Node) -> Value:
    x, size = node.input(0), node.attribute("blocksize")
    batch, channels, height, width = x.dims
    depth = node.divided(channels, size * size)
    if node.attribute("mode", "DCR") == "DCR":
        split, order = (batch, size, size, depth, height, width), [0, 3, 4, 1, 5, 2]
    else:
        split, order = (batch, depth, size, size, height, width), [0, 1, 4, 2, 5, 3]
    mixed = node.b.transpose(node.b.reshape(x, split), order)
    return node.b.reshape(mixed, (batch, depth, multiply(height, size), multiply(width, size)))


@converter("SpaceToDepth")
def convert_space_to_depth(node: Node) -> Value:
    x, size = node.input(0), node.attribute("blocksize")
    batch, channels, height, width = x.dims
    rows, columns = node.divided(height, size), node.divided(width, size)
    split = node.b.reshape(x, (batch, channels, rows, size, columns, size))
    channels_first = node.attribute("mode", "DCR") == "CRD"
    mixed = node.b.transpose(split, [0, 1, 3, 5, 2, 4] if channels_first else [0, 3, 5, 1, 2, 4])
    return node.b.reshape(mixed, (batch, multiply(channels, size * size), rows, columns))


@converter("Trilu")
def convert_trilu(node: Node) -> Value:
    x, diagonal, is_upper = node.input(0), node.scalar_input(1, 0), bool(node.attribute("upper", 1))
    if diagonal is not None:
        return node.b.op(graph.TriluOp, x, upper=is_upper, diagonal=int(diagonal))
    b = node.b
    rows, columns = (b.iota(size) for size in x.dims[-2:])
    distance = b.sub(columns, b.unsqueeze(rows, [1]))
    inside = graph.GreaterEqualOp if is_upper else graph.LessEqualOp
    zero = b.constant(np.zeros((), numpy_dtype(x.element_type)))
    return b.where(b.op(inside, distance, b.reshape(b.cast(node.input(1), i64), ())), x, zero)


@converter("ReverseSequence")
def convert_reverse_sequence(node: Node) -> Value:
    return node.b.op(
        graph.ReverseSequenceOp,
        node.input(0),
        node.input(1),
        time_axis=node.attribute("time_axis", 0),
        batch_axis=node.attribute("batch_axis", 1),
    )


@converter("CenterCropPad")
def convert_center_crop_pad(node: Node) -> Value:
    """Half of what is missing before an axis, and of what is too much, rounded down; the rest after it."""
    x, wanted, b = node.input(0), node.input(1).dimensions(), node.b
    axes = node.axes(node.attribute("axes", list(range(x.rank))), x.rank)
    if wanted is None:
        return _center_dynamically(node, x, b.cast(node.input(1), i64), axes)
    if len(wanted) != len(axes):
        node.invalid(f"the shape (input #1) has {len(wanted)} sizes for {len(axes)} axes")
    pads: list[Dim] = [0 for _ in range(2 * x.rank)]
    for axis, size in zip(axes, wanted):
        node.at_least(size, 0, "a size of the shape (input #1)")
        missing = subtract(size, x.dims[axis])
        before = divide_towards_zero(missing, 2)
        if isinstance(missing, int) and missing < 0:
            x = b.slice(x, [axis], [-before], [add(size, -before)])
            continue
        pads[axis], pads[x.rank + axis] = before, subtract(missing, before)
    return b.pad(x, pads)


def _center_dynamically(node: Node, x: Value, wanted: Value, axes: list[int]) -> Value:
    """To a shape that is computed at each run. Integer division rounds towards zero."""
    b = node.b
    missing = b.sub(wanted, b.dim_values([x.dims[axis] for axis in axes]))
    before = b.div(missing, b.scalar(2, i64))
    pads = b.concat([before, b.sub(missing, before)], 0)
    pads = _dynamic_pads_for_all_axes(node, pads, axes, x.rank)
    dims = [None if axis in axes else size for axis, size in enumerate(x.dims)]
    return node.dynamic(graph.DynamicPadOp, [x, b.scalar_like(0, x), pads], dims, mode="constant")
