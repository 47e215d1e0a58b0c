"""Recurrent layers: one product for the inputs of all steps, then a kernel that walks the steps."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, only_floats


def lower_lstm(lowering: FunctionLowering, op: graph.LstmOp) -> Sequence[SSAValue]:
    """For each direction ``kernel.gemm`` (x W^T + both biases), then ``kernel.lstm``; results are put together."""
    x = lowering.plain(lowering.value(op.x))
    directions = type_of(lowering.value(op.r)).dims[0]
    assert isinstance(directions, int)
    results = [_direction(lowering, op, x, number, directions) for number in range(directions)]
    all_types = [result_type(op, index) for index in range(3)]
    stacked = []
    for index, axis in ((0, 1), (1, 0), (2, 0)):
        shape = list(all_types[index].dims)
        shape[axis] = 1
        parts = [lowering.reshape(direction[index], shape) for direction in results]
        whole = parts[0] if directions == 1 else lowering.add(kernel.ConcatOp(parts, all_types[index], axis=axis))
        stacked.append(whole)
    return stacked


def _direction(
    lowering: FunctionLowering, op: graph.LstmOp, x: SSAValue, number: int, directions: int
) -> Sequence[SSAValue]:
    """All hidden states, the last one and the last cell state of one direction."""
    weights, recurrence, initial_h, initial_c = (
        _part(lowering, lowering.value(operand), number) for operand in (op.w, op.r, op.initial_h, op.initial_c)
    )
    element = type_of(x).element_type
    steps, batch = type_of(x).dims[:2]
    gates, hidden = type_of(recurrence).dims
    projected = lowering.add(
        kernel.GemmOp(
            [x, weights, _bias(lowering, op, number)],
            layout.TensorType.of([steps, batch, gates], element),
            transpose_b=True,
        )
    )
    state = layout.TensorType.of([batch, hidden], element)
    walk = kernel.LstmOp(
        [projected, lowering.plain(lowering.transpose(recurrence, [1, 0])), initial_h, initial_c],
        [layout.TensorType.of([steps, batch, hidden], element), state, state],
        reverse=op.direction == "reverse" or number == 1,
    )
    lowering.add(walk)
    return walk.outs


def _part(lowering: FunctionLowering, value: SSAValue, number: int) -> SSAValue:
    """What belongs to one direction: that row of the first axis, without the axis."""
    type_ = type_of(value)
    row = lowering.window(value, [number] + [0] * (type_.rank - 1), [1, *type_.dims[1:]])
    return lowering.reshape(row, type_.dims[1:])


def _bias(lowering: FunctionLowering, op: graph.LstmOp, number: int) -> SSAValue:
    """Bias of the inputs plus bias of the recurrence."""
    array = lowering.array(op.b)
    if array is not None:
        half = array.shape[1] // 2
        return lowering.constant(array[number, :half] + array[number, half:], f"{op.b.owner.handle}_sum")  # pyright: ignore[reportAttributeAccessIssue]
    both = _part(lowering, lowering.value(op.b), number)
    half_type = layout.TensorType.of([dims.floordiv(type_of(both).dims[0], 2)], type_of(both).element_type)
    half = half_type.dims[0]
    halves = [lowering.window(both, [start], [half]) for start in (0, half)]
    return lowering.map(halves, half_type, lambda code: code.emit(arith.AddfOp, *code.arguments))


def lstm_obstacle(op: graph.LstmOp) -> Obstacle | None:
    if op.activations not in ("sigmoid_tanh_tanh", "_".join(["sigmoid_tanh_tanh"] * 2)):
        return Obstacle(
            f"its kernel computes with sigmoid and tanh, not {op.activations}", "use the default activations"
        )
    if op.clip or op.input_forget or op.extra:
        return Obstacle(
            "its kernel has no clipping, coupled gates, sequence lengths or peepholes",
            "export without them, e.g. with sequences of one length",
        )
    return only_floats(op)


RULES = {"graph.lstm": Rule(lower_lstm, lstm_obstacle, in_f32=True)}
