"""kernel.top_k: the first elements of each row by their keys, in order.

::

    for row, shared
      find the first of its elements (first_keys.py)
      for element found: write it, and its place

Decisions: ``lanes`` of a vector; ``room``, in which to gather.
"""

from __future__ import annotations

from xdsl.dialects.builtin import i1, i64

from ...dialects import shape as dims
from ...dialects.kernel_selections import TopKOp
from ...dialects.schedule import StageOp
from ...dialects.selection_decisions import TopK
from .arithmetic import index_as
from .elementwise import operand_positions
from .first_keys import Bounds, FirstKeys
from .loop_nest import LoopNest
from .sorted_keys import KeyedPlaces, Keys


def lower_top_k(stage: StageOp, nest: LoopNest) -> None:
    kernel, decisions = stage.kernel, stage.decided(TopK)
    assert isinstance(kernel, TopKOp)
    (position,) = operand_positions(stage)
    x, (values, places) = nest.operands[position], nest.operands[len(stage.ins) :]
    length, wanted = nest.dim(x.dims[-1]), nest.dim(kernel.type.dims[-1])
    keys = Keys(nest, x.element_type, kernel.get("smallest"), kernel.get("unsigned"))
    capacity = nest.dim(decisions.capacity(kernel))
    pairs = KeyedPlaces(nest, keys.type, capacity, decisions.lanes)
    with nest.forall([nest.dim(dims.product(x.dims[:-1]))]) as (row,):
        start = nest.mul(row, length)
        everything = Bounds(nest.constant(0, keys.type), nest.constant(True, i1))
        lot, _ = FirstKeys(nest, x.memory, keys, pairs, start, length).find(wanted, capacity, everything)
        with nest.loop(0, nest.minimum(wanted, length)) as rank:
            found = pairs.place(nest.add(lot, rank.index))
            at = [nest.add(nest.mul(row, wanted), rank.index)]
            nest.store(nest.load(x.memory, [nest.add(start, found)]), values.memory, at)
            nest.store(index_as(nest, found, i64), places.memory, at)
