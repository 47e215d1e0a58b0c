"""Types of values that ONNX declares, and their names in its signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from xdsl.ir import Attribute

from ..dialects.graph.types import GraphTensorType, MapType, OptionalType, SequenceType, is_container, numpy_dtype
from .element_types import element_of, is_held_otherwise, type_name_of

if TYPE_CHECKING:
    from .symbols import Symbols

_NAMES = {"float32": "float", "float64": "double", "object": "string"}


def kind_of(element: Attribute, code: int = 0) -> str:
    """What ONNX calls a value of such elements: tensor(float), seq(tensor(float)), map(int64,tensor(float)).

    ``code`` is ONNX's number of their type, where what holds them does not say it.
    """
    if isinstance(element, SequenceType):
        return f"seq({kind_of(element.element_type)})"
    if isinstance(element, OptionalType):
        return f"optional({kind_of(element.value_type.element_type)})"
    if isinstance(element, MapType):
        return f"map({kind_of(element.key)[7:-1]},{kind_of(element.value)})"
    if is_held_otherwise(code):
        return f"tensor({type_name_of(code)})"
    name = numpy_dtype(element).name
    return f"tensor({_NAMES.get(name, name)})"


def says_its_kind(element: Attribute, code: int) -> bool:
    """Whether the element type alone tells what ONNX calls a value of it."""
    return not is_container(element) and not is_held_otherwise(code)


def container_type(proto: onnx.TypeProto, symbols: Symbols) -> GraphTensorType:
    """The type of a declared value; sizes inside of containers are symbols of their own.

    Raises KeyError for elements that cannot be held.
    """
    kind = proto.WhichOneof("value")
    if kind == "optional_type":
        return GraphTensorType.of((), OptionalType(container_type(proto.optional_type.elem_type, symbols)))
    if kind == "sequence_type":
        inside = proto.sequence_type.elem_type
        if inside.HasField("map_type"):
            return GraphTensorType.of((), SequenceType.of(_map_type(inside.map_type), 0))
        if not inside.HasField("tensor_type"):
            raise KeyError(inside.WhichOneof("value"))
        tensor = inside.tensor_type
        rank = len(tensor.shape.dim) if tensor.HasField("shape") else None
        return GraphTensorType.of((), SequenceType.of(_plain_element(tensor.elem_type), rank))
    if kind == "map_type":
        return GraphTensorType.of((), _map_type(proto.map_type))
    if kind != "tensor_type":
        raise KeyError(kind)
    sizes = [d.dim_value if d.HasField("dim_value") else symbols.fresh("size") for d in proto.tensor_type.shape.dim]
    return GraphTensorType.of(sizes, _plain_element(proto.tensor_type.elem_type))


def _map_type(proto: onnx.TypeProto.Map) -> MapType:
    """Of keys to numbers or text. Raises KeyError for other values."""
    if not proto.value_type.HasField("tensor_type"):
        raise KeyError(proto.value_type.WhichOneof("value"))
    return MapType(_plain_element(proto.key_type), _plain_element(proto.value_type.tensor_type.elem_type))


def _plain_element(code: int) -> Attribute:
    """The element type of tensors inside of containers, which must say itself what they are. Raises KeyError."""
    if is_held_otherwise(code):
        raise KeyError(type_name_of(code))
    return element_of(code)
