"""kernel.attention: strips of queries go through the keys, whose scores stay in the cache until they weigh the values.

::

    for heads of the batch, strip of queries, shared
      queries[depth][strip] = q^T
      for block of the keys that the strip reads                              (see attention_range.py)
        for tile of keys:  scores[key][strip] = code of (k queries)
        scores = exp(scores - largest);  total = total * kept + sum(scores)        kept = exp(largest before - largest)
        for panel of values, tile of queries:  sums = sums * kept + scores^T v
      y = sums / total

Queries lie in lanes while scores are computed: so keys and values are read where they lie, at any stride, and the
softmax goes along no lanes. Where all keys are one block nothing is corrected. Few queries would leave most lanes
empty, and go another way (``attention_rows.py``).

Decisions: ``strip``: queries of a strip; ``keys``: keys of a tile of scores; ``rows`` and ``columns`` of a tile of
sums; ``key_block``: keys of a block; ``skip_lanes``: how many keys are looked at together for whether they count;
``few_queries``: as many at most go the other way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from ...dialects.attention_decisions import Attention
from ...dialects.gemm_decisions import MATRIX_BLOCK
from ...dialects.kernel import AttentionOp
from ...dialects.schedule import StageOp
from .arithmetic import combine, combine_numbers
from .attention_operands import F32_BYTES, AttentionOperands
from .attention_range import KeyRange
from .attention_rows import FewQueries
from .contraction import FEW_ELEMENTS, Contraction, Partial, Reach, RowTiles, Sum
from .long_sums import block_turns, loop_in_blocks
from .loop_nest import Index, LoopNest, Tensor
from .outer_axes import outer_loops
from .panel_copy import copy_panel
from .tile_access import Span, Tile, load_tile


def lower_attention(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, AttentionOp)
    decisions = stage.decided(Attention)
    few, rows = decisions.few_queries, nest.dim(kernel.type.dims[-2])
    if isinstance(rows, int):
        walk = FewQueries if rows <= few else _Strips
        walk(decisions, nest, kernel).lower()
        return
    if few:
        with nest.when(nest.compare("sle", rows, few)):
            FewQueries(decisions, nest, kernel).lower()
    with nest.when(nest.compare("sgt", rows, few)):
        _Strips(decisions, nest, kernel).lower()


@dataclass(frozen=True)
class _Strip:
    """Queries from ``first`` on, ``count`` of which exist, of a matrix of the batch."""

    batch: Sequence[Index]
    first: Index
    count: Index
    keys: tuple[Index, Index]
    """The first key that they read, and where none follows."""


@dataclass(frozen=True)
class _Seen:
    """Of each query the largest score so far, and the sum of all exponentials."""

    largest: SSAValue
    total: SSAValue


class _Strips(AttentionOperands):
    def __init__(self, decisions: Attention, nest: LoopNest, kernel: AttentionOp):
        super().__init__(decisions, nest, kernel)
        self.has_blocks, self.width = decisions.has_blocks(kernel), decisions.strip
        self.keys_at_once = nest.dim(decisions.keys_at_once(kernel))
        self.range = KeyRange(self, decisions.skip_lanes) if decisions.skip_lanes else None

    # --- the walk -------------------------------------------------------------------------------------------

    def lower(self) -> None:
        nest, width = self.nest, self.width
        bounds = {"b": self.batch, "m": [nest.ceildiv(self.rows, width)]}
        is_ragged = not isinstance(self.rows, int) or self.rows % width != 0
        with outer_loops(nest, self.decisions, self.kernel, bounds) as turn:
            first = nest.mul(turn.index("m"), width)
            count = nest.minimum(nest.sub(self.rows, first), width) if is_ragged else width
            strip = _Strip(turn.indices["b"], first, count, self._keys(turn.indices["b"], first, count))
            self._copy_queries(strip)
            self._finish(strip, self._blocks(strip))

    def _keys(self, batch: Sequence[Index], first: Index, count: Index) -> tuple[Index, Index]:
        return (0, self.keys) if self.range is None else self.range.of(batch, first, count)

    def _blocks(self, strip: _Strip) -> SSAValue:
        """Adds up weighed values; gives the sum of each query's weights."""
        nest, (begin, end) = self.nest, strip.keys
        nothing = _Seen(self.splat(-math.inf, [self.width]), self.splat(0.0, [self.width]))
        if not self.has_blocks:
            return self._block(strip, begin, nest.sub(end, begin), nothing).total
        self._clear_sums()
        with nest.loop(begin, end, self.decisions.key_block, carried=[nothing.largest, nothing.total]) as block:
            count = nest.minimum(nest.sub(end, block.index), self.decisions.key_block)
            seen = self._block(strip, block.index, count, _Seen(*block.carried))
            block.yield_(seen.largest, seen.total)
        return block.results[1]

    def _block(self, strip: _Strip, first: Index, count: Index, seen: _Seen) -> _Seen:
        """Keys ``first`` and ``count`` - 1 that follow."""
        nest = self.nest
        self._score(strip, first, count)
        largest = self._largest(count, seen.largest)
        reference = self.reference(largest)
        total = self._exponentials(count, reference)
        if self.has_blocks:
            kept = self.exp(seen.largest, reference)
            nest.store_vector(kept, self._numbers(0), [0])
            total = nest.fma(seen.total, kept, total)
        self._weigh(strip, first, count)
        return _Seen(largest, total)

    # --- scores ---------------------------------------------------------------------------------------------

    def _copy_queries(self, strip: _Strip) -> None:
        nest, q = self.nest, self.q
        offset = self.of_queries(q, strip.batch, strip.first)
        panel = nest.scratch_array(f32, self.places[0], [self.depth, self.width])
        lanes = None if strip.count == self.width else strip.count
        strides = q.column_stride, q.row_stride
        copy_panel(nest, q.tensor.memory, offset, strides, panel, (self.depth, self.width), lanes)

    def _score(self, strip: _Strip, first: Index, count: Index) -> None:
        """The code's result for each key of the block and query of the strip."""
        nest, k, width = self.nest, self.k, self.width
        queries = nest.scratch_memory(f32, self.places[0], nest.mul(self.depth, width))
        scores, begin = self._scores(), self.of_keys(k, strip.batch, first)

        def left(row: Index, rows: int) -> Reach:
            offset = nest.add(begin, nest.mul(row, k.row_stride))
            return Reach(k.tensor.memory, offset, [k.column_stride], [rows, 1], [k.row_stride, 1])

        def finish(row: Index, rows: int, sums: SSAValue) -> None:
            if self.kernel.has_epilogue:
                key = nest.add(first, row)
                arguments = [self._extra(extra, strip, key, rows) for extra in self.extras]
                sums = nest.call_region(self.kernel.epilogue, [sums, *arguments])
            nest.store_vector(sums, scores, [row, 0])

        Contraction(
            rows=RowTiles(count, self.decisions.keys),
            summed=Sum([self.depth], MATRIX_BLOCK, FEW_ELEMENTS),
            left=left,
            right=lambda *_: Reach(queries, 0, [width], [1, width], [width, 1]),
            start=lambda _, rows: nest.constant(0.0, nest.vector_type(f32, [rows, width])),
            finish=finish,
        ).write(nest)

    def _extra(self, extra: Tensor, strip: _Strip, key: Index, rows: int) -> SSAValue:
        """What the code reads beside a tile of scores, which has keys as rows."""
        nest = self.nest
        offset, strides = self.extra(extra, strip.batch, strip.first, key)
        lanes = Span(self.width, None if strip.count == self.width else strip.count)
        value = load_tile(nest, extra.memory, offset, Tile(Span(rows), lanes), strides[-1], strides[-2])
        return nest.broadcast(value, [rows, self.width])

    def _scores(self) -> SSAValue:
        return self.nest.scratch_array(f32, self.places[1], [self.keys_at_once, self.width])

    # --- the softmax ----------------------------------------------------------------------------------------

    def _numbers(self, place: int) -> SSAValue:
        """A number of each query in scratch memory: what remains of earlier sums, or what all are divided by."""
        at = self.nest.add(self.places[3], place * F32_BYTES * self.width)
        return self.nest.scratch_array(f32, at, [self.width])

    def _largest(self, count: Index, before: SSAValue) -> SSAValue:
        nest, scores = self.nest, self._scores()
        with nest.loop(0, count, carried=[before]) as key:
            score = nest.load_vector(scores, [key.index, 0], [self.width])
            key.yield_(combine_numbers(nest, "max", key.carried[0], score))
        return key.results[0]

    def _exponentials(self, count: Index, reference: SSAValue) -> SSAValue:
        """Takes the place of scores; gives the sum of each query's."""
        nest, scores = self.nest, self._scores()

        def turn(key: Index, sums: list[SSAValue]) -> list[SSAValue]:
            value = self.exp(nest.load_vector(scores, [key, 0], [self.width]), reference)
            nest.store_vector(value, scores, [key, 0])
            return [combine(nest, "sum", sums[0], value)]

        (turns,) = block_turns("sum", f32, [self.kernel.in_type(1).dims[-2]])
        return loop_in_blocks(nest, 0, count, 1, [self.splat(0.0, [self.width])], turns, turn, keeps_lost=False)[0]

    # --- values ---------------------------------------------------------------------------------------------

    def _sums(self, panel: Index) -> Partial:
        """Of a panel of values, row by row of queries."""
        size = self.width * self.decisions.columns
        at = self.nest.add(self.places[2], self.nest.mul(panel, size * F32_BYTES))
        return Partial(self.nest.scratch_memory(f32, at, size), 0, [self.decisions.columns], 0)

    def _tiles(self) -> RowTiles:
        return RowTiles(self.width, self.decisions.rows)

    def _clear_sums(self) -> None:
        nest = self.nest
        with nest.loop(0, self.panels) as panel:
            sums = self._sums(panel.index)
            self._tiles().walk(nest, lambda row, rows: sums.store(nest, row, rows, sums.zero(nest, rows)))

    def _weigh(self, strip: _Strip, first: Index, count: Index) -> None:
        """Adds the block's values, each as often as the exponentials say."""
        nest, width, columns = self.nest, self.width, self.decisions.columns
        weights = nest.scratch_memory(f32, self.places[1], nest.mul(self.keys_at_once, width))
        begin = self.of_keys(self.v, strip.batch, first)
        with nest.loop(0, self.panels) as panel:
            sums, (_, _, values) = self._sums(panel.index), self.values(begin, panel.index)

            def finish(row: Index, rows: int, products: SSAValue, sums: Partial = sums) -> None:
                if self.has_blocks:
                    kept = self._of_rows(row, rows)
                    products = nest.fma(sums.load(nest, row, rows), kept, products)
                sums.store(nest, row, rows, products)

            Contraction(
                rows=self._tiles(),
                summed=Sum([count], MATRIX_BLOCK, FEW_ELEMENTS),
                left=lambda row, rows: Reach(weights, row, [width], [rows, 1], [1, 1]),
                right=lambda *_, values=values: values,
                start=lambda _, rows: nest.constant(0.0, nest.vector_type(f32, [rows, columns])),
                finish=finish,
            ).write(nest)

    def _of_rows(self, row: Index, rows: int) -> SSAValue:
        """What remains of the sums of some queries, for all columns."""
        nest = self.nest
        kept = nest.scratch_memory(f32, self.places[3], self.width)
        column = nest.load_vector(nest.view(kept, row, [rows, 1], [1, 1]), [0, 0], [rows, 1])
        return nest.broadcast(column, [rows, self.decisions.columns])

    def _finish(self, strip: _Strip, total: SSAValue) -> None:
        """Divides by the sum of weights and stores the queries that there are."""
        nest, columns = self.nest, self.decisions.columns
        totals = self._numbers(1)
        nest.store_vector(total, totals, [0])
        y = self.result
        begin = self.of_queries(y, strip.batch, strip.first)
        with nest.loop(0, strip.count) as row, nest.loop(0, self.panels) as panel:
            column = nest.mul(panel.index, columns)
            lanes = self.lanes(column)
            sums = self._sums(panel.index)
            value = self.divided(
                self._row_of(sums, row.index),
                nest.load(totals, [row.index]),
                strip.batch,
                nest.add(strip.first, row.index),
            )
            place = nest.add(nest.add(begin, nest.mul(row.index, y.row_stride)), column)
            self.store(value, place, lanes)

    def _row_of(self, sums: Partial, row: Index) -> SSAValue:
        columns = self.decisions.columns
        view = self.nest.view(sums.memory, self.nest.mul(row, columns), [columns], [1])
        return self.nest.load_vector(view, [0], [columns])
