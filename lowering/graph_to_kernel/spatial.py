"""Helpers for operations over spatial axes: kernels of windows want two, 1-D operations have one."""

from __future__ import annotations

from xdsl.ir import SSAValue

from .function import FunctionLowering, type_of


def with_unit_height(lowering: FunctionLowering, value: SSAValue) -> SSAValue:
    """[N, C, L] -> [N, C, 1, L]."""
    batch, channels, length = type_of(value).dims
    return lowering.reshape(value, [batch, channels, 1, length])


def without_unit_height(lowering: FunctionLowering, value: SSAValue) -> SSAValue:
    """[N, C, 1, L] -> [N, C, L]."""
    batch, channels, _, length = type_of(value).dims
    return lowering.reshape(value, [batch, channels, length])
