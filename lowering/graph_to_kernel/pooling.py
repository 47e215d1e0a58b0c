"""Pooling windows and resizing."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from ...dialects.graph.types import i8, ui8
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, only_floats
from .sampling import lower_weighed_resize, needs_weights, weighed_resize_obstacle
from .spatial import with_unit_height, without_unit_height

_BYTES = (i8, ui8)


def lower_max_pool(lowering: FunctionLowering, op: graph.MaxPoolOp) -> Sequence[SSAValue]:
    return [_pool(lowering, op, lowering.value(op.x), "max", op.pads)]


def lower_avg_pool(lowering: FunctionLowering, op: graph.AvgPoolOp) -> Sequence[SSAValue]:
    """Padding from rounding up never counts: where the rest of it does, that is made of real zeros first."""
    x = lowering.value(op.x)
    spatial = type_of(x).rank - 2
    if not op.count_include_pad:
        return [_pool(lowering, op, x, "average", op.pads)]
    if not any(op.overhang):
        return [_pool(lowering, op, x, "average", op.pads, count_include_pad=True)]
    counted_end = [pad - over for pad, over in zip(op.pads[spatial:], op.overhang, strict=True)]
    padded = _zero_padded(lowering, x, op.pads[:spatial], counted_end)
    return [_pool(lowering, op, padded, "average", (*(0,) * spatial, *op.overhang))]


def _zero_padded(lowering: FunctionLowering, x: SSAValue, begin: Sequence[int], end: Sequence[int]) -> SSAValue:
    lower, upper = [0, 0, *begin], [0, 0, *end]
    type_ = type_of(x)
    shape = [dims.add(size, low + high) for size, low, high in zip(type_.dims, lower, upper, strict=True)]
    padded = layout.TensorType.of(shape, type_.element_type)
    return lowering.add(kernel.PadOp([x], padded, lower=lower, upper=upper))


def _pool(
    lowering: FunctionLowering,
    op: graph.MaxPoolOp | graph.AvgPoolOp,
    x: SSAValue,
    kind: str,
    pads: Sequence[int],
    count_include_pad: bool = False,
) -> SSAValue:
    type_ = result_type(op)
    window, strides, dilations = op.kernel, op.strides, op.dilations
    flat = type_.rank == 3
    if flat:
        x = with_unit_height(lowering, x)
        window, strides, dilations, pads = (1, *window), (1, *strides), (1, *dilations), (0, pads[0], 0, pads[1])
        type_ = layout.TensorType.of([*type_.dims[:2], 1, type_.dims[2]], type_.element_type)
    result = lowering.add(
        kernel.PoolOp(
            [x],
            type_,
            kind=kind,
            window=window,
            strides=strides,
            pads=pads,
            dilations=dilations,
            count_include_pad=count_include_pad,
            unsigned=[0] if op.operand_types[0].element_type == ui8 else None,
        )
    )
    return without_unit_height(lowering, result) if flat else result


def pool_obstacle(op: graph.MaxPoolOp | graph.AvgPoolOp) -> Obstacle | None:
    """A maximum of bytes is one too."""
    rank, element = op.operand_types[0].rank, op.operand_types[0].element_type
    if rank > 5:
        return Obstacle(f"pools of {rank - 2} spatial axes have no kernel", "reshape to at most three spatial axes")
    return None if isinstance(op, graph.MaxPoolOp) and element in _BYTES else only_floats(op)


def lower_resize(lowering: FunctionLowering, op: graph.ResizeOp) -> Sequence[SSAValue]:
    if needs_weights(op):
        return lower_weighed_resize(lowering, op)
    x = lowering.value(op.x)
    resized = kernel.ResizeOp(
        [x],
        result_type(op),
        mode=op.mode,
        coordinates=op.coordinates,
        rounding=op.nearest,
        scales=op.scales or (0.0,) * type_of(x).rank,
    )
    if op.common_scale:
        resized.set("common_scale", op.common_scale)
    return [lowering.add(resized)]


def resize_obstacle(op: graph.ResizeOp) -> Obstacle | None:
    if op.coordinates == "tf_crop_and_resize":
        return Obstacle("cropping while resizing has no kernel", "crop by Slice before resizing")
    if needs_weights(op):
        return weighed_resize_obstacle(op)
    return None if op.mode == "nearest" and op.operand_types[0].element_type in _BYTES else only_floats(op)


RULES = {
    "graph.max_pool": Rule(lower_max_pool, pool_obstacle, in_f32=True),
    "graph.avg_pool": Rule(lower_avg_pool, pool_obstacle, in_f32=True),
    "graph.resize": Rule(lower_resize, resize_obstacle, in_f32=True),
}
