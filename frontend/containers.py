"""Sequences and optional values during import.

One whose parts are known is a Python object of these classes, so that what takes it apart again leaves no trace. Where
a run decides what it holds, or it leaves the graph, it becomes a value: a scalar whose element it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import onnx
from xdsl.ir import Attribute

from ..dialects.graph.containers import OptionalGetElementOp, OptionalOp, SequenceOp, SplitToSequenceOp
from ..dialects.graph.types import GraphTensorType, OptionalType, SequenceType
from ..dialects.shape import add, ceildiv, minimum, multiply
from .values import Value

if TYPE_CHECKING:
    from ..dialects.shape import Dim
    from .builder import GraphBuilder
    from .node import Node


class TensorList(list[Value]):
    """A sequence of known tensors, and the type of their elements, which an empty one has, too."""

    def __init__(self, values: Iterable[Value], element: Attribute):
        super().__init__(values)
        self.element = element


@dataclass
class Parts:
    """What ``value`` is cut into along an axis: parts of ``step``, the last of what is left.

    Without ``keeps_axis``, parts of length 1 lack that axis.
    """

    value: Value
    axis: int
    step: Dim
    keeps_axis: bool

    @property
    def size(self) -> Dim:
        return self.value.dims[self.axis]

    @property
    def count(self) -> Dim:
        return ceildiv(self.size, self.step)

    def listed(self, node: Node) -> TensorList | None:
        """All parts, where their sizes are known."""
        if not isinstance(self.size, int) or not isinstance(self.step, int):
            return None
        sizes: list[Dim] = [min(self.step, self.size - start) for start in range(0, self.size, self.step)]
        parts = node.b.split(self.value, self.axis, sizes)
        return TensorList([self.without_axis(node, part) for part in parts], self.value.element_type)

    def at(self, node: Node, position: int) -> Value:
        """The part at a position, which counts from the end where it is negative; a run checks that it is there."""
        place = position if position >= 0 else add(self.count, position)
        start = multiply(place, self.step)
        node.at_least(place, 0, "the position in the sequence")
        node.at_least(self.size, add(start, 1), "the size of the axis that is split")
        return self.without_axis(
            node, node.b.slice(self.value, [self.axis], [start], [minimum(add(start, self.step), self.size)])
        )

    def at_computed(self, node: Node, position: Value) -> Value:
        """As ``at``, of parts of length 1."""
        part = node.b.gather(self.value, node.b.reshape(position, (1,)), self.axis)
        return self.without_axis(node, part)

    def without_axis(self, node: Node, part: Value) -> Value:
        return part if self.keeps_axis else node.b.squeeze(part, [self.axis])

    def joined(self, node: Node, axis: int, new_axis: bool) -> Value | None:
        """All parts, concatenated along an axis, or stacked along a new one; None for what is not possible."""
        node.at_least(self.count, 1, "the length of the sequence that is concatenated")
        if self.keeps_axis and not new_axis:
            return self.value if node.axis(axis, self.value.rank) == self.axis else None
        if self.step != 1 or not new_axis:
            return None
        rank = self.value.rank + self.keeps_axis
        order = [place for place in range(self.value.rank) if place != self.axis]
        value = node.b.transpose(self.value, [self.axis, *order])
        if self.keeps_axis:
            value = node.b.unsqueeze(value, [1 + self.axis])
        places = list(range(1, rank))
        places.insert(node.axis(axis, rank), 0)
        return node.b.transpose(value, places)


@dataclass
class Maybe:
    """An optional value of which it is known whether it is there: ``element`` is it, or None."""

    element: Any
    type: GraphTensorType


def sequence_type(values: TensorList) -> GraphTensorType:
    sequence = SequenceType.empty(values.element)
    for value in values:
        sequence = sequence.with_member(value.type)
    return GraphTensorType.of((), sequence)


def as_value(b: GraphBuilder, value: Any) -> Value:
    """The value that holds a sequence or an optional value; a value itself."""
    if isinstance(value, Value):
        return value
    if isinstance(value, TensorList):
        return b.emit(SequenceOp, value, [sequence_type(value)])[0]
    if isinstance(value, Parts):
        x = value.value
        kind = SequenceType.of(x.element_type, x.rank if value.keeps_axis else x.rank - 1)
        sizes = b.dim_values([value.step], shape=())
        operands = [x, sizes]
        fields = {"axis": value.axis, "keeps_axis": value.keeps_axis}
        return b.emit(SplitToSequenceOp, operands, [GraphTensorType.of((), kind)], **fields)[0]
    assert isinstance(value, Maybe)
    if value.element is None:
        return b.emit(OptionalOp, [], [GraphTensorType.of((), OptionalType(value.type))])[0]
    element = as_value(b, value.element)
    return b.emit(OptionalOp, [element], [GraphTensorType.of((), OptionalType(element.type))])[0]


def as_values(scope: Any, graph: onnx.GraphProto) -> list[Value]:
    """The results of a graph in its scope, sequences and optional values as scalars that hold them."""
    return [as_value(scope.builder, value) for value in scope.results(graph)]


def nothing(b: GraphBuilder, type_: GraphTensorType) -> Value:
    """What stands for a value of that type that nobody looks at: zeros, empty text, no part, none."""
    element = type_.element_type
    if isinstance(element, SequenceType):
        return b.emit(SequenceOp, [], [type_])[0]
    if isinstance(element, OptionalType):
        return b.emit(OptionalOp, [], [type_])[0]
    return b.broadcast_to(b.zero(element), type_.dims)


def is_optional(value: Any) -> bool:
    """Whether only a run knows if the value is there."""
    return isinstance(value, Value) and isinstance(value.element_type, OptionalType)


def element_of_optional(node: Node, value: Value) -> Value:
    """What is there, with sizes of its own where they are not known."""
    inside: GraphTensorType = value.element_type.value_type
    dims = [size if isinstance(size, int) else None for size in inside.dims]
    return node.b.emit(OptionalGetElementOp, [value], [node.fresh_type(inside.element_type, dims)])[0]
