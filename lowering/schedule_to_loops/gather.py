"""kernel.gather, kernel.gather_elements and kernel.gather_nd: copies from where indices say.

::

    for the axes before, indices, shared            for all elements, shared
      report indices[i] out of range                  report indices[i] out of range
      row = x[..., indices[i], ...]                   y[i] = x[..., indices[i], ...]
      y[...] = epilogue(row), in tiles

Negative indices count from the end. For one out of range index 0 is read; that the run fails is the runtime's part.
The axis has an element where there is an index: the importer has that checked.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ...dialects.decisions import Elements
from ...dialects.kernel import GatherElementsOp, GatherOp, KernelOp
from ...dialects.kernel_indexing import GatherNdOp
from ...dialects.schedule import StageOp
from .arithmetic import to_index
from .element_loops import Position, walk_origins, walk_space
from .elementwise import apply_epilogue, operand_positions
from .halo import fill_halo
from .loop_nest import Index, LoopNest, Tensor
from .operand_access import Operand, StridedOperand, axis_strides, iteration_dimensions


def lower_gather(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, GatherOp)
    x, indices = _inputs(stage, nest)
    axis = kernel.get("axis") % x.type.rank
    count = indices.type.rank
    strides = axis_strides(x)
    source = StridedOperand(
        x,
        view_shape=(*x.dims[:axis], *[1] * count, *x.dims[axis + 1 :]),
        view_strides=(*strides[:axis], *[0] * count, *strides[axis + 1 :]),
    )
    trailing = x.type.rank - axis - 1
    where = StridedOperand(
        indices,
        view_shape=(*indices.dims, *[1] * trailing),
        view_strides=(*axis_strides(indices), *[0] * trailing),
    )
    _gather(stage, nest, kernel, source, where, [axis], range(axis, axis + count))


def lower_gather_elements(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, GatherElementsOp)
    x, indices = _inputs(stage, nest)
    axis = kernel.get("axis") % x.type.rank
    strides = list(axis_strides(x))
    strides[axis] = 0
    source = StridedOperand(x, view_shape=tuple(indices.dims), view_strides=tuple(strides), repeats=False)
    _gather(stage, nest, kernel, source, Operand(indices), [axis], range(x.type.rank))


def lower_gather_nd(stage: StageOp, nest: LoopNest) -> None:
    """The position of each slice is read number by number; shared axes are walked in x and in the indices."""
    kernel = stage.kernel
    assert isinstance(kernel, GatherNdOp)
    x, indices = _inputs(stage, nest)
    *places, length = indices.dims
    assert isinstance(length, int)
    batch = kernel.get("batch_dims")
    picked = range(batch, batch + length)
    strides = axis_strides(x)
    rest = x.type.rank - batch - length
    count = len(places) - batch
    source = StridedOperand(
        x,
        view_shape=(*x.dims[:batch], *[1] * count, *x.dims[batch + length :]),
        view_strides=(*strides[:batch], *[0] * count, *strides[batch + length :]),
    )
    where = StridedOperand(
        indices,
        view_shape=(*places, *[1] * rest),
        view_strides=(*axis_strides(indices)[:-1], *[0] * rest),
    )
    _gather(stage, nest, kernel, source, where, picked, range(len(places)))


def _inputs(stage: StageOp, nest: LoopNest) -> tuple[Tensor, Tensor]:
    x, indices, *_ = operand_positions(stage)
    return nest.operands[x], nest.operands[indices]


def _gather(
    stage: StageOp,
    nest: LoopNest,
    kernel: KernelOp,
    source: Operand,
    where: Operand,
    picked: Sequence[int],
    outer_axes: Sequence[int],
) -> None:
    """Walks y; ``source`` stands still along the axes that the indices decide, which are ``outer_axes``.

    The numbers of an index, one after another, are places along the axes of x that are ``picked``.
    """
    x, y = source.tensor, nest.operands[-1]
    fill_halo(nest, y)
    extras = [Operand(nest.operands[position]) for position in operand_positions(stage)[2:]]
    # The indices are walked like an operand, but read before the tiles, not with them.
    operands = [source, *extras, replace(where, loaded=False), Operand(y)]
    space = iteration_dimensions(y.dims, y.type.layout, operands)
    origins = walk_origins(nest, y.type.rank, space, operands)
    sizes, strides = ([nest.dim(of[axis]) for axis in picked] for of in (x.dims, axis_strides(x)))
    at = len(operands) - 2

    def locate(position: Position) -> Position:
        memory = nest.view(where.memory, position.offsets[at], [len(sizes)], [1])
        offsets = list(position.offsets)
        for number, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
            index = checked_index(nest, nest.load(memory, [number]), size)
            offsets[0] = nest.add(offsets[0], nest.mul(index, stride))
        return Position(offsets, position.reached)

    def compute(values: list[SSAValue]) -> SSAValue:
        return apply_epilogue(nest, kernel, values[0], values[1:])

    decisions = stage.decided(Elements)
    walk_space(nest, space, origins, operands, compute, decisions.lanes, decisions.unroll, outer_axes, locate)


def checked_index(nest: LoopNest, element: SSAValue, size: Index) -> SSAValue:
    """An element of the index tensor as a position in [0, size); one out of range is reported, and 0."""
    index = to_index(nest, element)
    from_end = nest.value(nest.add(index, size))
    position = nest.insert(arith.SelectOp(nest.compare("slt", index, 0), from_end, index))

    def report() -> SSAValue:
        nest.report_index(index, size)
        return nest.constant(0)

    # Unsigned, so that what is still negative is too large.
    return nest.choose(nest.compare("ult", position, size), lambda: position, report)
