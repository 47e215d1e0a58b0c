"""Indirect convolution: NHWC in and out, rows of a matrix product found through a table of offsets.

::

    for n, group, block of output pixels
      table[tap][pixel] = where the pixel's channels under that tap begin      (in scratch; zeros in the padding)
      for panel of output channels, tile of the block's pixels
        sums[pixels][channels] = bias
        for tap:  rows = table[tap][pixels]
          for c:  sums += x[rows + c] * w[panel][tap][c][channels]         (words of c, where an atom takes several)
        y[n, pixel, channel] = epilogue(sums)

Nothing is copied, whatever the stride, dilation or number of channels. The zeros that padding pixels read lie in
scratch beside the table; their offset from x is the difference of the two addresses. Where no pixel reads padding,
because x has a halo or the convolution none, tiles of neighbouring pixels in a row need no table (``table = false``).

The weights lie in panels: ``Acdb64a`` is [K/64][window][c][64]; for an atom that takes four channels at once
``AcdB64a4b``, [K/64][window][c/4][64][4]. Of a word that channels do not fill, no more is read.
Decisions: ``rows`` (pixels) of a tile at most; ``block`` pixels that share a table; ``panel_chunks``: pieces of the
panels that threads share beside blocks; ``table``; ``lanes`` of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects import arith, memref, vector
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.conv_decisions import Indirect
from ...dialects.kernel import ConvOp
from ...dialects.operand_layouts import images_are_contiguous, packed_layout, panel_depth
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from ...dialects.storage import element_bytes
from .contraction import Contraction, Reach, Reader, RowTiles, Sum, Term, in_words
from .conv_tiles import lower_conv_tiles
from .halo import fill_halo
from .im2col_panel import window_axes
from .loop_nest import INDEX, Index, LoopNest
from .outer_axes import outer_loops
from .register_tile import ResultTile, store_result_tile, strides_by_axis
from .word_columns import WordColumn

# Physical dimensions of y in NHWC order.
ROW, COLUMN, CHANNEL = 1, 2, 3
# Tiles of fewer vectors than this get an unrolled loop.
FEW_VECTORS = 12
OFFSET_BYTES = 8


def lower_conv_indirect(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ConvOp)
    decisions = stage.decided(Indirect)
    if decisions.has_tiles:
        lower_conv_tiles(nest, kernel, decisions)
        return
    fill_halo(nest, nest.operands[-1])
    _Indirect(stage, nest, kernel).lower()


class _Indirect:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ConvOp):
        self.nest, self.kernel = nest, kernel
        self.x, self.w, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        self.check()
        self.decisions = decisions = stage.decided(Indirect)
        self.tile_rows, self.block = decisions.rows, decisions.block
        self.atom, self.depth = decisions.atom, panel_depth(kernel)
        self.lanes, self.panel_chunks = decisions.lanes, decisions.panel_chunks
        self.groups = int(kernel.get("groups"))
        self.columns = self.w.type.layout.block_of(0)
        self.channels = int(self.w.dims[1])
        self.group_channels = int(self.y.dims[1]) // self.groups
        self.panels = -(-self.group_channels // self.columns)
        self.is_ragged = self.group_channels % self.columns != 0
        self.axes = window_axes(nest, kernel)
        self.taps = int(dims.product(self.w.dims[2:]))
        self.x_strides = strides_by_axis(self.x)
        written = [tensor.type for tensor in (self.y, *nest.operands[len(kernel.ins) : -1])]
        contiguous = all(images_are_contiguous(type_, self.y.dims) for type_ in written)
        self.table = _Table(self) if decisions.table else None
        is_pointwise = self.taps == 1 and not any(axis.is_padded or axis.stride != 1 for axis in self.axes)
        x_contiguous = images_are_contiguous(self.x.type, self.y.dims)
        self.is_merged = contiguous and (self.table is not None or (is_pointwise and x_contiguous))
        self.pixels = nest.dim(dims.product(self.y.dims[2:]) if self.is_merged else self.y.dims[3])

    def check(self) -> None:
        """Raises ValueError for layouts that this algorithm does not read or write."""
        for name, tensor in (("x", self.x), ("y", self.y)):
            if tensor.type.layout.order != "acdb":
                raise ValueError(f"indirect convolution wants NHWC, {name} is in the layout {tensor.type.layout.order}")
        columns = self.w.type.layout.block_of(0)
        expected = packed_layout(self.kernel)
        if expected is None or self.w.type.layout.order != expected.order:
            raise ValueError(f"indirect convolution reads panels of weights, not {self.w.type.layout.order}")
        groups = int(self.kernel.get("groups"))
        if groups > 1 and int(self.y.dims[1]) // groups % columns:
            raise ValueError(f"panels of {columns} output channels do not divide a group's")

    def lower(self) -> None:
        nest = self.nest
        if self.table is not None and self.kernel.reads_padding:
            self.table.fill_zeros()
        rows = [] if self.is_merged else [nest.dim(self.y.dims[2])]
        blocks = nest.ceildiv(self.pixels, self.block)
        bounds = {
            "n": [nest.dim(self.y.dims[0])],
            "g": [self.groups],
            "r": rows,
            "p": [blocks],
            "oc": [self.panel_chunks],
        }
        chunk_panels = -(-self.panels // self.panel_chunks)
        with outer_loops(nest, self.decisions, self.kernel, bounds) as turn:
            n, group, row = turn.index("n"), turn.index("g"), turn.indices["r"]
            first, chunk = nest.mul(turn.index("p"), self.block), turn.index("oc")
            count = nest.minimum(nest.sub(self.pixels, first), self.block)
            output_row = row[0] if row else None
            if self.table is not None:
                with turn.once_for_all("oc"):
                    self.table.fill(n, group, output_row, first, count)
            first_panel = nest.mul(chunk, chunk_panels)
            last_panel = nest.minimum(nest.add(first_panel, chunk_panels), self.panels)
            with nest.loop(first_panel, last_panel) as panel:
                self.multiply(n, group, output_row, first, count, panel.index)

    def multiply(self, n: Index, group: Index, row: Index | None, first: Index, count: Index, panel: Index) -> None:
        """The block's pixels times one panel."""
        nest = self.nest
        in_group = nest.mul(panel, self.columns)
        channel = nest.add(nest.mul(group, self.group_channels), in_group)
        lanes = nest.minimum(nest.sub(self.group_channels, in_group), self.columns) if self.is_ragged else None

        def tile_of(start: Index, rows: int) -> ResultTile:
            starts = [n, 0 if row is None else row, nest.add(first, start), channel]
            return ResultTile(starts, [(COLUMN, rows), (CHANNEL, self.columns)], lanes)

        def pixels(start: Index, rows: int) -> Callable[[Index], list[Index]]:
            if self.table is not None:
                return self.table.rows_of_x(start, rows)
            return self._neighbours(n, group, row, nest.add(first, start), rows)

        number = nest.add(nest.mul(group, self.panels), panel)
        words, single = divmod(self.channels, self.depth)
        few = FEW_VECTORS * self.lanes
        whole = Sum([self.taps, words], unrolled_below=few, atom=self.atom)
        rest = Term(
            summed=Sum([self.taps, 1], unrolled_below=few, atom=self.atom),
            left=lambda start, rows: _Pixels(self, pixels(start, rows), words * self.depth, self.depth, single),
            right=lambda: self._weights(number, words * self.depth),
        )
        Contraction(
            rows=RowTiles(self._tiled_count(count), self.tile_rows),
            summed=whole,
            left=lambda start, rows: _Pixels(self, pixels(start, rows), 0, self.depth),
            right=lambda *_: self._weights(number, 0),
            start=lambda start, rows: self._bias(channel, tile_of(start, rows)),
            finish=lambda start, rows, sums: store_result_tile(nest, self.kernel, sums, self.y, tile_of(start, rows)),
            more=[rest] if single else [],
        ).write(nest)

    def _tiled_count(self, count: Index) -> Index:
        """The number of pixels in a block, which is known where blocks divide the pixels."""
        if isinstance(self.pixels, int) and self.pixels % self.block == 0:
            return self.block
        return count

    def _bias(self, channel: Index, tile: ResultTile) -> SSAValue:
        nest = self.nest
        if len(self.kernel.ins) < 3:
            return nest.constant(0.0, nest.vector_type(self.kernel.sums_type, tile.shape))
        bias = nest.operands[2]
        memory = nest.view(bias.memory, nest.add(bias.origin, channel), [self.columns], [1])
        row = nest.load_vector(memory, [0], [self.columns], tile.mask(nest, [self.columns]))
        return nest.broadcast(row, tile.shape)

    def _weights(self, panel: Index, first: int) -> Reach:
        """A panel, along taps and input channels from the ``first`` on, as many at once as the atom takes."""
        width, depth = self.columns, self.depth
        row = -(-self.channels // depth) * depth * width
        offset = self.nest.add(self.w.origin, self.nest.mul(panel, self.taps * row))
        offset = self.nest.add(offset, first * width)
        return Reach(self.w.memory, offset, [row, width * depth], *in_words([1, width], [0, depth], depth))

    # --- pixels ---------------------------------------------------------------------------------------

    def _neighbours(
        self, n: Index, group: Index, row: Index | None, pixel: Index, rows: int
    ) -> Callable[[Index], list[Index]]:
        """Finds neighbouring pixels of a row (of the image, where it is one long row) without a table."""
        nest, (vertical, horizontal) = self.nest, self.axes
        base = self.image_offset(n, group)
        if row is None:
            base = nest.add(base, nest.mul(pixel, horizontal.step))
        else:
            base = nest.add(base, nest.mul(vertical.position(nest, row, 0), vertical.step))
            base = nest.add(base, nest.mul(horizontal.position(nest, pixel, 0), horizontal.step))

        def find(tap: Index) -> list[Index]:
            tap_row, tap_column = nest.split_index(tap, [vertical.window, horizontal.window])
            offset = nest.add(base, nest.mul(tap_row, nest.mul(vertical.dilation, vertical.step)))
            offset = nest.add(offset, nest.mul(tap_column, nest.mul(horizontal.dilation, horizontal.step)))
            step = nest.mul(1 if row is None else horizontal.stride, horizontal.step)
            return [nest.add(offset, nest.mul(number, step)) for number in range(rows)]

        return find

    def image_offset(self, n: Index, group: Index) -> Index:
        """Where the group's channels of an image's first pixel begin in x."""
        nest = self.nest
        offset = nest.add(self.x.origin, nest.mul(n, self.x_strides[0, False]))
        return nest.add(offset, nest.mul(nest.mul(group, self.channels), self.x_strides[1, False]))


@dataclass(frozen=True)
class _Pixels:
    """The left of a tile: pixels wherever they lie, their channels from the ``first`` on, ``step`` of them at once.

    ``find`` gives, for a tap, where the channels of each pixel begin. Of the last word only some ``exist``; 0 is all.
    """

    conv: _Indirect
    find: Callable[[Index], list[Index]]
    first: int
    step: int
    exist: int = 0

    def reader(self, nest: LoopNest, bounds: Sequence[Index]) -> Reader:
        memory, sizes = self.conv.x.memory, [bounds[-1], self.exist or self.step]

        def read(outer: Sequence[Index]) -> Callable[[Index], SSAValue]:
            (tap,) = outer
            starts = [nest.add(start, self.first) for start in self.find(tap)]
            pixels = [nest.view(memory, start, sizes, [self.step, 1]) for start in starts]
            return lambda index: self._column(nest, pixels, index)

        return read

    def _column(self, nest: LoopNest, pixels: Sequence[SSAValue], index: Index) -> SSAValue:
        """One channel of each pixel, or one word of them."""
        element = self.conv.x.element_type
        if self.step == 1:
            column = nest.constant(0.0, vector_type(element, [len(pixels), 1]))
            for row, view in enumerate(pixels):
                column = nest.insert(vector.InsertOp(nest.load(view, [index, 0]), column, [row, 0]))
            return column
        return WordColumn(element, self.step, self.exist or self.step).read(nest, pixels, index)


class _Table:
    """Offsets in x, by tap and pixel of a block, and the zeros that pixels in the padding read; both in scratch."""

    def __init__(self, conv: _Indirect):
        self.conv, self.nest = conv, conv.nest
        nest = self.nest
        entries = conv.taps * conv.block
        memory = nest.scratch_memory(INDEX, 0, entries)
        self.zeros = nest.scratch_memory(conv.x.element_type, OFFSET_BYTES * entries, conv.channels)
        self.offsets = nest.view(memory, 0, [conv.taps, conv.block], [conv.block, 1])
        if conv.kernel.reads_padding:
            # Zeros are read through x's pointer: the compiler must not think that x and scratch lie apart.
            nest.reach_scratch_through(conv.x.memory)

    def fill_zeros(self) -> None:
        nest, conv = self.nest, self.conv
        zero = nest.constant(0, conv.x.element_type)
        row = nest.view(self.zeros, 0, [conv.channels], [1])
        with nest.loop(0, conv.channels) as channel:
            nest.store(zero, row, [channel.index])

    def _zero_offset(self) -> Index:
        """Elements from x to the zeros."""
        nest, conv = self.nest, self.conv
        here, there = (
            nest.insert(memref.ExtractAlignedPointerAsIndexOp.get(memory)) for memory in (conv.x.memory, self.zeros)
        )
        difference = nest.sub(there, here)
        return nest.insert(arith.DivSIOp(nest.value(difference), nest.constant(element_bytes(conv.x.element_type))))

    def fill(self, n: Index, group: Index, row: Index | None, first: Index, count: Index) -> None:
        """Entries of ``count`` pixels from ``first`` on: of the image, or of one output row."""
        nest, conv = self.nest, self.conv
        vertical, horizontal = conv.axes
        base = conv.image_offset(n, group)
        zero_offset = self._zero_offset() if conv.kernel.reads_padding else None
        width = nest.dim(conv.y.dims[3])
        with nest.loop(0, count) as pixel:
            number = nest.add(first, pixel.index)
            output_row, column = row, number
            if output_row is None:
                output_row, column = nest.floordiv(number, width), nest.mod(number, width)
            with nest.loops([vertical.window, horizontal.window]) as (tap_row, tap_column):
                y, x = vertical.position(nest, output_row, tap_row), horizontal.position(nest, column, tap_column)
                offset = nest.add(base, nest.add(nest.mul(y, vertical.step), nest.mul(x, horizontal.step)))
                if zero_offset is not None:
                    offset = self._outside(offset, zero_offset, y, x)
                tap = nest.add(nest.mul(tap_row, horizontal.window), tap_column)
                nest.store(nest.value(offset), self.offsets, [tap, pixel.index])

    def _outside(self, offset: Index, zero_offset: Index, y: Index, x: Index) -> Index:
        """The offset, or that of the zeros where the position is in the padding."""
        nest = self.nest
        conditions = []
        for axis, position in zip(self.conv.axes, (y, x), strict=True):
            if axis.begin != 0:
                conditions.append(nest.compare("sge", position, 0))
            if axis.end != 0:
                conditions.append(nest.compare("slt", position, axis.size))
        inside = reduce(lambda a, b: nest.insert(arith.AndIOp(a, b)), conditions)
        return nest.insert(arith.SelectOp(inside, nest.value(offset), nest.value(zero_offset)))

    def rows_of_x(self, start: Index, rows: int) -> Callable[[Index], list[Index]]:
        """Finds the pixels of a tile that begins ``start`` pixels into the block."""
        nest = self.nest

        def find(tap: Index) -> list[Index]:
            return [nest.load(self.offsets, [tap, nest.add(start, row)]) for row in range(rows)]

        return find
