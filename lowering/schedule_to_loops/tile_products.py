"""Products of matrices in registers that are whole matrices: 16 rows by 16 columns of sums each.

::

    sums = 0                                                        (2 x 2 registers, or fewer)
    for 16 words of the depth:  sums += a[rows][words] * b[words][columns]
    memory = sums
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xdsl.ir import Attribute, SSAValue

from ...dialects.matrix_tiles import TileLoadOp, TileMulOp, TileStoreOp, TileZeroOp
from ...machines.atoms import TILE_BAND, TILE_ROWS, Atom
from .contraction import Fetch
from .loop_nest import Index, LoopNest


@dataclass(frozen=True)
class TileFactors:
    """``blocks`` registers full of words, along the depth: those of the left lie in rows from ``column`` on.

    The words of the right are rows of its memory.
    """

    left: SSAValue
    right: SSAValue
    blocks: Index
    column: Index = 0


@dataclass(frozen=True)
class TileProduct:
    """How registers multiply ``columns`` columns of the right, one or two registers wide."""

    nest: LoopNest
    atom: Atom
    columns: int
    fetch: Fetch | None = None
    """What each block of words brings into the cache."""

    @property
    def widths(self) -> range:
        return range(0, self.columns, TILE_ROWS)

    def factors(
        self, left: SSAValue, right: SSAValue, words: Index, last: Callable[[SSAValue], TileFactors] | None
    ) -> list[TileFactors]:
        """Whole blocks of words, then the ``last`` ones."""
        whole = TileFactors(left, right, self.nest.floordiv(words, self.atom.steps))
        return [whole] if last is None else [whole, last(left)]

    def store(self, factors: Sequence[TileFactors], height: int, sums: SSAValue) -> None:
        """Writes the sums of all the products of ``height`` rows, one or two registers high."""
        nest = self.nest
        heights = range(0, height, TILE_ROWS)
        places = [(i, j) for i in heights for j in self.widths]
        element = sums.type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        totals = [nest.insert(TileZeroOp(element)) for _ in places]
        for factor in factors:
            totals = self._add(factor, heights, totals)
        for place, total in zip(places, totals, strict=True):
            nest.insert(TileStoreOp(total, sums, nest.values(place)))

    def _add(self, factor: TileFactors, heights: range, totals: Sequence[SSAValue]) -> list[SSAValue]:
        nest, step = self.nest, self.atom.steps * self.atom.depth
        with nest.loop(0, factor.blocks, carried=totals) as block:
            column = nest.add(factor.column, nest.mul(block.index, step))
            word = nest.mul(block.index, self.atom.steps)
            if self.fetch is not None:
                self.fetch.at(nest, block.index)
            lefts = [self._load(factor.left, i, column) for i in heights]
            rights = [self._load(factor.right, word, j * self.atom.depth) for j in self.widths]
            pairs = [(left, right) for left in lefts for right in rights]
            products = zip(pairs, block.carried, strict=True)
            block.yield_(*(nest.insert(TileMulOp(self.atom.name, *pair, total)) for pair, total in products))
        return block.results

    def _load(self, memory: SSAValue, row: Index, column: Index) -> SSAValue:
        return self.nest.insert(TileLoadOp(memory, self.nest.values([row, column])))


@dataclass(frozen=True)
class LastWords:
    """Words of the depth that fill no register: a block of them with zeros for the right, in a copy in scratch.

    Where ``repeats`` holds, the left is read from the 16th last word on: those that were multiplied before meet zeros
    above the last ones. That is for integers, whose products with zero are zero. Otherwise zeros lie below, and the
    left has zeros there as well.
    """

    nest: LoopNest
    atom: Atom
    columns: int
    element: Attribute
    byte_offset: Index
    words: int
    repeats: bool

    @property
    def count(self) -> int:
        return self.words % self.atom.steps

    @property
    def first(self) -> int:
        """The word with which the block begins."""
        return self.words - (self.atom.steps if self.repeats else self.count)

    @property
    def memory(self) -> SSAValue:
        nest, width = self.nest, self.columns * self.atom.depth
        memory = nest.scratch_memory(self.element, self.byte_offset, self.atom.steps * width)
        return nest.view(memory, 0, [self.atom.steps, width], [width, 1])

    def clear(self) -> None:
        """Writes the zeros, which stay."""
        nest, width = self.nest, self.columns * self.atom.depth
        zeros, memory = nest.constant(0, nest.vector_type(self.element, [width])), self.memory
        begin = 0 if self.repeats else self.count
        with nest.loop(begin, begin + self.atom.steps - self.count) as word:
            nest.store_vector(zeros, memory, [word.index, 0])

    def factors(self, right: SSAValue) -> Callable[[SSAValue], TileFactors]:
        """Copies the last words of the right; gives how they multiply the words of a left."""
        nest, memory, width = self.nest, self.memory, self.columns * self.atom.depth
        begin = self.words - self.count
        with nest.loop(0, self.count) as word:
            row = nest.load_vector(right, [nest.add(word.index, begin), 0], [width])
            nest.store_vector(row, memory, [nest.add(word.index, begin - self.first), 0])
        return lambda left: TileFactors(left, memory, 1, self.first * self.atom.depth)


def bands(nest: LoopNest, rows: Index, *, fills: bool) -> Iterator[tuple[Index, int]]:
    """Loops over bands of 32 rows, and of 16: gives the first row and the height of a band, inside its loop.

    ``fills``: the last band may reach beyond the rows; otherwise some rows may be left over.
    """
    # Of a band of 32 the last 15 rows may be missing: fewer than 17 fit into one of 16.
    slack = TILE_ROWS - 1 if fills else 0
    whole = nest.floordiv(nest.add(rows, slack), TILE_BAND)
    with nest.loop(0, whole) as band:
        yield nest.mul(band.index, TILE_BAND), TILE_BAND
    done = nest.mul(whole, TILE_BAND)
    rest = nest.maximum(nest.sub(rows, done), 0) if fills else nest.sub(rows, done)
    with nest.loop(0, nest.floordiv(nest.add(rest, slack), TILE_ROWS)) as band:
        yield nest.add(done, nest.mul(band.index, TILE_ROWS)), TILE_ROWS
