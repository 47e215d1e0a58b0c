"""Direct convolution: blocks of output channels outermost, a tile of output columns in registers.

::

    for co in blocks of output channels        (their weights stay in L2)
      for n, oh, tile of output columns
        sums[columns][blocks][lanes] = bias
        for ci block, kh, kw, ci in block:  sums += x[n, ci, oh*s+kh, ow*s+kw] * w[co, ci, kh, kw]
        y[n, co, oh, ow] = epilogue(sums)

y is split in channel blocks. x may lie in any layout whose images have a halo of zeros at least as wide
as the padding, so no address is ever checked. A 1x1 convolution of contiguous images sees one long row,
cut in equal pieces where there are few blocks of output channels for threads to share.

Decisions: ``columns`` of a tile at most; ``channel_blocks`` of y in a tile, as w is packed (it divides y's blocks, in
a group); ``along = height`` lays tiles along the image's height instead, for images that are narrow; ``strip`` pixels
go through all blocks of output channels before the next ones do, where x is too large to be read for each block;
``atom`` multiplies words of as many channels as it takes at once (w is packed so: ``AcdB32a4b``); of a word that
channels do not fill, no more is read.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...dialects.conv_decisions import Direct
from ...dialects.image_rows import long_row_pieces
from ...dialects.kernel import ConvOp
from ...dialects.operand_layouts import is_long_row, panel_depth
from ...dialects.schedule import StageOp
from .contraction import Fetch, Fetching, Part, Reach, Sum, in_words
from .conv_images import CHANNEL_BLOCK, COLUMN, LANE, ROW, bias_tile
from .conv_tiles import lower_conv_tiles
from .halo import fill_halo, require_halo
from .loop_nest import Index, LoopNest, Tensor
from .outer_axes import outer_loops
from .register_tile import ResultTile, for_each_tile, store_result_tile, strides_by_axis
from .word_columns import PartialWords, WordColumn

COPIED_PIXELS = 8
"""Of a strip that are copied together, in registers."""
ENOUGH_FOR_THREADS = 16
"""Rows of tiles that a convolution should have, if its image allows it: each thread takes an equal number of them."""


@dataclass(frozen=True)
class ChannelRun:
    """Input channels that are walked by one address step: ``count`` words of ``depth`` in each of ``blocks`` blocks.

    They begin ``inside`` channels into block ``first``. Of a last word only some channels ``exist``; 0 is all.
    """

    first: int
    inside: int
    blocks: int
    count: int
    depth: int = 1
    exist: int = 0


def lower_conv_direct(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ConvOp)
    require_halo(kernel)
    decisions = stage.decided(Direct)
    if decisions.has_tiles:
        lower_conv_tiles(nest, kernel, decisions)
        return
    x, w, y = nest.operands[0], nest.operands[1], nest.operands[-1]
    by_rows = "oc" not in decisions.shared(kernel)
    fill_halo(nest, y, by_rows)
    lanes = y.type.layout.block_of(1)
    blocks, largest = decisions.channel_blocks, decisions.columns
    channel_tiles = -(-int(y.dims[1]) // (lanes * blocks))
    batch, _, height, width = (nest.dim(size) for size in y.dims)
    along_height = decisions.along == "height"
    flat = not along_height and is_long_row(kernel)
    assert flat or not decisions.pack
    if flat:
        height, width = 1, nest.mul(height, width)
    sources = _Sources(nest, kernel, x, w, blocks, lanes, flat, along_height)
    rows, columns_in_row, across = (width, height, ROW) if along_height else (height, width, COLUMN)
    walk = _Walk(kernel, decisions, channel_tiles, batch, rows, columns_in_row)
    staged = _StagedStrip(nest, x, decisions.strip) if decisions.pack else None
    reads = sources if staged is None else sources.of(staged)
    if flat and decisions.strip:
        walk = replace(walk, rows=nest.ceildiv(width, decisions.strip), columns=decisions.strip, in_strip=1)
    elif flat and isinstance(width, int):
        if by_rows:
            pieces = long_row_pieces(width, largest) or 1
        else:
            pieces = _pieces_of_row(channel_tiles * (batch if isinstance(batch, int) else 1), width, largest)
        walk = replace(walk, rows=pieces, columns=width // pieces)
    elif decisions.strip:
        in_strip = max(1, decisions.strip // columns_in_row) if isinstance(columns_in_row, int) else 1
        walk = replace(walk, in_strip=in_strip)

    def compute_row(co: Index, n: Index, row: Index) -> None:
        # Of the one long row of a 1x1 convolution, walked in pieces.
        first = nest.mul(row, walk.columns) if flat and walk.rows != 1 else 0
        count = walk.columns
        if flat and decisions.strip and not (isinstance(width, int) and width % decisions.strip == 0):
            count = nest.minimum(nest.sub(width, first), walk.columns)
        if staged is not None:
            with nest.when(nest.is_new(co)):
                staged.fill(n, first, count)

        def compute_tile(column: Index, columns: int) -> None:
            if flat:
                place = [0, nest.add(first, column)]
            else:
                place = [column, row] if along_height else [row, column]
            tile = ResultTile(
                starts=[n, nest.mul(co, blocks), *place, 0],
                spans=[(across, columns), (CHANNEL_BLOCK, blocks), (LANE, lanes)],
            )
            sums, seen = bias_tile(nest, kernel, y, tile), (n, place) if staged is None else (0, [0, column])
            for number, run in enumerate(sources.channel_runs):
                left, right = reads.x_reach(run, co, *seen, columns), sources.w_reach(run, co)
                if decisions.prefetch and number == 0 and isinstance(left, Reach):
                    fetch = sources.fetch(run, co, walk.part(nest, (n, row, column), columns))
                    left = Fetching(left, lambda _, fetch=fetch: fetch)
                summed = Sum([run.blocks, *sources.window, run.count], atom=decisions.atom)
                sums = summed.of(nest, sums, left, right)
            store_result_tile(nest, kernel, sums, y, tile)

        for_each_tile(nest, count, largest, compute_tile)

    walk.share(nest, compute_row)


@dataclass(frozen=True)
class _Walk:
    """Blocks of output channels by images by rows of ``columns`` pixels.

    They are walked as the plan says, or ``in_strip`` rows go through all channels, so that x is read once.
    """

    kernel: ConvOp
    decisions: Direct
    channel_tiles: int
    batch: Index
    rows: Index
    columns: Index
    in_strip: int = 0

    def part(self, nest: LoopNest, place: tuple[Index, Index, Index], columns: int) -> Part:
        """Of all pixels of all images, which go through a block of output channels: those of a tile."""
        n, row, column = place
        done = nest.add(nest.mul(nest.add(nest.mul(n, self.rows), row), self.columns), column)
        return done, columns, nest.mul(nest.mul(self.batch, self.rows), self.columns)

    def share(self, nest: LoopNest, body: Callable[[Index, Index, Index], None]) -> None:
        """Calls ``body(channels, image, row)`` in turns that threads share."""
        if not self.in_strip:
            bounds = {"oc": [self.channel_tiles], "n": [self.batch], "oh": [self.rows]}
            with outer_loops(nest, self.decisions, self.kernel, bounds) as turn:
                body(turn.index("oc"), turn.index("n"), turn.index("oh"))
            return
        if self.in_strip == 1:
            with nest.forall([self.batch, self.rows, self.channel_tiles]) as (n, strip, co):
                body(co, n, strip)
            return
        strips = nest.ceildiv(self.rows, self.in_strip)
        with nest.forall([self.batch, strips, self.channel_tiles, self.in_strip]) as (n, strip, co, number):
            row = nest.add(nest.mul(strip, self.in_strip), number)
            if isinstance(self.rows, int) and self.rows % self.in_strip == 0:
                body(co, n, row)
                return
            with nest.when(nest.compare("slt", row, self.rows)):
                body(co, n, row)


def _pieces_of_row(work: int, pixels: int, columns: int) -> int:
    """Into how many equal pieces the one long row is cut, so that ``work`` rows are enough for threads to share.

    A piece has at least two tiles of ``columns``, or whole ones.
    """
    pieces = 1
    for candidate in range(2, pixels // columns + 1):
        if work * pieces >= ENOUGH_FOR_THREADS:
            break
        piece, rest = divmod(pixels, candidate)
        if rest == 0 and (piece >= 2 * columns or piece % columns == 0):
            pieces = candidate
    return pieces


class _StagedStrip:
    """All channels of a strip of pixels, copied to scratch: [channel block][pixel][lane].

    Where x is large, blocks of a pixel's channels lie so far apart that each is on a page of its own, and of an image
    of a power of two pixels all in one set of the cache.
    """

    def __init__(self, nest: LoopNest, x: Tensor, pixels: int):
        self.nest, self.x, self.pixels = nest, x, pixels
        self.lanes = x.type.layout.block_of(1)
        self.blocks = -(-int(x.dims[1]) // self.lanes)
        self.memory = nest.scratch_memory(x.element_type, 0, self.blocks * pixels * self.lanes)

    def fill(self, n: Index, first: Index, count: Index) -> None:
        """Copies ``count`` pixels of image ``n`` from the ``first`` on."""
        nest, strides, lanes = self.nest, strides_by_axis(self.x), self.lanes
        image = nest.add(self.x.origin, nest.mul(n, strides[0, False]))
        begin = nest.add(image, nest.mul(first, lanes))
        with nest.loop(0, self.blocks) as block:
            source = nest.add(begin, nest.mul(block.index, strides[1, True]))
            target = nest.mul(block.index, self.pixels * lanes)

            def copy_pixels(pixel: Index, pixels: int) -> None:
                shape = [pixels, lanes]
                there = nest.view(self.x.memory, nest.add(source, nest.mul(pixel, lanes)), shape, [lanes, 1])
                here = nest.view(self.memory, nest.add(target, nest.mul(pixel, lanes)), shape, [lanes, 1])
                nest.store_vector(nest.load_vector(there, [0, 0], shape), here, [0, 0])

            for_each_tile(nest, count, COPIED_PIXELS, copy_pixels)

    @property
    def strides(self) -> dict[tuple[int, bool], Index]:
        return {
            (0, False): 0, (1, True): self.pixels * self.lanes, (1, False): 1, (2, False): 0, (3, False): self.lanes,
        }  # fmt: skip


class _Sources:
    """How the reduction finds x and w: views over (channel block, window row, window column, channel in block)."""

    def __init__(
        self,
        nest: LoopNest,
        kernel: ConvOp,
        x: Tensor,
        w: Tensor,
        blocks: int,
        lanes: int,
        flat: bool,
        along_height: bool = False,
    ):
        self.nest, self.x, self.w = nest, x, w
        self.blocks, self.lanes, self.flat = blocks, lanes, flat
        self.across = 0 if along_height else 1
        """The spatial axis along which a tile's pixels lie."""
        self.groups = kernel.get("groups")
        self.group_channels = int(w.dims[1])
        self.tiles_per_group = -(-int(kernel.type.dims[1]) // (lanes * blocks)) // self.groups
        self.strides = kernel.get("strides")
        self.dilations = kernel.get("dilations")
        self.pads = kernel.get("pads")
        self.window = tuple(int(size) for size in w.dims[2:])
        self.x_block = x.type.layout.block_of(1)
        self.depth = panel_depth(kernel)
        """Channels that lie side by side in w, for an atom to take at once."""
        self.x_strides = strides_by_axis(x)
        self.w_strides = strides_by_axis(w)

    def of(self, strip: _StagedStrip) -> _Sources:
        """The same of pixels of a strip."""
        staged = copy.copy(self)
        staged.x, staged.x_strides = replace(self.x, memory=strip.memory, origin=0), strip.strides
        return staged

    @property
    def channel_runs(self) -> list[ChannelRun]:
        """Whole blocks of x's channels, then what is left of the last, in whole words and one that they do not fill.

        Padding lanes are never read.
        """
        if not self.x_block:
            return [ChannelRun(0, 0, 1, self.group_channels)]
        depth = self.depth
        whole, rest = divmod(self.group_channels, self.x_block)
        words, single = divmod(rest, depth)
        runs = [
            ChannelRun(0, 0, whole, self.x_block // depth, depth),
            ChannelRun(whole, 0, 1, words, depth),
            ChannelRun(whole, words * depth, 1, min(single, 1), depth, single),
        ]
        return [run for run in runs if run.blocks and run.count]

    def x_reach(
        self, run: ChannelRun, co: Index, n: Index, place: Sequence[Index], columns: int
    ) -> Reach | PartialWords:
        """``columns`` pixels of x from ``place`` (row, column) on, along channel blocks, the window and channels.

        Windows overlap; nothing is copied.
        """
        nest, strides = self.nest, self.x_strides
        offset = nest.add(self.x.origin, nest.mul(n, strides[0, False]))
        if self.flat:
            offset = nest.add(offset, nest.mul(place[1], strides[3, False]))
        else:
            for axis in range(2):
                first_read = nest.sub(nest.mul(place[axis], self.strides[axis]), self.pads[axis])
                offset = nest.add(offset, nest.mul(first_read, strides[2 + axis, False]))
        first = nest.mul(nest.floordiv(co, self.tiles_per_group), self.group_channels) if self.groups > 1 else 0
        if self.x_block:
            block_stride = strides[1, True]
            offset = nest.add(offset, nest.mul(nest.add(nest.floordiv(first, self.x_block), run.first), block_stride))
        else:
            block_stride = 0
            offset = nest.add(offset, nest.mul(first, strides[1, False]))
        offset = nest.add(offset, nest.mul(run.inside, strides[1, False]))
        pixel = nest.mul(1 if self.flat else self.strides[self.across], strides[2 + self.across, False])
        window = [nest.mul(dilation, strides[2 + axis, False]) for axis, dilation in enumerate(self.dilations)]
        if run.exist:
            column = WordColumn(self.x.element_type, run.depth, run.exist)
            return PartialWords(self.x.memory, offset, [block_stride, *window], pixel, columns, column)
        along = [block_stride, *window, nest.mul(run.depth, strides[1, False])]
        return Reach(self.x.memory, offset, along, *in_words([columns, 1], [pixel, 1], run.depth))

    def fetch(self, run: ChannelRun, co: Index, part: Part) -> Fetch:
        """A tile's part of the weights of the next block of output channels."""
        nest, block = self.nest, self.w_strides[0, True]
        steps = run.blocks * math.prod(self.window) * run.count
        return Fetch.share(nest, self.w.memory, (nest.mul(nest.add(co, 1), block), block), part, steps)

    def w_reach(self, run: ChannelRun, co: Index) -> Reach:
        """Blocks of output channels of w, along channel blocks, the window and channels."""
        nest, strides, depth = self.nest, self.w_strides, self.depth
        offset = nest.mul(co, strides[0, True])
        block_stride: Index = 0
        channel = strides[1, False]
        if depth > 1:
            word = strides[1, True]
            block_stride = nest.mul(self.x_block // depth, word)
            offset = nest.add(offset, nest.mul(run.inside // depth, word))
            channel = word
        elif self.x_block:
            block_stride = strides[1, True]
        offset = nest.add(offset, nest.mul(run.first, block_stride))
        along = [block_stride, strides[2, False], strides[3, False], channel]
        shape, steps = [1, self.blocks, self.lanes], [0, self.lanes * depth, depth]
        return Reach(self.w.memory, offset, along, *in_words(shape, steps, run.depth))
