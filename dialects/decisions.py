"""What a schedule decides of each kernel: a dataclass for each way of walking, a field for each decision.

All that is known of a decision stands here once: its name, type, range, default and meaning, what it may not be beside
a given kernel, and the scratch memory that follows. The text of a stage is read and verified by it, passes make and
lowerings read the dataclasses, and the table in docs/schedule.md is written from it. A decision without a default is
made by ``schedule-choose-tiles`` from the numbers of the target, where the text leaves it open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, Operation

from ..machines.atoms import ATOMS, GENERAL_ATOM, TILE_BAND, TILE_ROWS
from . import shape as dims
from .attention_decisions import Attention
from .block_decisions import BlockGemm
from .decision_fields import (
    ATOM_NAMES,
    COLUMNS,
    FLAG,
    FROM_ZERO,
    MANY,
    REGISTERS,
    Axes,
    Decisions,
    DecisionValue,
    Nest,
    decision,
)
from .kernel import ConvOp, GemmOp
from .layout_algebra import print_order
from .operand_layouts import depth_axes, is_long_row, lies_along, panel_depth, panel_width
from .recurrence_decisions import Recurrence
from .selection_decisions import SELECTION_KINDS
from .shape import Dim
from .storage import element_bytes
from .tree_decisions import TreeEnsemble
from .window_rows import WindowRows, last_words_bytes
from .winograd import tile_of, transforms, winograd_scratch

MATRIX_BLOCK = 1024
"""Products of matrices that are added up from zero: blocks of depth are as long, or several times so."""

WORDS_AT_ONCE = 16
"""Words of narrow numbers that are copied at once, at most: rows of such copies are whole multiples of it."""


class Multiplying(Nest):
    """Decisions of which one is the atom."""

    @property
    def has_tiles(self) -> bool:
        """Whether the atom's registers are whole matrices."""
        return is_tile(self.atom)  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True, kw_only=True)
