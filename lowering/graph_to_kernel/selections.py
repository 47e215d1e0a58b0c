"""Operations that order, count or select elements."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import graph, kernel_selections, layout
from .elements import is_unsigned
from .function import FunctionLowering, result_type, type_of
from .rules import Rule, no_obstacle


def lower_topk(lowering: FunctionLowering, op: graph.TopKOp) -> Sequence[SSAValue]:
    """Rows must lie along memory: another axis than the last is brought there and back."""
    x = lowering.value(op.x)
    last = type_of(x).rank - 1
    swap = list(range(last + 1))
    swap[op.axis], swap[last] = last, op.axis
    types = [result_type(op, index) for index in range(2)]
    rows = [layout.TensorType.of([type_.dims[axis] for axis in swap], type_.element_type) for type_ in types]
    unsigned = is_unsigned(op.operand_types[0].element_type)
    top = kernel_selections.TopKOp(
        [lowering.plain(lowering.transpose(x, swap))], rows, smallest=op.smallest, unsigned=unsigned
    )
    lowering.add(top)
    return [lowering.transpose(result, swap) for result in top.outs]


def lower_count_nonzero(lowering: FunctionLowering, op: graph.CountNonzeroOp) -> Sequence[SSAValue]:
    return [lowering.add(kernel_selections.CountNonzeroOp([lowering.plain(lowering.value(op.x))], result_type(op)))]


def lower_nonzero(lowering: FunctionLowering, op: graph.NonzeroOp) -> Sequence[SSAValue]:
    """Of a single number there is an axis all the same, but for the ones that the operation says to have none."""
    x, type_ = lowering.plain(lowering.value(op.x)), result_type(op)
    x = x if type_of(x).rank else lowering.reshape(x, [1])
    whole = layout.TensorType.of([type_of(x).rank, type_.dims[1]], type_.element_type)
    places = lowering.add(kernel_selections.NonzeroOp([x], whole))
    return [lowering.window(places, [0, 0], type_.dims)]


def lower_suppress_boxes(lowering: FunctionLowering, op: graph.SuppressBoxesOp) -> Sequence[SSAValue]:
    operands = [lowering.plain(value) for value in lowering.values(op.operands)]
    types = [result_type(op, index) for index in range(2)]
    suppress = kernel_selections.SuppressBoxesOp(operands, types, center_point_box=op.center_point_box)
    lowering.add(suppress)
    return suppress.outs


def lower_list_boxes(lowering: FunctionLowering, op: graph.ListBoxesOp) -> Sequence[SSAValue]:
    operands = [lowering.plain(value) for value in lowering.values(op.operands)]
    return [lowering.add(kernel_selections.ListBoxesOp(operands, result_type(op)))]


def lower_find_distinct(lowering: FunctionLowering, op: graph.FindDistinctOp) -> Sequence[SSAValue]:
    types = [result_type(op, index) for index in range(4)]
    unsigned = is_unsigned(op.operand_types[0].element_type)
    find = kernel_selections.FindDistinctOp(
        [lowering.plain(lowering.value(op.x))], types, unsorted=op.unsorted, unsigned=unsigned
    )
    lowering.add(find)
    return find.outs


RULES = {
    "graph.topk": Rule(lower_topk, no_obstacle, in_f32=True),
    "graph.count_nonzero": Rule(lower_count_nonzero, no_obstacle),
    "graph.nonzero": Rule(lower_nonzero, no_obstacle),
    "graph.suppress_boxes": Rule(lower_suppress_boxes, no_obstacle, in_f32=True),
    "graph.list_boxes": Rule(lower_list_boxes, no_obstacle),
    "graph.find_distinct": Rule(lower_find_distinct, no_obstacle, in_f32=True),
}
