"""The keys that a strip of queries reads: what is left when a mask's beginning and end are left out.

::

    first = 0;  while no query of the strip reads one of the keys of vector first:  first += 1
    end = all;  while none reads one of vector end - 1:  end -= 1
    if a query reads no key from first to end:  first, end = 0, all         (where it has weights all the same)

So much of a mask is read as is skipped then, and two vectors more for each query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import i1
from xdsl.ir import SSAValue

from ...dialects.masked_scores import masked_scores
from .arithmetic import any_lane, opposite
from .attention_operands import AttentionOperands
from .loop_nest import Index
from .tile_access import Span, Tile, load_tile


class KeyRange:
    """Looks for the keys that count, ``lanes`` at a time."""

    def __init__(self, operands: AttentionOperands, lanes: int):
        self.operands, self.nest, self.lanes = operands, operands.nest, lanes
        self.masked = masked_scores(operands.kernel)

    def of(self, batch: Sequence[Index], first: Index, count: Index) -> tuple[Index, Index]:
        """Of ``count`` queries from the ``first`` on: the first key that one of them reads, and where none follows.

        Both are a multiple of the lanes, or the end.
        """
        nest, keys = self.nest, self.operands.keys
        vectors = nest.ceildiv(keys, self.lanes)

        def counts(vector: Index) -> SSAValue:
            return any_lane(nest, self._any(count, lambda row: self._reads(batch, nest.add(first, row), vector)))

        begin = self._while(0, lambda at: nest.compare("slt", at, vectors), lambda at: opposite(nest, counts(at)), 1)
        end = self._while(
            vectors,
            lambda at: nest.compare("sgt", at, begin),
            lambda at: opposite(nest, counts(nest.sub(at, 1))),
            -1,
        )
        if self.masked.empties:
            is_whole = self._each_reads(batch, first, count, (begin, end))
            begin = nest.insert(arith.SelectOp(is_whole, begin, nest.value(0)))
            end = nest.insert(arith.SelectOp(is_whole, end, nest.value(vectors)))
        last = nest.minimum(nest.mul(end, self.lanes), keys)
        return nest.minimum(nest.mul(begin, self.lanes), last), last

    def _while(
        self,
        start: Index,
        has_more: Callable[[SSAValue], SSAValue],
        goes_on: Callable[[SSAValue], SSAValue],
        step: int,
    ) -> SSAValue:
        """Steps from ``start`` on for as long as there are more and it goes on."""
        nest = self.nest

        def both(state: list[SSAValue]) -> SSAValue:
            return nest.choose(has_more(state[0]), lambda: goes_on(state[0]), lambda: nest.constant(False, i1))

        with nest.while_([nest.value(start)], both) as loop:
            loop.yield_(nest.value(nest.add(loop.carried[0], step)))
        return loop.results[0]

    def _each_reads(self, batch: Sequence[Index], first: Index, count: Index, vectors: tuple[Index, Index]) -> SSAValue:
        """Whether each of the queries reads a key of these vectors."""
        nest, (begin, end) = self.nest, vectors
        with nest.loop(0, count, carried=[nest.constant(True, i1)]) as row:
            query = nest.add(first, row.index)
            reads = self._any(nest.sub(end, begin), lambda place: self._reads(batch, query, nest.add(begin, place)))
            row.yield_(nest.insert(arith.AndIOp(row.carried[0], any_lane(nest, reads))))
        return row.results[0]

    def _any(self, count: Index, reads: Callable[[Index], SSAValue]) -> SSAValue:
        """Lane by lane whether one of so many vectors has a key that counts."""
        nest = self.nest
        with nest.loop(0, count, carried=[nest.constant(False, nest.vector_type(i1, [self.lanes]))]) as loop:
            loop.yield_(nest.insert(arith.OrIOp(loop.carried[0], reads(loop.index))))
        return loop.results[0]

    def _reads(self, batch: Sequence[Index], query: Index, vector: Index) -> SSAValue:
        """Which of a vector's keys count for a query."""
        nest, lanes = self.nest, self.lanes
        key = nest.mul(vector, lanes)
        keys, exist = self.operands.keys, None
        if not isinstance(keys, int) or keys % lanes:
            exist = nest.minimum(nest.sub(keys, key), lanes)
        arguments = []
        for extra in self.operands.extras:
            offset, strides = self.operands.extra(extra, batch, query, key)
            value = load_tile(nest, extra.memory, offset, Tile(None, Span(lanes, exist)), 0, strides[-1])
            arguments.append(nest.broadcast(value, [lanes]))
        reads = nest.call_region(self.masked.reads, arguments)
        return reads if exist is None else nest.insert(arith.AndIOp(reads, nest.mask([lanes], [exist])))
