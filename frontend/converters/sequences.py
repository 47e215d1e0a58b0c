"""Operators on sequences of tensors: done with while importing where the parts are known, else left to the run."""

from __future__ import annotations

from typing import Any

import onnx

from ...dialects.graph.containers import (
    ConcatFromSequenceOp,
    SequenceAtOp,
    SequenceEraseOp,
    SequenceInsertOp,
    SequenceLengthOp,
    SplitToSequenceOp,
)
from ...dialects.graph.types import GraphTensorType, SequenceType, f32, i1
from ..containers import Parts, TensorList, as_value, as_values
from ..element_types import element_of
from ..node import Node
from ..registry import converter
from ..values import Value
from .control import counted_loop, loop_of_values
from .movement import split_sizes

Sequence = TensorList | Parts | Value


def _sequence(node: Node, index: int = 0) -> Sequence:
    """An input that is a sequence, as a list where that is possible."""
    value: Any = node.inputs[index]
    if isinstance(value, Parts):
        listed = value.listed(node)
        return value if listed is None else listed
    if not isinstance(value, TensorList | Value) or not _is_sequence(node, index):
        node.invalid(f"input #{index} must be a sequence")
    return value


def _held(node: Node, sequence: Sequence) -> Value:
    """The sequence as a value."""
    return as_value(node.b, sequence)


def _position(node: Node, index: int, length: int, default: int, *, past_end: bool = False) -> int | None:
    """A position in a sequence of this length, None where it is not known; ``past_end``: also one after the last."""
    position = node.scalar_input(index, default)
    if position is None:
        return None
    if not -length <= position < length + past_end:
        node.invalid(f"position {position} is out of range in a sequence of {length}")
    return int(position) % length if position < 0 else int(position)


def _given_position(node: Node, index: int) -> list[Value]:
    """The position as an operand, where there is one."""
    position = node.optional(index)
    return [] if position is None else [node.b.reshape(position, ())]


@converter("SequenceConstruct")
def convert_sequence_construct(node: Node) -> list[Any]:
    return [TensorList(node.present, node.input(0).element_type)]


@converter("SequenceEmpty")
def convert_sequence_empty(node: Node) -> list[Any]:
    return [TensorList([], element_of(node.attribute("dtype", onnx.TensorProto.FLOAT)))]


@converter("SequenceAt")
def convert_sequence_at(node: Node) -> Value:
    values = _sequence(node)
    if isinstance(values, TensorList):
        place = _position(node, 1, len(values), 0)
        if place is not None:
            return values[place]
    if isinstance(values, Parts):
        known = node.scalar_input(1, 0)
        if known is not None:
            return values.at(node, int(known))
        if values.step == 1:
            return values.at_computed(node, node.input(1))
    return member_at(node, _held(node, values), node.b.reshape(node.input(1), ()), node.declared_rank(0))


def member_at(node: Node, sequence: Value, position: Value, declared_rank: int | None = None) -> Value:
    """What stands at a position that a run gives."""
    kind = sequence.element_type
    rank = declared_rank if kind.rank_of_members is None else kind.rank_of_members
    if rank is None:
        node.unsupported(
            "how many dimensions the tensors of the sequence have is not known",
            "declare the shape of this node's output (onnx.shape_inference), or use tensors of one rank",
        )
    result = node.fresh_type(kind.element_type, [None] * rank)
    return node.b.emit(SequenceAtOp, [sequence, position], [result])[0]


@converter("SequenceInsert")
def convert_sequence_insert(node: Node) -> list[Any]:
    values, tensor = _sequence(node), node.input(1)
    if isinstance(values, TensorList):
        place = _position(node, 2, len(values), len(values), past_end=True)
        if place is not None:
            return [TensorList([*values[:place], tensor, *values[place:]], values.element)]
    return [node.b.op(SequenceInsertOp, _held(node, values), tensor, *_given_position(node, 2))]


@converter("SequenceErase")
def convert_sequence_erase(node: Node) -> list[Any]:
    values = _sequence(node)
    if isinstance(values, TensorList):
        place = _position(node, 1, len(values), -1)
        if place is not None:
            return [TensorList([*values[:place], *values[place + 1 :]], values.element)]
    return [node.b.op(SequenceEraseOp, _held(node, values), *_given_position(node, 1))]


@converter("SequenceLength")
def convert_sequence_length(node: Node) -> Value:
    values = _sequence(node)
    if isinstance(values, Value):
        return node.b.op(SequenceLengthOp, values)
    return node.b.dim_values([len(values) if isinstance(values, TensorList) else values.count], shape=())


@converter("ConcatFromSequence")
def convert_concat_from_sequence(node: Node) -> Value:
    values, axis = _sequence(node), node.attribute("axis")
    new_axis = bool(node.attribute("new_axis", 0))
    if isinstance(values, Parts):
        joined = values.joined(node, axis, new_axis)
        if joined is not None:
            return joined
    if not isinstance(values, TensorList):
        return _concatenated(node, _held(node, values), axis, new_axis)
    if not values:
        node.invalid("an empty sequence cannot be concatenated")
    if new_axis:
        axis = node.axis(axis, values[0].rank + 1)
        return node.b.concat([node.b.unsqueeze(value, [axis]) for value in values], axis)
    return node.b.concat(values, node.axis(axis, values[0].rank))


