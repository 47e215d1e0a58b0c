"""Packs panels of im2col columns: for each output pixel of a panel, every input element under its window.

The panel is [c][window...][pixel], so that one row of it is one tap of one channel for neighbouring pixels.
Output pixels are cut in chunks: up to one vector of pixels that lie in one row of the output::

    for row of the output that the panel touches
      for chunk of the row's pixels
        for tap of the window, c:  panel[c][tap][chunk] = x[c, row * s + tap, chunk * s + tap]

Where a whole chunk lies inside x the copy needs no masks (``_copy_whole``); elsewhere taps in the padding become
zeros by the mask of their load (``_copy_edge``). A chunk shorter than a vector is stored as a whole one: what it
writes too much, the next chunk or the slack at the end of the panel's rows takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects import arith, vector
from xdsl.dialects.builtin import DenseArrayBase, VectorType, i1, i64
from xdsl.ir import SSAValue

from ...dialects.kernel import ConvOp
from .loop_nest import Index, LoopNest, Tensor
from .register_tile import strides_by_axis
from .tile_access import Span, Tile, load_tile

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
    """Writes panels of ``columns`` pixels to flat memory as [channels][window...][row_length]."""

    def __init__(
        self, nest: LoopNest, kernel: ConvOp, y: Tensor, memory: SSAValue, columns: int, lanes: int, is_merged: bool
    ):
        """``is_merged``: panels run over all output pixels of an image, else over those of one row."""
        self.nest, self.x, self.y = nest, nest.operands[0], y
        self.columns, self.lanes, self.is_merged = columns, min(lanes, columns), is_merged
        self.axes = window_axes(nest, kernel)
        self.x_strides = strides_by_axis(self.x)
        self.channels = nest.dim(nest.operands[1].dims[1])
        self.row_length = columns if self._chunks_are_full else columns + self.lanes
        taps: Index = 1
        tap_strides: list[Index] = []
        for axis in reversed(self.axes):
            tap_strides.insert(0, nest.mul(taps, self.row_length))
            taps = nest.mul(taps, axis.window)
        self.panel = nest.view(
            memory,
            0,
            [*(axis.window for axis in self.axes), self.channels, self.row_length],
            [*tap_strides, nest.mul(taps, self.row_length), 1],
        )

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
        sizes = [nest.dim(size) for size in self.y.dims[2:]]
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
        width = self.y.dims[-1]
        return isinstance(width, int) and width % self.lanes == 0 and self.columns % self.lanes == 0

    def _pack_chunk(self, chunk: _Chunk) -> None:
        width = self.y.dims[-1]
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
        with nest.when(nest.insert(arith.XOrIOp(whole, nest.constant(True, i1)))):
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
            with nest.when(nest.insert(arith.XOrIOp(inside, nest.constant(True, i1)))):
                zeros = nest.constant(0, VectorType(self.x.element_type, [self.lanes]))
                with nest.loops([self.last.window, self.channels]) as (tap, channel):
                    nest.store_vector(zeros, self.panel, [*taps, tap, channel, chunk.lane])

    def _copy_taps(self, offset: Index, taps: Sequence[Index], lane: Index) -> None:
        """The taps of one row of the window; ``offset`` is the first one's of the first pixel."""
        nest, axis = self.nest, self.last
        pixel_step = nest.mul(axis.stride, axis.step)
        done = self._copy_transposed(offset, taps, lane, pixel_step)
        # Channels may lie a multiple of the page size apart: the taps of one share its cache lines while they last.
        with nest.loop(0, self.channels) as channel, nest.loop(done, axis.window) as tap:
            at = nest.add(offset, nest.mul(tap.index, nest.mul(axis.dilation, axis.step)))
            at = nest.add(at, nest.mul(channel.index, self.x_strides[1, False]))
            pixels = load_tile(nest, self.x.memory, at, Tile(None, Span(self.lanes)), 0, pixel_step)
            nest.store_vector(pixels, self.panel, [*taps, tap.index, channel.index, lane])

    def _copy_transposed(self, offset: Index, taps: Sequence[Index], lane: Index, pixel_step: Index) -> int:
        """Copies blocks of contiguous taps, read pixel by pixel and transposed in registers; gives how many."""
        nest = self.nest
        contiguous = self._transposed_taps()
        if not contiguous:
            return 0
        block = min(contiguous, self.lanes)
        row_type = VectorType(self.x.element_type, [self.lanes])
        with nest.loops([self.channels, contiguous // block]) as (channel, number):
            tap = nest.mul(number, block)
            at = nest.add(nest.add(offset, tap), nest.mul(channel, self.x_strides[1, False]))
            tile = load_tile(nest, self.x.memory, at, Tile(Span(block), Span(self.lanes)), 1, pixel_step)
            for row in range(block):
                pixels = nest.insert(vector.ExtractOp(tile, [row], row_type))
                nest.store_vector(pixels, self.panel, [*taps, nest.add(tap, row), channel, lane])
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
            with nest.loop(0, self.channels) as channel:
                pixels = read(nest.mul(channel.index, self.x_strides[1, False]))
                nest.store_vector(pixels, self.panel, [*taps, channel.index, chunk.lane])

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
        everywhere = nest.constant(True, VectorType(i1, [self.lanes]))
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
            type_ = VectorType(self.x.element_type, [lanes])
            operands = [result, loaded[number]]
            result = self.nest.insert(
                vector.ShuffleOp.create(operands=operands, result_types=[type_], properties={"mask": indices})
            )
        return result
