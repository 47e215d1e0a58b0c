"""The loops outside of register tiles, in the order that the plan says, and those of them that threads share.

::

    plan {..., order [m, b, n], threads [b, n]}   ->   for m
                                                         scf.forall b, n
                                                           body

An axis may be several loops: the axes of a batch, the rows of an image of more than two dimensions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import Operation

from ...dialects.decision_fields import Nest
from .loop_nest import Index, LoopNest

Bounds = Mapping[str, Sequence[Index]]
"""The sizes of an axis' loops, by its name."""


@dataclass(frozen=True)
class Turn:
    """A turn of the outer loops: the indices of each axis' loops."""

    nest: LoopNest
    indices: Mapping[str, Sequence[Index]]
    innermost: str
    is_shared: bool
    """Whether the innermost axis is one whose turns threads share."""

    def index(self, axis: str) -> Index:
        """Of an axis of one loop."""
        (index,) = self.indices[axis]
        return index

    @contextlib.contextmanager
    def once_for_all(self, axis: str) -> Iterator[None]:
        """Where something is staged that is the same along an axis: once, if turns along it follow each other.

        The first of them that this thread meets stages it.
        """
        nest, index = self.nest, self.index(axis)
        if axis != self.innermost or isinstance(index, int):
            yield
            return
        with nest.when(nest.is_new(index) if self.is_shared else nest.compare("eq", index, 0)):
            yield


@contextlib.contextmanager
def outer_loops(nest: LoopNest, decisions: Nest, kernel: Operation, bounds: Bounds) -> Iterator[Turn]:
    """Runs its body for all indices of the outer axes, as the plan has them."""
    order, shared = decisions.ordered(kernel), decisions.shared(kernel)
    first = order.index(shared[0])
    before, after = order[:first], order[first + len(shared) :]
    with contextlib.ExitStack() as stack:
        indices: dict[str, Sequence[Index]] = {}
        for axes, loops in ((before, nest.loops), (shared, nest.forall), (after, nest.loops)):
            sizes = [size for axis in axes for size in bounds[axis]]
            found = iter(stack.enter_context(loops(sizes))) if sizes else iter(())
            indices |= {axis: [next(found) for _ in bounds[axis]] for axis in axes}
        yield Turn(nest, indices, order[-1], order[-1] in shared)
