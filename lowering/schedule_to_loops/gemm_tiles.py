"""Matrix product in registers that are whole matrices: 16 rows by 16 columns of sums each.

::

    for batch, panel of B's columns, chunk of rows
      for 32 rows, or 16
        sums = 0                                                (2 x 2 registers)
        for 16 words of the depth:  sums += a[rows][words] * b[words][columns]
        scratch = sums
        for a few of these rows, in vectors
          y = epilogue(bias + scratch + products of the last words)
      the rows that are left, in vectors

The words that fill no register, and the rows, are multiplied by the atom's ``rest``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from ...machines.atoms import TILE_ROWS, Atom
from .arithmetic import combine
from .contraction import Contraction, Fetch, Fetching, Reach, RowTiles, Sum
from .loop_nest import Index, LoopNest
from .tile_products import LastWords, TileFactors, TileProduct, bands

ROWS_AT_ONCE = 4
"""Rows of sums that go from scratch through the epilogue together, as vectors."""


@dataclass
class MatrixTiles:
    """A contraction along one axis of words, and how its rows go through an atom's registers.

    ``left(row)`` gives the memory of A, where the row begins and the elements from row to row; ``scratch`` holds the
    sums of 32 rows of ``columns``. With ``last`` registers take all words; else vectors take those that fill none.
    """

    nest: LoopNest
    contraction: Contraction
    rows: RowTiles
    atom: Atom
    left: Callable[[Index], tuple[SSAValue, Index, Index]]
    scratch: SSAValue
    columns: int
    last: LastWords | None = None
    fetch: Callable[[Index, int], Fetch] | None = None
    """What so many rows from the given one on bring into the cache meanwhile."""

    words: Index = field(init=False)
    blocks: Index = field(init=False)
    """Registers full of words, along the depth."""

    def __post_init__(self) -> None:
        (self.words,) = self.contraction.summed.bounds
        self.blocks = self.nest.floordiv(self.words, self.atom.steps)

    def write(self) -> None:
        nest, rows = self.nest, self.rows
        right = self.contraction.right(0, self.words)
        assert isinstance(right, Reach)
        width = self.columns * self.atom.depth
        b = nest.view(right.memory, right.offset, [self.words, width], [right.along[0], 1])
        last = self.last.factors(b) if self.last else None
        for begin, height in bands(nest, rows.count, fills=False):
            first = nest.add(rows.begin, begin)
            self._multiply(first, height, b, last)
            with nest.loop(0, height, ROWS_AT_ONCE) as part:
                self._finish(first, part.index, right)
        done = nest.mul(nest.floordiv(rows.count, TILE_ROWS), TILE_ROWS)
        left_over = RowTiles(nest.sub(rows.count, done), rows.tile, nest.add(rows.begin, done))
        summed = Sum([self.words], atom=self.atom.rest)

        def tile(row: Index, count: int) -> None:
            sums = summed.of(nest, self.contraction.start(row, count), self.contraction.left(row, count), right)
            self.contraction.finish(row, count, sums)

        left_over.walk(nest, tile)

    def _multiply(self, first: Index, height: int, b: SSAValue, last: Callable[[SSAValue], TileFactors] | None) -> None:
        """The sums of ``height`` rows over all whole blocks of words, in scratch."""
        nest = self.nest
        memory, offset, row_stride = self.left(first)
        words = nest.mul(self.blocks, self.atom.steps) if last is None else self.words
        depth = nest.mul(words, self.atom.depth)
        a = nest.view(memory, offset, [height, depth], [row_stride, 1])
        sums = nest.view(self.scratch, 0, [height, self.columns], [self.columns, 1])
        fetch = self.fetch(first, height) if self.fetch else None
        product = TileProduct(nest, self.atom, self.columns, fetch)
        product.store(product.factors(a, b, self.words, last), height, sums)

    def _finish(self, first: Index, part: Index, right: Reach) -> None:
        """A few rows from scratch, with the products of the last words, to the result."""
        nest, row = self.nest, self.nest.add(first, part)
        shape = [ROWS_AT_ONCE, self.columns]
        offset = nest.mul(part, self.columns)
        sums = nest.load_vector(nest.view(self.scratch, offset, shape, [self.columns, 1]), [0, 0], shape)
        sums = combine(nest, "sum", self.contraction.start(row, ROWS_AT_ONCE), sums)
        done = nest.mul(self.blocks, self.atom.steps)
        rest = nest.sub(self.words, done)
        if rest != 0 and self.last is None:
            left = self.contraction.left(row, ROWS_AT_ONCE)
            assert isinstance(left, Reach | Fetching)
            summed = Sum([rest], atom=self.atom.rest)
            sums = summed.of(nest, sums, left.shifted(nest, done), right.shifted(nest, done))
        self.contraction.finish(row, ROWS_AT_ONCE, sums)
