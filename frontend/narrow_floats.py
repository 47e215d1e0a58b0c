"""Nodes on f16 and bf16 that take several steps: computed in f32, and rounded once.

Squares of numbers that f16 holds overflow it, an epsilon of 1e-12 is 0 in it, and a sum of its numbers loses the small
ones. ONNX leaves open in which precision an operator computes; it says only which type the result has.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from ..dialects.graph.types import bf16, f16, f32
from .checks.schema_checks import signature_of
from .values import Value

if TYPE_CHECKING:
    from xdsl.ir import Attribute

    from .node import Converted, Converter, Node

_NARROW = (f16, bf16)


def in_f32(convert: Converter) -> Converter:
    """The converter that does in f32 what ``convert`` does where inputs are narrower.

    before: y = convert(x : f16)
    after:  y = cast(convert(cast(x) : f32)) : f16
    """

    @wraps(convert)
    def converted(node: Node) -> Converted:
        if not any(_is_narrow(value) for value in node.inputs):
            return convert(node)
        wide = convert(node.with_inputs([_widened(node, value) for value in node.inputs]))
        results = [wide] if isinstance(wide, Value) else wide
        return [_rounded(node, value, index) for index, value in enumerate(results)]

    return converted


def _is_narrow(value: object) -> bool:
    return isinstance(value, Value) and value.element_type in _NARROW


def _widened(node: Node, value: Value | None) -> Value | None:
    return node.b.widened(value) if value is not None and _is_narrow(value) else value


def _rounded(node: Node, value: Value | None, index: int) -> Value | None:
    """An f32 result in the type that the operator gives it."""
    if value is None or value.element_type != f32:
        return value
    wanted = _result_type(node, index)
    return node.b.cast(value, wanted) if wanted in _NARROW else value


def _result_type(node: Node, index: int) -> Attribute | None:
    """The element type of the input that ONNX gives result ``index`` the type of, or None where it is of none's.

    The first input's where that input is left out, or ONNX has no word on the operator.
    """
    signature = signature_of(node.operator, node.opset, node.domain)
    first = node.input(0).element_type
    if signature is None:
        return first
    name = signature.outputs[min(index, len(signature.outputs) - 1)]
    places = [place for place, (_, type_, _) in enumerate(signature.inputs) if type_ == name]
    given = [value for value in map(node.optional, places) if value is not None]
    if given:
        return given[0].element_type
    return first if places else None
