"""Decides the tiles of every stage from the target's numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, Region
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.attention_decisions import Attention
from ...dialects.block_decisions import BlockGemm
from ...dialects.conv_decisions import Depthwise, Direct, Im2col, Indirect, Winograd
from ...dialects.decision_fields import Decisions
from ...dialects.decisions import Elements, Lanes, Pool, Reduction, Rows, Softmax, kind_of
from ...dialects.gemm_decisions import MATRIX_BLOCK, Gemm, widens
from ...dialects.kernel import BlockGemmOp, ConvOp, GemmOp, KernelOp, RecurrenceOp, TreeEnsembleOp
from ...dialects.layout import TensorType
from ...dialects.layout_algebra import Layout
from ...dialects.operand_layouts import panel_depth, panel_width
from ...dialects.recurrence_decisions import Recurrence
from ...dialects.schedule import StageOp
from ...dialects.selection_decisions import SELECTION_KINDS, Selection, key_bits
from ...dialects.shape import Dim
from ...dialects.storage import element_bytes
from ...dialects.tree_decisions import TreeEnsemble, even_levels
from ...dialects.window_rows import WindowRows
from ...dialects.winograd import tile_of, transforms
from ...machines.atoms import GENERAL_ATOM, TILE_BAND, TILE_ROWS
from ..attention_strips import attention_strips
from ..gemm_walks import DepthTile, depth_tile, few_rows_tile, lies_by_depth
from ..recurrence_tiles import recurrence_tile
from ..tiling import (
    block_atom,
    block_columns,
    even_tile,
    gemm_atom,
    gemm_columns,
    gemm_rows,
    im2col_atom,
    im2col_tile,
    lane_atom,
    product_atom,
    row_length,
    row_tile,
    rows_atom,
    rows_in_registers,
    tile_strip,
    tiles_along_height,
)
from ..winograd_blocks import idle_part, winograd_block

if TYPE_CHECKING:
    from ...machines import Target
    from ...machines.atoms import Atom

Chooser = Callable[[Operation, "Target"], Decisions]

# Fewer pieces of work than this leave threads idle at the end of a stage.
PIECES_TO_SHARE = 16
# Panels of a product, each of which is read again for each chunk of rows, need so many pieces only.
FEW_PANELS = 4
# Tiles of rows, at least, that are worth reading a panel again.
TILES_OF_PANEL = 4
# Pieces of rows that are not known to be many: each costs them a tile that is not full.
UNKNOWN_ROW_CHUNKS = 4
# Rows of a product that make up for a copy of the other matrix, and bytes between rows of that from which it pays; rows
# where those of the other matrix lie near, but across cache lines.
ROWS_WORTH_A_COPY = 24
ROWS_WORTH_ALIGNING = 96
# Bytes after which addresses share a set of the first cache.
CACHE_SETS = 4096
# Tiles of rows that share a block of B, for each to fetch a part of the next one that is small.
TILES_TO_FETCH = 4
FAR_APART_BYTES = 1024
# Rows of a product by numbers of few bits that go through all panels together.
ROWS_OF_CHUNK = 64
# Pixels that an indirect convolution multiplies with a panel of weights before it goes to the next one.
PIXELS_IN_BLOCK = 96
# Blocks of tiles that threads share evenly enough, however many they are; and blocks where all channels are one panel.
MANY_BLOCKS = 6
FEWEST_BLOCKS = 4
# Pixels whose sums in whole matrices go through the epilogue at once.
TILE_PIXELS = 4


@dataclass(frozen=True)
class ScheduleChooseTilesPass(ModulePass):
    """Makes the decisions that a stage's ``tile`` leaves open; those a person wrote stay.

    A stage whose tile says all that has no default (docs/schedule.md) leaves none open: the others are as by default.

    before::

        schedule.stage @conv0 %y = kernel.conv direct(%x, %w)

    after::

        schedule.stage @conv0 %y = kernel.conv direct(%x, %w) plan {ow tile 14}
    """

    name = "schedule-choose-tiles"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for stage in op.walk():
            if isinstance(stage, StageOp):
                choose_tiles(stage, target)


def choose_tiles(stage: StageOp, target: Target) -> None:
    kernel = stage.kernel
    if stage.left_open:
        stage.decide(replace(_chooser(kernel)(kernel, target), **stage.decisions))


def _chooser(kernel: Operation) -> Chooser:
    return _CONVOLUTIONS[kernel.get("algorithm")] if isinstance(kernel, ConvOp) else _CHOOSERS[kind_of(kernel)]


# --- kernels that walk their elements -------------------------------------------------------------------


def _lanes(kernel: Operation, target: Target) -> int:
    """Lanes of the widest element that the kernel touches."""
    types = [value.type for value in (*kernel.operands, *kernel.results)]
    widest = max(element_bytes(t.element_type) for t in types if isinstance(t, TensorType))
    return target.vector_bytes // max(widest, 4)


def _vectors(kernel: Operation, target: Target) -> Decisions:
    kind = kind_of(kernel)
    assert issubclass(kind, Lanes)
    return kind(lanes=_lanes(kernel, target))


def _elements(kernel: Operation, target: Target) -> Decisions:
    """Many cheap vectors in a tile hide latency; functions such as exp fill the machine alone."""
    unroll = _unroll_for(kernel.epilogue) if isinstance(kernel, KernelOp) else Elements.unroll
    return Elements(lanes=_lanes(kernel, target), unroll=unroll)


def _unroll_for(region: Region) -> int:
    if not region.blocks:
        return 4
    ops = list(region.block.ops)
    if any(op.name.startswith(("math.", "vectorx.")) and op.name not in _CHEAP for op in ops):
        return 1
    return 4 if len(ops) <= 8 else 2


_CHEAP = frozenset({"math.absf", "math.ceil", "math.floor", "math.trunc", "math.roundeven", "math.sqrt", "math.fma"})


def _pool(kernel: Operation, target: Target) -> Decisions:
    """Where pixels rather than channels lie side by side, a tile is a vector of them."""
    assert isinstance(kernel, KernelOp)
    lanes, pieces = _lanes(kernel, target), kernel.type.layout.pieces
    return Pool(lanes=lanes, columns=Pool.columns if pieces[-1].axis == 1 else lanes)


def _recurrence(kernel: Operation, target: Target) -> Decisions:
    assert isinstance(kernel, RecurrenceOp)
    tile = recurrence_tile(kernel, target, panel_width(kernel))
    return Recurrence(rows=tile.rows, block=tile.block, units=tile.units, depth_sums=tile.depth_sums)


def _selection(kernel: Operation, target: Target) -> Decisions:
    """Lanes of the keys by which elements are told apart."""
    kind = kind_of(kernel)
    assert issubclass(kind, Selection) and isinstance(kernel, KernelOp)
    return kind(lanes=target.vector_bytes * 8 // key_bits(kernel.in_type(0).element_type))


def _tree_ensemble(kernel: Operation, target: Target) -> Decisions:
    """Looks are spread evenly over the depth; the rows of a block take half of the innermost cache."""
    assert isinstance(kernel, TreeEnsembleOp)
    lanes, x = _lanes(kernel, target), kernel.in_type(0)
    levels = even_levels(kernel.get("depth"))
    row = element_bytes(x.element_type) * _at_least(x.dims[1])
    chosen = TreeEnsemble(lanes=lanes, levels=levels)
    return replace(chosen, tiles=max(1, target.l1_bytes // 2 // (row * chosen.rows)))


# --- convolutions and matrix products -------------------------------------------------------------------


def _conv_direct(kernel: Operation, target: Target) -> Decisions:
    assert isinstance(kernel, ConvOp)
    lanes = kernel.type.layout.block_of(1)
    vectors = lanes // target.lanes or 1
    blocks = kernel.in_type(1).layout.block_of(0) // lanes
    if tiles := _tiles_packed_for(kernel, target):
        strip, chunks = _conv_tiles(kernel, tiles, target)
        return Direct(channel_blocks=blocks, columns=TILE_PIXELS, strip=strip, panel_chunks=chunks, atom=tiles.name)
    largest = rows_in_registers(target, blocks * vectors)
    length = row_length(kernel)
    height, width = kernel.type.dims[2:]
    atom = _packed_atom(kernel, target)
    if length == width and tiles_along_height(height, width, largest):
        return Direct(channel_blocks=blocks, columns=even_tile(height, largest), along="height", atom=atom)
    columns = row_tile(length, largest, blocks * vectors, _panel_bytes(kernel), target)
    strip = _strip(kernel, length, columns, target)
    fetches = not strip and _fetches_weights(kernel, columns, target)
    decided = Direct(channel_blocks=blocks, columns=columns, strip=strip, prefetch=fetches, atom=atom)
    copied = replace(decided, pack=strip > 0)
    return decided if copied.conflict(kernel) else copied


def _fetches_weights(kernel: ConvOp, tile: int, target: Target) -> bool:
    """As ``_fetches_ahead``, of a direct convolution's blocks of output channels."""
    w, pixels = kernel.in_type(1), dims.product(kernel.type.dims[2:])
    has_room = 2 * _panel_bytes(kernel) <= target.l2_bytes * 3 // 4
    return _is_far(_bytes(w), target) and has_room and (not isinstance(pixels, int) or pixels >= TILES_TO_FETCH * tile)


