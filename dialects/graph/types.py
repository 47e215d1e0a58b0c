"""The graph level's one type: a tensor with a shape of dimensions and an element type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import (
    ArrayAttr,
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IntAttr,
    IntegerType,
    Signedness,
    bf16,
    f16,
    f32,
    f64,
    i1,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from ..dimension_attribute import DimensionAttr, dimension_array, parse_shape, print_shape
from ..shape import is_static, product, same_dimension

if TYPE_CHECKING:
    from ..shape import Dim

i8, i16, i32, i64 = (IntegerType(width) for width in (8, 16, 32, 64))
ui8, ui16, ui32, ui64 = (IntegerType(width, Signedness.UNSIGNED) for width in (8, 16, 32, 64))


@irdl_attr_definition
class StringType(ParametrizedAttribute, TypeAttribute):
    """``!graph.string``: an element that is text. Arrays hold it as Python's ``str``, in objects."""

    name: ClassVar[str] = "graph.string"


string = StringType()

_ANY_RANK, _EMPTY = -1, -2


@irdl_attr_definition
class SequenceType(ParametrizedAttribute, TypeAttribute):
    """``!graph.sequence<f32>``: an element that is a sequence of tensors of f32; ``<f32, 2>``: of two dimensions each.

    ``<f32, empty>`` is one that has none yet. Arrays hold it as a tuple, in objects.
    """

    name: ClassVar[str] = "graph.sequence"

    element_type: Attribute
    rank: IntAttr

    @staticmethod
    def of(element_type: Attribute, rank: int | None = None) -> SequenceType:
        """Of tensors that all have this rank, where that is given."""
        return SequenceType(element_type, IntAttr(_ANY_RANK if rank is None else rank))

    @staticmethod
    def empty(element_type: Attribute) -> SequenceType:
        return SequenceType(element_type, IntAttr(_EMPTY))

    @property
    def rank_of_members(self) -> int | None:
        """What all members have, if that is known."""
        return self.rank.data if self.rank.data >= 0 else None

    def joined(self, other: SequenceType) -> SequenceType:
        """The type of what may be either."""
        ranks = {self.rank.data, other.rank.data} - {_EMPTY} or {_EMPTY}
        return SequenceType(self.element_type, IntAttr(ranks.pop() if len(ranks) == 1 else _ANY_RANK))

    def with_member(self, tensor: GraphTensorType) -> SequenceType:
        """With such a tensor more. Raises VerifyException where its elements are others."""
        if tensor.element_type != self.element_type:
            raise VerifyException(f"{tensor} cannot be in {self}")
        return self.joined(SequenceType.of(self.element_type, tensor.rank))

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            element, rank = parser.parse_type(), _ANY_RANK
            if parser.parse_optional_punctuation(",") is not None:
                is_empty = parser.parse_optional_keyword("empty") is not None
                rank = _EMPTY if is_empty else parser.parse_integer(allow_boolean=False, allow_negative=False)
            return [element, IntAttr(rank)]

    def print_parameters(self, printer: Printer) -> None:
        rank = {_ANY_RANK: "", _EMPTY: ", empty"}.get(self.rank.data, f", {self.rank.data}")
        with printer.in_angle_brackets():
            printer.print_attribute(self.element_type)
            printer.print_string(rank)


@irdl_attr_definition
class OptionalType(ParametrizedAttribute, TypeAttribute):
    """``!graph.optional<!graph.tensor<4 x f32>>``: an element that is such a value, or none. Objects hold it."""

    name: ClassVar[str] = "graph.optional"

    value: Attribute

    @property
    def value_type(self) -> GraphTensorType:
        assert isinstance(self.value, GraphTensorType)
        return self.value


@irdl_attr_definition
class MapType(ParametrizedAttribute, TypeAttribute):
    """``!graph.map<i64, f32>``: an element that maps keys to values. Arrays hold it as a ``dict``, in objects."""

    name: ClassVar[str] = "graph.map"

    key: Attribute
    value: Attribute


def is_container(element: Attribute) -> bool:
    """Whether an element is a sequence, an optional value or a map."""
    return isinstance(element, SequenceType | OptionalType | MapType)


def joined_element(left: Attribute, right: Attribute) -> Attribute | None:
    """The element type of what may be either; None where there is none."""
    if isinstance(left, SequenceType) and isinstance(right, SequenceType) and left.element_type == right.element_type:
        return left.joined(right)
    if isinstance(left, OptionalType) and isinstance(right, OptionalType):
        inner = joined_element(left.value_type.element_type, right.value_type.element_type)
        same_rank = left.value_type.rank == right.value_type.rank
        return OptionalType(left.value_type.with_element(inner)) if inner is not None and same_rank else None
    return left if left == right else None


