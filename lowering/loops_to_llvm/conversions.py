"""Conversions between f32 and the narrow floats, with integer arithmetic where the machine has no instruction.

Without this LLVM would call the compiler's run-time library, which a code image does not have.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import llvm
from xdsl.dialects.builtin import BFloat16Type, Float16Type, bf16, f16, f32, i16, i32
from xdsl.ir import Attribute, SSAValue

from .cut_vectors import lanes_of
from .elementwise import element_of
from .state import State


def extend_float(state: State, value: SSAValue, element: Attribute) -> SSAValue:
    """The value as a wider float."""
    source = element_of(value)
    if isinstance(source, BFloat16Type):
        value = float_from_bfloat(state, value)
    elif isinstance(source, Float16Type):
        value = float_from_half(state, value)
    return value if element_of(value) == element else state.builder.cast(llvm.FPExtOp, value, element)


def truncate_float(state: State, value: SSAValue, element: Attribute) -> SSAValue:
    """The value as a narrower float, rounded to nearest even.

    f64 goes to the narrow floats by way of f32: two roundings, which differ from one by at most one unit in the last
    place, in rare cases.
    """
    if not isinstance(element, BFloat16Type | Float16Type):
        return state.builder.cast(llvm.FPTruncOp, value, element)
    if element_of(value) != f32:
        value = state.builder.cast(llvm.FPTruncOp, value, f32)
    return bfloat_from_float(state, value) if isinstance(element, BFloat16Type) else half_from_float(state, value)


def float_from_bfloat(state: State, value: SSAValue) -> SSAValue:
    """bf16 -> f32: the upper half of the bits."""
    builder = state.builder
    bits = builder.cast(llvm.ZExtOp, builder.cast(llvm.BitcastOp, value, i16), i32)
    shifted = builder.int_binary(llvm.ShlOp, bits, builder.constant(16, i32, lanes_of(value)))
    return builder.cast(llvm.BitcastOp, shifted, f32)


def bfloat_from_float(state: State, value: SSAValue) -> SSAValue:
    """f32 -> bf16, to nearest even; NaN stays NaN."""
    builder = state.builder
    if state.target.bf16_conversion:
        return builder.cast(llvm.FPTruncOp, value, bf16)
    constant = _constants_for(state, value)
    bits = builder.cast(llvm.BitcastOp, value, i32)
    rounded = _rounded(state, bits, 16)
    quiet = builder.int_binary(llvm.OrOp, bits, constant(0x400000))
    chosen = builder.select(builder.fcmp("uno", value, value), quiet, rounded)
    upper = builder.int_binary(llvm.LShrOp, chosen, constant(16))
    return builder.cast(llvm.BitcastOp, builder.cast(llvm.TruncOp, upper, i16), bf16)


def float_from_half(state: State, value: SSAValue) -> SSAValue:
    """f16 -> f32, exact.

    The magnitude's bits are moved to f32's place and the exponent is corrected by a multiplication, which also
    normalises subnormals; infinity and NaN get the largest exponent.
    """
    builder = state.builder
    if state.target.f16_conversion:
        return builder.cast(llvm.FPExtOp, value, f32)
    constant = _constants_for(state, value)
    bits = builder.cast(llvm.ZExtOp, builder.cast(llvm.BitcastOp, value, i16), i32)
    sign = builder.int_binary(llvm.ShlOp, builder.int_binary(llvm.AndOp, bits, constant(0x8000)), constant(16))
    magnitude = builder.int_binary(llvm.AndOp, bits, constant(0x7FFF))
    # Below 2^-14 the number is `magnitude` units of 2^-24: an integer conversion, because shifted into f32's place
    # it would be a denormal, which a flushing machine reads as zero.
    small = builder.float_binary(
        llvm.FMulOp, builder.cast(llvm.SIToFPOp, magnitude, f32), builder.constant(2.0**-24, f32, lanes_of(value))
    )
    rebiased = builder.int_binary(
        llvm.AddOp, builder.int_binary(llvm.ShlOp, magnitude, constant(13)), constant(112 << 23)
    )
    special = builder.int_binary(llvm.OrOp, rebiased, constant(0xFF << 23))
    normal = builder.select(builder.icmp("uge", magnitude, constant(0x7C00)), special, rebiased)
    chosen = builder.select(
        builder.icmp("ult", magnitude, constant(0x0400)), builder.cast(llvm.BitcastOp, small, i32), normal
    )
    return builder.cast(llvm.BitcastOp, builder.int_binary(llvm.OrOp, chosen, sign), f32)


def half_from_float(state: State, value: SSAValue) -> SSAValue:
    """f32 -> f16, to nearest even; what is too large becomes infinity, NaN stays NaN."""
    builder = state.builder
    if state.target.f16_conversion:
        return builder.cast(llvm.FPTruncOp, value, f16)
    constant = _constants_for(state, value)
    bits = builder.cast(llvm.BitcastOp, value, i32)
    sign = builder.int_binary(llvm.AndOp, builder.int_binary(llvm.LShrOp, bits, constant(16)), constant(0x8000))
    magnitude = builder.int_binary(llvm.AndOp, bits, constant(0x7FFFFFFF))
    # Normal results: drop 13 bits with rounding to even, after moving the exponent by 112.
    rounded = _rounded(state, magnitude, 13)
    normal = builder.int_binary(llvm.LShrOp, builder.int_binary(llvm.SubOp, rounded, constant(112 << 23)), constant(13))
    # Subnormal results: adding 0.5 lets the float adder round to units of 2^-24, left in the low mantissa bits.
    half = builder.constant(0.5, f32, lanes_of(value))
    absolute = builder.cast(llvm.BitcastOp, magnitude, f32)
    sum_bits = builder.cast(llvm.BitcastOp, builder.float_binary(llvm.FAddOp, absolute, half), i32)
    subnormal = builder.int_binary(llvm.SubOp, sum_bits, constant(126 << 23))
    finite = builder.select(builder.icmp("ult", magnitude, constant(113 << 23)), subnormal, normal)
    infinite = builder.icmp("uge", magnitude, constant(0x477FF000))
    saturated = builder.select(infinite, constant(0x7C00), finite)
    chosen = builder.select(builder.icmp("ugt", magnitude, constant(0x7F800000)), constant(0x7E00), saturated)
    result = builder.cast(llvm.TruncOp, builder.int_binary(llvm.OrOp, chosen, sign), i16)
    return builder.cast(llvm.BitcastOp, result, f16)


def _constants_for(state: State, value: SSAValue) -> Callable[[int], SSAValue]:
    """Makes integers of as many lanes as the value has."""
    return lambda number: state.builder.constant(number, i32, lanes_of(value))


def _rounded(state: State, bits: SSAValue, dropped: int) -> SSAValue:
    """What to cut the lowest bits off so that the rest is the nearest, or the even one of two."""
    builder, constant = state.builder, _constants_for(state, bits)
    odd = builder.int_binary(llvm.AndOp, builder.int_binary(llvm.LShrOp, bits, constant(dropped)), constant(1))
    half = builder.int_binary(llvm.AddOp, odd, constant((1 << dropped - 1) - 1))
    return builder.int_binary(llvm.AddOp, bits, half)
