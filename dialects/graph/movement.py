"""Operations that move elements without changing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdsl.irdl import operand_def, result_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from ..shape import add, ceildiv, product, same_dimension, subtract
from .broadcasting import broadcasts_to
from .linear import may_differ
from .operation import GraphOperation, dimensions, flag, graph_operation, integer, integers, word
from .reductions import check_axes
from .types import GraphTensorType

if TYPE_CHECKING:
    from ..shape import Dim


@graph_operation
class ReshapeOp(GraphOperation):
    """The same elements in row-major order under the shape of the result.

    C1: the element type stays; C2: both shapes have the same number of elements.
    """

    name = "graph.reshape"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        x, result = types[0], result_types[0]
        if x.element_type != result.element_type:
            raise VerifyException(f"C1: the result must have elements of {x.element_type}, got {result}")
        if may_differ(product(x.dims), product(result.dims)):
            raise VerifyException(f"C2: {x} and {result} differ in their number of elements")


@graph_operation
class TransposeOp(GraphOperation):
    """Axes reordered: axis i of the result is axis ``permutation[i]`` of x. C1: it is a permutation of x's axes."""

    name = "graph.transpose"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    permutation: tuple[int, ...] = integers()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        permutation = values["permutation"]
        if sorted(permutation) != list(range(types[0].rank)):
            raise VerifyException(f"C1: expected a permutation of {types[0].rank} axes, got {list(permutation)}")
        return [types[0].with_dims([types[0].dims[axis] for axis in permutation])]


@graph_operation
class BroadcastToOp(GraphOperation):
    """x repeated to the shape of the result, as NumPy broadcasts.

    C1: the element type stays; C2: x broadcasts to the result.
    """

    name = "graph.broadcast_to"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        x, result = types[0], result_types[0]
        if x.element_type != result.element_type:
            raise VerifyException(f"C1: the result must have elements of {x.element_type}, got {result}")
        if not broadcasts_to(x.dims, result.dims):
            raise VerifyException(f"C2: {x} does not broadcast to {result}")


