"""Operations that move elements: most are another view of the same memory and cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import i64
from xdsl.ir import Attribute, SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from ...dialects.graph.types import numpy_dtype
from .elements import SHORT_FLOATS
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, no_obstacle, unfit_element
from .scalar_code import ScalarCode

if TYPE_CHECKING:
    from ...dialects.shape import Dim


def lower_reshape(lowering: FunctionLowering, op: graph.ReshapeOp) -> Sequence[SSAValue]:
    return [lowering.reshape(lowering.value(op.x), op.result_types[0].dims)]


def lower_transpose(lowering: FunctionLowering, op: graph.TransposeOp) -> Sequence[SSAValue]:
    return [lowering.transpose(lowering.value(op.x), op.permutation)]


def lower_broadcast_to(lowering: FunctionLowering, op: graph.BroadcastToOp) -> Sequence[SSAValue]:
    x, type_ = lowering.value(op.x), result_type(op)
    if type_of(x).dims == type_.dims:
        return [x]
    return [lowering.add(kernel.BroadcastOp([x], type_))]


def lower_slice(lowering: FunctionLowering, op: graph.SliceOp) -> Sequence[SSAValue]:
    """With steps of 1 a view of the operand; a copy otherwise."""
    x, type_ = lowering.value(op.x), result_type(op)
    starts: list[Dim] = [0] * type_.rank
    steps = [1] * type_.rank
    for axis, start, step in zip(op.axes, op.starts, op.all_steps, strict=True):
        starts[axis], steps[axis] = start, step
    if all(step == 1 for step in steps):
        return [lowering.window(x, starts, type_.dims)]
    return [lowering.add(kernel.SliceOp([x], type_, starts=starts, steps=steps))]


def lower_concat(lowering: FunctionLowering, op: graph.ConcatOp) -> Sequence[SSAValue]:
    parts = lowering.values(op.parts)
    if len(parts) == 1:
        return parts
    return [lowering.add(kernel.ConcatOp(parts, result_type(op), axis=op.axis))]


def lower_pad(lowering: FunctionLowering, op: graph.PadOp) -> Sequence[SSAValue]:
    """A value that only a run gives takes the place of zeros wherever the place is not one of x."""
    x, type_ = lowering.value(op.x), result_type(op)
    lower, upper = op.pads[: type_.rank], op.pads[type_.rank :]
    value = lowering.number(op.value) if op.mode == "constant" else 0.0
    padded = lowering.add(kernel.PadOp([x], type_, lower=lower, upper=upper, mode=op.mode, value=float(value or 0)))
    if value is not None:
        return [padded]
    axes = [axis for axis in range(type_.rank) if lower[axis] != 0 or upper[axis] != 0]
    sides = [_inside(lowering, type_.dims, axis, lower[axis], type_of(x).dims[axis]) for axis in axes]

    def write(code: ScalarCode) -> SSAValue:
        element, otherwise, *bounds = code.arguments
        for place, begin, end in zip(bounds[::3], bounds[1::3], bounds[2::3], strict=True):
            element = code.select(code.compare("sge", place, begin), element, otherwise)
            element = code.select(code.compare("slt", place, end), element, otherwise)
        return element

    return [lowering.map([padded, lowering.value(op.value), *(v for side in sides for v in side)], type_, write)]


def _inside(
    lowering: FunctionLowering, sizes: Sequence[Dim], axis: int, begin: Dim, length: Dim
) -> tuple[SSAValue, SSAValue, SSAValue]:
    """Places along an axis, and those between which the tensor lies: all i64."""
    places = lowering.reshape(
        count_up(lowering, sizes[axis], i64), [size if at == axis else 1 for at, size in enumerate(sizes)]
    )
    first, end = (
        lowering.add(kernel.DimValuesOp([], layout.TensorType.of([], i64), values=[place]))
        for place in (begin, dims.add(begin, length))
    )
    return places, first, end


def lower_trilu(lowering: FunctionLowering, op: graph.TriluOp) -> Sequence[SSAValue]:
    """Row and column numbers, broadcast against each other, say which elements stay."""
    x, type_ = lowering.value(op.x), result_type(op)
    rows, columns = type_.dims[-2:]
    row = lowering.reshape(count_up(lowering, rows, i64), [rows, 1])
    column = count_up(lowering, columns, i64)

    def write(code: ScalarCode) -> SSAValue:
        element, row_number, column_number = code.arguments
        border = code.emit(arith.AddiOp, row_number, code.constant(op.diagonal, i64))
        kept = code.compare("sge" if op.upper else "sle", column_number, border)
        return code.select(kept, element, code.constant(0, element.type))

    return [lowering.map([x, row, column], type_, write)]


def count_up(lowering: FunctionLowering, length: Dim, element: Attribute) -> SSAValue:
    """The vector 0, 1, 2 ... of a length that may be symbolic."""
    dtype = numpy_dtype(element)
    start = lowering.constant(np.zeros([], dtype), "zero")
    step = lowering.constant(np.ones([], dtype), "one")
    return lowering.add(kernel.RangeOp([start, step], layout.TensorType.of([length], element)))


def lower_iota(lowering: FunctionLowering, op: graph.IotaOp) -> Sequence[SSAValue]:
    type_ = result_type(op)
    return [count_up(lowering, type_.dims[0], type_.element_type)]


def iota_obstacle(op: graph.GraphOperation) -> Obstacle | None:
    element = op.result_types[0].element_type
    return unfit_element("its kernel gives integers and f32", element) if element in SHORT_FLOATS else None


def lower_dim_values(lowering: FunctionLowering, op: graph.DimValuesOp) -> Sequence[SSAValue]:
    return [lowering.add(kernel.DimValuesOp([], result_type(op), values=op.dimensions))]


RULES = {
    "graph.reshape": Rule(lower_reshape, no_obstacle),
    "graph.transpose": Rule(lower_transpose, no_obstacle),
    "graph.broadcast_to": Rule(lower_broadcast_to, no_obstacle),
    "graph.slice": Rule(lower_slice, no_obstacle),
    "graph.concat": Rule(lower_concat, no_obstacle),
    "graph.pad": Rule(lower_pad, no_obstacle),
    "graph.trilu": Rule(lower_trilu, no_obstacle),
    "graph.iota": Rule(lower_iota, iota_obstacle),
    "graph.dim_values": Rule(lower_dim_values, no_obstacle),
}
