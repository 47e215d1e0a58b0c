"""Functions of machine values applied to every piece of a tile."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, Operation, SSAValue

from .cut_vectors import map_pieces
from .state import State, llvm_element

Emitter = Callable[..., SSAValue]


def element_of(value: SSAValue) -> Attribute:
    """The element type of a scalar or vector in a register."""
    return value.type.element_type if isinstance(value.type, VectorType) else value.type


def elementwise(state: State, op: Operation, function: Emitter) -> None:
    """Applies a function of machine values to every piece of the operands, or to the scalars."""
    result = op.results[0]
    result_type = result.type
    if isinstance(result_type, VectorType):
        operands = [state.tile(operand) for operand in op.operands]
        element = llvm_element(result_type.element_type)
        state.values[result] = map_pieces(operands, element, function)
        return
    state.bind(result, [function(*(state.scalar(operand) for operand in op.operands))])
