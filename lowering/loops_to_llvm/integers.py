"""Integer arithmetic of arith and math, on scalars, tiles and indices, which stay symbolic where they can."""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith, llvm, math
from xdsl.dialects.builtin import IndexType, i1
from xdsl.ir import Operation, SSAValue

from ...dialects import vector_extension as vectorx
from .cut_vectors import lanes_of
from .elementwise import element_of, elementwise
from .index import SymbolicIndex
from .state import Handler, State


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
            state.values[op.results[0]] = SymbolicIndex(fold(*constants))
            return
        elementwise(state, op, lambda a, b: state.builder.int_binary(operation, a, b))

    return handler


def _int_intrinsic(name: str, fold: Callable[[int, int], int] | None = None) -> Handler:
    def handler(state: State, op: Operation) -> None:
        constants = _both_constant(state, op)
        if constants is not None and fold is not None:
            state.values[op.results[0]] = SymbolicIndex(fold(*constants))
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
            state.values[op.results[0]] = SymbolicIndex(fold(*constants))
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


HANDLERS: dict[type[Operation], Handler] = {
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
    vectorx.CmpiOp: lower_cmpi,
}
