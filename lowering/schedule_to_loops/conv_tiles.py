"""Direct and indirect convolution in registers of whole matrices: strips of pixels, a row each of what a window holds.

::

    for n, group, strip of output pixels                         (rows of the image, or part of one)
      rows[pixel][tap][channels] = x under the window            (in scratch)
      for panel of output channels
        for 32 pixels, or 16
          sums[pixels][channels] = rows * w[panel]               (2 x 2 registers, over 16 words at a time)
        for tile of the strip's pixels
          y[n, pixel, channels] = epilogue(bias + sums)

x and y lie both in channel blocks (direct) or both with the channels of a pixel side by side (indirect).
Decisions: ``strip``, or ``block``: pixels of a strip; ``columns``, or ``rows``: pixels that go through the epilogue at
once; ``panel_chunks``: pieces of the panels that threads share beside strips; ``channel_blocks`` or ``columns`` of a
panel, one or two registers wide.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.conv_decisions import Direct, Indirect
from ...dialects.kernel import ConvOp
from ...dialects.operand_layouts import is_long_row
from ...machines.atoms import ATOMS, TILE_ROW_BYTES
from .arithmetic import combine
from .conv_images import CHANNEL_BLOCK, COLUMN, LANE, bias_tile
from .halo import fill_halo
from .im2col_panel import window_axes
from .loop_nest import Index, LoopNest
from .register_tile import ResultTile, for_each_tile, store_result_tile, strides_by_axis
from .tile_products import LastWords, TileProduct, bands


def lower_conv_tiles(nest: LoopNest, kernel: ConvOp, decisions: Direct | Indirect) -> None:
    """Writes the loops of a convolution whose atom is of tiles; x has the halo that its window needs."""
    fill_halo(nest, nest.operands[-1])
    _ConvTiles(nest, kernel, decisions).lower()


class _ConvTiles:
    def __init__(self, nest: LoopNest, kernel: ConvOp, decisions: Direct | Indirect):
        self.nest, self.kernel = nest, kernel
        self.x, self.w, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        self.size = decisions.window_rows(kernel)
        self.lanes = self.y.type.layout.block_of(1)
        """Output channels of a block; 0 where those of a pixel lie side by side."""
        self.tile_pixels = decisions.columns if isinstance(decisions, Direct) else decisions.rows
        self.panel_chunks = decisions.panel_chunks
        self.columns, self.groups = self.size.columns, int(kernel.get("groups"))
        self.group_channels = int(self.y.dims[1]) // self.groups
        self.panels = -(-self.group_channels // self.columns)
        self.atom = ATOMS[decisions.atom]
        self.axes, self.x_strides = window_axes(nest, kernel), strides_by_axis(self.x)
        self.height, self.width = (nest.dim(size) for size in self.y.dims[2:])
        if is_long_row(kernel):
            self.height, self.width = 1, nest.dim(dims.product(self.y.dims[2:]))
        assert isinstance(self.width, int), "strips are of images whose width is known"
        self.in_strip = max(1, self.size.pixels // self.width)
        self.across = min(self.width, self.size.pixels)
        size = self.size
        self.last: LastWords | None = None
        if size.last_words:
            element = self.w.element_type
            self.last = LastWords(nest, self.atom, self.columns, element, size.last_at, size.words, False)
        self.rows = nest.scratch_memory(self.x.element_type, 0, size.whole_pixels * size.stride)
        self.sums = nest.scratch_memory(kernel.sums_type, size.sums_at, size.whole_pixels * self.columns)

    def lower(self) -> None:
        nest = self.nest
        strips, pieces = nest.ceildiv(self.height, self.in_strip), nest.ceildiv(self.width, self.across)
        chunk_panels = -(-self.panels // self.panel_chunks)
        if self.last is not None:
            self.last.clear()
            self._clear_ends(self.last.count)
        bounds = [nest.dim(self.y.dims[0]), self.groups, strips, pieces, self.panel_chunks]
        with nest.forall(bounds) as (n, group, strip, piece, chunk):
            row, column = nest.mul(strip, self.in_strip), nest.mul(piece, self.across)
            rows = self._count(self.height, row, self.in_strip)
            columns = self._count(self.width, column, self.across)
            if self.panel_chunks == 1:
                self._fill(n, group, (row, rows), (column, columns))
            else:
                # The chunks of one strip follow each other: the first that this thread meets fills the rows.
                with nest.when(nest.is_new(chunk)):
                    self._fill(n, group, (row, rows), (column, columns))
            first = nest.mul(chunk, chunk_panels)
            last = nest.minimum(nest.add(first, chunk_panels), self.panels)
            with nest.loop(first, last) as panel:
                number = nest.add(nest.mul(group, self.panels), panel.index)
                self._multiply(number, nest.mul(rows, columns))
                self._finish(n, number, (row, rows), (column, columns))

    def _count(self, extent: Index, first: Index, most: int) -> Index:
        if isinstance(extent, int) and extent % most == 0:
            return most
        return self.nest.minimum(self.nest.sub(extent, first), most)

    # --- rows ---------------------------------------------------------------------------------------------

    def _fill(self, n: Index, group: Index, rows: tuple[Index, Index], columns: tuple[Index, Index]) -> None:
        """Copies what lies under the window at pixels whose first row and column, and number of them, are given."""
        nest, size, (vertical, horizontal) = self.nest, self.size, self.axes
        (first_row, row_count), (first_column, column_count) = rows, columns
        image = nest.add(self.x.origin, nest.mul(n, self.x_strides[0, False]))
        image = nest.add(image, nest.mul(group, self._channel_step(int(self.w.dims[1]))))
        with nest.loop(0, row_count) as row, nest.loops([vertical.window, horizontal.window]) as (i, j):
            y = vertical.position(nest, nest.add(first_row, row.index), i)
            x = horizontal.position(nest, first_column, j)
            source = nest.add(image, nest.add(nest.mul(y, vertical.step), nest.mul(x, horizontal.step)))
            tap = nest.add(nest.mul(i, horizontal.window), j)
            target = nest.mul(tap, size.channel_words * self.atom.depth)
            target = nest.add(target, nest.mul(row.index, nest.mul(column_count, size.stride)))
            step = nest.mul(horizontal.stride, horizontal.step)
            with nest.loop(0, column_count) as column:
                at = nest.add(source, nest.mul(column.index, step))
                self._copy_channels(at, nest.add(target, nest.mul(column.index, size.stride)))

    def _clear_ends(self, last_words: int) -> None:
        """Writes zeros beyond the words of each row, which stay."""
        nest, size = self.nest, self.size
        count = (self.atom.steps - last_words) * self.atom.depth
        zeros = nest.constant(0, nest.vector_type(self.x.element_type, [count]))
        rows = nest.view(self.rows, 0, [size.whole_pixels, size.stride], [size.stride, 1])
        with nest.loop(0, size.whole_pixels) as row:
            nest.store_vector(zeros, rows, [row.index, size.words * self.atom.depth])

    def _channel_step(self, channels: int) -> Index:
        """Elements of x from a channel to the one so many further on: whole blocks where it lies in blocks."""
        if block := self.x.type.layout.block_of(1):
            return self.nest.mul(channels // block, self.x_strides[1, True])
        return self.nest.mul(channels, self.x_strides[1, False])

    def _copy_channels(self, source: Index, target: Index) -> None:
        """All channels of a pixel under one tap, a cache line at a time."""
        nest, line = self.nest, TILE_ROW_BYTES // self.size.element_bytes
        lanes = self.x.type.layout.block_of(1) or line
        stride = self._channel_step(lanes)
        whole, single = divmod(int(self.w.dims[1]), lanes)
        together = max(1, line // lanes)

        def copy(block: Index, count: int) -> None:
            at, to = nest.add(source, nest.mul(block, stride)), nest.add(target, nest.mul(block, lanes))
            channels = nest.view(self.x.memory, at, [count, lanes], [stride, 1])
            row = nest.view(self.rows, to, [count, lanes], [lanes, 1])
            nest.store_vector(nest.load_vector(channels, [0, 0], [count, lanes]), row, [0, 0])

        with nest.loop(0, whole // together) as group:
            copy(nest.mul(group.index, together), together)
        if whole % together:
            copy(whole // together * together, whole % together)
        if single:
            at, to = nest.add(source, nest.mul(whole, stride)), nest.add(target, whole * lanes)
            channels = nest.load_vector(
                nest.view(self.x.memory, at, [lanes], [1]), [0], [lanes], nest.mask([lanes], [single])
            )
            in_words = -(-single // self.atom.depth) * self.atom.depth
            mask = None if in_words == lanes else nest.mask([lanes], [in_words])
            nest.store_vector(channels, nest.view(self.rows, to, [lanes], [1]), [0], mask)

    # --- products -------------------------------------------------------------------------------------------

    def _multiply(self, panel: Index, pixels: Index) -> None:
        """The sums of all pixels of the strip for a panel of output channels."""
        nest, size, width = self.nest, self.size, self.columns * self.atom.depth
        offset = nest.add(self.w.origin, nest.mul(panel, size.words * width))
        weights = nest.view(self.w.memory, offset, [size.words, width], [width, 1])
        last = self.last.factors(weights) if self.last else None
        product = TileProduct(nest, self.atom, self.columns)
        for first, height in bands(nest, pixels, fills=True):
            left = nest.view(self.rows, nest.mul(first, size.stride), [height, size.stride], [size.stride, 1])
            sums = nest.view(self.sums, nest.mul(first, self.columns), [height, self.columns], [self.columns, 1])
            product.store(product.factors(left, weights, size.words, last), height, sums)

    def _finish(self, n: Index, panel: Index, rows: tuple[Index, Index], columns: tuple[Index, Index]) -> None:
        """Takes the strip's sums through the epilogue to the result."""
        nest, (first_row, row_count), (first_column, column_count) = self.nest, rows, columns

        def finish_tile(row: Index, column: Index, count: int) -> None:
            pixel = nest.add(nest.mul(row, column_count), column)
            tile = self._tile(n, panel, [nest.add(first_row, row), nest.add(first_column, column)], count)
            strides = [self.columns, self.lanes, 1] if self.lanes else [self.columns, 1]
            memory = nest.view(self.sums, nest.mul(pixel, self.columns), tile.shape, strides)
            sums = nest.load_vector(memory, [0] * len(strides), tile.shape)
            if len(self.kernel.ins) > 2:
                sums = combine(nest, "sum", self._bias(tile), sums)
            store_result_tile(nest, self.kernel, sums, self.y, tile)

        with nest.loop(0, row_count) as row:
            for_each_tile(
                nest, column_count, self.tile_pixels, lambda column, count: finish_tile(row.index, column, count)
            )

    def _tile(self, n: Index, panel: Index, place: Sequence[Index], pixels: int) -> ResultTile:
        """Neighbouring pixels of the result, from the row and column ``place`` on, by a panel's channels."""
        nest = self.nest
        if self.lanes:
            blocks = self.columns // self.lanes
            spans = [(COLUMN, pixels), (CHANNEL_BLOCK, blocks), (LANE, self.lanes)]
            return ResultTile([n, nest.mul(panel, blocks), *place, 0], spans)
        # Panels divide the channels of each of several groups, or else the last is not full.
        channel, lanes = nest.mul(panel, self.columns), None
        if self.group_channels % self.columns:
            lanes = nest.minimum(nest.sub(self.group_channels, channel), self.columns)
        return ResultTile([n, *place, channel], [(2, pixels), (3, self.columns)], lanes)

    def _bias(self, tile: ResultTile) -> SSAValue:
        nest = self.nest
        if self.lanes:
            return bias_tile(nest, self.kernel, self.y, tile)
        bias, shape = nest.operands[2], [self.columns]
        memory = nest.view(bias.memory, nest.add(bias.origin, tile.starts[-1]), shape, [1])
        return nest.broadcast(nest.load_vector(memory, [0], shape, tile.mask(nest, shape)), tile.shape)
