"""Reductions along axes, and normalisations along them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import f32, i64
from xdsl.ir import Attribute, SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from ...dialects.graph.types import is_bool, is_float
from .elements import is_unsigned
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, no_obstacle, only_floats, ordered_obstacle, unfit_element
from .scalar_code import ScalarCode

# Elements along an axis that is walked, and beside it, for a softmax of columns.
_SHORT, _WIDE = 64, 64


def _kept(type_: layout.TensorType, axes: Sequence[int], element: Attribute) -> layout.TensorType:
    """A row-major tensor of that shape with those axes of length 1."""
    return layout.TensorType.of([1 if axis in axes else size for axis, size in enumerate(type_.dims)], element)


def lower_reduce(lowering: FunctionLowering, op: graph.ReduceOp) -> Sequence[SSAValue]:
    """The kernel keeps reduced axes; a reshape drops them. No axes: nothing to reduce."""
    x = lowering.value(op.x)
    if not op.axes:
        return [x]
    axes = sorted(op.axes)
    reduced = lowering.add(
        kernel.ReduceOp([x], _kept(type_of(x), axes, type_of(x).element_type), kind=op.kind, axes=axes)
    )
    return [lowering.reshape(reduced, op.result_types[0].dims)]


def reduce_obstacle(op: graph.ReduceOp) -> Obstacle | None:
    element = op.operand_types[0].element_type
    if is_bool(element):
        return unfit_element("its kernel reduces numbers", element)
    if op.kind == "mean" and not is_float(element):
        return unfit_element("means are compiled for floats", element, wanted="float32")
    if op.kind in ("max", "min") and is_unsigned(element):
        return unfit_element("its kernel compares signed integers and floats", element)
    return None


def lower_arg_reduce(lowering: FunctionLowering, op: graph.ArgMaxOp | graph.ArgMinOp) -> Sequence[SSAValue]:
    x = lowering.value(op.x)
    kind = "max" if isinstance(op, graph.ArgMaxOp) else "min"
    type_ = _kept(type_of(x), [op.axis], i64)
    index = lowering.add(kernel.ArgReduceOp([x], type_, kind=kind, axis=op.axis, last=op.select_last))
    return [lowering.reshape(index, op.result_types[0].dims)]


def lower_softmax(lowering: FunctionLowering, op: graph.SoftmaxOp) -> Sequence[SSAValue]:
    """Rows must lie along memory: another axis than the last is brought there and back, unless it is short."""
    x = lowering.value(op.x)
    last = type_of(x).rank - 1
    if op.axis == last:
        rows = lowering.plain(x)
        return [lowering.add(kernel.SoftmaxOp([rows], result_type(op)))]
    if _has_short_columns(type_of(x), op.axis):
        return [_softmax_of_columns(lowering, x, op.axis)]
    swap = list(range(last + 1))
    swap[op.axis], swap[last] = last, op.axis
    rows = lowering.plain(lowering.transpose(x, swap))
    return [lowering.transpose(lowering.add(kernel.SoftmaxOp([rows], type_of(rows))), swap)]


def _has_short_columns(x: layout.TensorType, axis: int) -> bool:
    """Whether to find a column's largest element and sum, many columns at once, takes less than to bring rows there.

    Of rows of so few elements most of the time goes into their lanes' largest and sum.
    """
    beside = dims.product(x.dims[axis + 1 :])
    length = x.dims[axis]
    return isinstance(length, int) and 0 < length <= _SHORT and isinstance(beside, int) and beside >= _WIDE


def _softmax_of_columns(lowering: FunctionLowering, x: SSAValue, axis: int) -> SSAValue:
    """``exp(x - max(x)) * (1 / sum)``, each of them a kernel of its own."""
    type_ = type_of(x)
    column = _kept(type_, [axis], type_.element_type)

    def of_column(kind: str, values: SSAValue) -> SSAValue:
        return lowering.add(kernel.ReduceOp([values], column, kind=kind, axes=[axis]))

    def power(code: ScalarCode) -> SSAValue:
        return code.emit(math.ExpOp, code.emit(arith.SubfOp, *code.arguments))

    def reciprocal(code: ScalarCode) -> SSAValue:
        return code.emit(arith.DivfOp, code.constant(1, type_.element_type), code.arguments[0])

    powers = lowering.map([x, of_column("max", x)], type_, power)
    factors = lowering.map([of_column("sum", powers)], column, reciprocal)
    return lowering.map([powers, factors], type_, lambda code: code.emit(arith.MulfOp, *code.arguments))


def lower_layer_norm(lowering: FunctionLowering, op: graph.LayerNormOp) -> Sequence[SSAValue]:
    """Several normalised axes are seen as one; a missing bias is zeros."""
    x = lowering.plain(lowering.value(op.x))
    type_ = type_of(x)
    merged = dims.product(type_.dims[op.axis :])
    parameters = [lowering.reshape(lowering.value(parameter), [merged]) for parameter in op.operands[1:]]
    if len(parameters) == 1:
        parameters.append(_zeros_like(lowering, parameters[0]))
    rows = lowering.reshape(x, [*type_.dims[: op.axis], merged])
    normalised = lowering.add(kernel.LayerNormOp([rows, *parameters], type_of(rows), axis=op.axis, epsilon=op.epsilon))
    return [lowering.reshape(normalised, type_.dims)]


def _zeros_like(lowering: FunctionLowering, scale: SSAValue) -> SSAValue:
    type_ = type_of(scale)
    zero = lowering.constant(np.zeros([1], np.float32), "zero")
    if type_.dims == (1,):
        return zero
    return lowering.add(kernel.BroadcastOp([zero], layout.TensorType.of(type_.dims, f32)))


def lower_cumsum(lowering: FunctionLowering, op: graph.CumsumOp) -> Sequence[SSAValue]:
    x = lowering.plain(lowering.value(op.x))
    running = kernel.CumulativeSumOp([x], result_type(op), axis=op.axis, exclusive=op.exclusive, reverse=op.reverse)
    return [lowering.add(running)]


RULES = {
    "graph.reduce": Rule(lower_reduce, reduce_obstacle, in_f32=True),
    "graph.arg_max": Rule(lower_arg_reduce, ordered_obstacle, in_f32=True),
    "graph.arg_min": Rule(lower_arg_reduce, ordered_obstacle, in_f32=True),
    "graph.softmax": Rule(lower_softmax, only_floats, in_f32=True),
    "graph.layer_norm": Rule(lower_layer_norm, only_floats, in_f32=True),
    "graph.cumsum": Rule(lower_cumsum, no_obstacle, in_f32=True),
}
