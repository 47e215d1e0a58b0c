"""The decisions of kernels that order, count or select elements, and the memory in which they sort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import f64, i64
from xdsl.ir import Attribute, Operation

from . import shape as dims
from .decision_fields import MANY, REGISTERS, Decisions, decision
from .shape import Dim

SORT_COUNTERS = 256
"""Of a sort, by the value of a byte of the keys: 8 bytes each, before the pairs."""
PLACE_BYTES = 4
NONZERO_CHUNK = 2048
"""Elements that are looked through before it is written where those are that are not zero."""


def key_bits(element: Attribute) -> int:
    """Of the keys that order elements of a type."""
    return 64 if element in (i64, f64) else 32


def sort_scratch(bits: int, capacity: Dim) -> Dim:
    """Bytes in which so many keys of those bits are sorted with their places: counters, then pairs twice."""
    return dims.add(8 * SORT_COUNTERS, dims.multiply(capacity, 2 * (bits // 8 + PLACE_BYTES)))


@dataclass(frozen=True, kw_only=True)
class Selection(Decisions):
    """Vectors of elements that are looked at together."""

    lanes: int = decision("elements of a vector", REGISTERS)


@dataclass(frozen=True, kw_only=True)
class Nonzero(Selection):
    """Positions are noted before they are written."""

    def scratch(self, kernel: Operation) -> Dim | None:
        return PLACE_BYTES * (NONZERO_CHUNK + 1)


@dataclass(frozen=True, kw_only=True)
class TopK(Selection):
    """What may still be among the wanted elements is gathered, and sorted whenever there is no room for more."""

    FEWEST: ClassVar = 128
    """Elements for which there is room in any case, beside a vector."""

    room: int = decision("elements that are gathered for each that is wanted", MANY, 4)

    def capacity(self, kernel: Operation) -> Dim:
        """Elements that are gathered at most."""
        x, result = kernel.operands[0].type, kernel.results[0].type
        gathered = dims.maximum(dims.multiply(result.dims[-1], self.room), self.FEWEST)  # pyright: ignore[reportAttributeAccessIssue]
        return dims.add(dims.minimum(x.dims[-1], gathered), self.lanes)  # pyright: ignore[reportAttributeAccessIssue]

    def conflict(self, kernel: Operation) -> str | None:
        return f"{self.phrase('room')} leaves no room for other elements" if self.room < 2 else None

    def scratch(self, kernel: Operation) -> Dim | None:
        element = kernel.operands[0].type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        return sort_scratch(key_bits(element), self.capacity(kernel))


@dataclass(frozen=True, kw_only=True)
class Suppression(Selection):
    """Boxes are sorted by score; what is kept is compared with a vector at a time."""

    BOX_NUMBERS: ClassVar = 5
    """Of a box that is kept: its corners and its area, each in an array of its own."""

    def kept_bytes(self, kernel: Operation) -> Dim:
        """Of one of these arrays, which has a vector more than is kept."""
        return dims.multiply(dims.add(kernel.results[0].type.dims[2], self.lanes), 4)  # pyright: ignore[reportAttributeAccessIssue]

    def capacity(self, kernel: Operation) -> Dim:
        """Boxes that are sorted, and a vector more."""
        return dims.add(kernel.operands[1].type.dims[2], self.lanes)  # pyright: ignore[reportAttributeAccessIssue]

    def scratch(self, kernel: Operation) -> Dim | None:
        kept = dims.multiply(self.kept_bytes(kernel), self.BOX_NUMBERS)
        return dims.add(sort_scratch(32, self.capacity(kernel)), kept)


@dataclass(frozen=True, kw_only=True)
class Distinct(Selection):
    """Rows are sorted; where they keep the order of their first occurrence, what is distinct is numbered anew."""

    RENUMBERED: ClassVar = 3
    """Numbers of each row that is distinct, 8 bytes each."""

    def capacity(self, kernel: Operation) -> Dim:
        """Rows that are sorted, and one more."""
        return dims.add(kernel.operands[0].type.dims[0], 1)  # pyright: ignore[reportAttributeAccessIssue]

    def scratch(self, kernel: Operation) -> Dim | None:
        bits = key_bits(kernel.operands[0].type.element_type)  # pyright: ignore[reportAttributeAccessIssue]
        size = sort_scratch(bits, self.capacity(kernel))
        if kernel.properties.get("unsorted") is None:
            return size
        return dims.add(size, dims.multiply(self.capacity(kernel), 8 * self.RENUMBERED))


SELECTION_KINDS: Mapping[str, type[Selection]] = {
    "kernel.top_k": TopK,
    "kernel.count_nonzero": Selection,
    "kernel.nonzero": Nonzero,
    "kernel.suppress_boxes": Suppression,
    "kernel.list_boxes": Selection,
    "kernel.find_distinct": Distinct,
}
