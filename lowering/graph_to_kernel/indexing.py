"""Operations that read and write at computed positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, i64
from xdsl.ir import SSAValue

from ...dialects import graph, kernel, kernel_indexing, layout
from ...dialects import shape as dims
from ...dialects.shape import Dim
from .elements import is_unsigned
from .function import FunctionLowering, result_type, type_of
from .movement import count_up
from .rules import Obstacle, Rule, no_obstacle
from .scalar_code import ScalarCode


def lower_gather(lowering: FunctionLowering, op: graph.GatherOp) -> Sequence[SSAValue]:
    """Known indices that follow one another are a view; other ones are looked up at run time."""
    x, type_ = lowering.value(op.x), result_type(op)
    run = _consecutive(lowering.array(op.indices), type_of(x).dims[op.axis])
    if run is not None:
        start, count = run
        starts: list[Dim] = [0] * type_of(x).rank
        shape = list(type_of(x).dims)
        starts[op.axis], shape[op.axis] = start, count
        return [lowering.reshape(lowering.window(x, starts, shape), type_.dims)]
    indices = lowering.plain(lowering.value(op.indices))
    return [lowering.add(kernel.GatherOp([lowering.plain(x), indices], type_, axis=op.axis))]


def _consecutive(indices: np.ndarray | None, size: Dim) -> tuple[Dim, int] | None:
    """First index and count of constant indices that count up by one; negative ones count from ``size``."""
    if indices is None or indices.size == 0:
        return None
    flat = indices.reshape(-1).astype(np.int64)
    if np.any(np.diff(flat) != 1) or (flat[0] < 0 <= flat[-1]):
        return None
    first = int(flat[0])
    return (dims.add(size, first) if first < 0 else first), int(flat.size)


def lower_gather_elements(lowering: FunctionLowering, op: graph.GatherElementsOp) -> Sequence[SSAValue]:
    x, indices = (lowering.plain(value) for value in lowering.values(op.operands))
    return [lowering.add(kernel.GatherElementsOp([x, indices], result_type(op), axis=op.axis))]


def lower_gather_nd(lowering: FunctionLowering, op: graph.GatherNdOp) -> Sequence[SSAValue]:
    """Positions on the first axis alone: a gather along it."""
    x, indices = lowering.plain(lowering.value(op.x)), lowering.value(op.indices)
    if op.batch_dims == 0 and type_of(indices).dims[-1] == 1:
        rows = lowering.reshape(indices, type_of(indices).dims[:-1])
        return [lowering.add(kernel.GatherOp([x, rows], result_type(op), axis=0))]
    gather = kernel_indexing.GatherNdOp([x, lowering.plain(indices)], result_type(op), batch_dims=op.batch_dims)
    return [lowering.add(gather)]


def gather_nd_obstacle(op: graph.GatherNdOp) -> Obstacle | None:
    if op.operand_types[1].dims[-1] == 0:
        return Obstacle("positions of no numbers have no kernel", "give the positions at least one axis")
    return None


def lower_scatter_elements(lowering: FunctionLowering, op: graph.ScatterElementsOp) -> Sequence[SSAValue]:
    """Indices that are the same for all that lies after the axis are read once for it."""
    indices = op.indices
    owner, axis = indices.owner, op.axis
    if isinstance(owner, graph.BroadcastToOp):
        given, wanted = owner.operand_types[0], owner.result_types[0]
        after_axis = given.dims[axis + 1 :] if given.rank == wanted.rank else ()
        if given.rank == wanted.rank and axis + 1 < wanted.rank and set(after_axis) == {1}:
            indices = owner.x
    operands = [_scattered_into(lowering, op.x), *(lowering.plain(v) for v in lowering.values([indices, op.updates]))]
    return [lowering.add(kernel_indexing.ScatterElementsOp(operands, result_type(op), axis=axis, **_reduction(op)))]


def lower_scatter_nd(lowering: FunctionLowering, op: graph.ScatterNdOp) -> Sequence[SSAValue]:
    operands = [_scattered_into(lowering, op.x), *(lowering.plain(v) for v in lowering.values(op.operands[1:]))]
    return [lowering.add(kernel_indexing.ScatterNdOp(operands, result_type(op), **_reduction(op)))]


def _scattered_into(lowering: FunctionLowering, x: SSAValue) -> SSAValue:
    """What updates go into: one element where all are the same."""
    array = lowering.array(x)
    if isinstance(x.owner, graph.BroadcastToOp) and x.owner.operand_types[0].element_count == 1:
        return lowering.plain(lowering.value(x.owner.x))
    if array is not None and array.size > 1 and np.all(array == array.flat[0]):
        return lowering.constant(array.reshape(-1)[:1], "filled")
    return lowering.plain(lowering.value(x))


def _reduction(op: graph.ScatterElementsOp | graph.ScatterNdOp) -> dict[str, Any]:
    is_compared = op.reduction in ("max", "min") and is_unsigned(op.operand_types[0].element_type)
    return {"reduction": op.reduction, "unsigned": [0] if is_compared else None}


def scatter_nd_obstacle(op: graph.ScatterNdOp) -> Obstacle | None:
    length = op.operand_types[1].dims[-1] if op.operand_types[1].rank else None
    if isinstance(length, int) and 1 <= length <= op.operand_types[0].rank:
        return None
    return Obstacle("how many axes the positions name is not known", "fix the last axis of the indices")


def lower_one_hot(lowering: FunctionLowering, op: graph.OneHotOp) -> Sequence[SSAValue]:
    """Each index is compared with its place on the new axis, and with that place counted from the end."""
    indices, type_ = lowering.value(op.indices), result_type(op)
    depth = type_.dims[op.axis]
    column: list[Dim] = [1] * type_.rank
    column[op.axis] = depth
    forward = lowering.reshape(count_up(lowering, depth, i64), column)
    backward = lowering.reshape(_count_up_from(lowering, dims.multiply(depth, -1), depth), column)
    index_shape = list(type_of(indices).dims)
    index_shape.insert(op.axis, 1)
    choices = lowering.value(op.hot_values)
    cold, hot = (lowering.window(choices, [position], [1]) for position in (0, 1))
    unsigned = is_unsigned(op.operand_types[0].element_type)

    def write(code: ScalarCode) -> SSAValue:
        index, place, place_from_end, off, on = code.arguments
        if index.type != i64:
            index = code.emit(arith.ExtUIOp if unsigned else arith.ExtSIOp, index, type_=i64)
        matches = (code.compare("eq", index, place), code.compare("eq", index, place_from_end))
        return code.select(code.emit(arith.OrIOp, *matches), on, off)

    return [lowering.map([lowering.reshape(indices, index_shape), forward, backward, cold, hot], type_, write)]


def _count_up_from(lowering: FunctionLowering, start: Dim, length: Dim) -> SSAValue:
    """The i64 vector start, start + 1, ..."""
    first = lowering.add(kernel.DimValuesOp([], layout.TensorType.of([], i64), values=[start]))
    one = lowering.constant(np.ones([], np.int64), "one")
    return lowering.add(kernel.RangeOp([first, one], layout.TensorType.of([length], i64)))


def one_hot_obstacle(op: graph.OneHotOp) -> Obstacle | None:
    element = op.operand_types[0].element_type
    if isinstance(element, IntegerType):
        return None
    return Obstacle(f"indices are compiled as integers, got {element}", "cast the indices to int64")


RULES = {
    "graph.gather": Rule(lower_gather, no_obstacle),
    "graph.gather_elements": Rule(lower_gather_elements, no_obstacle),
    "graph.gather_nd": Rule(lower_gather_nd, gather_nd_obstacle),
    "graph.scatter_elements": Rule(lower_scatter_elements, no_obstacle),
    "graph.scatter_nd": Rule(lower_scatter_nd, scatter_nd_obstacle),
    "graph.one_hot": Rule(lower_one_hot, one_hot_obstacle),
}