class Gemm(Multiplying):
    """Tiles of rows (m) by columns (n) of the product; panels of B are as wide as a tile."""

    PANEL = "columns"
    OUTER = ("b", "n", "m")

    rows: int = decision("rows of a register tile", REGISTERS, says="m tile")
    columns: int = decision("columns of a register tile and of a panel of B", COLUMNS, says="n tile")
    row_chunks: int = decision("pieces of the rows that threads share beside panels", MANY, 1, says="m chunks")
    depth_block: int = decision(
        "products that are added up before the next tile of rows; 0 is all", FROM_ZERO, 0, says="k block"
    )
    pack: bool = decision("whether blocks of B are copied before they are used", FLAG, False)
    prefetch: bool = decision("whether the next block of a packed B is fetched meanwhile", FLAG, False)
    atom: str = decision("the instruction that multiplies and adds", ATOM_NAMES, GENERAL_ATOM)
    depth_lanes: int = decision(
        "lanes along the depth, of which each sum has a vector, horizontally summed at its end; 0: lanes are columns",
        range(65),
        0,
        says="k lanes",
    )
    depth_rows: int = decision(
        "the most rows with which lanes run along the depth, one row at a time; 0: any number",
        FROM_ZERO,
        0,
        says="k rows",
    )
    depth_columns: int = decision(
        "columns of a tile with lanes along the depth; 0: those of a tile with columns in lanes",
        range(129),
        0,
        says="k columns",
    )

    def conflict(self, kernel: Operation) -> str | None:
        assert isinstance(kernel, GemmOp)
        packed = kernel.in_type(1).layout.pieces[-1].block
        if self.pack and packed and not widens(kernel):
            return f"{self.phrase('pack')}, but B is packed already"
        if self.prefetch and (not packed or self.copies(kernel)):
            return f"{self.phrase('prefetch')}, but B is not packed"
        if self.depth_block % self.atom_depth:
            return f"{self.phrase('depth_block')} is no multiple of the {self.atom_depth} that {self.atom} takes"
        conflict = super().conflict(kernel) or _atom_conflict(self.atom, kernel) or self._tile_conflict(kernel)
        return conflict or self._depth_conflict(kernel)

    @property
    def atom_depth(self) -> int:
        """Products that the atom takes at once."""
        return atom_depth(self.atom)

    def _tile_conflict(self, kernel: GemmOp) -> str | None:
        if not self.has_tiles:
            return None
        if self.columns % TILE_ROWS or self.columns > TILE_BAND:
            return f"atom {self.atom} takes {TILE_ROWS} or {TILE_BAND} columns, not {self.columns}"
        if self.depth_block:
            return f"atom {self.atom} multiplies all of the depth at once: no k block"
        if not self.left_lies_by_depth(kernel):
            return f"atom {self.atom} reads rows of A, whose elements must lie side by side"
        return None

    def left_lies_by_depth(self, kernel: GemmOp) -> bool:
        """Whether elements of A that are summed lie side by side."""
        a = kernel.in_type(0)
        return a.layout.pieces[-1].axis == a.rank + depth_axes(kernel)[0]

    def _depth_conflict(self, kernel: GemmOp) -> str | None:
        """Why lanes cannot run along the depth as decided, if they cannot."""
        name = self.phrase("depth_lanes")
        if not self.depth_lanes:
            is_said = self.depth_rows or self.depth_columns
            return f"{name}, and k rows or k columns say what lanes along the depth do" if is_said else None
        if self.has_depth_only and (self.depth_block or self.atom != GENERAL_ATOM):
            return f"{name} multiplies all of the depth at once, one product a lane: no k block or atom"
        for number, (what, depth_axis) in enumerate(zip(("rows of A", "columns of B"), depth_axes(kernel))):
            type_, is_copied = kernel.in_type(number), number == 1 and self.has_depth_only and self.pack
            if not is_copied and not lies_along(type_, depth_axis):
                lies = print_order(type_.layout.order)
                return f"{name} needs {what} whose elements lie side by side, and those in {lies} lie apart"
        return None

    @property
    def has_depth_only(self) -> bool:
        """Whether lanes run along the depth whatever the number of rows."""
        return self.depth_lanes > 0 and self.depth_rows == 0

    def copies(self, kernel: GemmOp) -> bool:
        """Whether blocks of B are copied, as they must be where what is multiplied at once lies apart."""
        if self.has_depth_only:
            return self.pack
        b = kernel.in_type(1)
        last = b.layout.pieces[-1]
        if last.block:
            return self.pack
        return self.pack or self.atom_depth > 1 or last.axis != b.rank - (2 if kernel.get("transpose_b") else 1)

    def outer(self, kernel: Operation) -> Axes:
        """Panels go innermost where they share a copy of the rows of A."""
        assert isinstance(kernel, GemmOp)
        return ("b", "m", "n") if self.copies_left(kernel) else self.OUTER

    def copies_left(self, kernel: GemmOp) -> bool:
        """Whether rows of A are copied: an atom takes several elements at once, the last of a row too."""
        if self.atom_depth == 1:
            return False
        depth = depth_of(kernel)
        return not (self.left_lies_by_depth(kernel) and isinstance(depth, int) and depth % self.atom_depth == 0)

    def scratch(self, kernel: Operation) -> Dim | None:
        """The block of B that is copied, sums of blocks of depth or of tiles, then the rows of A that are copied."""
        assert isinstance(kernel, GemmOp)
        if not (self.copies(kernel) or self.has_blocks(kernel) or self.copies_left(kernel) or self.has_tiles):
            return None
        size = dims.add(self.left_at(kernel), self._left_bytes(kernel))
        return 1 if size == 0 else size  # The loops ask for it, though they copy nothing.

    def packed_bytes(self, kernel: GemmOp) -> Dim:
        """Of the block of B that is copied."""
        if not self.copies(kernel):
            return 0
        rows = self._whole_words(self.rows_at_once(depth_of(kernel)))
        element = kernel.sums_type if widens(kernel) else kernel.in_type(1).element_type
        return dims.multiply(rows, self.columns * element_bytes(element))

    def left_at(self, kernel: GemmOp) -> Dim:
        """Bytes of scratch before the rows of A."""
        return dims.add(self.packed_bytes(kernel), self._partial_bytes(kernel))

    def _partial_bytes(self, kernel: GemmOp) -> Dim:
        """Of a chunk's rows times the columns of a tile; of whole matrices, of two rows of them, and the last words."""
        if self.has_tiles:
            return TILE_BAND * self.columns * element_bytes(kernel.sums_type) + self.last_bytes(kernel)
        if not self.has_blocks(kernel):
            return 0
        return dims.multiply(self._rows_of_chunk(kernel), self.columns * element_bytes(kernel.sums_type))

    def last_bytes(self, kernel: GemmOp) -> int:
        """Of the last words of whole matrices, where these fill no register and A lies in words."""
        if not self.has_tiles or self.copies_left(kernel):
            return 0
        words = dims.ceildiv(depth_of(kernel), self.atom_depth)
        return last_words_bytes(ATOMS[self.atom], words, self.columns, kernel.in_type(1).element_type)

    def _left_bytes(self, kernel: GemmOp) -> Dim:
        """Of a chunk's rows, in whole vectors, times the depth in whole words."""
        if not self.copies_left(kernel):
            return 0
        rows = dims.multiply(dims.ceildiv(self._rows_of_chunk(kernel), WORDS_AT_ONCE), WORDS_AT_ONCE)
        depth = dims.multiply(self._whole_words(depth_of(kernel)), element_bytes(kernel.in_type(0).element_type))
        return dims.multiply(rows, depth)

    def _rows_of_chunk(self, kernel: GemmOp) -> Dim:
        is_merged = kernel.in_type(1).rank == 2 and not kernel.get("transpose_a")
        rows = dims.product(kernel.type.dims[:-1]) if is_merged else kernel.type.dims[-2]
        return dims.ceildiv(rows, self.row_chunks)

    def _whole_words(self, depth: Dim) -> Dim:
        return dims.multiply(dims.ceildiv(depth, self.atom_depth), self.atom_depth)

    def has_blocks(self, kernel: GemmOp) -> bool:
        """Whether the depth is multiplied in several blocks."""
        depth = depth_of(kernel)
        return self.depth_block > 0 and not (isinstance(depth, int) and depth <= self.depth_block)

    def rows_at_once(self, depth: Any) -> Any:
        """Rows of B in a block, at most."""
        if self.depth_block and isinstance(depth, int):
            return min(depth, self.depth_block)
        return self.depth_block or depth


