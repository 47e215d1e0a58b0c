"""Operations that read an image between its elements: sampling by a grid, pooling of regions, cubic interpolation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import f32, i64
from xdsl.ir import SSAValue

from ...dialects import graph, layout
from ...dialects.kernel_sampling import GridSampleOp, RoiAlignOp, WeighOp
from ...dialects.shape import Dim, is_static
from ...reference.sampling import Scale, axis_weights, scale_factor, source_positions
from .elements import SHORT_FLOATS
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, only_floats, unfit_element

# Channels from which vectors of them make up for bringing them side by side.
_MANY_CHANNELS = 8
# Weights of one axis, most of them zero, that are looked through when a model is compiled.
_MOST_WEIGHTS = 1 << 25


def _channels_lie_last(channels: Dim) -> bool:
    return isinstance(channels, int) and channels >= _MANY_CHANNELS


def _sampled(
    lowering: FunctionLowering,
    op: graph.GridSampleOp | graph.RoiAlignOp,
    sampling: type[GridSampleOp | RoiAlignOp],
    **properties: Any,
) -> Sequence[SSAValue]:
    """The kernel on x as it lies, or with the channels brought last, of which there are many."""
    x, *others = (lowering.value(operand) for operand in op.operands)
    others = [lowering.plain(value) for value in others]
    type_ = result_type(op)
    if not _channels_lie_last(type_of(x).dims[1]):
        return [lowering.add(sampling([lowering.plain(x), *others], type_, **properties))]
    rank = type_.rank
    last = lowering.plain(lowering.transpose(x, [0, *range(2, rank), 1]))
    inside = layout.TensorType.of([type_.dims[0], *type_.dims[2:], type_.dims[1]], type_.element_type)
    result = lowering.add(sampling([last, *others], inside, channels_last=True, **properties))
    return [lowering.transpose(result, [0, rank - 1, *range(1, rank - 1)])]


def lower_grid_sample(lowering: FunctionLowering, op: graph.GridSampleOp) -> Sequence[SSAValue]:
    coordinates = "elements" if op.in_elements else "centers" if op.align_corners else "edges"
    return _sampled(lowering, op, GridSampleOp, mode=op.mode, padding=op.padding, coordinates=coordinates)


def lower_roi_align(lowering: FunctionLowering, op: graph.RoiAlignOp) -> Sequence[SSAValue]:
    return _sampled(
        lowering, op, RoiAlignOp, kind=op.mode, size=op.size, sampling_ratio=op.sampling_ratio,
        spatial_scale=op.spatial_scale, half_pixel=op.half_pixel,
    )  # fmt: skip


def roi_align_obstacle(op: graph.RoiAlignOp) -> Obstacle | None:
    if op.operand_types[2].element_type != i64:
        return Obstacle("the images of regions are taken as int64", "cast them to int64")
    element = op.operand_types[0].element_type
    if element in (f32, *SHORT_FLOATS) and op.operand_types[1].element_type == element:
        return None
    return unfit_element("its kernel takes floats up to f32", element, wanted="float32")


# --- resizing by weights ----------------------------------------------------------------------------------


def needs_weights(op: graph.ResizeOp) -> bool:
    """Whether elements are sums of more than two neighbours along an axis, or of neighbours that count differently."""
    return op.mode == "cubic" or (op.mode == "linear" and (op.antialias or op.exclude_outside))


def lower_weighed_resize(lowering: FunctionLowering, op: graph.ResizeOp) -> Sequence[SSAValue]:
    """One axis after another, those first that make the result smallest."""
    x = lowering.plain(lowering.value(op.x))
    factors = {axis: factor for axis in range(type_of(x).rank) if (factor := _factor(op, axis)) is not None}
    for axis in sorted(factors, key=lambda axis: (factors[axis], axis)):
        first, weights = _band(op, axis, factors[axis])
        operands = [x, lowering.constant(first, "first"), lowering.constant(weights, "weights")]
        shape = list(type_of(x).dims)
        shape[axis] = len(first)
        type_ = layout.TensorType.of(shape, type_of(x).element_type)
        x = lowering.add(WeighOp(operands, type_, axis=axis))
    return [x]


def _given_scale(op: graph.ResizeOp, axis: int) -> Scale | None:
    if op.scales and op.scales[axis]:
        return op.scales[axis]
    return tuple(map(int, op.common_scale)) if op.common_scale else None  # pyright: ignore[reportReturnType, reportArgumentType]


def _factor(op: graph.ResizeOp, axis: int) -> float | None:
    """By how much an axis grows; None where it stays as it is."""
    size, wanted = (int(types[0].dims[axis]) for types in (op.operand_types, op.result_types))
    factor = scale_factor(_given_scale(op, axis), size, wanted)
    return None if size == wanted and factor == 1 else factor


def _band(op: graph.ResizeOp, axis: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Of each element of the result the first neighbour, and the weights of as many as any of them has."""
    size, wanted = (int(types[0].dims[axis]) for types in (op.operand_types, op.result_types))
    positions = source_positions(op.coordinates, size, wanted, _given_scale(op, axis))
    fields = {
        "antialias": op.antialias, "exclude_outside": op.exclude_outside, "cubic_coefficient": op.cubic_coefficient,
    }  # fmt: skip
    dense = axis_weights(op.mode, positions, size, factor, fields)
    counts = dense != 0
    begin = np.where(counts.any(1), counts.argmax(1), 0)
    end = np.where(counts.any(1), size - counts[:, ::-1].argmax(1), 1)
    width = int((end - begin).max(initial=1))
    first = np.minimum(begin, size - width)
    return first, np.take_along_axis(dense, first[:, None] + np.arange(width), 1).astype(np.float32)


def weighed_resize_obstacle(op: graph.ResizeOp) -> Obstacle | None:
    shapes = [types[0].dims for types in (op.operand_types, op.result_types)]
    what = "cubic interpolation" if op.mode == "cubic" else "interpolation of many neighbours"
    if not all(map(is_static, shapes)):
        return Obstacle(f"{what} has a kernel for known sizes only", "fix the inputs' shapes (--shape, --dim)")
    if any(math.prod(map(int, sizes)) > _MOST_WEIGHTS for sizes in zip(*shapes, strict=True)):
        return Obstacle(f"{what} has a kernel for shorter axes only", "resize in smaller pieces")
    return only_floats(op)


RULES = {
    "graph.grid_sample": Rule(lower_grid_sample, only_floats, in_f32=True),
    "graph.roi_align": Rule(lower_roi_align, roi_align_obstacle, in_f32=True),
}
