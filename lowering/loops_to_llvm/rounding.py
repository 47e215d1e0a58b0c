"""Rounding to integers on machines without an instruction for it (SSE2)."""

from __future__ import annotations

from xdsl.dialects import llvm
from xdsl.dialects.builtin import Float64Type, VectorType
from xdsl.ir import SSAValue

from .cut_vectors import lanes_of
from .state import State


def round_without_instruction(state: State, name: str, value: SSAValue) -> SSAValue:
    """floor, ceil, trunc or roundeven by adding and subtracting 2^23 (2^52 for f64), exact for every input.

    From that magnitude on every float is an integer; below, the sum rounds to an integer in the current mode, which
    is to nearest even. The other directions correct the result by one. The sign is copied back, for zeros.
    """
    builder = state.builder
    element = value.type.element_type if isinstance(value.type, VectorType) else value.type
    lanes = lanes_of(value)
    limit = builder.constant(2.0**52 if isinstance(element, Float64Type) else 2.0**23, element, lanes)
    one = builder.constant(1.0, element, lanes)
    zero = builder.constant(0.0, element, lanes)
    magnitude = builder.lanewise("fabs", (value,))
    nearest = builder.float_binary(llvm.FSubOp, builder.float_binary(llvm.FAddOp, magnitude, limit), limit)
    if name == "trunc":
        nearest = _minus_where(state, nearest, builder.fcmp("ogt", nearest, magnitude), one, zero)
    rounded = builder.lanewise("copysign", (nearest, value))
    if name == "floor":
        rounded = _minus_where(state, rounded, builder.fcmp("ogt", rounded, value), one, zero)
    elif name == "ceil":
        minus_one = builder.constant(-1.0, element, lanes)
        rounded = _minus_where(state, rounded, builder.fcmp("olt", rounded, value), minus_one, zero)
    rounded = builder.lanewise("copysign", (rounded, value))
    return builder.select(builder.fcmp("olt", magnitude, limit), rounded, value)


def _minus_where(state: State, value: SSAValue, condition: SSAValue, amount: SSAValue, zero: SSAValue) -> SSAValue:
    return state.builder.float_binary(llvm.FSubOp, value, state.builder.select(condition, amount, zero))
