"""Elementwise graph operations become ``kernel.map``; constants of one element go inside its region."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import StringAttr, f32, f64
from xdsl.ir import Attribute, SSAValue

from ...dialects import graph
from ...dialects import vector_extension as vectorx
from .elements import SHORT_FLOATS, signless
from .function import FunctionLowering, result_type
from .rules import Obstacle, Rule, unfit_element
from .scalar_code import ScalarCode
from .scalar_rules import ONLY_SINGLE, SCALAR_RULES, Element


def lower_elementwise(lowering: FunctionLowering, op: graph.ElementwiseOp) -> Sequence[SSAValue]:
    """``graph.relu %x`` -> ``kernel.map(%x)`` with ``arith.maximumf`` inside."""
    numbers = [lowering.number(operand) for operand in op.operands]
    if all(number is not None for number in numbers):
        numbers[-1] = None
    kept = [operand for operand, number in zip(op.operands, numbers, strict=True) if number is None]
    # x * x reads x once.
    distinct = list(dict.fromkeys(kept))
    result_tensor = result_type(op)

    def write(code: ScalarCode) -> SSAValue:
        arguments = dict(zip(distinct, code.arguments, strict=True))
        elements = []
        for operand, type_, number in zip(op.operands, op.operand_types, numbers, strict=True):
            argument = arguments[operand] if number is None else None
            elements.append(Element(code, _arithmetic_type(type_.element_type), argument, number))
        result = SCALAR_RULES[op.name](code, elements, op)
        if result.type != result_tensor.element_type:
            result = code.emit(arith.TruncFOp, result, type_=result_tensor.element_type)
        return result

    return [lowering.map(lowering.values(distinct), result_tensor, write)]


def lower_byte_table(lowering: FunctionLowering, op: graph.ByteTableOp) -> Sequence[SSAValue]:
    """``graph.byte_table %x, %table`` -> ``kernel.map(%x)`` with ``vectorx.byte_table`` and the table inside."""
    table = lowering.array(op.table)
    assert table is not None
    digits = {"table": StringAttr(table.tobytes().hex())}

    def write(code: ScalarCode) -> SSAValue:
        return code.emit(vectorx.ByteTableOp, code.arguments[0], properties=digits)

    return [lowering.map([lowering.value(op.x)], result_type(op), write)]


def _byte_table_obstacle(op: graph.ByteTableOp) -> Obstacle | None:
    if isinstance(op.table.owner, graph.ConstantOp):
        return None
    return Obstacle("its table is computed by the run", "export the table as a constant")


def _arithmetic_type(element: Attribute) -> Attribute:
    """The type in which elements of this graph type are computed with."""
    return f32 if element in SHORT_FLOATS else signless(element)


def elementwise_obstacle(op: graph.ElementwiseOp) -> Obstacle | None:
    element = op.operand_types[0].element_type
    if op.name in ONLY_SINGLE and element == f64:
        return unfit_element("its code is for floats up to f32", element, wanted="float32")
    if isinstance(op, graph.PowOp) and element not in (f32, *SHORT_FLOATS):
        return unfit_element("powers are compiled for floats up to f32", element, wanted="float32")
    if isinstance(op, graph.ModOp) and element == f64:
        return unfit_element("remainders are compiled for floats up to f32", element, wanted="float32")
    return None


RULES = {name: Rule(lower_elementwise, elementwise_obstacle) for name in SCALAR_RULES}
RULES[graph.ByteTableOp.name] = Rule(lower_byte_table, _byte_table_obstacle)
