"""Float arithmetic of arith, math and vector, on scalars and tiles."""

from __future__ import annotations

from xdsl.dialects import arith, llvm, math, vector
from xdsl.dialects.builtin import BFloat16Type, Float16Type, f32
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import vector_extension as vectorx
from .builder import NO_FAST_MATH, fast_math
from .conversions import extend_float, truncate_float
from .cut_vectors import lanes_of
from .elementwise import Emitter, element_of, elementwise
from .rounding import round_without_instruction
from .state import Handler, State


def is_narrow(element: Attribute) -> bool:
    """f16 and bf16 are stored, converted and compared; arithmetic happens in f32."""
    return isinstance(element, Float16Type | BFloat16Type)


def in_f32(state: State, function: Emitter, *operands: SSAValue) -> SSAValue:
    """Applies a float function; narrow operands are widened before and the result is rounded once after."""
    element = element_of(operands[0])
    if not is_narrow(element):
        return function(*operands)
    wide = [extend_float(state, operand, f32) for operand in operands]
    return truncate_float(state, function(*wide), element)


def float_operation(
    state: State, operation: type[Operation], lhs: SSAValue, rhs: SSAValue, flags: llvm.FastMathAttr = NO_FAST_MATH
) -> SSAValue:
    """fadd, fsub, fmul or fdiv of any float type."""
    return in_f32(state, lambda a, b: state.builder.float_binary(operation, a, b, flags), lhs, rhs)


def fused_multiply_add(
    state: State, a: SSAValue, b: SSAValue, c: SSAValue, flags: llvm.FastMathAttr = NO_FAST_MATH
) -> SSAValue:
    """`a * b + c`, rounded once where the machine can; in two steps where it cannot."""

    def fused(a: SSAValue, b: SSAValue, c: SSAValue) -> SSAValue:
        builder = state.builder
        if state.target.fma:
            return builder.lanewise("fma", (a, b, c), flags)
        return builder.float_binary(llvm.FAddOp, builder.float_binary(llvm.FMulOp, a, b, flags), c, flags)

    return in_f32(state, fused, a, b, c)


def _is_number(value: float | int | None) -> bool:
    return value is not None and value == value


def maximum_minimum(
    state: State, name: str, lhs: SSAValue, rhs: SSAValue, flags: llvm.FastMathAttr = NO_FAST_MATH
) -> SSAValue:
    """`maximum` or `minimum`, NaN if either operand is.

    Where the machine has no such instruction, `a > b ? a : b` gives `b` whenever one is NaN: with a number for `a`
    that is the right answer in one instruction; otherwise a NaN in `a` is selected afterwards. Zeros of different
    sign compare equal here.
    """
    builder = state.builder

    def compute(a: SSAValue, b: SSAValue) -> SSAValue:
        if state.target.native_maximum:
            return builder.lanewise(name, (a, b), flags)
        if _is_number(builder.known_value(b)):
            a, b = b, a
        larger = builder.fcmp("ogt" if name == "maximum" else "olt", a, b, flags)
        chosen = builder.select(larger, a, b)
        if _is_number(builder.known_value(a)) or _excludes_nan(flags):
            return chosen
        return builder.select(builder.fcmp("uno", a, a), a, chosen)

    return in_f32(state, compute, lhs, rhs)


def maximum_minimum_number(
    state: State, name: str, lhs: SSAValue, rhs: SSAValue, flags: llvm.FastMathAttr = NO_FAST_MATH
) -> SSAValue:
    """`maxnum` or `minnum`: a NaN loses against a number.

    `a > b ? a : b` gives `b` whenever one is NaN, which is right unless `b` is the NaN.
    """
    builder = state.builder

    def compute(a: SSAValue, b: SSAValue) -> SSAValue:
        if _is_number(builder.known_value(a)):
            a, b = b, a
        chosen = builder.select(builder.fcmp("ogt" if name == "maxnum" else "olt", a, b, flags), a, b)
        if _is_number(builder.known_value(b)) or _excludes_nan(flags):
            return chosen
        return builder.select(builder.fcmp("uno", b, b), a, chosen)

    return in_f32(state, compute, lhs, rhs)


def _excludes_nan(flags: llvm.FastMathAttr) -> bool:
    return any(flag.value in ("nnan", "fast") for flag in flags.data)


def _float_binary(operation: type[Operation]) -> Handler:
    def handler(state: State, op: Operation) -> None:
        flags = fast_math(op.properties.get("fastmath"))  # pyright: ignore[reportArgumentType]
        elementwise(state, op, lambda a, b: float_operation(state, operation, a, b, flags))

    return handler


