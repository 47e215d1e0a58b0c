"""Decides the tiles of every stage from the target's numbers, and the scratch memory its kernel needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.dimension_attribute import DimensionAttr
from ...dialects.kernel import ConvOp, GemmOp
from ...dialects.layout import TensorType
from ...dialects.layout_algebra import Layout
from ...dialects.schedule import StageOp, tile_attribute
from ...dialects.shape import Dim
from ...dialects.storage import element_bytes
from ...dialects.winograd import tile_of, transforms, winograd_scratch
from ..tiling import (
    INDIRECT_ROWS,
    even_tile,
    gemm_columns,
    im2col_tile,
    rows_in_registers,
    tiles_along_height,
)

if TYPE_CHECKING:
    from ...backend.targets import Target

Decisions = dict[str, int | str]

# Fewer pieces of work than this leave threads idle at the end of a stage.
PIECES_TO_SHARE = 16
# Pixels that an indirect convolution multiplies with a panel of weights before it goes to the next one.
PIXELS_IN_BLOCK = 96


@dataclass(frozen=True)
class ScheduleChooseTilesPass(ModulePass):
    """Adds the decisions that a stage's ``tile`` does not hold yet; those a person wrote stay.

    before::

        schedule.stage @conv0 ins(...) outs(...) {...}

    after::

        schedule.stage @conv0 ins(...) outs(...) tile {channel_blocks = 2, columns = 14} {...}
    """

    name = "schedule-choose-tiles"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for stage in op.walk():
            if isinstance(stage, StageOp):
                choose_tiles(stage, target)


def choose_tiles(stage: StageOp, target: Target) -> None:
    kernel = stage.kernel
    chosen, scratch = _chooser(kernel)(kernel, target)
    decisions = chosen | stage.decisions
    if kernel_scratch := _SCRATCH.get(kernel.get("algorithm") if isinstance(kernel, ConvOp) else kernel.name):
        scratch = kernel_scratch(kernel, decisions)
    stage.tile = tile_attribute(dict(sorted(decisions.items())))
    if scratch is not None and stage.scratch is None:
        stage.scratch = DimensionAttr(dims.multiply(dims.ceildiv(scratch, 64), 64))


def _chooser(kernel: Operation) -> Callable[[Operation, Target], tuple[Decisions, Dim | None]]:
    if isinstance(kernel, ConvOp):
        return _CONVOLUTIONS[kernel.get("algorithm")]
    if isinstance(kernel, GemmOp):
        return _gemm
    return _vector_width


def _vector_width(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    """Lanes of the widest element that the kernel touches."""
    types = [value.type for value in (*kernel.operands, *kernel.results)]
    widest = max(element_bytes(t.element_type) for t in types if isinstance(t, TensorType))
    return {"lanes": target.vector_bytes // max(widest, 4)}, None


def _conv_direct(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    assert isinstance(kernel, ConvOp)
    lanes = kernel.type.layout.block_of(1)
    vectors = lanes // target.lanes or 1
    blocks = kernel.in_type(1).layout.block_of(0) // lanes
    largest = rows_in_registers(target, blocks * vectors)
    decisions: Decisions = {"channel_blocks": blocks}
    length = _row_length(kernel)
    height, width = kernel.type.dims[2:]
    if length == width and tiles_along_height(height, width, largest):
        decisions["along"], length = "height", height
    return decisions | {"columns": even_tile(length, largest)}, None


def _row_length(kernel: ConvOp) -> Dim:
    """Pixels in what the kernel sees as one row: the whole image of a 1x1 convolution."""
    window = kernel.in_type(1).dims[2:]
    if any(size != 1 for size in (*window, *kernel.get("strides"))) or any(kernel.get("pads")):
        return kernel.type.dims[-1]
    if kernel.in_type(0).layout.has_margins or kernel.type.layout.has_margins:
        return kernel.type.dims[-1]
    return dims.product(kernel.type.dims[2:])


def _gemm(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    assert isinstance(kernel, GemmOp)
    b = kernel.in_type(1)
    packed = b.layout.pieces[-1].block
    columns = packed or gemm_columns(kernel.type.dims[-1], target)
    vectors = columns // target.lanes
    largest = rows_in_registers(target, vectors)
    # Rows that lie a multiple of the page size apart share one cache set: no more of them than it has ways.
    depth = kernel.in_type(0).dims[-1]
    if isinstance(depth, int) and depth * 4 % 4096 == 0:
        largest = min(largest, 6)
    rows = dims.product(kernel.type.dims[:-1]) if b.rank == 2 else kernel.type.dims[-2]
    decisions: Decisions = {"columns": columns, "rows": even_tile(rows, largest)}
    column_axis = b.rank - (2 if kernel.get("transpose_b") else 1)
    is_read_in_place = packed or b.layout.pieces[-1].axis == column_axis
    scratch = None if is_read_in_place else dims.multiply(inner_size(kernel), columns * 4)
    return decisions, scratch


def inner_size(kernel: GemmOp) -> Dim:
    """Length of the axis that a matrix product sums over."""
    return kernel.in_type(0).dims[-2 if kernel.get("transpose_a") else -1]


def _conv_depthwise(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    """Half of the registers hold sums; the rest what neighbouring outputs share of x."""
    assert isinstance(kernel, ConvOp)
    vectors = max(1, kernel.type.layout.block_of(1) // target.lanes)
    sums = target.vector_registers // 2 // vectors
    height, width = kernel.type.dims[2:]
    rows = 2 if isinstance(height, int) and height % 2 == 0 else 1
    return {"rows": rows, "columns": even_tile(width, max(1, sums // rows))}, None


def _conv_winograd(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    """As many tiles a block as keep V and M in half of L2, cut in register tiles with little left over."""
    assert isinstance(kernel, ConvOp)
    transform = transforms(tile_of(kernel.get("algorithm")))
    points, lanes = transform.points**2, kernel.type.layout.block_of(1)
    columns = kernel.in_type(1).layout.block_of(2)
    channels = -(-int(kernel.in_type(0).dims[1]) // lanes) * lanes
    largest = max(4, target.l2_bytes // 2 // (4 * points * (channels + columns)))
    extents = [dims.ceildiv(size, transform.tile) for size in kernel.type.dims[2:]]
    count = dims.product([kernel.type.dims[0], *extents])
    rows, tiles = winograd_block(count, largest, rows_in_registers(target, max(1, columns // target.lanes)))
    # With few blocks it is the output channels that can be shared evenly.
    split = "channels" if isinstance(count, int) and -(-count // tiles) < 6 else "tiles"
    scratch = winograd_scratch(points, tiles, channels, columns, transform.tile, lanes)
    return {"tiles": tiles, "rows": rows, "split": split}, 4 * sum(scratch)


def winograd_block(count: Dim, largest: int, most_rows: int) -> tuple[int, int]:
    """Rows of a register tile and tiles of a block that compute the fewest tiles beyond ``count``."""
    if not isinstance(count, int):
        return most_rows, max(1, largest // most_rows) * most_rows
    choices = [
        (_work_with_padding(count, rows, blocks), -rows * blocks, rows)
        for rows in range(max(1, most_rows - 2), most_rows + 1)
        for blocks in range(1, max(1, min(largest, count + rows) // rows) + 1)
        if rows * blocks * 2 > min(largest, count)
    ] or [(0.0, -most_rows, most_rows)]
    _, negative_tiles, rows = min(choices)
    return rows, -negative_tiles


def _work_with_padding(count: int, rows: int, blocks: int) -> float:
    """Tiles computed in all, each dearer the fewer rows share a load of U."""
    return -(-count // (rows * blocks)) * rows * blocks * (1 + 0.1 / rows)


def _conv_im2col(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    """A register tile by the shape of the product; chunks of rows where panels are too few to share."""
    assert isinstance(kernel, ConvOp)
    tile, x, w = im2col_tile(kernel, target), kernel.in_type(0), kernel.in_type(1)
    rows, groups = w.layout.block_of(0) or tile.rows, kernel.get("groups")
    decisions: Decisions = {"rows": rows, "columns": tile.columns, "lanes": target.lanes}
    channels = w.dims[0]
    tiles = -(-channels // groups // rows) if isinstance(channels, int) else 1
    pixels = _at_least(dims.product(kernel.type.dims[2:]))
    panels = groups * _at_least(kernel.type.dims[0]) * -(-pixels // tile.columns)
    if tiles > 1 and panels < PIECES_TO_SHARE:
        decisions["row_chunks"] = min(tiles, -(-PIECES_TO_SHARE // panels))
    if not tile.packs and x.layout.order == Layout.row_major(x.rank).order:
        decisions["pack"] = 0
    return decisions, None


def _im2col_scratch(kernel: Operation, decisions: Decisions) -> Dim | None:
    """One panel, whose rows may be a vector longer than its columns."""
    assert isinstance(kernel, ConvOp)
    if not decisions.get("pack", 1):
        return None
    row = int(decisions["columns"]) + int(decisions["lanes"])
    return dims.multiply(dims.product(kernel.in_type(1).dims[1:]), 4 * row)


def _conv_indirect(kernel: Operation, target: Target) -> tuple[Decisions, Dim | None]:
    """Tiles of pixels, in blocks that use a panel of weights often enough and leave work for all threads."""
    assert isinstance(kernel, ConvOp)
    x, w = kernel.in_type(0), kernel.in_type(1)
    columns, window = w.layout.block_of(0), dims.product(w.dims[2:])
    batch, channels, height, width = kernel.type.dims
    most = min(rows_in_registers(target, max(1, columns // target.lanes)), INDIRECT_ROWS)
    padded = any(kernel.get("pads")) and not x.layout.halo
    # Rows of pixels that tiles fill need no table: the next pixel is always as far.
    table = padded or (window != 1 and (not isinstance(width, int) or width < 2 * most))
    pixels = dims.product([height, width]) if table or window == 1 else width
    rows = even_tile(pixels, most)
    panels = -(-int(channels) // kernel.get("groups") // columns)
    block = rows * max(1, PIXELS_IN_BLOCK // rows)
    blocks = kernel.get("groups") * -(-_at_least(dims.product(kernel.type.dims[2:])) // block) * _at_least(batch)
    decisions: Decisions = {"rows": rows, "block": block, "lanes": target.lanes, "table": int(table)}
    if panels > 1 and blocks < PIECES_TO_SHARE:
        decisions["panel_chunks"] = min(panels, -(-PIECES_TO_SHARE // blocks))
    return decisions, None


def _indirect_scratch(kernel: Operation, decisions: Decisions) -> Dim | None:
    """The table, and the channels of a pixel of zeros."""
    assert isinstance(kernel, ConvOp)
    w = kernel.in_type(1)
    if not decisions["table"]:
        return None
    return dims.add(dims.multiply(dims.product(w.dims[2:]), 8 * int(decisions["block"])), dims.multiply(w.dims[1], 4))


def _at_least(size: Dim) -> int:
    return size if isinstance(size, int) else 1


_CONVOLUTIONS: dict[str, Callable[[Operation, Target], tuple[Decisions, Dim | None]]] = {
    "depthwise": _conv_depthwise,
    "direct": _conv_direct,
    "im2col": _conv_im2col,
    "indirect": _conv_indirect,
    "winograd2": _conv_winograd,
    "winograd4": _conv_winograd,
}

# Scratch memory that follows from the decisions, whoever made them.
_SCRATCH: dict[str, Callable[[Operation, Decisions], Dim | None]] = {
    "im2col": _im2col_scratch,
    "indirect": _indirect_scratch,
}
