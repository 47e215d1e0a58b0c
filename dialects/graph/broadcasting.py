"""NumPy's broadcasting rule on dimensions that may be symbolic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shape import same_dimension

if TYPE_CHECKING:
    from ..shape import Dim


class BroadcastError(ValueError):
    """Two shapes that don't broadcast: which axis (counted from the end, 1 is the last) and which dimensions."""

    def __init__(self, axis_from_end: int, left: Dim, right: Dim):
        super().__init__(f"dimensions {left} and {right}, {axis_from_end} from the end, don't broadcast")
        self.axis_from_end, self.left, self.right = axis_from_end, left, right


def broadcast_dimension(left: Dim, right: Dim) -> Dim | None:
    """The result of broadcasting two dimensions; None where they can't be equal.

    A symbolic dimension beside a static one other than 1 is taken to equal it, and one beside another
    symbolic one likewise: the left one stands for both.
    """
    if isinstance(left, int) and left == 1:
        return right
    if isinstance(right, int) and right == 1:
        return left
    if isinstance(left, int) and isinstance(right, int):
        return left if left == right else None
    if isinstance(right, int):
        return right
    return left


def broadcast_shapes(*shapes: Sequence[Dim]) -> tuple[Dim, ...]:
    """The shape that all broadcast to. Raises BroadcastError."""
    result: tuple[Dim, ...] = ()
    for shape in shapes:
        result = _broadcast_two(result, tuple(shape))
    return result


def _broadcast_two(left: tuple[Dim, ...], right: tuple[Dim, ...]) -> tuple[Dim, ...]:
    rank = max(len(left), len(right))
    padded_left = (1,) * (rank - len(left)) + left
    padded_right = (1,) * (rank - len(right)) + right
    result: list[Dim] = []
    for axis, (one, other) in enumerate(zip(padded_left, padded_right)):
        dimension = broadcast_dimension(one, other)
        if dimension is None:
            raise BroadcastError(rank - axis, one, other)
        result.append(dimension)
    return tuple(result)


def broadcasts_to(shape: Sequence[Dim], target: Sequence[Dim]) -> bool:
    """Whether every dimension of ``shape`` is 1 or may equal the target's at the same place from the end."""
    if len(shape) > len(target):
        return False
    for dimension, wanted in zip(reversed(shape), reversed(target)):
        static = isinstance(dimension, int) and isinstance(wanted, int)
        if static and dimension not in (1, wanted):
            return False
        if not static and isinstance(wanted, int) and wanted == 1 and not same_dimension(dimension, wanted):
            return False
    return True
