"""Constants, selection and conversions of arith, on scalars and tiles."""

from __future__ import annotations

from typing import Any

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    UnrealizedConversionCastOp,
    VectorType,
    f32,
)
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import llvm_extension as llvmx
from ...dialects import vector_extension as vectorx
from .conversions import extend_float, truncate_float
from .cut_vectors import CutVector, cut_of, lanes_of
from .elementwise import element_of, elementwise
from .floats import is_narrow
from .index import SymbolicIndex
from .state import Handler, State, fail, llvm_element


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
            state.values[op.result] = SymbolicIndex(value.value.data)
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
        state.values[op.result] = CutVector(cut, element, row * cut.rows)
        return
    pieces: list[SSAValue] = []
    for row_number in range(cut.rows):
        for start, width in zip(cut.starts, cut.widths, strict=True):
            first = row_number * cut.shape[-1] + start
            pieces.append(_piece_constant(state, numbers[first : first + width], element))
    state.values[op.result] = CutVector(cut, element, pieces)


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


def lower_conversion_cast(state: State, op: Operation) -> None:
    """The same bits as an integer that says that it has no sign."""
    state.values[op.results[0]] = state.values[op.operands[0]]


HANDLERS: dict[type[Operation], Handler] = {
    arith.ConstantOp: lower_constant,
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
    UnrealizedConversionCastOp: lower_conversion_cast,
}

# What xDSL's arith converts on scalars only has a twin on vectors.
HANDLERS |= {twin: HANDLERS[scalar] for scalar, twin in vectorx.VECTOR_CASTS.items()}
