"""Sums, maxima and conversions of scalars and vectors by element type, for the kernels that combine elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xdsl.dialects import arith, vector
from xdsl.dialects.builtin import (
    AnyFloat,
    BFloat16Type,
    Float16Type,
    IntegerType,
    Signedness,
    VectorType,
    f32,
    i1,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects import vector_extension as vectorx
from ...dialects.shared_attributes import vector_type
from .loop_nest import INDEX, Index, LoopNest

_FLOAT_OPS: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "sum": arith.AddfOp,
    "prod": arith.MulfOp,
    "max": arith.MaximumfOp,
    "min": arith.MinimumfOp,
}
_INTEGER_OPS: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {
    "sum": arith.AddiOp,
    "prod": arith.MuliOp,
    "max": arith.MaxSIOp,
    "min": arith.MinSIOp,
}
_UNSIGNED_OPS: dict[str, Callable[[SSAValue, SSAValue], Operation]] = {"max": arith.MaxUIOp, "min": arith.MinUIOp}
_FLOAT_REDUCTIONS = {"sum": "add", "prod": "mul", "max": "maximumf", "min": "minimumf"}
_INTEGER_REDUCTIONS = {"sum": "add", "prod": "mul", "max": "maxsi", "min": "minsi"}
_UNSIGNED_REDUCTIONS = {"max": "maxui", "min": "minui"}


def element_of(type_: Attribute) -> Attribute:
    return type_.element_type if isinstance(type_, VectorType) else type_


def with_element(type_: Attribute, element: Attribute) -> Attribute:
    """The scalar or vector type of the same shape with other elements."""
    return vector_type(element, type_.get_shape()) if isinstance(type_, VectorType) else element


def is_unsigned(element: Attribute) -> bool:
    return isinstance(element, IntegerType) and element.signedness.data == Signedness.UNSIGNED


def accumulator_element(element: Attribute) -> Attribute:
    """What elements are summed in: f32 for narrow floats, otherwise their own type."""
    return f32 if isinstance(element, Float16Type | BFloat16Type) else element


def combine(nest: LoopNest, kind: str, left: SSAValue, right: SSAValue) -> SSAValue:
    """left + right, left * right, max or min, lane by lane. A NaN in either is the result's."""
    element = element_of(left.type)
    if isinstance(element, AnyFloat):
        return nest.insert(_FLOAT_OPS[kind](left, right))
    op = _UNSIGNED_OPS.get(kind) if is_unsigned(element) else None
    return nest.insert((op or _INTEGER_OPS[kind])(left, right))


def combine_numbers(nest: LoopNest, kind: str, left: SSAValue, right: SSAValue) -> SSAValue:
    """As ``combine``, in one instruction where that leaves it open which operand the result is if one is NaN."""
    if kind not in ("max", "min") or not isinstance(element_of(left.type), AnyFloat):
        return combine(nest, kind, left, right)
    return select(nest, compare(nest, "ogt" if kind == "max" else "olt", left, right), left, right)


