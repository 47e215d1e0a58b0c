"""Packs panels of im2col columns: for each output pixel of a panel, every input element under its window.

The panel is [c][window...][pixel], so that one row of it is one tap of one channel for neighbouring pixels.
Output pixels are cut in chunks: up to one vector of pixels that lie in one row of the output (of a 1x1 convolution the
image is one row)::

    for row of the output that the panel touches
      for chunk of the row's pixels
        for tap of the window, c:  panel[c][tap][chunk] = x[c, row * s + tap, chunk * s + tap]

Where a whole chunk lies inside x the copy needs no masks (``_copy_whole``); elsewhere taps in the padding become
zeros by the mask of their load (``_copy_edge``). A chunk shorter than a vector is stored as a whole one: what it
writes too much, the next chunk or the slack at the end of the panel's rows takes.

For an atom that takes several channels at once the panel is [window...][c / depth][pixel][depth]: words of neighbouring
channels, with zeros beyond the last, are put together in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects import arith, vector
from xdsl.dialects.builtin import DenseArrayBase, i1, i64
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.conv_decisions import Im2col, window_words
from ...dialects.kernel import ConvOp
from ...dialects.operand_layouts import is_pointwise
from ...dialects.shared_attributes import vector_type
from .arithmetic import opposite
from .contraction import Reach
from .loop_nest import Index, LoopNest, Tensor
from .register_tile import strides_by_axis
from .tile_access import Span, Tile, load_tile
from .words import joined, word_type

# Pixels at most this far apart are read by whole vectors and shuffled together.
LARGEST_SHUFFLED_STRIDE = 4
# Windows with fewer taps in a row are not worth a transposition.
FEWEST_TRANSPOSED_TAPS = 4


@dataclass(frozen=True)
class WindowAxis:
    """One spatial axis of a convolution: how output positions and window taps lead to input positions."""

    size: Index
    """Elements of x along the axis, without padding."""
    window: Index
    stride: int
    dilation: int
    begin: int
    end: int
    """Padding before and after."""
    step: Index
    """Elements of memory between neighbours."""

    @property
    def is_padded(self) -> bool:
        return self.begin != 0 or self.end != 0

    def position(self, nest: LoopNest, output: Index, tap: Index) -> Index:
        """The input position, negative or beyond the end in the padding."""
        first = nest.sub(nest.mul(output, self.stride), self.begin)
        return nest.add(first, nest.mul(tap, self.dilation))


def window_axes(nest: LoopNest, kernel: ConvOp) -> list[WindowAxis]:
    """The spatial axes of a convolution whose x is ``nest.operands[0]`` and whose w is ``nest.operands[1]``."""
    x, w = nest.operands[0], nest.operands[1]
    strides = strides_by_axis(x)
    pads = kernel.get("pads")
    spatial = x.type.rank - 2
    return [
        WindowAxis(
            nest.dim(x.dims[axis + 2]),
            nest.dim(w.dims[axis + 2]),
            kernel.get("strides")[axis],
            kernel.get("dilations")[axis],
            pads[axis],
            pads[axis + spatial],
            strides[axis + 2, False],
        )
        for axis in range(spatial)
    ]


def _is_one_row(x: Tensor) -> bool:
    """Whether the spatial axes follow each other in memory."""
    axes = [piece.axis for piece in x.type.layout.pieces]
    spatial = list(range(2, x.type.rank))
    return axes[axes.index(2) :][: len(spatial)] == spatial


def _pixels_of_image(nest: LoopNest, axes: Sequence[WindowAxis]) -> WindowAxis:
    """The axis that all pixels of an image lie along, as 1x1 convolutions may see it."""
    size = reduce(nest.mul, [axis.size for axis in axes])
    return WindowAxis(size, 1, 1, 1, 0, 0, axes[-1].step)


@dataclass(frozen=True)
class _Chunk:
    """Neighbouring pixels of one output row: ``count`` of them, at most a vector, from ``column`` on.

    ``lane`` is their place in the panel, ``base`` the offset of the group's channel 0 in x, ``rows`` the output
    position along all spatial axes but the last.
    """

    base: Index
    rows: tuple[Index, ...]
    column: Index
    lane: Index
    count: Index


class PanelPacker:
    """Writes panels of ``columns`` pixels to scratch memory as rows of ``row_length``: one a channel and tap."""

    def __init__(self, nest: LoopNest, kernel: ConvOp, decisions: Im2col, is_merged: bool):
        """``is_merged``: panels run over all output pixels of an image, else over those of one row."""
        self.nest, self.x = nest, nest.operands[0]
        self.columns, self.lanes = decisions.columns, min(decisions.lanes, decisions.columns)
        self.depth, self.rows = decisions.atom_depth, nest.dim(window_words(kernel, decisions.atom_depth))
        self.axes, self.sizes = window_axes(nest, kernel), kernel.type.dims[2:]
        if is_merged and is_pointwise(kernel, [self.x.type]) and _is_one_row(self.x):
            self.axes, self.sizes = [_pixels_of_image(nest, self.axes)], [dims.product(self.sizes)]
        self.is_merged = is_merged and len(self.sizes) > 1
        self.x_strides = strides_by_axis(self.x)
        self.channels = nest.dim(nest.operands[1].dims[1])
        self.row_length = self.columns if self._chunks_are_full else self.columns + self.lanes
        self.word = word_type(self.x.element_type, self.depth)
        # Rows may be a vector longer than their columns.
        size = nest.mul(self.rows, self.columns + decisions.lanes)
        self.memory = nest.scratch_memory(self.word, 0, size)
        self.panel = self._panel()

    def _panel(self) -> SSAValue:
        """As [window...][channels, or words of them][row_length]; channels are outermost where there are no words."""
        nest, window = self.nest, [axis.window for axis in self.axes]
        words = nest.ceildiv(self.channels, self.depth)
        sizes = [words, *window] if self.depth == 1 else [*window, words]
        strides: list[Index] = [self.row_length]
        for size in reversed(sizes[1:]):
            strides.insert(0, nest.mul(strides[0], size))
        if self.depth == 1:
            strides = [*strides[1:], strides[0]]
        return nest.view(self.memory, 0, [*window, words, self.row_length], [*strides, 1])

    def reach(self) -> Reach:
        """The panel as the right of a contraction."""
        nest, depth, columns = self.nest, self.depth, self.columns
        along = self.row_length * depth
        if depth == 1:
            return Reach(self.memory, 0, [along], [1, columns], [along, 1])
        size = nest.mul(self.rows, (columns + self.lanes) * depth)
        memory = nest.scratch_memory(self.x.element_type, 0, size)
        return Reach(memory, 0, [along], [1, columns, depth], [along, depth, 1])

    @property
    def last(self) -> WindowAxis:
        return self.axes[-1]

    def pack(self, n: Index, group: Index, rows: Sequence[Index], first: Index, count: Index) -> None:
        """Packs ``count`` pixels from number ``first`` on: of the image, or of the output row at ``rows``."""
        nest, strides = self.nest, self.x_strides
        base = nest.add(self.x.origin, nest.mul(n, strides[0, False]))
        base = nest.add(base, nest.mul(nest.mul(group, self.channels), strides[1, False]))
        if not self.is_merged:
            self._pack_row(base, rows, 0, count, first)
            return
        sizes = [nest.dim(size) for size in self.sizes]
        width = sizes[-1]
        end = nest.add(nest.floordiv(nest.sub(nest.add(first, count), 1), width), 1)
        with nest.loop(nest.floordiv(first, width), end) as row:
            # The lane of the row's first pixel, which may lie before the panel.
            start = nest.sub(nest.mul(row.index, width), first)
            lane = nest.maximum(start, 0)
            stop = nest.minimum(nest.add(start, width), count)
            self._pack_row(base, nest.split_index(row.index, sizes[:-1]), lane, stop, nest.sub(lane, start))

    def _pack_row(self, base: Index, rows: Sequence[Index], begin: Index, end: Index, column: Index) -> None:
        """Lanes [begin, end) of the panel, the first being output column ``column``."""
        nest = self.nest
        with nest.loop(begin, end, self.lanes) as loop:
            count = self.lanes if self._chunks_are_full else nest.minimum(nest.sub(end, loop.index), self.lanes)
            at = nest.add(column, nest.sub(loop.index, begin))
            self._pack_chunk(_Chunk(base, tuple(rows), at, loop.index, count))

    @property
    def _chunks_are_full(self) -> bool:
        """Whether rows and panels are multiples of a vector long, so that every chunk is one."""
        width = self.sizes[-1]
        return isinstance(width, int) and width % self.lanes == 0 and self.columns % self.lanes == 0

    def _pack_chunk(self, chunk: _Chunk) -> None:
        width = self.sizes[-1]
        if isinstance(width, int) and width < self.lanes:
            self._copy_edge(chunk)
            return
        conditions = self._whole_conditions(chunk)
        if not conditions:
            self._copy_whole(chunk)
            return
        nest = self.nest
        whole = reduce(lambda a, b: nest.insert(arith.AndIOp(a, b)), conditions)
        with nest.when(whole):
            self._copy_whole(chunk)
        with nest.when(opposite(nest, whole)):
            self._copy_edge(chunk)

    def _whole_conditions(self, chunk: _Chunk) -> list[SSAValue]:
        """What must hold for all pixels of a vector to exist and all their columns of x to be no padding."""
        nest, axis = self.nest, self.last
        conditions = []
        if not self._chunks_are_full:
            conditions.append(nest.compare("eq", chunk.count, self.lanes))
        if axis.begin != 0:
            conditions.append(nest.compare("sge", axis.position(nest, chunk.column, 0), 0))
        if axis.end != 0:
            last_pixel = nest.add(chunk.column, self.lanes - 1)
            last_position = axis.position(nest, last_pixel, nest.sub(axis.window, 1))
            conditions.append(nest.compare("slt", last_position, axis.size))
        return conditions

    def _outer_taps(self, chunk: _Chunk, taps: Sequence[Index]) -> tuple[Index, list[SSAValue]]:
        """The offset that the taps along all axes but the last lead to, and what must hold for it to be inside x."""
        nest, offset = self.nest, chunk.base
        conditions = []
        for axis, output, tap in zip(self.axes[:-1], chunk.rows, taps, strict=True):
            position = axis.position(nest, output, tap)
            if axis.begin != 0:
                conditions.append(nest.compare("sge", position, 0))
            if axis.end != 0:
                conditions.append(nest.compare("slt", position, axis.size))
            offset = nest.add(offset, nest.mul(position, axis.step))
        return offset, conditions

    # --- whole vectors of pixels inside x ----------------------------------------------------------------

    def _copy_whole(self, chunk: _Chunk) -> None:
        nest = self.nest
        with nest.loops([axis.window for axis in self.axes[:-1]]) as taps:
            offset, conditions = self._outer_taps(chunk, taps)
            offset = nest.add(offset, nest.mul(self.last.position(nest, chunk.column, 0), self.last.step))
            if not conditions:
                self._copy_taps(offset, taps, chunk.lane)
                return
            inside = reduce(lambda a, b: nest.insert(arith.AndIOp(a, b)), conditions)
            with nest.when(inside):
                self._copy_taps(offset, taps, chunk.lane)
            with nest.when(opposite(nest, inside)):
                zeros = nest.constant(0, vector_type(self.word, [self.lanes]))
                with nest.loops([self.last.window, nest.ceildiv(self.channels, self.depth)]) as (tap, word):
                    nest.store_vector(zeros, self.panel, [*taps, tap, word, chunk.lane])

    def _copy_taps(self, offset: Index, taps: Sequence[Index], lane: Index) -> None:
        """The taps of one row of the window; ``offset`` is the first one's of the first pixel."""
        nest, axis = self.nest, self.last
        pixel_step = nest.mul(axis.stride, axis.step)
        done = self._copy_transposed(offset, taps, lane, pixel_step)

        def copy_taps(word: Index, channels: Sequence[Index]) -> None:
            # Channels may lie a multiple of the page size apart: the taps of one share its cache lines while they last.
            with nest.loop(done, axis.window) as tap:
                at = nest.add(offset, nest.mul(tap.index, nest.mul(axis.dilation, axis.step)))
                pixels = [self._load(nest.add(at, channel), None, pixel_step) for channel in channels]
                self._store(pixels, [*taps, tap.index, word, lane])

        self._each_word(copy_taps)

    def _each_word(self, copy: Callable[[Index, Sequence[Index]], None]) -> None:
        """Calls ``copy`` for all words, with the offsets of their channels in x: the last may have fewer."""
        nest, depth, stride = self.nest, self.depth, self.x_strides[1, False]

        def copy_word(word: Index, channels: int) -> None:
            first = nest.mul(word, depth)
            copy(word, [nest.mul(nest.add(first, channel), stride) for channel in range(channels)])

        with nest.loop(0, nest.floordiv(self.channels, depth)) as word:
            copy_word(word.index, depth)
        if isinstance(self.channels, int) and self.channels % depth:
            copy_word(self.channels // depth, self.channels % depth)

    def _load(self, offset: Index, rows: Span | None, pixel_step: Index) -> SSAValue:
        return load_tile(self.nest, self.x.memory, offset, Tile(rows, Span(self.lanes)), 1, pixel_step)

    def _store(self, pixels: Sequence[SSAValue], place: Sequence[Index]) -> None:
        """A vector of words, of the pixels of each of their channels."""
        self.nest.store_vector(joined(self.nest, pixels, self.x.element_type, self.depth), self.panel, place)

    def _copy_transposed(self, offset: Index, taps: Sequence[Index], lane: Index, pixel_step: Index) -> int:
        """Copies blocks of contiguous taps, read pixel by pixel and transposed in registers; gives how many."""
        nest = self.nest
        contiguous = self._transposed_taps()
        if not contiguous:
            return 0
        block = min(contiguous, self.lanes)
        row_type = vector_type(self.x.element_type, [self.lanes])

        def copy_blocks(word: Index, channels: Sequence[Index]) -> None:
            with nest.loop(0, contiguous // block) as number:
                tap = nest.mul(number.index, block)
                at = nest.add(offset, tap)
                tiles = [self._load(nest.add(at, channel), Span(block), pixel_step) for channel in channels]
                for row in range(block):
                    pixels = [nest.insert(vector.ExtractOp(tile, [row], row_type)) for tile in tiles]
                    self._store(pixels, [*taps, nest.add(tap, row), word, lane])

        self._each_word(copy_blocks)
        return contiguous // block * block

    def _transposed_taps(self) -> int:
        """Taps in a row of the window that are contiguous while the pixels lie too far apart for shuffles."""
        axis = self.last
        far_apart = axis.stride > LARGEST_SHUFFLED_STRIDE and axis.step == 1 and axis.dilation == 1
        if not far_apart or not isinstance(axis.window, int) or axis.window < FEWEST_TRANSPOSED_TAPS:
            return 0
        return axis.window

    # --- the ends of rows and the padding --------------------------------------------------------------------

    def _copy_edge(self, chunk: _Chunk) -> None:
        nest, axis = self.nest, self.last
        with nest.loops([window.window for window in self.axes]) as taps:
            offset, conditions = self._outer_taps(chunk, taps[:-1])
            position = axis.position(nest, chunk.column, taps[-1])
            size = axis.size
            for condition in conditions:
                # Outside x no position counts.
                size = nest.insert(arith.SelectOp(condition, nest.value(size), nest.constant(0)))
            offset = nest.add(offset, nest.mul(position, axis.step))
            read = self._edge_reader(offset, position, size)
            self._each_word(
                lambda word, channels: self._store([read(channel) for channel in channels], [*taps, word, chunk.lane])
            )

    def _edge_reader(self, offset: Index, position: Index, size: Index) -> Callable[[Index], SSAValue]:
        """Makes a function of a channel's offset that reads a vector of pixels, with zeros outside [0, size).

        ``position`` and ``offset`` are the first pixel's.
        """
        nest, axis, lanes = self.nest, self.last, self.lanes
        if axis.step == 1 and axis.stride <= LARGEST_SHUFFLED_STRIDE:
            pieces = axis.stride
            masks = [self._inside(nest.add(position, piece * lanes), size) for piece in range(pieces)]

            def read_vectors(channel_offset: Index) -> SSAValue:
                row = nest.view(self.x.memory, nest.add(offset, channel_offset), [pieces * lanes], [1])
                loaded = [nest.load_vector(row, [piece * lanes], [lanes], masks[piece]) for piece in range(pieces)]
                return self._every(loaded, axis.stride)

            return read_vectors
        first = nest.ceildiv(nest.maximum(nest.mul(position, -1), 0), axis.stride)
        count = nest.ceildiv(nest.maximum(nest.sub(size, position), 0), axis.stride)
        mask = self._between(first, count)

        def read_lanes(channel_offset: Index) -> SSAValue:
            pixel_step = nest.mul(axis.stride, axis.step)
            pixels = nest.view(self.x.memory, nest.add(offset, channel_offset), [lanes], [pixel_step])
            return nest.transfer_read(pixels, [0], [lanes], mask)

        return read_lanes

    def _inside(self, position: Index, size: Index) -> SSAValue:
        """Lanes whose position is in [0, size), the first lane's being ``position``."""
        return self._between(self.nest.mul(position, -1), self.nest.sub(size, position))

    def _between(self, first: Index, count: Index) -> SSAValue:
        """Lanes in [first, count)."""
        nest = self.nest
        below = nest.mask([self.lanes], [count])
        if self.last.begin == 0:
            return below
        before = nest.mask([self.lanes], [first])
        everywhere = nest.constant(True, vector_type(i1, [self.lanes]))
        return nest.insert(arith.AndIOp(below, nest.insert(arith.XOrIOp(before, everywhere))))

    def _every(self, loaded: Sequence[SSAValue], stride: int) -> SSAValue:
        """Every ``stride``-th element of consecutive vectors."""
        result, lanes = loaded[0], self.lanes
        for number in range(1, len(loaded)):
            have, reach = number * lanes, (number + 1) * lanes
            # Before the first shuffle lane i still lies at i * stride; lanes not reached yet hold anything.
            kept = [lane * stride if number == 1 else lane for lane in range(lanes)]
            mask = [
                kept[lane] if lane * stride < have else lanes + lane * stride - have if lane * stride < reach else 0
                for lane in range(lanes)
            ]
            indices = DenseArrayBase.from_list(i64, mask)
            type_ = vector_type(self.x.element_type, [lanes])
            operands = [result, loaded[number]]
            result = self.nest.insert(
                vector.ShuffleOp.create(operands=operands, result_types=[type_], properties={"mask": indices})
            )
        return result
