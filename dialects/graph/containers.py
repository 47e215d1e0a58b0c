"""Sequences of tensors and optional values: a scalar tensor holds one as its element. They live on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, flag, graph_operation, integer
from .types import GraphTensorType, OptionalType, SequenceType, i1, i64, is_integer


def sequence_of(constraint: str, type_: GraphTensorType) -> SequenceType:
    """The sequence that a scalar holds. Raises VerifyException where it holds none."""
    if not isinstance(type_.element_type, SequenceType) or type_.rank:
        raise VerifyException(f"{constraint}: expected a scalar that holds a sequence, got {type_}")
    return type_.element_type


def _require_member(constraint: str, sequence: SequenceType, tensor: GraphTensorType) -> None:
    known = sequence.rank_of_members
    if tensor.element_type != sequence.element_type or known not in (None, tensor.rank):
        raise VerifyException(f"{constraint}: {tensor} cannot be in {sequence}")


def _require_position(constraint: str, types: Sequence[GraphTensorType]) -> None:
    for type_ in types:
        if type_.rank or not is_integer(type_.element_type):
            raise VerifyException(f"{constraint}: a position must be a scalar of integers, got {type_}")


@graph_operation
class SequenceOp(GraphOperation):
    """The sequence of the operands. C1: the result is a scalar that holds a sequence; C2: they fit into it."""

    name = "graph.sequence"
    members = var_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        sequence = sequence_of("C1", result_types[0])
        for type_ in types:
            _require_member("C2", sequence, type_)


@graph_operation
class SplitToSequenceOp(GraphOperation):
    """What x is cut into along an axis: parts of the sizes given, or of one size and the last of what is left.

    Without ``keeps_axis`` parts of length 1 lack the axis. C1: the axis is one of x's; C2: sizes are integers, a vector
    or a scalar; C3: the parts fit into the result.
    """

    name = "graph.split_to_sequence"
    x = operand_def(GraphTensorType)
    sizes = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer(0)
    keeps_axis: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        x, sizes = types
        if not 0 <= values["axis"] < x.rank:
            raise VerifyException(f"C1: {x} has no axis {values['axis']}")
        if sizes.rank > 1 or not is_integer(sizes.element_type):
            raise VerifyException(f"C2: sizes must be integers, a vector or a scalar, got {sizes}")
        part = x if values["keeps_axis"] else x.with_dims(x.dims[1:])
        _require_member("C3", sequence_of("C3", result_types[0]), part)


@graph_operation
class SequenceAtOp(GraphOperation):
    """The tensor at a position, which counts from the end where it is negative.

    C1: a sequence; C2: the position is an integer; C3: the result fits into it.
    """

    name = "graph.sequence_at"
    sequence = operand_def(GraphTensorType)
    position = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        _require_position("C2", types[1:])
        _require_member("C3", sequence_of("C1", types[0]), result_types[0])


@graph_operation
class SequenceInsertOp(GraphOperation):
    """The sequence with a tensor before the one at a position, or at its end. C1: a sequence; C2: it is an integer."""

    name = "graph.sequence_insert"
    sequence = operand_def(GraphTensorType)
    tensor = operand_def(GraphTensorType)
    position = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        sequence, tensor, *position = types
        _require_position("C2", position)
        return [GraphTensorType.of((), sequence_of("C1", sequence).with_member(tensor))]


@graph_operation
class SequenceEraseOp(GraphOperation):
    """The sequence without the tensor at a position, or the last one. C1: a sequence; C2: it is an integer."""

    name = "graph.sequence_erase"
    sequence = operand_def(GraphTensorType)
    position = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        sequence_of("C1", types[0])
        _require_position("C2", types[1:])
        return [types[0]]


@graph_operation
class SequenceLengthOp(GraphOperation):
    """How many tensors there are. C1: a sequence."""

    name = "graph.sequence_length"
    sequence = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        sequence_of("C1", types[0])
        return [GraphTensorType.of((), i64)]


@graph_operation
class ConcatFromSequenceOp(GraphOperation):
    """The tensors one after another along an axis, or along a new one. C1: a sequence; C2: the result has the axis."""

    name = "graph.concat_from_sequence"
    sequence = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer(0)
    new_axis: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        sequence = sequence_of("C1", types[0])
        if not 0 <= values["axis"] < result_types[0].rank or result_types[0].element_type != sequence.element_type:
            raise VerifyException(f"C2: {sequence} cannot become {result_types[0]} along axis {values['axis']}")


@graph_operation
class OptionalOp(GraphOperation):
    """An optional value that is the operand, or none. C1: the result is a scalar that holds an optional value."""

    name = "graph.optional"
    element = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        _optional_of(result_types[0])


@graph_operation
class OptionalHasElementOp(GraphOperation):
    """Whether there is a value. C1: an optional value."""

    name = "graph.optional_has_element"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        _optional_of(types[0])
        return [GraphTensorType.of((), i1)]


@graph_operation
class OptionalGetElementOp(GraphOperation):
    """The value, which must be there. C1: an optional value; C2: the result is of its type."""

    name = "graph.optional_get_element"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        inside = _optional_of(types[0]).value_type
        if (inside.rank, inside.element_type) != (result_types[0].rank, result_types[0].element_type):
            raise VerifyException(f"C2: what {types[0]} holds is no {result_types[0]}")


def _optional_of(type_: GraphTensorType) -> OptionalType:
    if not isinstance(type_.element_type, OptionalType) or type_.rank:
        raise VerifyException(f"C1: expected a scalar that holds an optional value, got {type_}")
    return type_.element_type


CONTAINER_OPERATIONS: tuple[type[GraphOperation], ...] = (
    SequenceOp, SplitToSequenceOp, SequenceAtOp, SequenceInsertOp, SequenceEraseOp, SequenceLengthOp,
    ConcatFromSequenceOp, OptionalOp, OptionalHasElementOp, OptionalGetElementOp,
)  # fmt: skip
