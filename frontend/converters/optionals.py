"""Operators on optional values: a tensor, a sequence, or none."""

from __future__ import annotations

from typing import Any

import onnx

from ...dialects.graph.containers import OptionalHasElementOp
from ...dialects.graph.types import i1
from ..container_types import container_type
from ..containers import Maybe, Parts, TensorList, as_value, element_of_optional, is_optional, sequence_type
from ..node import Node
from ..registry import converter
from ..values import Value


@converter("Optional")
def convert_optional(node: Node) -> list[Any]:
    element: Any = node.optional(0)
    if element is None:
        declared: onnx.TypeProto = node.attribute("type")
        return [Maybe(None, container_type(declared, node.b.symbols))]
    if isinstance(element, TensorList):
        return [Maybe(element, sequence_type(element))]
    return [Maybe(element, as_value(node.b, element).type if isinstance(element, Parts) else element.type)]


@converter("OptionalHasElement")
def convert_optional_has_element(node: Node) -> Value:
    """A tensor or a sequence is there."""
    given: Any = node.optional(0)
    if is_optional(given):
        return node.b.op(OptionalHasElementOp, given)
    return node.b.scalar(given is not None and not (isinstance(given, Maybe) and given.element is None), i1)


@converter("OptionalGetElement")
def convert_optional_get_element(node: Node) -> list[Any]:
    given: Any = node.inputs[0]
    if isinstance(given, Maybe):
        if given.element is None:
            node.invalid("the optional value is not there")
        return [given.element]
    return [element_of_optional(node, given) if is_optional(given) else given]
