"""What import knows about a tensor beyond its type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.ir import SSAValue

from ..dialects.graph.types import GraphTensorType, is_integer

if TYPE_CHECKING:
    from ..dialects.shape import Dim

# Larger tensors are data, not shapes.
MAX_TRACKED_ELEMENTS = 256


class Value:
    """A tensor during import: in IR already, or not yet because its elements are known.

    ``constant`` holds all elements; ``contents`` is an object array of what is known of each: a number, a
    SymPy expression over dimensions, or None. A value with neither has an SSA value.
    """

    __slots__ = ("code", "constant", "contents", "name", "ssa", "type")

    def __init__(
        self,
        type: GraphTensorType,
        *,
        ssa: SSAValue | None = None,
        constant: np.ndarray | None = None,
        contents: np.ndarray | None = None,
        name: str = "",
    ):
        self.type = type
        self.ssa = ssa
        self.constant = constant
        self.contents = contents
        self.name = name
        self.code = 0
        """ONNX's number of the element type, where that has fewer bits than what holds it; 0: as held."""

    def of_code(self, code: int) -> Value:
        """The same tensor with elements of that ONNX type."""
        if code == self.code:
            return self
        value = Value(self.type, ssa=self.ssa, constant=self.constant, contents=self.contents, name=self.name)
        value.code = code
        return value

    @property
    def dims(self) -> tuple[Dim, ...]:
        return self.type.dims

    @property
    def rank(self) -> int:
        return self.type.rank

    @property
    def element_type(self) -> Any:
        return self.type.element_type

    def known(self) -> np.ndarray | None:
        """What is known of the elements, as an object array; None where nothing is tracked."""
        if self.contents is None and self.constant is not None and self._is_tracked(self.constant):
            self.contents = objects(self.constant)
        return self.contents

    @staticmethod
    def _is_tracked(array: np.ndarray) -> bool:
        """Whether its elements may become part of a shape: text does not."""
        return array.size <= MAX_TRACKED_ELEMENTS and array.dtype != object

    def dimensions(self) -> list[Dim] | None:
        """All elements as dimensions, where they are known integers."""
        known = self.known()
        if known is None or not is_integer(self.element_type):
            return None
        elements = known.reshape(-1).tolist()
        return None if any(element is None for element in elements) else elements

    def integers(self) -> list[int] | None:
        """All elements as plain integers, where known as such."""
        elements = self.dimensions()
        if elements is None or not all(isinstance(element, int) for element in elements):
            return None
        return elements  # pyright: ignore[reportReturnType]


def objects(array: np.ndarray) -> np.ndarray:
    """The elements of an array as plain Python numbers."""
    result = np.empty(array.size, object)
    result[:] = array.reshape(-1).tolist()
    return result.reshape(array.shape)


def object_array(elements: Sequence[Any], shape: Sequence[int]) -> np.ndarray:
    result = np.empty(len(elements), object)
    for index, element in enumerate(elements):
        result[index] = element
    return result.reshape(tuple(shape))