def _panel_bytes(kernel: ConvOp) -> int:
    """Of the weights of a block of output channels of a direct convolution."""
    w = kernel.in_type(1)
    return int(dims.product(w.dims[1:])) * w.layout.block_of(0) * element_bytes(w.element_type)


def _tiles_packed_for(kernel: ConvOp, target: Target) -> Atom | None:
    """The atom of whole matrices for which the weights are packed, if they are for one."""
    atom = rows_atom(kernel, target)
    if atom is None or not atom.is_tile or panel_depth(kernel) != atom.depth:
        return None
    return atom if panel_width(kernel) in (TILE_ROWS, TILE_BAND) else None


def _conv_tiles(kernel: ConvOp, atom: Atom, target: Target) -> tuple[int, int]:
    """Pixels of a strip, which fill registers well; pieces of the panels, where threads have too few strips."""
    length, (height, width), columns = int(row_length(kernel)), kernel.type.dims[2:], panel_width(kernel)
    rows = int(height) if length == width else 1
    row_bytes = element_bytes(kernel.in_type(0).element_type) * WindowRows.of(kernel, atom, 1, columns).stride
    # Half of L2: each strip reads all weights again, of which as much need not stay.
    strip = tile_strip(rows, length, target.l2_bytes // 2 // row_bytes)
    strips = -(-rows // max(1, strip // length)) * -(-length // min(strip, length)) * _at_least(kernel.type.dims[0])
    strips, panels = strips * kernel.get("groups"), -(-int(kernel.type.dims[1]) // kernel.get("groups") // columns)
    return strip, min(panels, -(-PIECES_TO_SHARE // strips)) if strips < PIECES_TO_SHARE else 1


def _packed_atom(kernel: ConvOp, target: Target) -> str:
    """The atom for which the weights are packed."""
    atom = product_atom(kernel, target)
    return atom.name if atom and atom.depth == panel_depth(kernel) else GENERAL_ATOM


def _strip(kernel: ConvOp, row: Dim, columns: int, target: Target) -> int:
    """Pixels whose channels of x take a quarter of L2, in whole tiles or rows; 0 where x stays in a cache anyway.

    A strip reads all weights again: that must be less than x read again for each block of output channels.
    """
    x, w, y = kernel.in_type(0), kernel.in_type(1), kernel.type
    if not isinstance(row, int) or not dims.is_static(y.dims[2:]):
        return _strip_of_signal(kernel, columns, target) if y.dims[2] == 1 else 0
    size = element_bytes(x.element_type)
    pixels = int(dims.product(y.dims[2:])) * _at_least(y.dims[0])
    read = size * pixels * math.prod(kernel.get("strides")) * int(x.dims[1])
    blocks = -(-int(y.dims[1]) // w.layout.block_of(0))
    if read <= 4 * target.l2_bytes or blocks == 1:
        return 0
    most = max(columns, target.l2_bytes // 4 * pixels // read)
    is_flat = row == dims.product(y.dims[2:])
    strip = _divisor(row, most, columns) if is_flat else max(1, most // row) * row
    weights = _bytes(w) * -(-pixels // strip)
    return strip if weights < read * (blocks - 1) else 0


def _strip_of_signal(kernel: ConvOp, columns: int, target: Target) -> int:
    """As ``_strip``, of a row of pixels that may be of any length: by what a pixel reads of both."""
    x, w, y = kernel.in_type(0), kernel.in_type(1), kernel.type
    pixel = element_bytes(x.element_type) * int(x.dims[1]) * kernel.get("strides")[-1]
    strip = max(1, target.l2_bytes // 4 // pixel // columns) * columns
    blocks = -(-int(y.dims[1]) // w.layout.block_of(0))
    return strip if _bytes(w) < strip * pixel * (blocks - 1) else 0


def _divisor(extent: int, most: int, tile: int) -> int:
    """The largest number of whole tiles up to ``most`` that divides the extent, unless that is below half of it."""
    largest = most // tile * tile
    for size in range(largest, largest // 2, -tile):
        if extent % size == 0:
            return size
    return largest


def _gemm(kernel: Operation, target: Target) -> Decisions:
    assert isinstance(kernel, GemmOp)
    b, atom, packed = kernel.in_type(1), gemm_atom(kernel, target), panel_width(kernel)
    along_depth = None if packed else depth_tile(kernel, target)
    if along_depth is not None:
        return _gemm_along_depth(kernel, along_depth)
    columns = packed or gemm_columns(kernel, target)
    vectors = columns // target.lanes
    largest = rows_in_registers(target, vectors)
    # Rows that lie a multiple of the page size apart share one cache set: no more of them than it has ways.
    depth = kernel.in_type(0).dims[-1]
    if isinstance(depth, int) and depth * element_bytes(kernel.in_type(0).element_type) % CACHE_SETS == 0:
        largest = min(largest, 6)
    rows = gemm_rows(kernel)
    row_bytes = columns * element_bytes(kernel.sums_type if widens(kernel) else b.element_type)
    tile = row_tile(rows, largest, vectors, row_bytes * _at_most(depth, MATRIX_BLOCK), target)
    is_used_again = (not isinstance(rows, int) or rows > tile) and not (atom and atom.is_tile)
    is_copied = _is_worth_a_copy(kernel, tile, target)
    copies_rows, shares_sets = is_copied and atom is None, is_copied and _rows_share_sets(b)
    fetches = (copies_rows or not is_copied) and _fetches_ahead(kernel, tile, is_copied, target)
    depth_block = _depth_block(depth, row_bytes, fetches, target) if is_used_again else 0
    decided = Gemm(
        rows=tile,
        columns=columns,
        # Of rows that share sets of the cache few stay there until they are copied.
        depth_block=depth_block // 2 if fetches and shares_sets else depth_block,
        pack=is_copied,
        # A copy of its own waits for many of them at a time.
        pack_along=copies_rows and isinstance(rows, int) and rows > tile and not (fetches and shares_sets),
        prefetch=fetches,
        atom=atom.name if atom else GENERAL_ATOM,
    )
    if not decided.copies(kernel):
        ahead = target.stream_ahead if packed and _is_far(_bytes(b), target) else 0
        decided = replace(decided, ahead=ahead, row_chunks=_row_chunks(kernel, decided, FEW_PANELS))
    few_rows = None if packed else few_rows_tile(kernel, target)
    if few_rows is None:
        return decided
    most, along = few_rows
    return replace(decided, depth_lanes=along.lanes, depth_rows=most, depth_columns=along.columns)


def _fetches_ahead(kernel: GemmOp, tile: int, is_copied: bool, target: Target) -> bool:
    """Whether a run finds B in no near cache, and has tiles of rows enough to fetch the next block of it meanwhile.

    B lies in panels, or rows of it that lie apart are copied to them.
    """
    b, rows = kernel.in_type(1), gemm_rows(kernel)
    if bool(panel_width(kernel)) == is_copied or not dims.is_static(b.dims):
        return False
    return _is_far(_bytes(b), target) and (not isinstance(rows, int) or rows >= TILES_TO_FETCH * tile)


def _is_worth_a_copy(kernel: GemmOp, tile: int, target: Target) -> bool:
    """Whether rows of B lie far apart, or would be widened again by each tile of rows."""
    b, rows = kernel.in_type(1), gemm_rows(kernel)
    if widens(kernel) and panel_width(kernel):
        return not isinstance(rows, int) or rows > tile
    enough = _rows_worth_a_copy(b, kernel.get("transpose_b"), target)
    return enough is not None and _at_least(rows) >= enough


def _block_gemm(kernel: Operation, target: Target) -> Decisions:
    """Beside the sums of all blocks a tile of integers has those of one."""
    assert isinstance(kernel, BlockGemmOp)
    columns, atom = panel_width(kernel) or block_columns(kernel, target), block_atom(kernel, target)
    rows = dims.product(kernel.type.dims[:-1])
    vectors = columns // target.lanes * (2 if kernel.get("int8") else 1)
    tile = even_tile(rows, rows_in_registers(target, vectors))
    chunks = max(1, rows // ROWS_OF_CHUNK) if isinstance(rows, int) else 1
    decided = BlockGemm(
        rows=tile,
        columns=columns,
        row_chunks=chunks,
        ahead=target.stream_ahead,
        atom=atom.name if atom else GENERAL_ATOM,
    )
    if kernel.get("int8") or (isinstance(rows, int) and rows < ROWS_WORTH_A_COPY):
        return decided
    block = kernel.get("block")
    depth_block = max(1, target.l2_bytes // 2 // (4 * columns) // block) * block
    return replace(decided, row_chunks=1, unpacked_rows=ROWS_WORTH_A_COPY, depth_block=depth_block)


def _gemm_along_depth(kernel: GemmOp, tile: DepthTile) -> Decisions:
    pack = not lies_by_depth(kernel)
    decided = Gemm(rows=tile.rows, columns=tile.columns, depth_lanes=tile.lanes, pack=pack)
    return replace(decided, row_chunks=_row_chunks(kernel, decided, PIECES_TO_SHARE))


def _row_chunks(kernel: GemmOp, decided: Gemm, pieces: int) -> int:
    """Into how many chunks rows are cut for threads to have that many pieces, where panels and batch are too few.

    Chunks have whole tiles if some number of about as many gives such. Where it is not known how many rows there are,
    only those are cut that can be cut anywhere.
    """
    batch = 1 if kernel.in_type(1).rank == 2 else _at_least(dims.product(kernel.type.dims[:-2]))
    rows, columns = gemm_rows(kernel), kernel.type.dims[-1]
    if not isinstance(columns, int):
        return 1
    tile, wanted = decided.rows, -(-pieces // max(1, batch * -(-columns // decided.columns)))
    if not isinstance(rows, int):
        return min(wanted, UNKNOWN_ROW_CHUNKS) if decided.depth_lanes else 1
    most = -(-rows // tile) if decided.depth_lanes else rows // (tile * TILES_OF_PANEL)
    even = (count for count in range(wanted, min(most, 4 * wanted) + 1) if rows % (count * tile) == 0)
    return next(even, max(1, min(most, wanted)))


def _depth_block(depth: Dim, row_bytes: int, fetches: bool, target: Target) -> int:
    """Rows of a panel that take a quarter of L2, as whole blocks of a sum; 0 where half of L2 holds all of them.

    Where the next block is fetched meanwhile, both are small beside L2, so that nothing pushes out what is to come.
    """
    if isinstance(depth, int) and depth * row_bytes <= target.l2_bytes // (8 if fetches else 2):
        return 0
    if fetches:
        return MATRIX_BLOCK // 2
    return max(1, target.l2_bytes // 4 // row_bytes // MATRIX_BLOCK) * MATRIX_BLOCK


def _rows_worth_a_copy(b: TensorType, is_transposed: bool, target: Target) -> int | None:
    """How many rows of A make up for a copy of B, few where rows of B have a page each, or share sets of the cache.

    None where rows lie near each other at whole cache lines, or their elements do not lie side by side.
    """
    if is_transposed or b.rank < 2 or b.layout.pieces[-1].block or b.layout.pieces[-1].axis != b.rank - 1:
        return None
    stride = b.layout.physical_strides(b.dims)[-2]
    size = stride * element_bytes(b.element_type) if isinstance(stride, int) else FAR_APART_BYTES
    if size >= FAR_APART_BYTES:
        return ROWS_WORTH_A_COPY
    return None if size % target.cache_line == 0 else ROWS_WORTH_ALIGNING


def _rows_share_sets(b: TensorType) -> bool:
    """Whether rows that follow each other lie at the same place of a page."""
    strides = b.layout.axis_strides(b.dims)
    stride = strides[-2] if strides is not None else 0
    return isinstance(stride, int) and stride * element_bytes(b.element_type) % CACHE_SETS == 0


def _conv_depthwise(kernel: Operation, target: Target) -> Decisions:
    """Half of the registers hold sums; the rest what neighbouring outputs share of x."""
    assert isinstance(kernel, ConvOp)
    vectors = max(1, kernel.type.layout.block_of(1) // target.lanes)
    sums = target.vector_registers // 2 // vectors
    height, width = kernel.type.dims[2:]
    rows = 2 if isinstance(height, int) and height % 2 == 0 else 1
    atom, columns = lane_atom(kernel, target), even_tile(width, max(1, sums // rows))
    return Depthwise(rows=rows, columns=columns, atom=atom.name if atom else GENERAL_ATOM)


def _conv_winograd(kernel: Operation, target: Target) -> Decisions:
    """As many tiles a block as keep V and M in half of L2, cut in register tiles with little left over."""
    assert isinstance(kernel, ConvOp)
    transform = transforms(tile_of(kernel.get("algorithm")))
    points, lanes = transform.points**2, kernel.type.layout.block_of(1)
    columns = kernel.in_type(1).layout.block_of(2)
    channels = -(-int(kernel.in_type(0).dims[1]) // lanes) * lanes
    largest = max(4, target.l2_bytes // 2 // (4 * points * (channels + columns)))
    image = dims.product([dims.ceildiv(size, transform.tile) for size in kernel.type.dims[2:]])
    count = dims.multiply(kernel.type.dims[0], image)
    panels = -(-int(kernel.type.dims[1]) // columns)
    if panels == 1 and isinstance(count, int):
        largest = min(largest, max(4, -(-count // FEWEST_BLOCKS)))
    # Of a batch whose size is not known, one image alone is tiled well.
    tiled = image if isinstance(image, int) and not isinstance(count, int) else count
    most_rows = rows_in_registers(target, max(1, columns // target.lanes))
    rows, tiles = winograd_block(tiled, largest, most_rows, is_shared=panels == 1)
    if tiled is not count:
        tiles = max(tiles, largest // rows * rows)
    blocks = -(-count // tiles) if isinstance(count, int) else MANY_BLOCKS
    threads = ("oc",) if blocks < MANY_BLOCKS and idle_part(panels) <= idle_part(blocks) else ()
    fetches = _is_far(4 * points * channels * int(kernel.type.dims[1]), target) and tiles >= 2 * rows
    return Winograd(channel_blocks=columns // lanes, rows=rows, tiles=tiles, prefetch=fetches, threads=threads)


def _conv_im2col(kernel: Operation, target: Target) -> Decisions:
    """A register tile by the shape of the product; chunks of rows where panels are too few to share."""
    assert isinstance(kernel, ConvOp)
    x, w = kernel.in_type(0), kernel.in_type(1)
    tiles = im2col_atom(kernel, target)
    if tiles and tiles.is_tile and not panel_width(kernel) and panel_depth(kernel) == tiles.depth:
        return _im2col_tiles(kernel, tiles, target)
    tile = im2col_tile(kernel, target, panel_depth(kernel))
    rows, groups = w.layout.block_of(0) or tile.rows, kernel.get("groups")
    channels = w.dims[0]
    tiles = -(-channels // groups // rows) if isinstance(channels, int) else 1
    pixels = _at_least(dims.product(kernel.type.dims[2:]))
    panels = groups * _at_least(kernel.type.dims[0]) * -(-pixels // tile.columns)
    chunks = min(tiles, -(-PIECES_TO_SHARE // panels)) if tiles > 1 and panels < PIECES_TO_SHARE else 1
    packs = tile.packs or x.layout.order != Layout.row_major(x.rank).order
    return Im2col(
        rows=rows,
        columns=tile.columns,
        lanes=target.lanes,
        pack=packs,
        row_chunks=chunks,
        atom=_packed_atom(kernel, target),
    )


def _im2col_tiles(kernel: ConvOp, atom: Atom, target: Target) -> Decisions:
    """Panels two registers wide; channels that fill no register are vectors."""
    groups, pixels = kernel.get("groups"), _at_least(dims.product(kernel.type.dims[2:]))
    rows = int(kernel.type.dims[1]) // groups
    panels = groups * _at_least(kernel.type.dims[0]) * -(-pixels // TILE_BAND)
    left_over = even_tile(rows % TILE_ROWS or TILE_ROWS, rows_in_registers(target, TILE_BAND // target.lanes))
    chunks = min(max(1, rows // TILE_BAND), -(-PIECES_TO_SHARE // panels))
    return Im2col(rows=left_over, columns=TILE_BAND, lanes=target.lanes, row_chunks=chunks, atom=atom.name)


def _conv_indirect(kernel: Operation, target: Target) -> Decisions:
    """Tiles of pixels, in blocks that use a panel of weights often enough and leave work for all threads."""
    assert isinstance(kernel, ConvOp)
    x, w = kernel.in_type(0), kernel.in_type(1)
    columns, window = w.layout.block_of(0), dims.product(w.dims[2:])
    tiles = _tiles_packed_for(kernel, target)
    if tiles and not kernel.reads_padding:
        strip, chunks = _conv_tiles(kernel, tiles, target)
        return Indirect(
            rows=TILE_PIXELS, columns=columns, block=strip, lanes=target.lanes, table=False, panel_chunks=chunks,
            atom=tiles.name,
        )  # fmt: skip
    batch, channels, height, width = kernel.type.dims
    most = min(rows_in_registers(target, max(1, columns // target.lanes)), target.costs.row_pointers)
    padded = any(kernel.get("pads")) and not x.layout.halo
    # Rows of pixels that tiles fill need no table: the next pixel is always as far.
    table = padded or (window != 1 and (not isinstance(width, int) or width < 2 * most))
    pixels = dims.product([height, width]) if table or window == 1 else width
    rows = even_tile(pixels, most)
    panels = -(-int(channels) // kernel.get("groups") // columns)
    block = rows * max(1, PIXELS_IN_BLOCK // rows)
    blocks = kernel.get("groups") * -(-_at_least(dims.product(kernel.type.dims[2:])) // block) * _at_least(batch)
    chunks = min(panels, -(-PIECES_TO_SHARE // blocks)) if panels > 1 and blocks < PIECES_TO_SHARE else 1
    atom = _packed_atom(kernel, target)
    return Indirect(
        rows=rows, columns=columns, block=block, lanes=target.lanes, table=table, panel_chunks=chunks, atom=atom
    )


def _is_far(weights_bytes: int, target: Target) -> bool:
    """Whether a run finds weights of that size in no near cache."""
    return weights_bytes > target.l2_bytes // 4


def _bytes(type_: TensorType) -> int:
    return int(dims.product(type_.dims)) * element_bytes(type_.element_type)


def _at_most(size: Dim, most: int) -> int:
    return min(size, most) if isinstance(size, int) else most


def _at_least(size: Dim) -> int:
    return size if isinstance(size, int) else 1


def _nothing(kernel: Operation, target: Target) -> Decisions:
    return Decisions()


_CONVOLUTIONS: dict[str, Chooser] = {
    "depthwise": _conv_depthwise,
    "direct": _conv_direct,
    "im2col": _conv_im2col,
    "indirect": _conv_indirect,
    "winograd2": _conv_winograd,
    "winograd4": _conv_winograd,
}
_CHOOSERS: dict[type[Decisions], Chooser] = {
    **dict.fromkeys(SELECTION_KINDS.values(), _selection),
    Attention: attention_strips, Gemm: _gemm, BlockGemm: _block_gemm, Elements: _elements, Pool: _pool,
    Recurrence: _recurrence, TreeEnsemble: _tree_ensemble,
    Lanes: _vectors, Reduction: _vectors, Rows: _vectors, Softmax: _vectors, Decisions: _nothing,
}  # fmt: skip