def atom_depth(atom: DecisionValue | None) -> int:
    """How many products the atom of that name takes at once; 1 for the general one."""
    return ATOMS[atom].depth if isinstance(atom, str) and atom in ATOMS else 1


def is_tile(atom: str) -> bool:
    """Whether the registers of the atom of that name are whole matrices."""
    return atom in ATOMS and ATOMS[atom].is_tile


def window_words(kernel: ConvOp, depth: int) -> Dim:
    """Words of so many channels of x under a window; one channel each where the depth is 1."""
    channels, *window = kernel.in_type(1).dims[1:]
    return dims.multiply(dims.ceildiv(channels, depth), dims.product(window))


def _atom_conflict(atom: str, kernel: GemmOp | ConvOp) -> str | None:
    """Why the kernel's products are not the atom's, or its weights are packed for another one."""
    is_packed = panel_width(kernel) or panel_depth(kernel) > 1
    if is_packed and panel_depth(kernel) != atom_depth(atom):
        return f"atom {atom} takes {atom_depth(atom)} at once, and the weights are packed by {panel_depth(kernel)}"
    if atom == GENERAL_ATOM:
        return None
    return None if ATOMS[atom].multiplies(*product_types(kernel)) else _other_types(atom, kernel)


def product_types(kernel: GemmOp | ConvOp) -> tuple[str, str, str]:
    """The elements of the left and the right factor and of the sums, by name: im2col has the weights on the left."""
    left, right = (str(kernel.in_type(operand).element_type) for operand in (0, 1))
    if isinstance(kernel, ConvOp) and kernel.get("algorithm") == "im2col":
        left, right = right, left
    return left, right, str(kernel.sums_type)


