"""Operators of programs become ``kernel.map`` where the program says the code of one element, or run on the host."""

from __future__ import annotations

import json
from collections.abc import Callable

from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from ...dialects import graph
from ...dialects.graph.broadcasting import BroadcastError, broadcast_shapes
from ...errors import LaminaError
from .elements import SHORT_FLOATS
from .elementwise import lower_elementwise
from .rules import Obstacle, Rule
from .scalar_code import ScalarCode
from .scalar_rules import SCALAR_RULES, Element

ELEMENT_CODE: dict[str, Callable[..., SSAValue]] = {}
"""By an operator's full name: from the code to write to, the elements of the operands, and the node's attributes."""

_ON_HOST = Obstacle(
    "it is a NumPy function", "nothing, or say the code of one element (docs/guides/custom_operators.md)"
)
_NOT_BY_ELEMENTS = Obstacle("its code is for one result of the operands' shape", "nothing, it runs on the host")
_NOT_FLOATS = Obstacle("the code of custom elements is for floats up to f32", "cast its inputs to float32")


def _custom_element(code: ScalarCode, elements: list[Element], op: graph.CustomOp) -> SSAValue:
    values = [element.value for element in elements]
    try:
        return ELEMENT_CODE[op.operator](code, *values, **json.loads(op.settings))
    except Exception as error:
        raise LaminaError(
            f"the code of an element of {op.operator}, as it is defined, failed: {type(error).__name__}: {error}"
        ) from error


def custom_obstacle(op: graph.CustomOp) -> Obstacle | None:
    """Whether there is code for an element, and these operands and results have elements that it fits."""
    if op.operator not in ELEMENT_CODE:
        return _ON_HOST
    types = op.operand_types
    try:
        shape = broadcast_shapes(*(type_.dims for type_ in types)) if types else None
    except BroadcastError:
        shape = None
    if len(op.results) != 1 or shape is None or tuple(shape) != tuple(op.result_types[0].dims):
        return _NOT_BY_ELEMENTS
    if any(type_.element_type not in (f32, *SHORT_FLOATS) for type_ in (*types, *op.result_types)):
        return _NOT_FLOATS
    return None


SCALAR_RULES["graph.custom"] = _custom_element  # pyright: ignore[reportArgumentType]
RULES = {"graph.custom": Rule(lower_elementwise, custom_obstacle)}
