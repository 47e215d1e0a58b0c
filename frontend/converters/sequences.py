"""Sequences of tensors: known when the model is compiled, so they are Python lists during import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value
from .movement import split_sizes

if TYPE_CHECKING:
    import onnx


def _sequence(node: Node, index: int = 0) -> list[Value]:
    value: Any = node.inputs[index]
    if not isinstance(value, list):
        node.invalid(f"input #{index} must be a sequence")
    return value


def _position(node: Node, index: int, length: int, default: int) -> int:
    position = node.scalar_input(index, default)
    if position is None:
        node.unsupported("the position in the sequence must be known when the model is compiled", MAKE_CONSTANT)
    return int(position) % length if length and position < 0 else int(position)


@converter("SequenceConstruct")
def convert_sequence_construct(node: Node) -> list[Any]:
    return [node.present]


@converter("SequenceEmpty")
def convert_sequence_empty(node: Node) -> list[Any]:
    return [[]]


@converter("SequenceAt")
def convert_sequence_at(node: Node) -> Value:
    values = _sequence(node)
    return values[_position(node, 1, len(values), 0)]


@converter("SequenceInsert")
def convert_sequence_insert(node: Node) -> list[Any]:
    values = list(_sequence(node))
    values.insert(_position(node, 2, len(values), len(values)), node.input(1))
    return [values]


@converter("SequenceErase")
def convert_sequence_erase(node: Node) -> list[Any]:
    values = list(_sequence(node))
    del values[_position(node, 1, len(values), -1)]
    return [values]


@converter("SequenceLength")
def convert_sequence_length(node: Node) -> Value:
    return node.b.dim_values([len(_sequence(node))], shape=())


@converter("ConcatFromSequence")
def convert_concat_from_sequence(node: Node) -> Value:
    values, axis = _sequence(node), node.attribute("axis")
    if node.attribute("new_axis", 0):
        axis = node.axis(axis, values[0].rank + 1)
        return node.b.concat([node.b.unsqueeze(value, [axis]) for value in values], axis)
    return node.b.concat(values, node.axis(axis, values[0].rank))


@converter("SplitToSequence")
def convert_split_to_sequence(node: Node) -> list[Any]:
    x, b = node.input(0), node.b
    axis = node.axis(node.attribute("axis", 0), x.rank)
    size = x.dims[axis]
    given = node.optional(1)
    if given is None or given.rank == 0:
        step = 1 if given is None else int(node.constant_input(1, "the size of the parts").reshape(()))
        if not isinstance(size, int):
            node.unknown_size("splitting into a sequence", size)
        sizes: list[Any] = [min(step, size - start) for start in range(0, size, step)]
    else:
        sizes = split_sizes(node, size)
    parts = b.split(x, axis, sizes)
    if given is None and not node.attribute("keepdims", 1):
        parts = [b.squeeze(part, [axis]) for part in parts]
    return [parts]


@converter("SequenceMap")
def convert_sequence_map(node: Node) -> list[Any]:
    """The body for each place of the first sequence: it takes what stands there in each sequence, and tensors whole."""
    first = _sequence(node)
    body: onnx.GraphProto = node.attribute("body")
    others: list[Any] = node.inputs[1:]
    for index, other in enumerate(others, 1):
        if isinstance(other, list) and len(other) != len(first):
            node.invalid(f"input #{index} is a sequence of {len(other)} tensors, but input #0 one of {len(first)}")
    results: list[list[Value]] = [[] for _ in body.output]
    for place, value in enumerate(first):
        scope = node.body_scope("body", place)
        inputs = [value, *(other[place] if isinstance(other, list) else other for other in others)]
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        for parts, result in zip(results, scope.results(body)):
            parts.append(result)
    return results