def _other_types(atom: str, kernel: GemmOp | ConvOp) -> str:
    row, (left, right, sums) = ATOMS[atom], product_types(kernel)
    return f"atom {atom} adds {row.lhs} times {row.rhs} to {row.sums}, and this is {left} times {right} to {sums}"


def widens(kernel: GemmOp) -> bool:
    """Whether B is narrower than A and what is summed: it is widened as it is read, or copied."""
    a, b = (kernel.in_type(index).element_type for index in (0, 1))
    return a == kernel.sums_type != b


def depth_of(kernel: GemmOp) -> Dim:
    """Products that are summed for an element of the result."""
    return kernel.in_type(0).dims[depth_axes(kernel)[0]]


@dataclass(frozen=True, kw_only=True)
class Direct(Multiplying):
    """Tiles of neighbouring pixels by blocks of output channels; panels of w are as wide as a tile."""

    PANEL = "channel_blocks"
    OUTER = ("oc", "n", "oh")

    channel_blocks: int = decision("blocks of output channels in a register tile", REGISTERS, says="oc blocks")
    columns: int = decision("output pixels in a register tile", COLUMNS, says="ow tile")
    along: Literal["width", "height"] = decision(
        "the way that tiles run over the image", ("width", "height"), "width", turns={"height": ("columns", "oh tile")}
    )
    strip: int = decision(
        "pixels that go through all output channels before the next ones; 0 is all of all images", FROM_ZERO, 0
    )
    panel_chunks: int = decision(
        "pieces of the output channels that threads share beside strips, where registers are whole matrices",
        MANY,
        1,
        says="oc chunks",
    )
    pack: bool = decision("whether a strip's pixels are copied before they go through the channels", FLAG, False)
    prefetch: bool = decision("whether the next block of weights is fetched meanwhile", FLAG, False)
    atom: str = decision("the instruction that multiplies and adds", ATOM_NAMES, GENERAL_ATOM)

    @classmethod
    def panel_unit(cls, kernel: Operation) -> int:
        return _block_of_result(kernel)

    def conflict(self, kernel: Operation) -> str | None:
        assert isinstance(kernel, ConvOp)
        lanes, packed = kernel.type.layout.block_of(1), kernel.in_type(1).layout.block_of(0)
        if packed != lanes * self.channel_blocks:
            return f"{self.phrase('channel_blocks')} of {lanes} channels, and w is packed in blocks of {packed}"
        if self.strip and (self.order or self.threads):
            return f"{self.phrase('strip')} says the order, and what threads share"
        is_strip = self.strip and self.along == "width" and not self.has_tiles
        if self.pack and not (is_strip and is_long_row(kernel) and kernel.in_type(0).layout.block_of(1)):
            return f"{self.phrase('pack')} needs a strip of a 1x1 convolution of x in blocks of channels, in vectors"
        if self.prefetch and (self.strip or self.has_tiles or self.ordered(kernel)[0] != "oc"):
            return f"{self.phrase('prefetch')} needs blocks of output channels outermost, in vectors"
        if conflict := super().conflict(kernel) or _atom_conflict(self.atom, kernel):
            return conflict
        if not self.has_tiles:
            return f"{self.phrase('panel_chunks')} needs an atom of tiles" if self.panel_chunks > 1 else None
        if not kernel.in_type(0).layout.block_of(1) or self.along != "width":
            return f"atom {self.atom} takes x in blocks of channels, and tiles along the width"
        return self.window_rows(kernel).conflict(kernel)

    def window_rows(self, kernel: ConvOp) -> WindowRows:
        """What registers of whole matrices multiply."""
        return WindowRows.of(kernel, ATOMS[self.atom], self.strip, kernel.in_type(1).layout.block_of(0))

    def scratch(self, kernel: Operation) -> Dim | None:
        assert isinstance(kernel, ConvOp)
        if self.has_tiles:
            return self.window_rows(kernel).scratch
        if not self.pack:
            return None
        x = kernel.in_type(0)
        block = x.layout.block_of(1)
        return -(-int(x.dims[1]) // block) * block * self.strip * element_bytes(x.element_type)


def _block_of_result(kernel: Operation) -> int:
    """Output channels in a block of the result; 0 where it is in none, or the convolution does not verify."""
    assert isinstance(kernel, ConvOp)
    return kernel.type.layout.block_of(1) if kernel.type.rank > 1 else 0


@dataclass(frozen=True, kw_only=True)
class Depthwise(Nest):
    """Tiles of rows by columns of output pixels of one block of channels (c)."""

    OUTER = ("c", "n", "oh")

    rows: int = decision("rows of output pixels in a tile", REGISTERS, says="oh tile")
    columns: int = decision("columns of output pixels in a tile", COLUMNS, says="ow tile")
    atom: str = decision("the instruction for neighbouring taps, widened for it", ATOM_NAMES, GENERAL_ATOM)

    def conflict(self, kernel: Operation) -> str | None:
        assert isinstance(kernel, ConvOp)
        if self.atom != GENERAL_ATOM and not ATOMS[self.atom].multiplies_widened(*product_types(kernel)):
            return _other_types(self.atom, kernel)
        height = kernel.type.dims[2]
        if self.rows > 1 and not (isinstance(height, int) and height % self.rows == 0):
            return f"{self.phrase('rows')} does not divide the {height} rows of the result"
        return super().conflict(kernel)


@dataclass(frozen=True, kw_only=True)
class Winograd(Nest):
    """Blocks of tiles of the images (t) are transformed, multiplied point by point, and transformed back.

    Panels of w are as wide as a register tile. The transform of a block stands between its loop and that over output
    channels: threads share one of both, by default blocks.
    """

    PANEL = "channel_blocks"
    OUTER = ("t", "oc")

    channel_blocks: int = decision("blocks of output channels in a register tile", REGISTERS, says="oc blocks")
    rows: int = decision("tiles of the image in a register tile", REGISTERS, says="t tile")
    tiles: int = decision("tiles of the image in a block that stays in L2", MANY, says="t block")
    prefetch: bool = decision("whether the weights of the next point are fetched meanwhile", FLAG, False)

    def shared(self, kernel: Operation) -> Axes:
        return self.threads or self.OUTER[:1]

    def conflict(self, kernel: Operation) -> str | None:
        if self.ordered(kernel) != self.OUTER:
            return f"{self.phrase('order')}: blocks of tiles go outside"
        if len(self.threads) > 1:
            return f"{self.phrase('threads')}: blocks are transformed between both, so that threads share one"
        return super().conflict(kernel)

    @classmethod
    def panel_unit(cls, kernel: Operation) -> int:
        return _block_of_result(kernel)

    def scratch(self, kernel: Operation) -> Dim | None:
        """V, M and an output tile."""
        assert isinstance(kernel, ConvOp)
        transform, lanes = transforms(tile_of(kernel.get("algorithm"))), kernel.type.layout.block_of(1)
        columns = kernel.in_type(1).layout.block_of(2)
        channels = -(-int(kernel.in_type(0).dims[1]) // lanes) * lanes
        sizes = winograd_scratch(transform.points**2, self.tiles, channels, columns, transform.tile, lanes)
        return element_bytes(kernel.sums_type) * sum(sizes)


@dataclass(frozen=True, kw_only=True)
class Im2col(Multiplying):
    """Tiles of output channels by pixels (p); the pixels' columns are packed into panels, or read where they lie.

    Panels of w, where it is packed, are as wide as a tile.
    """

    PANEL = "rows"
    OUTER = ("n", "g", "r", "p", "oc")

    rows: int = decision("output channels in a register tile", REGISTERS, says="oc tile")
    columns: int = decision("pixels in a register tile", COLUMNS, says="p tile")
    lanes: int = decision("elements of a vector when packing", REGISTERS, says="p lanes")
    pack: bool = decision("whether columns are packed first", FLAG, True)
    row_chunks: int = decision(
        "pieces of the output channels that threads share beside panels", MANY, 1, says="oc chunks"
    )
    atom: str = decision("the instruction that multiplies and adds", ATOM_NAMES, GENERAL_ATOM)

    def conflict(self, kernel: Operation) -> str | None:
        assert isinstance(kernel, ConvOp)
        x, depth = kernel.in_type(0).layout, self.atom_depth
        is_in_words = panel_depth(kernel) == depth and isinstance(kernel.in_type(1).dims[1], int)
        if depth > 1 and not (self.pack and is_in_words):
            return f"atom {self.atom} takes {depth} channels at once: pack true, and as many side by side in w"
        if conflict := _atom_conflict(self.atom, kernel):
            return conflict
        if self.has_tiles and (self.columns not in (TILE_ROWS, TILE_BAND) or panel_width(kernel)):
            return f"atom {self.atom} takes {TILE_ROWS} or {TILE_BAND} columns, not {self.columns}, and rows of w"
        if not self.pack and (x.pieces[-1].axis != x.rank - 1 or kernel.get("strides")[-1] != 1):
            return f"{self.phrase('pack')} needs row-major x and a stride of 1 along rows"
        return super().conflict(kernel)

    def scratch(self, kernel: Operation) -> Dim | None:
        """One panel; of whole matrices the sums of two registers, and the last words of the panel below zeros."""
        assert isinstance(kernel, ConvOp)
        if not self.pack:
            return None
        return dims.add(self.panel_bytes(kernel), self.sums_bytes(kernel) + self.last_bytes(kernel))

    def sums_bytes(self, kernel: ConvOp) -> int:
        return TILE_BAND * self.columns * element_bytes(kernel.sums_type) if self.has_tiles else 0

    def last_bytes(self, kernel: ConvOp) -> int:
        """Of the last words where these fill no register."""
        if not self.has_tiles:
            return 0
        words = window_words(kernel, self.atom_depth)
        return last_words_bytes(ATOMS[self.atom], words, self.columns, kernel.in_type(0).element_type)

    def panel_bytes(self, kernel: ConvOp) -> Dim:
        """Of a panel, whose rows may be a vector longer than its columns."""
        row = element_bytes(kernel.in_type(0).element_type) * (self.columns + self.lanes) * self.atom_depth
        return dims.multiply(window_words(kernel, self.atom_depth), row)

    @property
    def atom_depth(self) -> int:
        """Channels that the atom takes at once."""
        return atom_depth(self.atom)


@dataclass(frozen=True, kw_only=True)
class Indirect(Multiplying):
    """Tiles of pixels (p) by output channels, as wide as panels of w; a table says where each pixel's window lies."""

    PANEL = "columns"
    OUTER = ("n", "g", "r", "p", "oc")

    rows: int = decision("pixels in a register tile", REGISTERS, says="p tile")
    columns: int = decision("output channels in a register tile and in a panel of w", COLUMNS, says="oc tile")
    block: int = decision("pixels that share a table and go through a panel of weights together", MANY, says="p block")
    lanes: int = decision("elements of a vector", REGISTERS, says="oc lanes")
    table: bool = decision("whether windows are found by a table rather than by strides", FLAG, True)
    panel_chunks: int = decision(
        "pieces of the output channels that threads share beside blocks", MANY, 1, says="oc chunks"
    )
    atom: str = decision("the instruction that multiplies and adds", ATOM_NAMES, GENERAL_ATOM)

    def conflict(self, kernel: Operation) -> str | None:
        assert isinstance(kernel, ConvOp)
        if not self.table and kernel.reads_padding:
            return f"{self.phrase('table')}, but pixels read padding that is not in a halo of x"
        conflict = super().conflict(kernel) or _atom_conflict(self.atom, kernel)
        if conflict or not self.has_tiles:
            return conflict
        if self.table or self.order or self.threads:
            return f"atom {self.atom} says the order, and finds what lies under windows by strides: no table"
        return self.window_rows(kernel).conflict(kernel)

    def window_rows(self, kernel: ConvOp) -> WindowRows:
        """What registers of whole matrices multiply."""
        return WindowRows.of(kernel, ATOMS[self.atom], self.block, self.columns)

    def scratch(self, kernel: Operation) -> Dim | None:
        """The table, and the channels of a pixel of zeros; or rows for registers of whole matrices."""
        assert isinstance(kernel, ConvOp)
        w = kernel.in_type(1)
        if self.has_tiles:
            return self.window_rows(kernel).scratch
        if not self.table:
            return None
        entries = dims.multiply(dims.product(w.dims[2:]), 8 * self.block)
        return dims.add(entries, dims.multiply(w.dims[1], element_bytes(w.element_type)))


@dataclass(frozen=True, kw_only=True)
class Lanes(Decisions):
    """Vectors along the elements that lie side by side."""

    lanes: int = decision("elements of a vector", REGISTERS)


@dataclass(frozen=True, kw_only=True)
class Elements(Lanes):
    """Tiles of several vectors of the result."""

    unroll: int = decision("vectors in a tile", REGISTERS, 4)


@dataclass(frozen=True, kw_only=True)
class Reduction(Lanes):
    """Several vectors of partial results."""

    unroll: int = decision("vectors of partial results", REGISTERS, 4)


@dataclass(frozen=True, kw_only=True)
class Rows(Lanes):
    """Rows are read once where they fit into registers."""

    unroll: int = decision("vectors of a longer row in a tile", REGISTERS, 4)
    row_vectors: int = decision("vectors of the longest row that stays in registers", REGISTERS, 8)


@dataclass(frozen=True, kw_only=True)
class Softmax(Rows):
    """As Rows, with fewer vectors: each holds exponentials."""

    unroll: int = decision("vectors of a longer row in a tile", REGISTERS, 2)


@dataclass(frozen=True, kw_only=True)
class Pool(Lanes):
    """Tiles of neighbouring outputs of a row."""

    columns: int = decision("outputs in a tile", COLUMNS, 8, says="ow tile")


_ELEMENTS = (
    "kernel.map", "layout.convert", "kernel.broadcast", "kernel.concat", "kernel.gather", "kernel.gather_elements",
    "kernel.gather_nd", "kernel.pad", "kernel.resize", "kernel.scatter_elements", "kernel.scatter_nd", "kernel.slice",
    "kernel.grid_sample", "kernel.roi_align", "kernel.weigh",
    "kernel.reverse_sequence",
)  # fmt: skip
KINDS: Mapping[str, type[Decisions]] = {
    **dict.fromkeys(_ELEMENTS, Elements),
    "kernel.gemm": Gemm,
    "kernel.block_gemm": BlockGemm,
    "kernel.attention": Attention,
    "kernel.conv direct": Direct,
    "kernel.conv depthwise": Depthwise,
    "kernel.conv winograd2": Winograd,
    "kernel.conv winograd4": Winograd,
    "kernel.conv im2col": Im2col,
    "kernel.conv indirect": Indirect,
    "kernel.reduce": Reduction,
    "kernel.arg_reduce": Lanes,
    "kernel.cumulative_sum": Lanes,
    "kernel.softmax": Softmax,
    "kernel.layer_norm": Rows,
    "kernel.pool": Pool,
    **SELECTION_KINDS,
    "kernel.tree_ensemble": TreeEnsemble,
    "kernel.recurrence": Recurrence,
}
"""The decisions of each kernel that has some, convolutions by algorithm."""


def kernel_kind(kernel: Operation) -> str:
    """The kernel's name in KINDS: its op's, of a convolution with the algorithm."""
    return kind_name(kernel.name, kernel.properties)


def kind_name(name: str, properties: Mapping[str, Attribute]) -> str:
    algorithm = properties.get("algorithm")
    return f"{name} {algorithm.data}" if isinstance(algorithm, StringAttr) else name


def kind_of(kernel: Operation) -> type[Decisions]:
    """The decisions that a kernel has."""
    return KINDS.get(kernel_kind(kernel), Decisions)