def _concatenated(node: Node, sequence: Value, axis: int, new_axis: bool) -> Value:
    """What a run concatenates."""
    known, declared = sequence.element_type.rank_of_members, node.declared_rank(0)
    rank = declared if known is None else known + new_axis
    if rank is None:
        node.unsupported(
            "how many dimensions the tensors of the sequence have is not known",
            "declare the shape of this node's output (onnx.shape_inference), or use tensors of one rank",
        )
    result = node.fresh_type(sequence.element_type.element_type, [None] * rank)
    fields = {"axis": node.axis(axis, rank), "new_axis": new_axis}
    return node.b.emit(ConcatFromSequenceOp, [sequence], [result], **fields)[0]


@converter("SplitToSequence")
def convert_split_to_sequence(node: Node) -> list[Any]:
    x, b = node.input(0), node.b
    axis = node.axis(node.attribute("axis", 0), x.rank)
    size, given = x.dims[axis], node.optional(1)
    keeps_axis = given is not None or bool(node.attribute("keepdims", 1))
    if given is None:
        return [Parts(x, axis, 1, keeps_axis)]
    steps = given.dimensions()
    if steps is None or (given.rank and any(step is None for step in steps)):
        kind = GraphTensorType.of((), SequenceType.of(x.element_type, x.rank))
        return b.emit(SplitToSequenceOp, [x, given], [kind], axis=axis, keeps_axis=True)
    if given.rank:
        return [TensorList(b.split(x, axis, split_sizes(node, size)), x.element_type)]
    node.at_least(steps[0], 1, "the size of the parts (input #1)")
    return [Parts(x, axis, steps[0], keeps_axis)]


@converter("SequenceMap")
def convert_sequence_map(node: Node) -> list[Any]:
    """The body for each place of the first sequence: it takes what stands there in each sequence, and tensors whole."""
    first = _sequence(node)
    others: list[Any] = [_sequence(node, index) if _is_sequence(node, index) else node.inputs[index]
                         for index in range(1, len(node.inputs))]  # fmt: skip
    body: onnx.GraphProto = node.attribute("body")
    everything = [first, *others]
    if any(isinstance(value, Value) and isinstance(value.element_type, SequenceType) for value in everything):
        return _map_values(node, body, everything)
    if isinstance(first, Parts):
        return _map_parts(node, body, first)
    assert isinstance(first, TensorList)
    for index, other in enumerate(others, 1):
        if isinstance(other, Parts):
            node.relate(other.count, len(first), f"the length of input #{index}")
        if isinstance(other, TensorList) and len(other) != len(first):
            node.invalid(f"input #{index} is a sequence of {len(other)} tensors, but input #0 one of {len(first)}")
    if not first:
        return [TensorList([], _declared_element(info)) for info in body.output]
    rounds = []
    for place, value in enumerate(first):
        scope = node.body_scope("body", place)
        inputs = [value, *(_at(node, other, place) for other in others)]
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        rounds.append(as_values(scope, body))
    return [TensorList(results, results[0].element_type) for results in zip(*rounds)]


def _is_sequence(node: Node, index: int) -> bool:
    value: Any = node.inputs[index]
    return not isinstance(value, Value) or isinstance(value.element_type, SequenceType)


def _declared_element(info: onnx.ValueInfoProto) -> Any:
    code = info.type.tensor_type.elem_type
    return element_of(code) if code else f32


def _at(node: Node, values: Any, place: int) -> Value:
    """What stands at a place of a sequence; a tensor itself."""
    if isinstance(values, Parts):
        return values.at(node, place)
    return values[place] if isinstance(values, TensorList) else values


def _map_parts(node: Node, body: onnx.GraphProto, first: Parts) -> list[Any]:
    """As a loop, whose stacked results are cut into parts again."""
    for index, other in enumerate(node.inputs[1:], 1):
        if isinstance(other, Parts):
            node.relate(other.count, first.count, f"the length of input #{index}")
        elif not isinstance(other, Value):
            node.unknown_size("a sequence of parts of an axis", first.size)
    if any(isinstance(value, Parts) and value.step != 1 for value in node.inputs):
        return _map_values(node, body, list(node.inputs))

    def one_round(number: Value) -> list[Value]:
        scope = node.body_scope("body")
        inputs = [value.at_computed(node, number) if isinstance(value, Parts) else value for value in node.inputs]
        scope.values.update(zip((info.name for info in body.input), inputs))
        scope.add_graph(body)
        return as_values(scope, body)

    return [Parts(stacked, 0, 1, keeps_axis=False) for stacked in counted_loop(node, one_round, first.count)]


def _map_values(node: Node, body: onnx.GraphProto, inputs: list[Any]) -> list[Value]:
    """As a loop that takes tensors out of sequences, and puts its results into others."""
    b = node.b
    sequences = [as_value(b, value) for value in inputs]
    is_sequence = [isinstance(value.element_type, SequenceType) for value in sequences]
    ranks = [_declared_rank(info) for info in body.input]
    starts = [as_value(b, TensorList([], _declared_element(info))) for info in body.output]

    def one_round(number: Value, _: Value, *results: Value) -> list[Value]:
        scope = node.body_scope("body")
        given = [
            member_at(node, value, number, rank) if taken else value
            for value, taken, rank in zip(sequences, is_sequence, ranks)
        ]
        scope.values.update(zip((info.name for info in body.input), given))
        scope.add_graph(body)
        grown = [b.op(SequenceInsertOp, *pair) for pair in zip(results, as_values(scope, body))]
        return [b.scalar(True, i1), *grown]

    return loop_of_values(node, one_round, b.op(SequenceLengthOp, sequences[0]), b.scalar(True, i1), starts)


def _declared_rank(info: onnx.ValueInfoProto) -> int | None:
    tensor = info.type.tensor_type
    return len(tensor.shape.dim) if tensor.HasField("shape") else None