def combine_all(nest: LoopNest, kind: str, values: Sequence[SSAValue]) -> SSAValue:
    """Pairwise, so that rounding errors stay small."""
    values = list(values)
    while len(values) > 1:
        pairs = [combine(nest, kind, a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(pairs) * 2 :]
    return values[0]


def reduce_lanes(nest: LoopNest, kind: str, value: SSAValue) -> SSAValue:
    """The elements of a one-dimensional vector combined to a scalar, pairwise."""
    assert isinstance(value.type, VectorType)
    element = value.type.element_type
    if isinstance(element, AnyFloat):
        name = _FLOAT_REDUCTIONS[kind]
    else:
        name = (is_unsigned(element) and _UNSIGNED_REDUCTIONS.get(kind)) or _INTEGER_REDUCTIONS[kind]
    return _reduction(nest, name, value)


def any_lane(nest: LoopNest, mask: SSAValue) -> SSAValue:
    """Whether an i1 of a one-dimensional vector is set."""
    return _reduction(nest, "or", mask)


def _reduction(nest: LoopNest, kind: str, value: SSAValue) -> SSAValue:
    return nest.insert(
        vector.ReductionOp.create(
            operands=[value],
            result_types=[element_of(value.type)],
            properties={
                "kind": vector.CombiningKindAttr(vector.CombiningKindFlag(kind)),
                "fastmath": arith.FastMathFlagsAttr("none"),
            },
        )
    )


def rows_of(nest: LoopNest, value: SSAValue) -> list[SSAValue]:
    """The rows of a two-dimensional vector."""
    assert isinstance(value.type, VectorType)
    rows, columns = value.type.get_shape()
    row_type = vector_type(value.type.element_type, [columns])
    return [nest.insert(vector.ExtractOp(value, [row], row_type)) for row in range(rows)]


def identity(kind: str, element: Attribute) -> float | int:
    """What leaves another element unchanged."""
    if kind in ("sum", "prod"):
        return 0 if kind == "sum" else 1
    if isinstance(element, AnyFloat):
        return -math.inf if kind == "max" else math.inf
    assert isinstance(element, IntegerType)
    width = element.width.data
    if is_unsigned(element):
        return 0 if kind == "max" else 2**width - 1
    return -(2 ** (width - 1)) if kind == "max" else 2 ** (width - 1) - 1


def select(nest: LoopNest, mask: SSAValue, chosen: SSAValue, other: SSAValue) -> SSAValue:
    """Lane by lane; on scalars too."""
    if isinstance(chosen.type, VectorType):
        return nest.insert(vectorx.SelectOp(mask, chosen, other))
    return nest.insert(arith.SelectOp(mask, chosen, other))


def compare(nest: LoopNest, predicate: str, left: SSAValue, right: SSAValue) -> SSAValue:
    """An i1 for each pair of elements; ``predicate`` as of arith.cmpf or arith.cmpi, whichever fits the type."""
    if isinstance(element_of(left.type), AnyFloat):
        op = vectorx.CmpfOp if isinstance(left.type, VectorType) else arith.CmpfOp
    else:
        op = vectorx.CmpiOp if isinstance(left.type, VectorType) else arith.CmpiOp
    return nest.insert(op(left, right, predicate))


def convert(nest: LoopNest, value: SSAValue, element: Attribute) -> SSAValue:
    """The value in another element type: floats widened or rounded, integers extended or cut, integers to floats."""
    source, result = element_of(value.type), with_element(value.type, element)
    if source == element:
        return value
    if isinstance(source, AnyFloat) and isinstance(element, AnyFloat):
        op = arith.ExtFOp if element.bitwidth > source.bitwidth else arith.TruncFOp
    elif isinstance(source, IntegerType) and isinstance(element, IntegerType):
        widened = arith.ExtUIOp if is_unsigned(source) or source.width.data == 1 else arith.ExtSIOp
        op = widened if element.width.data > source.width.data else arith.TruncIOp
    elif isinstance(source, IntegerType):
        op = arith.UIToFPOp if is_unsigned(source) else arith.SIToFPOp
    else:
        op = arith.FPToSIOp
    if isinstance(result, VectorType):
        op = vectorx.VECTOR_CASTS.get(op, op)
    return nest.insert(op.create(operands=[value], result_types=[result]))


def divide(nest: LoopNest, value: SSAValue, count: Index) -> SSAValue:
    """A scalar or vector by a count of elements."""
    element = value.type.element_type if isinstance(value.type, VectorType) else value.type
    divisor = index_as(nest, count, element)
    if isinstance(value.type, VectorType):
        divisor = nest.broadcast(divisor, value.type.get_shape())
    op = arith.DivfOp if isinstance(element, AnyFloat) else arith.DivSIOp
    return nest.insert(op(value, divisor))


def opposite(nest: LoopNest, condition: SSAValue) -> SSAValue:
    """Whether a condition does not hold."""
    return nest.insert(arith.XOrIOp(condition, nest.constant(True, i1)))


def to_index(nest: LoopNest, number: SSAValue) -> SSAValue:
    """A number as an index; of a float the whole part."""
    if isinstance(number.type, AnyFloat):
        number = nest.insert(arith.FPToSIOp(number, i64))
    return nest.insert(arith.IndexCastOp(number, INDEX))


def index_as(nest: LoopNest, index: Index, element: Attribute) -> SSAValue:
    """An index as a number of an element type."""
    if isinstance(index, int):
        return nest.constant(index, element)
    whole = nest.insert(arith.IndexCastOp(index, i64))
    return convert(nest, whole, element)
