"""kernel.weigh: sums of a few neighbours along an axis, each element of the result with weights of its own.

::

    for what lies before the axis, elements of the result along it, shared
      for columns, in vectors
        y = sum over t of  weights[o, t] * x[..., first[o] + t, columns]

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

from xdsl.dialects.builtin import f32

from ...dialects import shape as dims
from ...dialects.decisions import Elements
from ...dialects.kernel_sampling import WeighOp
from ...dialects.schedule import StageOp
from .arithmetic import to_index
from .element_loops import Position, for_each_span
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest
from .operand_access import LoopDimension
from .tile_access import Span, Tile, load_tile, store_tile


def lower_weigh(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, WeighOp)
    x, first, weights = (nest.operands[position] for position in operand_positions(stage))
    y, axis, decisions = nest.operands[-1], kernel.get("axis"), stage.decided(Elements)
    count = weights.dims[1]
    assert isinstance(count, int)
    columns = dims.product(y.dims[axis + 1 :])
    column_count = nest.dim(columns)
    before, results = (nest.dim(size) for size in (dims.product(y.dims[:axis]), y.dims[axis]))
    length = nest.dim(x.dims[axis])

    def write(outer: Index, result: Index) -> None:
        memory = nest.view(first.memory, nest.add(first.origin, result), [1], [1])
        begin = to_index(nest, nest.load(memory, [0]))
        source = nest.add(x.origin, nest.mul(nest.add(nest.mul(outer, length), begin), column_count))
        target = nest.add(y.origin, nest.mul(nest.add(nest.mul(outer, results), result), column_count))
        own = nest.view(weights.memory, nest.add(weights.origin, nest.mul(result, count)), [count], [1])

        def columns_of(start: Index, span: Span) -> None:
            tile = Tile(None, span)
            total = nest.constant(0.0, nest.vector_type(f32, [span.size]))
            with nest.loop(0, count, carried=[total], unroll=4) as turn:
                weight = nest.broadcast(nest.load(own, [turn.index]), [span.size])
                offset = nest.add(nest.add(source, nest.mul(turn.index, column_count)), start)
                value = load_tile(nest, x.memory, offset, tile, 0, 1)
                turn.yield_(nest.fma(weight, value, turn.carried[0]))
            store_tile(nest, turn.results[0], y.memory, nest.add(target, start), tile, 0, 1)

        width = decisions.lanes * decisions.unroll
        for_each_span(nest, LoopDimension(columns, ()), Position([]), width, decisions.lanes, columns_of)

    if columns == 1:
        # Rows are long enough to be shared, and their elements follow one another.
        with nest.forall([before]) as (outer,), nest.loop(0, results) as result:
            write(outer, result.index)
        return
    with nest.forall([before, results]) as (outer, result):
        write(outer, result)
