"""Sequences of tensors: known when the model is compiled, so they are Python lists during import.

How many parts an axis of free size has is not known: such a sequence (``Parts``) is the tensor that it was cut from,
and its parts are slices where they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from ...dialects.shape import add, ceildiv, minimum, multiply
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value
from .control import counted_loop
from .movement import split_sizes

if TYPE_CHECKING:
    import onnx

    from ...dialects.shape import Dim


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

    def listed(self, node: Node) -> list[Value] | None:
        """All parts, where their sizes are known."""
        if not isinstance(self.size, int) or not isinstance(self.step, int):
            return None
        sizes: list[Dim] = [min(self.step, self.size - start) for start in range(0, self.size, self.step)]
        return [self.without_axis(node, part) for part in node.b.split(self.value, self.axis, sizes)]

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
        if self.step != 1:
            _unknown_position(node)
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


def _sequence(node: Node, index: int = 0) -> list[Value]:
    """A sequence of known length. Raises UnsupportedOperatorError for another."""
    value = _parts_or_list(node, index)
    if isinstance(value, Parts):
        node.unknown_size("a sequence of parts of an axis", value.size)
    return value


def _parts_or_list(node: Node, index: int = 0) -> list[Value] | Parts:
    """A sequence, as a list where that is possible."""
    value: Any = node.inputs[index]
    if isinstance(value, Parts):
        return _list_if_known(node, value)
    if not isinstance(value, list):
        node.invalid(f"input #{index} must be a sequence")
    return value


def _list_if_known(node: Node, value: Any) -> Any:
    """A sequence of parts as a list, where their sizes are known; all else as it is."""
    listed = value.listed(node) if isinstance(value, Parts) else None
    return value if listed is None else listed


def _position(node: Node, index: int, length: int, default: int, *, past_end: bool = False) -> int:
    """A position in a sequence of this length; ``past_end``: also the one after the last."""
    position = node.scalar_input(index, default)
    if position is None:
        _unknown_position(node)
    if not -length <= position < length + past_end:
        node.invalid(f"position {position} is out of range in a sequence of {length}")
    return int(position) % length if position < 0 else int(position)


def _unknown_position(node: Node) -> NoReturn:
    node.unsupported("the position in the sequence must be known when the model is compiled", MAKE_CONSTANT)


@converter("SequenceConstruct")
def convert_sequence_construct(node: Node) -> list[Any]:
    return [node.present]


@converter("SequenceEmpty")
def convert_sequence_empty(node: Node) -> list[Any]:
    return [[]]


@converter("SequenceAt")
def convert_sequence_at(node: Node) -> Value:
    position = node.scalar_input(1, 0)
    values: Any = node.inputs[0]
    if position is None and isinstance(values, Parts):
        return values.at_computed(node, node.input(1))
    values = _parts_or_list(node)
    if isinstance(values, list) or position is None:
        return values[_position(node, 1, len(values), 0)]
    return values.at(node, int(position))


@converter("SequenceInsert")
def convert_sequence_insert(node: Node) -> list[Any]:
    values = list(_sequence(node))
    values.insert(_position(node, 2, len(values), len(values), past_end=True), node.input(1))
    return [values]


@converter("SequenceErase")
def convert_sequence_erase(node: Node) -> list[Any]:
    values = list(_sequence(node))
    del values[_position(node, 1, len(values), -1)]
    return [values]


@converter("SequenceLength")
def convert_sequence_length(node: Node) -> Value:
    values = _parts_or_list(node)
    return node.b.dim_values([len(values) if isinstance(values, list) else values.count], shape=())


@converter("ConcatFromSequence")
def convert_concat_from_sequence(node: Node) -> Value:
    values, axis = _parts_or_list(node), node.attribute("axis")
    new_axis = bool(node.attribute("new_axis", 0))
    if isinstance(values, Parts):
        joined = values.joined(node, axis, new_axis)
        return node.unknown_size("a sequence of parts of an axis", values.size) if joined is None else joined
    if not values:
        node.invalid("an empty sequence cannot be concatenated")
    if new_axis:
        axis = node.axis(axis, values[0].rank + 1)
        return node.b.concat([node.b.unsqueeze(value, [axis]) for value in values], axis)
    return node.b.concat(values, node.axis(axis, values[0].rank))


@converter("SplitToSequence")
def convert_split_to_sequence(node: Node) -> list[Any]:
    x, b = node.input(0), node.b
    axis = node.axis(node.attribute("axis", 0), x.rank)
    size, given = x.dims[axis], node.optional(1)
    keeps_axis = given is not None or bool(node.attribute("keepdims", 1))
    if given is not None and given.rank > 0:
        return [b.split(x, axis, split_sizes(node, size))]
    steps = [1] if given is None else given.dimensions()
    if steps is None:
        node.unsupported("the size of the parts (input #1) must be known when the model is compiled", MAKE_CONSTANT)
    step = steps[0]
    node.at_least(step, 1, "the size of the parts (input #1)")
    return [Parts(x, axis, step, keeps_axis)]


@converter("SequenceMap")
def convert_sequence_map(node: Node) -> list[Any]:
    """The body for each place of the first sequence: it takes what stands there in each sequence, and tensors whole."""
    first = _parts_or_list(node)
    body: onnx.GraphProto = node.attribute("body")
    if isinstance(first, Parts):
        return _map_parts(node, body, first)
    others: list[Any] = [_list_if_known(node, other) for other in node.inputs[1:]]
    for index, other in enumerate(others, 1):
        if isinstance(other, Parts):
            node.relate(other.count, len(first), f"the length of input #{index}")
        if isinstance(other, list) and len(other) != len(first):
            node.invalid(f"input #{index} is a sequence of {len(other)} tensors, but input #0 one of {len(first)}")
    results: list[list[Value]] = [[] for _ in body.output]
    for place, value in enumerate(first):
        scope = node.body_scope("body", place)
        inputs = [value, *(_at(node, other, place) for other in others)]
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        for parts, result in zip(results, scope.results(body)):
            parts.append(result)
    return results


def _at(node: Node, values: Any, place: int) -> Value:
    """What stands at a place of a sequence; a tensor itself."""
    if isinstance(values, Parts):
        return values.at(node, place)
    return values[place] if isinstance(values, list) else values


def _map_parts(node: Node, body: onnx.GraphProto, first: Parts) -> list[Any]:
    """As a loop, whose stacked results are cut into parts again."""
    for index, other in enumerate(node.inputs[1:], 1):
        if isinstance(other, Parts):
            node.relate(other.count, first.count, f"the length of input #{index}")
        elif not isinstance(other, Value):
            node.unknown_size("a sequence of parts of an axis", first.size)

    def one_round(number: Value) -> list[Value]:
        scope = node.body_scope("body")
        inputs = [value.at_computed(node, number) if isinstance(value, Parts) else value for value in node.inputs]
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        return scope.tensors(body)

    return [Parts(stacked, 0, 1, keeps_axis=False) for stacked in counted_loop(node, one_round, first.count)]