_NUMPY_OF_ELEMENT: dict[Attribute, np.dtype] = {
    f16: np.dtype(np.float16),
    bf16: np.dtype(ml_dtypes.bfloat16),
    f32: np.dtype(np.float32),
    f64: np.dtype(np.float64),
    i1: np.dtype(np.bool_),
    i8: np.dtype(np.int8),
    i16: np.dtype(np.int16),
    i32: np.dtype(np.int32),
    i64: np.dtype(np.int64),
    ui8: np.dtype(np.uint8),
    ui16: np.dtype(np.uint16),
    ui32: np.dtype(np.uint32),
    ui64: np.dtype(np.uint64),
    string: np.dtype(object),
}
NARROW_INTEGERS = (i8, ui8, i16)
"""Integers whose products are summed in i32, whichever two of them are multiplied."""
BYTES = (i8, ui8)
"""Integers that quantised tensors are held in and computed with as they are."""
_ELEMENT_OF_NUMPY = {dtype: element for element, dtype in _NUMPY_OF_ELEMENT.items()}


def numpy_dtype(element: Attribute) -> np.dtype:
    """The NumPy dtype of an element type. Raises KeyError for a type that is not an element type."""
    return _NUMPY_OF_ELEMENT[string if is_container(element) else element]


def element_type_of(dtype: np.dtype | type) -> Attribute:
    """The element type of a NumPy dtype; objects are text. Raises KeyError where there is none (complex)."""
    return _ELEMENT_OF_NUMPY[np.dtype(dtype)]


def is_float(element: Attribute) -> bool:
    return isinstance(element, Float16Type | BFloat16Type | Float32Type | Float64Type)


def is_bool(element: Attribute) -> bool:
    return element == i1


def is_integer(element: Attribute) -> bool:
    """An integer of 8 bits or more, signed or not; truth values are not integers."""
    return isinstance(element, IntegerType) and element != i1


@irdl_attr_definition
class GraphTensorType(ParametrizedAttribute, TypeAttribute):
    """``!graph.tensor<N x 64 x (H floordiv 2) x f32>``; a scalar is ``!graph.tensor<f32>``.

    Signless integers are signed; unsigned ones say so (``ui8``); ``i1`` is a truth value.
    """

    name: ClassVar[str] = "graph.tensor"

    shape: ArrayAttr[DimensionAttr]
    element_type: Attribute

    @staticmethod
    def of(dimensions: Sequence[Dim], element_type: Attribute) -> GraphTensorType:
        """The type with these dimensions (integers or expressions) and element type."""
        return GraphTensorType(dimension_array(dimensions), element_type)

    @staticmethod
    def of_array(array: np.ndarray) -> GraphTensorType:
        """The type of a NumPy array."""
        return GraphTensorType.of([int(d) for d in array.shape], element_type_of(array.dtype))

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dimensions, outermost first."""
        return tuple([dimension.data for dimension in self.shape.data])

    @property
    def rank(self) -> int:
        return len(self.shape.data)

    @property
    def is_static(self) -> bool:
        return is_static(self.dims)

    @property
    def element_count(self) -> Dim:
        return product(self.dims)

    @property
    def dtype(self) -> np.dtype:
        return numpy_dtype(self.element_type)

    def with_dims(self, dimensions: Sequence[Dim]) -> GraphTensorType:
        return GraphTensorType.of(dimensions, self.element_type)

    def with_element(self, element_type: Attribute) -> GraphTensorType:
        return GraphTensorType(self.shape, element_type)

    def same_shape(self, other: GraphTensorType) -> bool:
        """Whether all dimensions are equal for every value of the symbols."""
        return self.shape == other.shape or (
            self.rank == other.rank and all(map(same_dimension, self.dims, other.dims))
        )

    def verify(self) -> None:
        if self.element_type not in _NUMPY_OF_ELEMENT and not is_container(self.element_type):
            raise VerifyException(f"C1: '{self.element_type}' cannot be an element type of graph.tensor")
        for dimension in self.dims:
            if isinstance(dimension, int) and dimension < 0:
                raise VerifyException(f"C2: a dimension cannot be negative, got {dimension}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            dimensions = parse_shape(parser)
            return dimension_array(dimensions), parser.parse_type()

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            print_shape(printer, self.dims)
            printer.print_attribute(self.element_type)
