"""kernel.cumulative_sum: one running sum a lane, along the axis.

::

    for the other axes, shared
      total = 0
      for element along the axis:  total += x;  y = epilogue(total)

Decisions: ``lanes`` of a vector, which run along another axis if one is innermost.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import AnyFloat, f64
from xdsl.ir import SSAValue

from ...dialects.decisions import Lanes
from ...dialects.kernel import CumulativeSumOp
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from .arithmetic import combine, convert
from .element_loops import Position, for_each_span, outer_loops, walk_origins
from .elementwise import apply_epilogue, operand_positions
from .halo import fill_halo
from .loop_nest import LoopNest
from .operand_access import LoopDimension, Operand, iteration_dimensions, merge_dimensions
from .tile_access import Span, Tile, load_tile, store_tile


def lower_cumulative_sum(stage: StageOp, nest: LoopNest) -> None:
    """One running sum a lane, along the axis; lanes run along another axis if one is innermost."""
    kernel = stage.kernel
    assert isinstance(kernel, CumulativeSumOp)
    operands = [*(Operand(nest.operands[k]) for k in operand_positions(stage)), Operand(nest.operands[-1])]
    x = operands[0]
    axis = kernel.get("axis") % x.layout.rank
    if any(operand.layout.block_of(axis) for operand in (x, operands[-1])):
        raise ValueError(f"kernel.cumulative_sum cannot run along an axis in blocks: {x.tensor.type}")
    fill_halo(nest, nest.operands[-1])
    space = iteration_dimensions(x.shape, operands[-1].layout, operands)
    origins = walk_origins(nest, x.layout.rank, space, operands)
    still = (0,) * len(operands)
    along = next((dimension for dimension in space if dimension.axis == axis), LoopDimension(1, still, axis))
    others = merge_dimensions([dimension for dimension in space if dimension.axis != axis])
    lanes = stage.decided(Lanes).lanes
    columns = others.pop() if others and others[-1].strides[0] == 1 else LoopDimension(1, still)
    with outer_loops(nest, others, origins) as position:
        for_each_span(
            nest,
            columns,
            position,
            lanes,
            lanes,
            lambda start, span: _running_sum(
                nest, kernel, operands, along, columns, position.moved(nest, columns, start), span
            ),
        )


def _running_sum(
    nest: LoopNest,
    kernel: CumulativeSumOp,
    operands: Sequence[Operand],
    along: LoopDimension,
    columns: LoopDimension,
    position: Position,
    span: Span,
) -> None:
    tile = Tile(None, span)
    own = operands[0].element_type
    # Every sum is a result, so that they cannot go in blocks.
    element = f64 if isinstance(own, AnyFloat) else own
    length = nest.dim(along.size)

    def load(operand: int, here: Position) -> SSAValue:
        stride = nest.dim(columns.strides[operand])
        loaded = load_tile(nest, operands[operand].memory, here.offsets[operand], tile, 0, stride)
        return nest.broadcast(loaded, tile.shape)

    zero = nest.constant(0, vector_type(element, tile.shape))
    with nest.loop(0, length, carried=[zero]) as loop:
        index = nest.sub(nest.sub(length, 1), loop.index) if kernel.get("reverse") else loop.index
        here = position.moved(nest, along, index)
        before = loop.carried[0]
        total = combine(nest, "sum", before, convert(nest, load(0, here), element))
        value = before if kernel.get("exclusive") else total
        extras = [load(k, here) for k in range(1, len(operands) - 1)]
        if kernel.has_epilogue:
            value = convert(nest, value, kernel.epilogue.block.args[0].type)
        value = convert(nest, apply_epilogue(nest, kernel, value, extras), operands[-1].element_type)
        stride = nest.dim(columns.strides[-1])
        store_tile(nest, value, operands[-1].memory, here.offsets[-1], tile, 0, stride)
        loop.yield_(total)
