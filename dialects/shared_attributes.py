"""Types and attributes that many ops have, made once each: a vector type takes 80 us to make, and 0.3 us to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    DenseArrayBase,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StridedLayoutAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.ir import Attribute

_Element = TypeVar("_Element", bound=Attribute)
_shared = lru_cache(maxsize=1 << 13)


def vector_type(element: _Element, shape: Sequence[int]) -> VectorType[_Element]:
    return _vector_type(element, tuple(shape))  # pyright: ignore[reportReturnType]


@_shared
def _vector_type(element: Attribute, shape: tuple[int, ...]) -> VectorType:
    return VectorType(element, ArrayAttr(IntAttr(size) for size in shape))


@_shared
def integer(value: int, type_: Attribute = i64) -> IntegerAttr:
    return IntegerAttr(value, type_)  # pyright: ignore[reportArgumentType, reportCallIssue]


@_shared
def integers(*values: int) -> DenseArrayBase:
    """An array of i64, as positions are."""
    return DenseArrayBase.from_list(i64, values)


@_shared
def small_integers(*values: int) -> DenseArrayBase:
    """An array of i32, as the sizes of operand segments are."""
    return DenseArrayBase.from_list(i32, values)


@_shared
def strided_view(
    element: Attribute,
    space: Attribute,
    offset: int | None,
    sizes: tuple[int | None, ...],
    strides: tuple[int | None, ...],
) -> tuple[MemRefType, Mapping[str, Attribute]]:
    """The type of a view, and the properties of the memref.reinterpret_cast that makes it; None: known at run time."""
    parts = {"offsets": (offset,), "sizes": sizes, "strides": strides}
    static = {name: [DYNAMIC_INDEX if index is None else index for index in part] for name, part in parts.items()}
    segments = (1, *(part.count(None) for part in parts.values()))
    properties = {f"static_{name}": integers(*part) for name, part in static.items()}
    type_ = MemRefType(element, static["sizes"], StridedLayoutAttr(strides, offset), space)
    return type_, {**properties, "operandSegmentSizes": small_integers(*segments)}