def _maximum_minimum(name: str) -> Handler:
    function = maximum_minimum_number if name.endswith("num") else maximum_minimum

    def handler(state: State, op: Operation) -> None:
        flags = fast_math(op.properties.get("fastmath"))  # pyright: ignore[reportArgumentType]
        elementwise(state, op, lambda a, b: function(state, name, a, b, flags))

    return handler


def lower_fma(state: State, op: Operation) -> None:
    """vector.fma and math.fma."""
    flags = fast_math(op.properties.get("fastmath"))  # pyright: ignore[reportArgumentType]
    elementwise(state, op, lambda a, b, c: fused_multiply_add(state, a, b, c, flags))


def lower_negf(state: State, op: Operation) -> None:
    """arith.negf flips the sign bit, of NaN too."""
    flags = fast_math(op.properties.get("fastmath"))  # pyright: ignore[reportArgumentType]

    def negate(value: SSAValue) -> SSAValue:
        return state.builder.emit(llvm.FNegOp, (value,), value.type, {"fastmathFlags": flags})

    elementwise(state, op, lambda value: in_f32(state, negate, value))


def lower_cmpf(state: State, op: Operation) -> None:
    """arith.cmpf and vectorx.cmpf."""
    assert isinstance(op, arith.CmpfOp | vectorx.CmpfOp)
    predicate = arith.CMPF_COMPARISON_OPERATIONS[op.predicate.value.data]
    flags = fast_math(op.properties.get("fastmath"))  # pyright: ignore[reportArgumentType]

    def compare(a: SSAValue, b: SSAValue) -> SSAValue:
        if is_narrow(element_of(a)):
            a, b = extend_float(state, a, f32), extend_float(state, b, f32)
        return state.builder.fcmp(predicate, a, b, flags)

    elementwise(state, op, compare)


def _intrinsic(name: str) -> Handler:
    """An intrinsic on floats that every machine has as an instruction, or that LLVM expands in place."""

    def handler(state: State, op: Operation) -> None:
        flags = fast_math(op.properties.get("fastmath"))  # pyright: ignore[reportArgumentType]

        def compute(*operands: SSAValue) -> SSAValue:
            return in_f32(state, lambda *wide: state.builder.lanewise(name, wide, flags), *operands)

        elementwise(state, op, compute)

    return handler


def _rounding(name: str) -> Handler:
    def handler(state: State, op: Operation) -> None:
        def compute(value: SSAValue) -> SSAValue:
            if state.target.native_rounding:
                return state.builder.lanewise(name, (value,))
            return round_without_instruction(state, name, value)

        elementwise(state, op, lambda value: in_f32(state, compute, value))

    return handler


def lower_rsqrt(state: State, op: Operation) -> None:
    """math.rsqrt: exactly `1 / sqrt(x)`, in two correctly rounded steps."""

    def compute(value: SSAValue) -> SSAValue:
        builder = state.builder
        one = builder.constant(1.0, element_of(value), lanes_of(value))
        return builder.float_binary(llvm.FDivOp, one, builder.lanewise("sqrt", (value,)))

    elementwise(state, op, lambda value: in_f32(state, compute, value))


HANDLERS: dict[type[Operation], Handler] = {
    arith.AddfOp: _float_binary(llvm.FAddOp),
    arith.SubfOp: _float_binary(llvm.FSubOp),
    arith.MulfOp: _float_binary(llvm.FMulOp),
    arith.DivfOp: _float_binary(llvm.FDivOp),
    arith.NegfOp: lower_negf,
    arith.MaximumfOp: _maximum_minimum("maximum"),
    arith.MinimumfOp: _maximum_minimum("minimum"),
    arith.MaxnumfOp: _maximum_minimum("maxnum"),
    arith.MinnumfOp: _maximum_minimum("minnum"),
    arith.CmpfOp: lower_cmpf,
    vector.FMAOp: lower_fma,
    math.FmaOp: lower_fma,
    math.SqrtOp: _intrinsic("sqrt"),
    math.AbsFOp: _intrinsic("fabs"),
    math.CopySignOp: _intrinsic("copysign"),
    math.FloorOp: _rounding("floor"),
    math.CeilOp: _rounding("ceil"),
    math.TruncOp: _rounding("trunc"),
    math.RoundEvenOp: _rounding("roundeven"),
    math.RsqrtOp: lower_rsqrt,
    vectorx.CmpfOp: lower_cmpf,
}
