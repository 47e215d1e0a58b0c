"""Recurrent layers: one product for the inputs of all steps and directions, then a kernel that walks the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType, f32
from xdsl.ir import SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from ...dialects.cells import CELLS
from ...dialects.shape import Dim
from .elements import SHORT_FLOATS
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, unfit_element

Recurrent: TypeAlias = graph.LstmOp | graph.GruOp | graph.RnnOp


def lower_recurrent(lowering: FunctionLowering, op: Recurrent) -> Sequence[SSAValue]:
    """``kernel.gemm`` (x W^T + biases, of all gates and directions), then ``kernel.recurrence``."""
    x, r = lowering.plain(lowering.value(op.x)), lowering.value(op.r)
    directions, rows, hidden = type_of(r).dims
    steps, batch, inputs = type_of(x).dims
    columns = dims.multiply(directions, rows)
    bias, recurrent_bias = _biases(lowering, op, directions, hidden)
    weights = lowering.reshape(lowering.plain(lowering.value(op.w)), [columns, inputs])
    projected = lowering.add(
        kernel.GemmOp(
            [x, weights, bias],
            layout.TensorType.of([steps, batch, columns], type_of(x).element_type),
            transpose_b=True,
        )
    )
    by_gate = lowering.reshape(lowering.plain(r), [directions, op.GATES, hidden, hidden])
    states = [lowering.plain(lowering.value(op.initial_h))]
    if isinstance(op, graph.LstmOp):
        states.append(lowering.plain(lowering.value(op.initial_c)))
    lengths, peepholes = _extra(op)
    added = [recurrent_bias, *(None if value is None else lowering.value(value) for value in (peepholes, lengths))]
    walk = kernel.RecurrenceOp(
        [projected, lowering.transpose(by_gate, [0, 3, 1, 2]), *states, *(value for value in added if value)],
        [result_type(op, index) for index in range(1 + op.STATES)],
        **_properties(op),
        peepholes=peepholes is not None,
        lengths=lengths is not None,
    )
    lowering.add(walk)
    return walk.outs


def _extra(op: Recurrent) -> tuple[SSAValue | None, SSAValue | None]:
    """Lengths and peepholes, which have lengths before them."""
    if isinstance(op, graph.LstmOp):
        given = list(op.extra)
        return (given[0] if given else None), (given[1] if len(given) > 1 else None)
    return op.lengths, None


def _properties(op: Recurrent) -> dict[str, Any]:
    cell = op.name.removeprefix("graph.")
    usual = CELLS[cell].activations
    properties: dict[str, Any] = {"cell": cell, "direction": op.direction, "clip": max(op.clip, 0.0)}
    if op.activations not in (usual, f"{usual}_{usual}"):
        properties |= {"activations": op.activations, "alphas": op.alphas or None, "betas": op.betas or None}
    if isinstance(op, graph.LstmOp):
        properties["input_forget"] = op.input_forget
    if isinstance(op, graph.GruOp):
        properties["linear_before_reset"] = op.linear_before_reset
    return properties


def recurrent_obstacle(op: Recurrent) -> Obstacle | None:
    element = op.operand_types[0].element_type
    if element in (f32, *SHORT_FLOATS):
        return None
    return unfit_element("its kernel takes floats up to f32", element, wanted="float32")


# --- biases ---------------------------------------------------------------------------------------------


def _biases(
    lowering: FunctionLowering, op: Recurrent, directions: Dim, hidden: Dim
) -> tuple[SSAValue, SSAValue | None]:
    """The bias of the inputs' product [D * gates * H], and that of a product the reset gate scales [D, H].

    What is added to products of the state is added to those of the inputs, but for the latter.
    """
    gates = op.GATES
    apart = isinstance(op, graph.GruOp) and op.linear_before_reset
    array = lowering.array(op.b)
    if array is not None:
        return _constant_biases(lowering, op, array, apart)
    both = lowering.reshape(lowering.plain(lowering.value(op.b)), [directions, 2, gates, hidden])
    element = type_of(both).element_type

    def part(of_state: int, first: int, count: int) -> SSAValue:
        return lowering.window(both, [0, of_state, first, 0], [directions, 1, count, hidden])

    summed = gates - 1 if apart else gates
    type_ = layout.TensorType.of([directions, 1, summed, hidden], element)
    total = lowering.map(
        [part(0, 0, summed), part(1, 0, summed)], type_, lambda code: code.emit(arith.AddfOp, *code.arguments)
    )
    columns = dims.product([directions, gates, hidden])
    if not apart:
        return lowering.reshape(total, [columns]), None
    whole = layout.TensorType.of([directions, 1, gates, hidden], element)
    total = lowering.add(kernel.ConcatOp([total, part(0, summed, 1)], whole, axis=2))
    own = lowering.plain(part(1, summed, 1))
    return lowering.reshape(total, [columns]), lowering.reshape(own, [directions, hidden])


def _constant_biases(
    lowering: FunctionLowering, op: Recurrent, array: np.ndarray, apart: bool
) -> tuple[SSAValue, SSAValue | None]:
    name = op.b.owner.handle  # pyright: ignore[reportAttributeAccessIssue]
    both = array.reshape(len(array), 2, op.GATES, -1)
    total = both.sum(axis=1)
    if not apart:
        return lowering.constant(total.reshape(-1), f"{name}_sum"), None
    total[:, -1] = both[:, 0, -1]
    return lowering.constant(total.reshape(-1), f"{name}_sum"), lowering.constant(both[:, 1, -1], f"{name}_state")


# --- sequences in reverse -------------------------------------------------------------------------------


def lower_reverse_sequence(lowering: FunctionLowering, op: graph.ReverseSequenceOp) -> Sequence[SSAValue]:
    operands = [lowering.value(op.x), lowering.value(op.lengths)]
    turned = kernel.ReverseSequenceOp(operands, result_type(op), time_axis=op.time_axis, batch_axis=op.batch_axis)
    return [lowering.add(turned)]


def reverse_sequence_obstacle(op: graph.ReverseSequenceOp) -> Obstacle | None:
    element = op.operand_types[1].element_type
    if isinstance(element, IntegerType):
        return None
    return Obstacle(f"lengths are compiled as integers, got {element}", "cast the lengths to int64")


RULES = {
    **{f"graph.{cell}": Rule(lower_recurrent, recurrent_obstacle, in_f32=True) for cell in CELLS},
    "graph.reverse_sequence": Rule(lower_reverse_sequence, reverse_sequence_obstacle),
}
