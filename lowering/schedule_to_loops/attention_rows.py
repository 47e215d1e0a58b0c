"""kernel.attention of few queries, one after another: the heads that share keys go through these together.

::

    for heads of the batch that share keys, query, shared
      for tile of keys:  scores[head][key] = code of (q k), with lanes along the depth
      for head:  scores = exp(scores - largest);  total[head] = sum(scores)
      for panel of values:  y = scores v / total

Keys and values are read once, in the order of memory, which is what takes the time.

Decisions: ``depth_lanes`` of a sum; ``few_keys``: keys of a tile; ``columns``: of values in a tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.gemm_decisions import MATRIX_BLOCK
from .arithmetic import combine, combine_numbers, reduce_lanes
from .attention_operands import AttentionOperands
from .contraction import FEW_ELEMENTS, Contraction, Reach, RowTiles, Sum
from .gemm_depth import LaneSum, Vectors
from .gemm_product import Matrix
from .long_sums import block_turns, loop_in_blocks
from .loop_nest import Index, Tensor
from .outer_axes import outer_loops
from .register_tile import for_each_tile
from .tile_access import Span, Tile, load_tile

# Heads of a tile, at most.
MOST_HEADS = 6


@dataclass(frozen=True)
class _Query:
    """One query of the heads that share keys, of which ``batch`` says the first."""

    batch: Sequence[Index]
    index: Index


class FewQueries(AttentionOperands):
    """Lanes are places along the depth, then keys, then columns of values."""

    def lower(self) -> None:
        nest, group = self.nest, self.kernel.group
        *others, heads = self.batch or [1]
        with outer_loops(
            nest, self.decisions, self.kernel, {"b": [*others, nest.floordiv(heads, group)], "m": [self.rows]}
        ) as turn:
            *outer, shared = turn.indices["b"]
            query = _Query([*outer, nest.mul(shared, group)] if self.batch else [], turn.index("m"))
            self._pad()
            for_each_tile(nest, group, MOST_HEADS, lambda head, heads: self._score(query, head, heads))
            with nest.loop(0, group) as head:
                self._exponentials(head.index)
            self._weigh(query)

    # --- scores ---------------------------------------------------------------------------------------------

    @property
    def _width(self) -> int:
        """Lanes of a vector of scores."""
        return self.decisions.depth_lanes

    def _row(self) -> Index:
        """Elements of a row of scores."""
        return self.nest.mul(self.nest.ceildiv(self.keys, self._width), self._width)

    def _scores(self) -> SSAValue:
        return self.nest.scratch_memory(f32, 0, self.nest.mul(self.kernel.group, self._row()))

    def _pad(self) -> None:
        """Fills the last vector of each row of scores with what adds nothing."""
        nest, width = self.nest, self._width
        if isinstance(self.keys, int) and self.keys % width == 0:
            return
        scores, last = self._scores(), nest.maximum(nest.sub(self._row(), width), 0)
        with nest.loop(0, self.kernel.group) as head:
            place = nest.add(nest.mul(head.index, self._row()), last)
            nest.store_vector(self.splat(-math.inf, [width]), nest.view(scores, place, [width], [1]), [0])

    def _score(self, query: _Query, head: Index, heads: int) -> None:
        """The code's result for all keys, of ``heads`` heads from ``head`` on."""
        nest, k = self.nest, self.k
        summed = LaneSum([self.depth], self.decisions.depth_lanes)
        queries = Vectors(
            self.q.tensor.memory, self._of_head(self.q, query, head), [(heads, self._stride(self.q)), (1, 1)], f32
        ).reader(nest, summed.bounds)

        def tile(key: Index, keys: int) -> None:
            begin = self.of_keys(k, query.batch, key)
            right = Vectors(k.tensor.memory, begin, [(keys, k.row_stride)], f32).reader(nest, summed.bounds)
            sums = summed.add(nest, self.splat(0.0, [heads, keys]), queries, right)
            if self.kernel.has_epilogue:
                extras = [self._extra(extra, query, head, key, (heads, keys)) for extra in self.extras]
                sums = nest.call_region(self.kernel.epilogue, [sums, *extras])
            place = nest.add(nest.mul(head, self._row()), key)
            nest.store_vector(sums, nest.view(self._scores(), place, [heads, keys], [self._row(), 1]), [0, 0])

        for_each_tile(nest, self.keys, self.decisions.few_keys, tile)

    def _stride(self, matrix: Matrix) -> Index:
        """Elements from one head to the next."""
        return matrix.batch_strides[-1] if matrix.batch_strides else 0

    def _of_head(self, matrix: Matrix, query: _Query, head: Index) -> Index:
        begin = self.of_queries(matrix, query.batch, query.index)
        return self.nest.add(begin, self.nest.mul(head, self._stride(matrix)))

    def _batch(self, query: _Query, head: Index) -> list[Index]:
        """Of a head of those that share keys."""
        return [*query.batch[:-1], self.nest.add(query.batch[-1], head)] if query.batch else []

    def _extra(self, extra: Tensor, query: _Query, head: Index, key: Index, shape: tuple[int, int]) -> SSAValue:
        """What the code reads beside a tile of scores, which has heads as rows."""
        nest, (heads, keys) = self.nest, shape
        offset, strides = self.extra(extra, self._batch(query, head), query.index, key)
        stride = strides[-3] if query.batch else 0
        value = load_tile(nest, extra.memory, offset, Tile(Span(heads), Span(keys)), stride, strides[-1])
        return nest.broadcast(value, shape)

    # --- the softmax ----------------------------------------------------------------------------------------

    def _totals(self) -> SSAValue:
        """Of each head the sum of its weights, behind the scores."""
        nest, group = self.nest, self.kernel.group
        return nest.scratch_array(f32, nest.mul(nest.mul(group, self._row()), 4), [group])

    def _exponentials(self, head: Index) -> None:
        """Takes the place of a head's scores; stores their sum."""
        nest, width = self.nest, self._width
        row = nest.view(self._scores(), nest.mul(head, self._row()), [self._row()], [1])

        def load(index: Index) -> SSAValue:
            return nest.load_vector(row, [index], [width])

        with nest.loop(0, self._row(), width, [self.splat(-math.inf, [width])]) as vector:
            vector.yield_(combine_numbers(nest, "max", vector.carried[0], load(vector.index)))
        largest = reduce_lanes(nest, "max", vector.results[0])
        reference = nest.broadcast(self.reference(largest), [width])

        def turn(index: Index, sums: list[SSAValue]) -> list[SSAValue]:
            value = self.exp(load(index), reference)
            nest.store_vector(value, row, [index])
            return [combine(nest, "sum", sums[0], value)]

        (turns,) = block_turns("sum", f32, [dims.ceildiv(self.k.tensor.dims[-2], width)])
        start = [self.splat(0.0, [width])]
        (sums,) = loop_in_blocks(nest, 0, self._row(), width, start, turns, turn, keeps_lost=False)
        nest.store(reduce_lanes(nest, "sum", sums), self._totals(), [head])

    # --- values ---------------------------------------------------------------------------------------------

    def _weigh(self, query: _Query) -> None:
        nest, columns = self.nest, self.decisions.columns
        scores, row_length, begin = self._scores(), self._row(), self.of_keys(self.v, query.batch, 0)
        with nest.loop(0, self.panels) as panel:
            column, lanes, values = self.values(begin, panel.index)

            def finish(head: Index, heads: int, sums: SSAValue, column: Index = column, lanes=lanes) -> None:
                for place in range(heads):
                    index = nest.add(head, place)
                    total, batch = nest.load(self._totals(), [index]), self._batch(query, index)
                    value = self.divided(nest.part(sums, place), total, batch, query.index)
                    self.store(value, nest.add(self._of_head(self.result, query, index), column), lanes)

            Contraction(
                rows=RowTiles(self.kernel.group, MOST_HEADS),
                summed=Sum([self.keys], MATRIX_BLOCK, FEW_ELEMENTS),
                left=lambda head, heads: Reach(scores, nest.mul(head, row_length), [1], [heads, 1], [row_length, 1]),
                right=lambda *_, values=values: values,
                start=lambda _, heads: self.splat(0.0, [heads, columns]),
                finish=finish,
            ).write(nest)
