"""The one writer of contractions: what is multiplied along which axes becomes loops.

A contraction has rows and columns, which a register tile holds, and axes along which products are summed. Matrix
products and convolutions differ in where a row of the left and a column of the right lie (``Reach``), in what a tile
begins with and in what happens to its sums; the loops are the same::

    for tile of rows
      sums[rows][columns] = start
      for each axis of the sum:  sums += left[rows] * right[columns]
      finish(sums)

Where the whole depth of the right would not stay in the cache while all rows use it, blocks of it go outside::

    for tile of rows:  partial[rows] = start
    for block of depth
      right = stage(block)
      for tile of rows:  partial[rows] += the block's products         (of the last block: finish(partial[rows]))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, SSAValue

from ...dialects.storage import element_bytes
from ...machines.atoms import GENERAL_ATOM
from .arithmetic import combine, convert
from .long_sums import CONVOLUTION_BLOCK, product_turns, sum_in_blocks
from .loop_nest import Index, LoopNest
from .register_tile import for_each_tile

UNROLL = 4
CACHE_LINE = 64
"""Bytes that are fetched together, at least."""

STREAMED_BY = 3
"""Rows of a tile, at most, which multiply a packed right in less time than it takes to come from memory."""

Reader = Callable[[Sequence[Index]], Callable[[Index], SSAValue]]
"""Goes to a place along all axes of the sum but the innermost; what it gives reads columns or rows along that one."""


Reads = TypeVar("Reads")
"""How a factor is read: a Reader, unless the sum goes another way."""
ReadsOut = TypeVar("ReadsOut", covariant=True)
ReadsIn = TypeVar("ReadsIn", contravariant=True)

# Fewer elements of a tile than this have too few products a turn to hide the loop's own instructions.
FEW_ELEMENTS = 128


class Factor(Protocol[ReadsOut]):
    """The left or the right of a contraction, as one tile sees it."""

    def reader(self, nest: LoopNest, bounds: Sequence[Index]) -> ReadsOut:
        """Reads it at indices of the axes of the sum, whose sizes are ``bounds``."""
        ...


class Summation(Protocol[ReadsIn]):
    """How the products of a tile are summed."""

    @property
    def bounds(self) -> Sequence[Index]:
        """The sizes of the axes along which it sums, outermost first."""
        ...

    def add(self, nest: LoopNest, start: SSAValue, left: ReadsIn, right: ReadsIn) -> SSAValue:
        """``start`` plus all products."""
        ...


def in_words(shape: Sequence[int], strides: Sequence[Index], depth: int) -> tuple[list[int], list[Index]]:
    """Shape and strides of a vector, with ``depth`` elements side by side in each place where an atom takes several."""
    return ([*shape], [*strides]) if depth == 1 else ([*shape, depth], [*strides, 1])


@dataclass(frozen=True)
class Reach:
    """An operand that lies evenly: flat memory from ``offset`` on, and elements between neighbours along each axis.

    ``along`` are the axes of the sum, outermost first; ``shape`` and ``strides`` are of the vector that is read: rows
    x 1 of the left, 1 x columns of the right, each with as many elements side by side as the atom takes at once.
    ``mask`` are the lanes that exist. What is read becomes ``element``, where one is given.
    """

    memory: SSAValue
    offset: Index
    along: Sequence[Index]
    shape: Sequence[int]
    strides: Sequence[Index]
    mask: SSAValue | None = None
    element: Attribute | None = None

    def reader(self, nest: LoopNest, bounds: Sequence[Index]) -> Reader:
        view = nest.view(self.memory, self.offset, [*bounds, *self.shape], [*self.along, *self.strides])
        zeros = [0] * len(self.shape)

        lies_apart = self.shape[-1] > 1 and self.strides[-1] != 1
        load = nest.transfer_read if lies_apart else nest.load_vector

        def read(outer: Sequence[Index]) -> Callable[[Index], SSAValue]:
            return lambda index: self._as_multiplied(nest, load(view, [*outer, index, *zeros], self.shape, self.mask))

        return read

    def _as_multiplied(self, nest: LoopNest, value: SSAValue) -> SSAValue:
        return value if self.element is None else convert(nest, value, self.element)

    def shifted(self, nest: LoopNest, first: Index) -> Reach:
        """The same from ``first`` on along the outermost axis of the sum."""
        return replace(self, offset=nest.add(self.offset, nest.mul(first, self.along[0])))


@dataclass(frozen=True)
class Copying:
    """A right that the first tile of rows copies to a panel while it multiplies, for the other tiles.

    Both are reached along one axis of the sum.
    """

    source: Reach
    panel: Reach

    def reader(self, nest: LoopNest, bounds: Sequence[Index]) -> Reader:
        panel, read = self.panel, self.source.reader(nest, bounds)
        view = nest.view(panel.memory, panel.offset, [*bounds, *panel.shape], [*panel.along, *panel.strides])
        zeros = [0] * len(panel.shape)

        def reads(outer: Sequence[Index]) -> Callable[[Index], SSAValue]:
            row = read(outer)

            def at(index: Index) -> SSAValue:
                value = row(index)
                nest.store_vector(value, view, [*outer, index, *zeros])
                return value

            return at

        return reads


Part = tuple[Index, Index, Index]
"""Rows before a tile, those that it has at most, and all of them."""


@dataclass(frozen=True)
class RowsApart:
    """Rows of so many elements that do not follow each other: where the first begins, and elements to the next."""

    begin: Index
    width: int
    stride: Index

    def offset(self, nest: LoopNest, element: Index) -> Index:
        """Where an element lies, counted row by row."""
        row = nest.mul(nest.floordiv(element, self.width), self.stride)
        return nest.add(self.begin, nest.add(row, nest.mod(element, self.width)))


@dataclass(frozen=True)
class Fetch:
    """What the steps of a tile's sum bring into the cache: so many lines each, from the element ``first`` on.

    The next step's are ``step`` elements further; a line holds ``line`` of them. Elements are counted in memory, or in
    ``rows`` where these lie apart.
    """

    memory: SSAValue
    first: Index
    step: Index
    lines: int
    line: int
    rows: RowsApart | None = None

    @classmethod
    def share(
        cls,
        nest: LoopNest,
        memory: SSAValue,
        block: tuple[Index, Index],
        part: Part,
        steps: Index,
        rows: RowsApart | None = None,
    ) -> Fetch:
        """A tile's part of a block, which begins at an element and has so many, in so many steps of its sum."""
        (begin, size), (done, count, whole) = block, part
        line = CACHE_LINE // element_bytes(memory.type.element_type)  # pyright: ignore[reportAttributeAccessIssue]
        first = nest.add(begin, nest.floordiv(nest.mul(done, size), whole))
        step = nest.ceildiv(nest.mul(count, size), nest.mul(whole, steps))
        return cls(memory, first, step, -(-step // line) if isinstance(step, int) else 1, line, rows)

    def at(self, nest: LoopNest, index: Index) -> None:
        """That of a step."""
        place = nest.add(self.first, nest.mul(index, self.step))
        for line in range(self.lines):
            element = nest.add(place, line * self.line)
            nest.prefetch(self.memory, element if self.rows is None else self.rows.offset(nest, element))


@dataclass(frozen=True)
class Fetching:
    """A left whose every step fetches a part of what comes after the right.

    ``fetch`` says which for a right that begins at some place along the axis of the sum, as ``shifted`` has it.
    """

    reach: Reach
    fetch: Callable[[Index], Fetch]
    begin: Index = 0

    def reader(self, nest: LoopNest, bounds: Sequence[Index]) -> Reader:
        read, fetch = self.reach.reader(nest, bounds), self.fetch(self.begin)

        def reads(outer: Sequence[Index]) -> Callable[[Index], SSAValue]:
            column = read(outer)
            before: Index = 0
            for place, size in zip(outer, bounds[1:], strict=True):
                before = nest.mul(nest.add(before, place), size)

            def at(index: Index) -> SSAValue:
                fetch.at(nest, nest.add(before, index))
                return column(index)

            return at

        return reads

    def shifted(self, nest: LoopNest, first: Index) -> Fetching:
        """The same from ``first`` on along the axis of the sum."""
        return replace(self, reach=self.reach.shifted(nest, first), begin=nest.add(self.begin, first))


@dataclass(frozen=True)
class RowTiles:
    """``count`` rows from ``begin`` on, at most ``tile`` of them in a register tile."""

    count: Index
    tile: int
    begin: Index = 0

    @classmethod
    def of_chunk(cls, nest: LoopNest, rows: Index, tile: int, chunk: Index, chunks: int) -> RowTiles:
        """The rows of one of ``chunks`` pieces that are as long as each other, but for the last ones."""
        if chunks == 1:
            return cls(rows, tile)
        longest = nest.ceildiv(rows, chunks)
        if isinstance(rows, int) and rows % chunks == 0:
            return cls(longest, tile, nest.mul(chunk, longest))
        begin = nest.minimum(nest.mul(chunk, longest), rows)
        return cls(nest.minimum(nest.sub(rows, begin), longest), tile, begin)

    def walk(self, nest: LoopNest, body: Callable[[Index, int], None], once: bool = False) -> None:
        for_each_tile(nest, self.count, self.tile, body, self.begin, overlaps=not once)


class RowWalk(Protocol):
    """How a piece of work goes through its rows in register tiles."""

    def walk(self, nest: LoopNest, body: Callable[[Index, int], None], once: bool = False) -> None:
        """Calls ``body(row, rows)`` for tiles that cover all rows, each row ``once`` if that matters."""
        ...


@dataclass(frozen=True)
class WholeTiles:
    """Register tiles ``begin`` to ``end``, all of as many rows."""

    begin: Index
    end: Index
    tile: int

    def walk(self, nest: LoopNest, body: Callable[[Index, int], None], once: bool = False) -> None:
        with nest.loop(self.begin, self.end) as tile:
            body(nest.mul(tile.index, self.tile), self.tile)


@dataclass(frozen=True)
class Sum:
    """Over which axes products are summed, ``bounds`` being their sizes, outermost first, and how.

    ``most`` turns are added up from zero. A tile of fewer products a turn than ``unrolled_below`` has too few to
    hide the loop's own instructions: several turns are written out. ``atom`` multiplies and adds.
    """

    bounds: Sequence[Index]
    most: int = CONVOLUTION_BLOCK
    unrolled_below: int = 0
    atom: str = GENERAL_ATOM

    def of(self, nest: LoopNest, start: SSAValue, left: Factor[Reader], right: Factor[Reader]) -> SSAValue:
        """``start`` plus the products of the left and the right."""
        return self.add(nest, start, left.reader(nest, self.bounds), right.reader(nest, self.bounds))

    def add(self, nest: LoopNest, start: SSAValue, left: Reader, right: Reader) -> SSAValue:
        """``start`` plus all products, in registers throughout."""
        turns = product_turns(self.bounds, self.most)
        innermost = len(self.bounds) - 1
        unroll = unroll_of(start, self.bounds[-1], self.unrolled_below)

        def level(outer: list[Index], sums: SSAValue) -> SSAValue:
            depth = len(outer)
            if depth < innermost:
                return sum_in_blocks(
                    nest, 0, self.bounds[depth], sums, turns[depth], lambda index, inner: level([*outer, index], inner)
                )
            column, row = left(outer), right(outer)

            def product(index: Index, inner: SSAValue) -> SSAValue:
                return nest.contract(column(index), row(index), inner, self.atom)

            return sum_in_blocks(nest, 0, self.bounds[depth], sums, turns[depth], product, unroll)

        return level([], start)


def unroll_of(sums: SSAValue, turns: Index, unrolled_below: int) -> int:
    """How many turns of a loop over that tile of sums are written out."""
    assert isinstance(sums.type, VectorType)
    is_small = math.prod(sums.type.get_shape()) < unrolled_below
    return UNROLL if is_small and isinstance(turns, int) and turns >= UNROLL else 1


@dataclass(frozen=True)
class Partial:
    """Sums of the blocks of depth so far, row after row in memory that is this thread's own.

    ``turns`` of the outermost axis of the sum make a block; a row is as ``columns`` say.
    """

    memory: SSAValue
    first_row: Index
    columns: Sequence[int]
    turns: int

    def zero(self, nest: LoopNest, rows: int) -> SSAValue:
        element = self.memory.type.element_type  # pyright: ignore[reportAttributeAccessIssue]
        return nest.constant(0, nest.vector_type(element, [rows, *self.columns]))

    def load(self, nest: LoopNest, row: Index, rows: int) -> SSAValue:
        return nest.load_vector(self._view(nest, row, rows), self._zeros, [rows, *self.columns])

    def store(self, nest: LoopNest, row: Index, rows: int, sums: SSAValue) -> None:
        nest.store_vector(sums, self._view(nest, row, rows), self._zeros)

    @property
    def _zeros(self) -> list[Index]:
        return [0] * (1 + len(self.columns))

    def _view(self, nest: LoopNest, row: Index, rows: int) -> SSAValue:
        shape = [rows, *self.columns]
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        offset = nest.mul(nest.sub(row, self.first_row), strides[0])
        return nest.view(self.memory, offset, shape, strides)


@dataclass(frozen=True)
class Term:
    """Products that are added to the sums of each tile: as those of a contraction, but all at once."""

    summed: Sum
    left: Callable[[Index, int], Factor[Reader]]
    right: Callable[[], Factor[Reader]]


@dataclass(frozen=True)
class Contraction(Generic[Reads]):
    """What one piece of work multiplies: all its rows with one tile's width of columns.

    ``left(row, rows)`` is the left of a tile; ``right(first, count)`` stages the right, and says how it is reached, for
    ``count`` turns of the outermost axis of the sum. ``start(row, rows)`` gives what a tile's sums begin with;
    ``finish(row, rows, sums)`` stores them. ``more`` is added after: what an atom that takes several products at once
    leaves over.
    """

    rows: RowWalk
    summed: Summation[Reads]
    left: Callable[[Index, int], Factor[Reads]]
    right: Callable[[Index, Index], Factor[Reads]]
    start: Callable[[Index, int], SSAValue]
    finish: Callable[[Index, int, SSAValue], None]
    partial: Partial | None = None
    more: Sequence[Term] = ()

    def write(self, nest: LoopNest) -> None:
        if self.partial is not None:
            self._write_blocks(nest, self.partial)
            return
        bounds = self.summed.bounds
        rights = [term.right() for term in self.more]

        def tile(row: Index, rows: int, right: Reads) -> None:
            start = self.start(row, rows)
            left = self.left(row, rows).reader(nest, bounds)
            sums = self.summed.add(nest, start, left, right)
            for term, factor in zip(self.more, rights, strict=True):
                sums = term.summed.of(nest, sums, term.left(row, rows), factor)
            self.finish(row, rows, sums)

        _walk(nest, self.rows, self.right(0, bounds[0]), bounds, tile)

    def _write_blocks(self, nest: LoopNest, partial: Partial) -> None:
        depth, turns = self.summed.bounds[0], partial.turns

        def keep(row: Index, rows: int, sums: SSAValue) -> None:
            partial.store(nest, row, rows, sums)

        self.rows.walk(nest, lambda row, rows: keep(row, rows, self.start(row, rows)))
        last = nest.mul(nest.maximum(nest.sub(nest.ceildiv(depth, turns), 1), 0), turns)
        with nest.loop(0, last, turns) as block:
            self._write_block(nest, partial, block.index, turns, keep)
        self._write_block(nest, partial, last, nest.sub(depth, last), self.finish)

    def _write_block(
        self,
        nest: LoopNest,
        partial: Partial,
        first: Index,
        count: Index,
        finish: Callable[[Index, int, SSAValue], None],
    ) -> None:
        """A block's products, each tile's from zero, added to what there is of them."""
        assert isinstance(self.summed, Sum), "what is multiplied in blocks of depth is summed in registers"
        summed = replace(self.summed, bounds=[count, *self.summed.bounds[1:]])
        staged = self.right(first, count)
        assert isinstance(staged, Reach | Copying), "what is multiplied in blocks of depth lies evenly"

        def tile(row: Index, rows: int, right: Reader) -> None:
            left = self.left(row, rows)
            assert isinstance(left, Reach | Fetching)
            read_left = left.shifted(nest, first).reader(nest, summed.bounds)
            products = summed.add(nest, partial.zero(nest, rows), read_left, right)
            finish(row, rows, combine(nest, "sum", partial.load(nest, row, rows), products))

        # A tile over others' rows would add its products to theirs.
        _walk(nest, self.rows, staged, summed.bounds, tile, once=True)


def _walk(
    nest: LoopNest,
    rows: RowWalk,
    right: Factor[Reads],
    bounds: Sequence[Index],
    tile: Callable[[Index, int, Reads], None],
    once: bool = False,
) -> None:
    """All tiles of rows, each with a reader of the right: the first one with what copies it, if it is copied so."""
    others = right
    if isinstance(right, Copying):
        assert isinstance(rows, RowTiles), "rows that follow each other share what the first ones copy"
        tile(rows.begin, rows.tile, right.reader(nest, bounds))  # pyright: ignore[reportArgumentType]
        rows = RowTiles(nest.sub(rows.count, rows.tile), rows.tile, nest.add(rows.begin, rows.tile))
        others: Factor[Reads] = right.panel  # pyright: ignore[reportAssignmentType]
    read = others.reader(nest, bounds)
    rows.walk(nest, lambda row, count: tile(row, count, read), once)