@graph_operation
class SliceOp(GraphOperation):
    """``graph.slice %x axes [1] starts [0] ends [H - 1]``: from start up to, not including, end, every step-th.

    Starts and ends are positions from 0 within the axis (never "from the end"); with a negative step the
    end may be -1, before the first. C1: axes are different ones of x and all lists have their length;
    C2: no step is 0; C3: known bounds lie within the axis.
    """

    name = "graph.slice"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axes: tuple[int, ...] = integers()
    starts: tuple[Dim, ...] = dimensions()
    ends: tuple[Dim, ...] = dimensions()
    steps: tuple[int, ...] = integers(())

    @classmethod
    def complete(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> dict[str, Any]:
        complete = super().complete(types, values)
        complete["steps"] = complete["steps"] or (1,) * len(complete["axes"])
        return complete

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, axes = types[0], values["axes"]
        steps = values["steps"] or (1,) * len(axes)
        check_axes("C1", axes, x.rank)
        if not len(axes) == len(values["starts"]) == len(values["ends"]) == len(steps):
            raise VerifyException("C1: axes, starts, ends and steps must have the same length")
        dims = list(x.dims)
        for axis, start, end, step in zip(axes, values["starts"], values["ends"], steps):
            if step == 0:
                raise VerifyException(f"C2: the step along axis {axis} is 0")
            for bound in (start, end):
                if isinstance(bound, int) and (bound < -1 or (isinstance(dims[axis], int) and bound > dims[axis])):
                    raise VerifyException(f"C3: {bound} lies outside axis {axis} of {x}")
            dims[axis] = slice_size(start, end, step)
        return [x.with_dims(dims)]

    @property
    def all_steps(self) -> tuple[int, ...]:
        """The step of each listed axis, ones filled in."""
        return self.steps or (1,) * len(self.axes)


def slice_size(start: Dim, end: Dim, step: int) -> Dim:
    """How many elements lie from start up to end; bounds must be in order."""
    size = ceildiv(subtract(end, start), step) if step > 0 else ceildiv(subtract(start, end), -step)
    return max(size, 0) if isinstance(size, int) else size


@graph_operation
class ConcatOp(GraphOperation):
    """The operands one after another along ``axis``.

    C1: one element type and rank; C2: the axis is one of theirs; C3: other dimensions are equal.
    """

    name = "graph.concat"
    parts = var_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        if not types:
            raise VerifyException("C1: expected one operand or more")
        first, axis = types[0], values["axis"]
        check_axes("C2", [axis], first.rank)
        total = first.dims[axis]
        for index, part in enumerate(types[1:], 1):
            if part.rank != first.rank or part.element_type != first.element_type:
                raise VerifyException(f"C1: operand #{index} {part} differs from operand #0 {first}")
            for other, (left, right) in enumerate(zip(first.dims, part.dims)):
                if other != axis and may_differ(left, right):
                    raise VerifyException(f"C3: operand #{index} {part} differs from {first} in axis {other}")
            total = add(total, part.dims[axis])
        dims = list(first.dims)
        dims[axis] = total
        return [first.with_dims(dims)]


PAD_MODES = ("constant", "reflect", "edge", "wrap")


@graph_operation
class PadOp(GraphOperation):
    """Elements added before and after each axis; ``pads`` lists those before each, then those after each.

    A negative pad cuts away. With mode ``constant`` the added elements are ``value``, a scalar operand.
    C1: the mode is known; C2: pads has two entries an axis; C3: value is a scalar of x's element type.
    """

    name = "graph.pad"
    x = operand_def(GraphTensorType)
    value = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    mode: str = word("constant")
    pads: tuple[Dim, ...] = dimensions()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, value = types
        pads = values["pads"]
        if values["mode"] not in PAD_MODES:
            raise VerifyException(f"C1: mode must be one of {', '.join(PAD_MODES)}, got '{values['mode']}'")
        if len(pads) != 2 * x.rank:
            raise VerifyException(f"C2: pads must have {2 * x.rank} entries, got {len(pads)}")
        if value.rank != 0 or value.element_type != x.element_type:
            raise VerifyException(f"C3: value must be a scalar of {x.element_type}, got {value}")
        return [x.with_dims([add(d, add(b, e)) for d, b, e in zip(x.dims, pads[: x.rank], pads[x.rank :])])]


@graph_operation
class ReverseSequenceOp(GraphOperation):
    """The first ``lengths[b]`` elements along ``time_axis`` reversed, for each b of ``batch_axis``.

    C1: both axes are different ones of x; C2: lengths is a vector of integers.
    """

    name = "graph.reverse_sequence"
    x = operand_def(GraphTensorType)
    lengths = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    time_axis: int = integer(0)
    batch_axis: int = integer(1)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        check_axes("C1", [values["time_axis"], values["batch_axis"]], types[0].rank)
        if types[1].rank != 1:
            raise VerifyException(f"C2: lengths must be a vector, got {types[1]}")
        return [types[0]]


@graph_operation
class TriluOp(GraphOperation):
    """The lower (or ``upper``) triangle of the last two axes, zeros elsewhere; ``diagonal`` moves the border up.

    C1: rank 2 or more.
    """

    name = "graph.trilu"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    upper: bool = flag()
    diagonal: int = integer(0)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        if types[0].rank < 2:
            raise VerifyException(f"C1: x must have rank 2 or more, got {types[0]}")
        return [types[0]]


def is_full_slice(operation: SliceOp) -> bool:
    """Whether a slice takes everything in order."""
    dims = operation.operand_types[0].dims
    return all(
        step == 1 and isinstance(start, int) and start == 0 and same_dimension(end, dims[axis])
        for axis, start, end, step in zip(operation.axes, operation.starts, operation.ends, operation.all_steps)
    )
