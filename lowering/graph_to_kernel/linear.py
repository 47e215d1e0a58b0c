"""Convolution and matrix products."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import graph, kernel, layout
from ...dialects.graph.types import ui8
from .function import FunctionLowering, result_type, type_of
from .rules import Obstacle, Rule, only_what_is_multiplied
from .spatial import with_unit_height, without_unit_height


def lower_conv(lowering: FunctionLowering, op: graph.ConvOp) -> Sequence[SSAValue]:
    """Kernels see two spatial axes: a 1-D convolution gets a height of 1 first and loses it afterwards."""
    x, w, *bias = lowering.values(op.operands)
    type_ = result_type(op)
    flat = type_.rank == 3
    strides, pads, dilations = op.strides, op.pads, op.dilations
    if flat:
        x, w = with_unit_height(lowering, x), with_unit_height(lowering, w)
        strides, pads, dilations = (1, *strides), (0, pads[0], 0, pads[1]), (1, *dilations)
        type_ = layout.TensorType.of([*type_.dims[:2], 1, type_.dims[2]], type_.element_type)
    result = lowering.add(
        kernel.ConvOp(
            [x, w, *bias], type_,
            strides=strides, pads=pads, dilations=dilations, groups=op.group, unsigned=_unsigned(op),
        )
    )  # fmt: skip
    return [without_unit_height(lowering, result) if flat else result]


def conv_obstacle(op: graph.ConvOp) -> Obstacle | None:
    if op.operand_types[0].rank > 5:
        axes = op.operand_types[0].rank - 2
        return Obstacle(f"convolutions of {axes} spatial axes have no kernel", "reshape to at most three spatial axes")
    return only_what_is_multiplied(op)


def lower_matmul(lowering: FunctionLowering, op: graph.MatmulOp) -> Sequence[SSAValue]:
    """Transposed operands stay where they are: the kernel's flags say which axis to run along."""
    a, transpose_a = _rows_along_memory(lowering, lowering.value(op.a), op.transpose_a)
    b, transpose_b = _rows_along_memory(lowering, lowering.value(op.b), op.transpose_b)
    product = kernel.GemmOp(
        [a, b], result_type(op), transpose_a=transpose_a, transpose_b=transpose_b, unsigned=_unsigned(op)
    )
    return [lowering.add(product)]


def _unsigned(op: graph.ConvOp | graph.MatmulOp) -> list[int] | None:
    """Which of the operands are narrow integers without a sign; None where both have one."""
    elements = [type_.element_type for type_ in op.operand_types[:2]]
    return [index for index, element in enumerate(elements) if element == ui8] or None


def _rows_along_memory(lowering: FunctionLowering, value: SSAValue, transpose: bool) -> tuple[SSAValue, bool]:
    """The operand with its last axis innermost in memory, and the flag to go with it; other axes lie as they do."""
    type_ = type_of(value)
    innermost = type_.layout.pieces[-1].axis
    if innermost == type_.rank - 1:
        return value, transpose
    if innermost == type_.rank - 2:
        swap = [*range(type_.rank - 2), type_.rank - 1, type_.rank - 2]
        return lowering.transpose(value, swap), not transpose
    return lowering.plain(value), transpose


RULES = {
    "graph.conv": Rule(lower_conv, conv_obstacle, in_f32=True),
    "graph.matmul": Rule(lower_matmul, only_what_is_multiplied, in_f32=True),
}
