"""kernel.reverse_sequence: the first steps of each sequence in reverse.

::

    for sequence and step, shared
      from = step < length ? length - 1 - step : step
      y[step, ...] = x[from, ...], in tiles

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

from dataclasses import replace

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects.decisions import Elements
from ...dialects.kernel import ReverseSequenceOp
from ...dialects.schedule import StageOp
from .arithmetic import to_index
from .element_loops import Position, walk_origins, walk_space
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest
from .operand_access import Operand, StridedOperand, axis_strides, iteration_dimensions


def lower_reverse_sequence(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ReverseSequenceOp)
    x, lengths = (nest.operands[position] for position in operand_positions(stage))
    y, rank = nest.operands[-1], nest.operands[-1].type.rank
    axes = (kernel.get("time_axis"), kernel.get("batch_axis"))
    size = y.dims[axes[0]]
    still = list(axis_strides(x))
    time_stride, still[axes[0]] = still[axes[0]], 0
    source = StridedOperand(x, view_shape=x.dims, view_strides=tuple(still), repeats=False)
    # Walked, but not loaded with the tiles: where a step's sequence has its length, and which step it is.
    where = StridedOperand(
        lengths,
        view_shape=tuple(d if axis == axes[1] else 1 for axis, d in enumerate(x.dims)),
        view_strides=tuple(axis_strides(lengths)[0] if axis == axes[1] else 0 for axis in range(rank)),
    )
    step = StridedOperand(
        lengths,
        view_shape=tuple(d if axis == axes[0] else 1 for axis, d in enumerate(x.dims)),
        view_strides=tuple(1 if axis == axes[0] else 0 for axis in range(rank)),
    )
    operands = [source, replace(where, loaded=False), replace(step, loaded=False), Operand(y)]
    space = iteration_dimensions(y.dims, y.type.layout, operands)
    origins = walk_origins(nest, rank, space, operands)
    origins[2] = 0

    def locate(position: Position) -> Position:
        memory = nest.view(lengths.memory, position.offsets[1], [1], [1])
        length = nest.minimum(to_index(nest, nest.load(memory, [0])), nest.dim(size))
        time = position.offsets[2]
        offsets = list(position.offsets)
        offsets[0] = nest.add(offsets[0], nest.mul(_turned(nest, time, length), nest.dim(time_stride)))
        return Position(offsets, position.reached)

    decisions = stage.decided(Elements)
    walk_space(
        nest, space, origins, operands, lambda values: values[0], decisions.lanes, decisions.unroll, axes, locate
    )


def _turned(nest: LoopNest, time: Index, length: Index) -> SSAValue:
    """The step that comes in the place of a step."""
    mirrored = nest.value(nest.sub(nest.sub(length, 1), time))
    return nest.insert(arith.SelectOp(nest.compare("slt", time, length), mirrored, nest.value(time)))
