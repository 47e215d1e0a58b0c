"""Matrix product: panels of B outermost, tiles of rows inside, the whole reduction in registers.

::

    for batch, panel of B's columns, chunk of rows
      copy the rows of A into words           (for an atom that takes more of the depth at once than lies side by side)
      for block of depth                      (a block of the panel stays in L2; one block where all of it does)
        pack the block, where B's columns do not lie side by side or its rows lie far apart
        for tile of rows
          sums[rows][columns] = bias, or what the blocks before gave
          for block of k:  for k in it:  part += a[row, k] * b[k, column];  sums += part
          y[row, column] = epilogue(sums)

B is packed in panels at compile time (layout ``Ba64b``: [N/64][K][64], or ``BA64b4a``: [N/64][K/4][64][4] for an atom
that takes four products at once, for which k above counts fours), or read where it lies. A and the
result may have any strides, so transposes and head splits are free. Leading axes of A become rows where
B has none and the memory allows it.

A B that is narrower than A is widened as it is read, or as its blocks are copied where more rows than a tile has use
them: a run with few rows reads a packed panel in its place even if ``pack`` says that it is copied.

Decisions: ``rows`` and ``columns`` of a tile at most; ``row_chunks``: pieces of the rows that threads share beside
panels; ``depth_block``: products that are added up before the next tile of rows; ``pack``: whether blocks of B are
copied before they are used, and ``pack_along`` whether the first tile of rows does so while it multiplies;
``prefetch``: whether the block after is fetched meanwhile; ``atom``: the instruction that multiplies; ``depth_lanes``:
whether lanes are not columns but places along the depth, and how many (``gemm_depth.py``); ``depth_rows``: for how many
rows at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.gemm_decisions import MATRIX_BLOCK, WORDS_AT_ONCE, Gemm, depth_of, widens
from ...dialects.kernel import GemmOp
from ...dialects.schedule import StageOp
from ...dialects.storage import element_bytes
from ...machines.atoms import ATOMS, TILE_BAND
from .arithmetic import select
from .contraction import (
    CACHE_LINE,
    FEW_ELEMENTS,
    STREAMED_BY,
    Contraction,
    Copying,
    Fetch,
    Fetching,
    Part,
    Partial,
    Reach,
    Reader,
    RowsApart,
    RowTiles,
    Sum,
    in_words,
)
from .gemm_depth import DepthInLanes
from .gemm_product import Matrix, Product, merge_batch_into_rows
from .gemm_tiles import MatrixTiles
from .halo import fill_halo
from .loop_nest import Index, LoopNest
from .panel_copy import copy_panel
from .register_tile import ResultTile, store_result_tile
from .tile_products import LastWords
from .words import Source, WordCopy


def lower_gemm(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, GemmOp)
    merge_batch_into_rows(nest, kernel)
    y = nest.operands[-1]
    fill_halo(nest, y)
    decisions = stage.decided(Gemm)
    if decisions.has_depth_only:
        DepthInLanes(stage, nest, kernel).lower()
    elif not decisions.depth_lanes:
        _ColumnsInLanes(stage, nest, kernel).lower()
    else:
        rows = nest.dim(y.dims[-2])
        with nest.when(nest.compare("sle", rows, decisions.depth_rows)):
            DepthInLanes(stage, nest, kernel).lower()
        with nest.when(nest.compare("sgt", rows, decisions.depth_rows)):
            _ColumnsInLanes(stage, nest, kernel).lower()


class _ColumnsInLanes(Product):
    """Lanes are columns: rows of a broadcast each of their elements to a row of B."""

    def __init__(self, stage: StageOp, nest: LoopNest, kernel: GemmOp):
        super().__init__(stage, nest, kernel)
        self.step = self.decisions.atom_depth
        self.words = nest.ceildiv(self.depth, self.step)
        self.left_copy = self._left_copy() if self.decisions.copies_left(kernel) else None
        self.last_words = self._last_words()
        self.is_ragged = not isinstance(self.columns, int) or self.columns % self.tile_columns != 0

    def lower(self) -> None:
        nest = self.nest
        panels = nest.ceildiv(self.columns, self.tile_columns)
        if self.last_words is not None:
            self.last_words.clear()
        with self.outer_loops(panels) as turn:
            batch, rows = turn.indices["b"], self._rows_of(turn.index("m"))
            if self.left_copy is not None:
                with turn.once_for_all("n"):
                    source = Source(self.a_tensor.memory, self._left_offset(batch, rows.begin), *self._left_strides)
                    self.left_copy.fill(nest, source, self.depth, rows.count)
            self._multiply(batch, turn.index("n"), rows, self.left_copy)

    def _rows_of(self, chunk: Index) -> RowTiles:
        return RowTiles.of_chunk(self.nest, self.rows, self.tile_rows, chunk, self.row_chunks)

    def _multiply(self, batch: Sequence[Index], panel: Index, rows: RowTiles, left_copy: WordCopy | None) -> None:
        nest = self.nest
        column = nest.mul(panel, self.tile_columns)
        lanes = nest.minimum(nest.sub(self.columns, column), self.tile_columns) if self.is_ragged else None

        def tile_of(row: Index, rows: int) -> ResultTile:
            return ResultTile(starts=self.starts(batch, row, column), spans=self._spans(rows), lanes=lanes)

        def left(row: Index, count: int) -> Reach | Fetching:
            if left_copy is None:
                reach = self._left(batch, row, count)
            else:
                reach = self._copied_left(left_copy, nest.sub(row, rows.begin), count)
            if self.decisions.ahead and count <= STREAMED_BY:
                return Fetching(reach, lambda first: self._fetch_ahead(panel, first))
            # The few rows that are left, or all of a run with few, read B once: as it comes.
            if not self.decisions.prefetch or count < self.tile_rows:
                return reach
            part = nest.sub(row, rows.begin), count, rows.count
            if self.b is not None:
                return Fetching(reach, self._fetch_given(self.b, batch, panel, part))
            return Fetching(reach, lambda first: self._fetch(panel, first, part, 1))

        def contraction_of(panel_rows: Callable[[Index, Index], Reach | Copying]) -> Contraction[Reader]:
            return Contraction(
                rows=rows,
                summed=Sum([self.words], MATRIX_BLOCK // self.step, FEW_ELEMENTS, self.decisions.atom),
                left=left,
                right=panel_rows,
                start=lambda row, count: self.bias(tile_of(row, count)),
                finish=lambda row, count, sums: store_result_tile(nest, self.kernel, sums, self.y, tile_of(row, count)),
                partial=self._partial(rows.begin),
            )

        contraction = contraction_of(lambda *block: self._right(batch, panel, column, lanes, rows, *block))
        if self.b is None and self.decisions.copies(self.kernel):
            # The rows of one tile read a panel once: that is no reason to copy it.
            with nest.when(nest.compare("sle", rows.count, self.tile_rows)):
                contraction_of(lambda first, _: self._read_widened(self._panel_from(panel, first))).write(nest)
            with nest.when(nest.compare("sgt", rows.count, self.tile_rows)):
                contraction.write(nest)
            return
        if not self.decisions.has_tiles:
            contraction.write(nest)
            return
        stored, at = TILE_BAND * self.tile_columns, nest.dim(self.decisions.packed_bytes(self.kernel))
        scratch = nest.scratch_memory(self.kernel.sums_type, at, stored)

        def matrix(row: Index) -> tuple[SSAValue, Index, Index]:
            return self.a_tensor.memory, self._left_offset(batch, row), self.a.row_stride

        atom = ATOMS[self.decisions.atom]

        def fetch(row: Index, height: int) -> Fetch:
            return self._fetch(panel, 0, (nest.sub(row, rows.begin), height, rows.count), atom.steps)

        fetched = fetch if self.decisions.prefetch else None
        MatrixTiles(nest, contraction, rows, atom, matrix, scratch, self.tile_columns, self.last_words, fetched).write()

    def _last_words(self) -> LastWords | None:
        decisions, element = self.decisions, self.b_tensor.element_type
        if not decisions.last_bytes(self.kernel):
            return None
        assert isinstance(self.words, int), "as many words as there are not known to fill registers"
        at = self.nest.dim(dims.subtract(decisions.left_at(self.kernel), decisions.last_bytes(self.kernel)))
        return LastWords(self.nest, ATOMS[decisions.atom], self.tile_columns, element, at, self.words, True)

    def _partial(self, first_row: Index) -> Partial | None:
        if not self.decisions.has_blocks(self.kernel):
            return None
        nest, element = self.nest, self.kernel.sums_type
        size = nest.mul(nest.ceildiv(self.rows, self.row_chunks), self.tile_columns)
        memory = nest.scratch_memory(element, nest.dim(self.decisions.packed_bytes(self.kernel)), size)
        return Partial(memory, first_row, [self.tile_columns], self.decisions.depth_block // self.step)

    def _spans(self, rows: int) -> list[tuple[int, int]]:
        return [(self.dimension_of(-2), rows), (self.dimension_of(-1), self.tile_columns)]

    # --- the left ---------------------------------------------------------------------------------------

    @property
    def _left_strides(self) -> tuple[Index, Index]:
        return self.a.column_stride, self.a.row_stride

    def _left_offset(self, batch: Sequence[Index], row: Index) -> Index:
        return self.nest.add(self.a.offset(self.nest, batch), self.nest.mul(row, self.a.row_stride))

    def _left(self, batch: Sequence[Index], row: Index, rows: int) -> Reach:
        along = self.nest.mul(self.a.column_stride, self.step)
        shape, strides = in_words([rows, 1], [self.a.row_stride, 1], self.step)
        return Reach(self.a_tensor.memory, self._left_offset(batch, row), [along], shape, strides)

    def _left_copy(self) -> WordCopy:
        nest = self.nest
        longest = nest.ceildiv(self.rows, self.row_chunks)
        width = nest.mul(nest.ceildiv(longest, WORDS_AT_ONCE), WORDS_AT_ONCE)
        at = nest.dim(self.decisions.left_at(self.kernel))
        return WordCopy(self.a_tensor.element_type, self.step, at, self.words, width)

    def _copied_left(self, copy: WordCopy, row: Index, rows: int) -> Reach:
        """Rows of a chunk from its ``row``-th on: neighbours lie side by side, word by word."""
        step = self.step
        along = self.nest.mul(copy.width, step)
        shape, strides = in_words([rows, 1], [step, step], step)
        return Reach(copy.memory(self.nest), self.nest.mul(row, step), [along], shape, strides)

    def _fetch(self, panel: Index, first: Index, part: Part, words: int) -> Fetch:
        """What a tile brings of the block of B after the one from word ``first`` on: its share of rows.

        After a panel's last block comes the next panel's first. A step of the tile's sum takes so many words.
        """
        nest, width = self.nest, self.tile_columns * self.step
        turns = self._block_turns
        block = nest.mul(turns, width)
        begin = nest.add(self._panel_offset(panel, first), block)
        return Fetch.share(nest, self.b_tensor.memory, (begin, block), part, nest.ceildiv(turns, words))

    @property
    def _block_turns(self) -> Index:
        """Words of the depth in a block of B."""
        return self.decisions.depth_block // self.step if self.decisions.has_blocks(self.kernel) else self.words

    def _fetch_given(self, b: Matrix, batch: Sequence[Index], panel: Index, part: Part) -> Callable[[Index], Fetch]:
        """As ``_fetch``, of rows that are copied from a B that is not packed, where they lie apart."""
        nest, width, turns = self.nest, self.tile_columns, self._block_turns

        def after(first: Index) -> Fetch:
            following = nest.add(first, turns)
            row, column = following, nest.mul(panel, width)
            if not self.decisions.has_blocks(self.kernel):
                row, column = 0, nest.add(column, width)
            else:
                is_last = nest.compare("sge", following, self.words)
                row = select(nest, is_last, nest.value(0), nest.value(following))
                column = nest.add(column, select(nest, is_last, nest.value(width), nest.value(0)))
            offset = nest.add(b.offset(nest, batch), nest.mul(row, b.row_stride))
            rows = RowsApart(nest.add(offset, column), width, b.row_stride)
            return Fetch.share(nest, self.b_tensor.memory, (0, nest.mul(turns, width)), part, turns, rows)

        return after

    def _fetch_ahead(self, panel: Index, first: Index) -> Fetch:
        """What lies so many bytes behind each row of a panel of B, from word ``first`` on."""
        width, line = self.tile_columns * self.step, CACHE_LINE // element_bytes(self.b_tensor.element_type)
        begin = self.nest.add(self._panel_offset(panel, first), self.decisions.ahead // CACHE_LINE * line)
        return Fetch(self.b_tensor.memory, begin, width, -(-width // line), line)

    # --- the right --------------------------------------------------------------------------------------

    def _read_widened(self, right: Reach) -> Reach:
        """Rows of a B that is narrower than A become as wide as they are read."""
        return replace(right, element=self.kernel.sums_type) if widens(self.kernel) else right

    def _panel_from(self, panel: Index, first: Index) -> Reach:
        """A panel that lies packed, from a row on."""
        return self._panel(self.b_tensor.memory, self._panel_offset(panel, first))

    def _panel_offset(self, panel: Index, first: Index) -> Index:
        nest, width = self.nest, self.tile_columns * self.step
        row = nest.add(nest.mul(panel, self.words), first)
        return nest.add(self.b_tensor.origin, nest.mul(row, width))

    def _right(
        self,
        batch: Sequence[Index],
        panel: Index,
        column: Index,
        lanes: Index | None,
        rows: RowTiles,
        first: Index,
        count: Index,
    ) -> Reach | Copying:
        """The panel of B from row ``first`` on; where it is not copied, reading beyond its columns is not allowed.

        Rows are of words, where the atom takes any.
        """
        nest, width = self.nest, self.tile_columns
        if self.b is None:
            if self.decisions.copies(self.kernel):
                whole = Matrix(self.b_tensor, width, 1, [])
                return self._packed(whole, self._panel_offset(panel, first), rows, count, None)
            return self._read_widened(self._panel_from(panel, first))
        b = self.b
        product = nest.mul(first, self.step)
        offset = nest.add(b.offset(nest, batch), nest.mul(product, b.row_stride))
        offset = nest.add(offset, nest.mul(column, b.column_stride))
        if self.step > 1:
            return self._right_copy(b, offset, product, count, lanes)
        if self.decisions.copies(self.kernel):
            return self._packed(b, offset, rows, count, lanes)
        return self._in_place(b, offset, lanes)

    def _in_place(self, b: Matrix, offset: Index, lanes: Index | None) -> Reach:
        """Rows of B where they lie."""
        nest, shape = self.nest, [1, self.tile_columns]
        mask = None if lanes is None else nest.mask(shape, [1, lanes])
        return self._read_widened(Reach(self.b_tensor.memory, offset, [b.row_stride], shape, [0, 1], mask))

    def _panel(self, memory: SSAValue, offset: Index) -> Reach:
        width = self.tile_columns * self.step
        return Reach(memory, offset, [width], *in_words([1, self.tile_columns], [width, self.step], self.step))

    def _right_copy(self, b: Matrix, offset: Index, product: Index, words: Index, lanes: Index | None) -> Reach:
        """So many words of B from ``product`` on, copied to scratch."""
        nest, width = self.nest, self.tile_columns
        rows = nest.dim(dims.ceildiv(self.decisions.rows_at_once(depth_of(self.kernel)), self.step))
        copy = WordCopy(self.b_tensor.element_type, self.step, 0, rows, width, math.gcd(width, WORDS_AT_ONCE))
        source = Source(self.b_tensor.memory, offset, b.row_stride, b.column_stride)
        products = nest.minimum(nest.mul(words, self.step), nest.sub(self.depth, product))
        copy.fill(nest, source, products, width if lanes is None else lanes)
        return self._panel(copy.memory(nest), 0)

    def _packed(self, b: Matrix, offset: Index, rows: RowTiles, count: Index, lanes: Index | None) -> Reach | Copying:
        """``count`` rows of B copied to scratch, where they are as long as the tile is wide, and widened.

        The first tile copies them while it multiplies, if that is decided and there are others.
        """
        nest, width = self.nest, self.tile_columns
        element = self.kernel.sums_type if widens(self.kernel) else self.b_tensor.element_type
        memory = nest.scratch_memory(element, 0, nest.mul(self.decisions.rows_at_once(self.depth), width))
        panel = Reach(memory, 0, [width], [1, width], [width, 1])
        if self.decisions.pack_along and isinstance(rows.count, int) and rows.count > rows.tile:
            return Copying(self._in_place(b, offset, lanes), panel)
        packed = nest.view(memory, 0, [count, width], [width, 1])
        strides = b.row_stride, b.column_stride
        copy_panel(nest, self.b_tensor.memory, offset, strides, packed, (count, width), lanes)
        return panel
