"""arith and math on scalars, indices and tiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdsl.dialects import arith, llvm, math, vector
from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    Float16Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    VectorType,
    f32,
    i1,
)
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import llvm_extension as llvmx
from ...dialects import vector_extension as vectorx
from .builder import NO_FAST_MATH, fast_math
from .conversions import extend_float, truncate_float
from .index import Index
from .rounding import round_without_instruction
from .state import Handler, State, fail, llvm_element
from .tiles import Tile, cut_of, lanes_of, map_pieces

Function = Callable[..., SSAValue]


def element_of(value: SSAValue) -> Attribute:
    """The element type of a scalar or vector in a register."""
    return value.type.element_type if isinstance(value.type, VectorType) else value.type


def elementwise(state: State, op: Operation, function: Function) -> None:
    """Applies a function of machine values to every piece of the operands, or to the scalars."""
    result = op.results[0]
    result_type = result.type
    if isinstance(result_type, VectorType):
        operands = [state.tile(operand) for operand in op.operands]
        element = llvm_element(result_type.element_type)
        state.values[result] = map_pieces(operands, element, function)
        return
    state.bind(result, [function(*(state.scalar(operand) for operand in op.operands))])


# --- floats


def is_narrow(element: Attribute) -> bool:
    """f16 and bf16 are stored, converted and compared; arithmetic happens in f32."""
    return isinstance(element, Float16Type | BFloat16Type)


def in_f32(state: State, function: Function, *operands: SSAValue) -> SSAValue:
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


# --- integers and indices


def _both_constant(state: State, op: Operation) -> tuple[int, int] | None:
    """The two operands of an index op, if both are known."""
    if not isinstance(op.operands[0].type, IndexType):
        return None
    lhs, rhs = state.index_of(op.operands[0]), state.index_of(op.operands[1])
    return (lhs.constant, rhs.constant) if lhs.is_constant and rhs.is_constant else None


def _int_binary(operation: type[Operation], fold: Callable[[int, int], int] | None = None) -> Handler:
    def handler(state: State, op: Operation) -> None:
        constants = _both_constant(state, op)
        if constants is not None and fold is not None:
            state.values[op.results[0]] = Index(fold(*constants))
            return
        elementwise(state, op, lambda a, b: state.builder.int_binary(operation, a, b))

    return handler


def _int_intrinsic(name: str, fold: Callable[[int, int], int] | None = None) -> Handler:
    def handler(state: State, op: Operation) -> None:
        constants = _both_constant(state, op)
        if constants is not None and fold is not None:
            state.values[op.results[0]] = Index(fold(*constants))
            return
        elementwise(state, op, lambda a, b: state.builder.lanewise_once(name, (a, b)))

    return handler


def lower_addi(state: State, op: Operation) -> None:
    """arith.addi; on indices symbolic."""
    if isinstance(op.results[0].type, IndexType):
        lhs, rhs = state.indices(op.operands)
        state.values[op.results[0]] = state.index.add(lhs, rhs)
        return
    elementwise(state, op, lambda a, b: state.builder.int_binary(llvm.AddOp, a, b))


def lower_subi(state: State, op: Operation) -> None:
    """arith.subi; on indices symbolic."""
    if isinstance(op.results[0].type, IndexType):
        lhs, rhs = state.indices(op.operands)
        state.values[op.results[0]] = state.index.add(lhs, rhs, -1)
        return
    elementwise(state, op, lambda a, b: state.builder.int_binary(llvm.SubOp, a, b))


def lower_muli(state: State, op: Operation) -> None:
    """arith.muli; on indices symbolic."""
    if isinstance(op.results[0].type, IndexType):
        lhs, rhs = state.indices(op.operands)
        state.values[op.results[0]] = state.index.multiply(lhs, rhs)
        return
    elementwise(state, op, lambda a, b: state.builder.int_binary(llvm.MulOp, a, b))


def _zero_like(state: State, value: SSAValue) -> SSAValue:
    return state.builder.constant(0, element_of(value), lanes_of(value))


def floor_divide(state: State, a: SSAValue, b: SSAValue) -> SSAValue:
    """Signed division towards minus infinity."""
    builder = state.builder
    divisor = builder.known_value(b)
    if divisor is not None and divisor > 0 and int(divisor) & (int(divisor) - 1) == 0:
        shift = builder.constant(int(divisor).bit_length() - 1, element_of(a), lanes_of(a))
        return builder.int_binary(llvm.AShrOp, a, shift)
    quotient = builder.int_binary(llvm.SDivOp, a, b)
    remainder = builder.int_binary(llvm.SubOp, a, builder.int_binary(llvm.MulOp, quotient, b))
    zero = _zero_like(state, a)
    differs = builder.icmp("slt", builder.int_binary(llvm.XOrOp, remainder, b), zero)
    inexact = builder.icmp("ne", remainder, zero)
    correction = builder.cast(llvm.SExtOp, builder.int_binary(llvm.AndOp, differs, inexact), element_of(a))
    return builder.int_binary(llvm.AddOp, quotient, correction)


def ceil_divide(state: State, a: SSAValue, b: SSAValue) -> SSAValue:
    """Signed division towards plus infinity."""
    builder = state.builder
    zero = _zero_like(state, a)
    negated = floor_divide(state, builder.int_binary(llvm.SubOp, zero, a), b)
    return builder.int_binary(llvm.SubOp, zero, negated)


def ceil_divide_unsigned(state: State, a: SSAValue, b: SSAValue) -> SSAValue:
    """Unsigned division, rounded up."""
    builder = state.builder
    quotient = builder.int_binary(llvm.UDivOp, a, b)
    remainder = builder.int_binary(llvm.URemOp, a, b)
    inexact = builder.icmp("ne", remainder, _zero_like(state, a))
    return builder.int_binary(llvm.AddOp, quotient, builder.cast(llvm.ZExtOp, inexact, element_of(a)))


def _division(function: Callable[[State, SSAValue, SSAValue], SSAValue], fold: Callable[[int, int], int]) -> Handler:
    def handler(state: State, op: Operation) -> None:
        constants = _both_constant(state, op)
        if constants is not None and constants[1] != 0:
            state.values[op.results[0]] = Index(fold(*constants))
            return
        elementwise(state, op, lambda a, b: function(state, a, b))

    return handler


def _truncated_division(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _machine_division(operation: type[Operation], fold: Callable[[int, int], int]) -> Handler:
    return _division(lambda state, a, b: state.builder.int_binary(operation, a, b), fold)


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "slt": lambda a, b: a < b,
    "sle": lambda a, b: a <= b,
    "sgt": lambda a, b: a > b,
    "sge": lambda a, b: a >= b,
}


def lower_cmpi(state: State, op: Operation) -> None:
    """arith.cmpi and vectorx.cmpi; known where both indices are, or where they differ by a constant."""
    assert isinstance(op, arith.CmpiOp | vectorx.CmpiOp)
    predicate = arith.CMPI_COMPARISON_OPERATIONS[op.predicate.value.data]
    if isinstance(op.lhs.type, IndexType) and predicate in _COMPARE:
        difference = state.index.add(state.index_of(op.lhs), state.index_of(op.rhs), -1)
        if difference.is_constant:
            known = int(_COMPARE[predicate](difference.constant, 0))
            state.values[op.result] = state.builder.constant(known, i1)
            return
    elementwise(state, op, lambda a, b: state.builder.icmp(predicate, a, b))


def lower_absi(state: State, op: Operation) -> None:
    """math.absi; the most negative number stays."""
    elementwise(state, op, lambda value: state.builder.lanewise("abs", (value, state.builder.constant(0, i1))))


def _count_zeros(name: str) -> Handler:
    def handler(state: State, op: Operation) -> None:
        elementwise(state, op, lambda value: state.builder.lanewise(name, (value, state.builder.constant(0, i1))))

    return handler


# --- selection, constants and conversions


def lower_select(state: State, op: Operation) -> None:
    """arith.select by a scalar; tiles are chosen whole."""
    assert isinstance(op, arith.SelectOp)
    builder = state.builder
    condition = state.scalar(op.cond)
    known = builder.known_value(condition)
    if known is not None:
        state.values[op.result] = state.values[op.lhs if known else op.rhs]
        return
    pairs = zip(state.flatten(op.lhs), state.flatten(op.rhs), strict=True)
    state.bind(op.result, [builder.select_once(condition, first, second) for first, second in pairs])


def lower_constant(state: State, op: Operation) -> None:
    """arith.constant: a number, or a dense vector."""
    assert isinstance(op, arith.ConstantOp)
    value = op.value
    result_type = op.result.type
    if isinstance(value, IntegerAttr):
        if isinstance(result_type, IndexType):
            state.values[op.result] = Index(value.value.data)
        else:
            state.values[op.result] = state.builder.constant(value.value.data, llvm_element(result_type))
        return
    if isinstance(value, FloatAttr):
        state.values[op.result] = state.builder.constant(value.value.data, result_type)
        return
    if not isinstance(value, DenseIntOrFPElementsAttr) or not isinstance(result_type, VectorType):
        raise fail(op, f"no such constant: {value}")
    cut = cut_of(result_type.get_shape(), state.target.lanes)
    element = llvm_element(result_type.element_type)
    numbers: list[Any] = list(value.get_values())
    if _are_alike(numbers):
        row = [state.builder.constant(numbers[0], element, width) for width in cut.widths]
        state.values[op.result] = Tile(cut, element, row * cut.rows)
        return
    pieces: list[SSAValue] = []
    for row_number in range(cut.rows):
        for start, width in zip(cut.starts, cut.widths, strict=True):
            first = row_number * cut.shape[-1] + start
            pieces.append(_piece_constant(state, numbers[first : first + width], element))
    state.values[op.result] = Tile(cut, element, pieces)


def _are_alike(numbers: list[Any]) -> bool:
    """By text, since NaN is not equal to itself and zeros of either sign are."""
    return len(set(map(repr, numbers))) == 1


def _piece_constant(state: State, numbers: list, element: Attribute) -> SSAValue:
    if _are_alike(numbers):
        return state.builder.constant(numbers[0], element, len(numbers))
    return state.builder.dense_constant(numbers, element)


def _cast(operation: type[Operation]) -> Handler:
    def handler(state: State, op: Operation) -> None:
        element = llvm_element(element_of(op.results[0]))
        elementwise(state, op, lambda value: state.builder.cast(operation, value, element))

    return handler


def _from_integer(operation: type[Operation]) -> Handler:
    """To a float; through f32 where the float is narrow."""

    def handler(state: State, op: Operation) -> None:
        element = element_of(op.results[0])

        def convert(value: SSAValue) -> SSAValue:
            if not is_narrow(element):
                return state.builder.cast(operation, value, element)
            return truncate_float(state, state.builder.cast(operation, value, f32), element)

        elementwise(state, op, convert)

    return handler


def _to_integer(operation: type[Operation]) -> Handler:
    """From a float, towards zero; what does not fit has no defined result."""

    def handler(state: State, op: Operation) -> None:
        element = llvm_element(element_of(op.results[0]))

        def convert(value: SSAValue) -> SSAValue:
            if is_narrow(element_of(value)):
                value = extend_float(state, value, f32)
            return state.builder.cast(operation, value, element)

        elementwise(state, op, convert)

    return handler


def lower_extf(state: State, op: Operation) -> None:
    """arith.extf."""
    element = element_of(op.results[0])
    elementwise(state, op, lambda value: extend_float(state, value, element))


def lower_truncf(state: State, op: Operation) -> None:
    """arith.truncf, to nearest even."""
    element = element_of(op.results[0])
    elementwise(state, op, lambda value: truncate_float(state, value, element))


def lower_index_cast(state: State, op: Operation) -> None:
    """arith.index_cast: sign-extends to or truncates from 64 bits."""
    source, result = op.operands[0], op.results[0]
    source_element, result_element = llvm_element(element_of(source)), llvm_element(element_of(result))
    if not isinstance(source.type, VectorType) and isinstance(source.type, IndexType):
        index = state.index_of(source)
        if index.is_constant:
            state.bind(result, [state.builder.constant(index.constant, result_element)])
            return
    widths = (source_element.width.data, result_element.width.data)  # pyright: ignore[reportAttributeAccessIssue]
    if widths[0] == widths[1]:
        elementwise(state, op, lambda value: value)
        return
    operation = llvm.SExtOp if widths[0] < widths[1] else llvm.TruncOp

    def convert(value: SSAValue) -> SSAValue:
        known = state.builder.known_value(value)
        if known is not None:
            return state.builder.constant(known, result_element, lanes_of(value))
        return state.builder.cast(operation, value, result_element)

    elementwise(state, op, convert)


def lower_bitcast(state: State, op: Operation) -> None:
    """arith.bitcast: the same bits under another type."""
    element = element_of(op.results[0])
    elementwise(state, op, lambda value: state.builder.cast(llvm.BitcastOp, value, element))


HANDLERS: dict[type[Operation], Handler] = {
    arith.ConstantOp: lower_constant,
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
    arith.AddiOp: lower_addi,
    arith.SubiOp: lower_subi,
    arith.MuliOp: lower_muli,
    arith.DivSIOp: _machine_division(llvm.SDivOp, _truncated_division),
    arith.DivUIOp: _machine_division(llvm.UDivOp, lambda a, b: a // b),
    arith.RemSIOp: _machine_division(llvm.SRemOp, lambda a, b: a - b * _truncated_division(a, b)),
    arith.RemUIOp: _machine_division(llvm.URemOp, lambda a, b: a % b),
    arith.FloorDivSIOp: _division(floor_divide, lambda a, b: a // b),
    arith.CeilDivSIOp: _division(ceil_divide, lambda a, b: -(-a // b)),
    arith.CeilDivUIOp: _division(ceil_divide_unsigned, lambda a, b: -(-a // b)),
    arith.AndIOp: _int_binary(llvm.AndOp, lambda a, b: a & b),
    arith.OrIOp: _int_binary(llvm.OrOp, lambda a, b: a | b),
    arith.XOrIOp: _int_binary(llvm.XOrOp, lambda a, b: a ^ b),
    arith.ShLIOp: _int_binary(llvm.ShlOp, lambda a, b: a << b),
    arith.ShRSIOp: _int_binary(llvm.AShrOp, lambda a, b: a >> b),
    arith.ShRUIOp: _int_binary(llvm.LShrOp),
    arith.MinSIOp: _int_intrinsic("smin", min),
    arith.MaxSIOp: _int_intrinsic("smax", max),
    arith.MinUIOp: _int_intrinsic("umin"),
    arith.MaxUIOp: _int_intrinsic("umax"),
    arith.CmpiOp: lower_cmpi,
    math.AbsIOp: lower_absi,
    math.CountLeadingZerosOp: _count_zeros("ctlz"),
    math.CountTrailingZerosOp: _count_zeros("cttz"),
    math.CtPopOp: lambda state, op: elementwise(state, op, lambda value: state.builder.lanewise("ctpop", (value,))),
    arith.SelectOp: lower_select,
    vectorx.SelectOp: lambda state, op: elementwise(state, op, state.builder.select),
    arith.SIToFPOp: _from_integer(llvm.SIToFPOp),
    arith.UIToFPOp: _from_integer(llvmx.UIToFPOp),
    arith.FPToSIOp: _to_integer(llvmx.FPToSIOp),
    arith.FPToUIOp: _to_integer(llvmx.FPToUIOp),
    arith.ExtFOp: lower_extf,
    arith.TruncFOp: lower_truncf,
    arith.ExtSIOp: _cast(llvm.SExtOp),
    arith.ExtUIOp: _cast(llvm.ZExtOp),
    arith.TruncIOp: _cast(llvm.TruncOp),
    arith.IndexCastOp: lower_index_cast,
    arith.BitcastOp: lower_bitcast,
}

# What xDSL's arith defines on scalars only has a twin on vectors.
HANDLERS |= {vectorx.CmpfOp: lower_cmpf, vectorx.CmpiOp: lower_cmpi}
HANDLERS |= {twin: HANDLERS[scalar] for scalar, twin in vectorx.VECTOR_CASTS.items()}
