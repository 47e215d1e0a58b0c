"""What a schedule decides of a convolution, by its algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xdsl.ir import Operation

from ..machines.atoms import ATOMS, GENERAL_ATOM, TILE_BAND, TILE_ROWS
from . import shape as dims
from .decision_fields import ATOM_NAMES, COLUMNS, FLAG, FROM_ZERO, MANY, REGISTERS, Axes, Nest, decision
from .kernel import ConvOp
from .multiplying import Multiplying, atom_conflict, atom_depth, other_types, product_types
from .operand_layouts import is_long_row, panel_depth, panel_width
from .shape import Dim
from .storage import element_bytes
from .window_rows import WindowRows, last_words_bytes
from .winograd import tile_of, transforms, winograd_scratch


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
        if conflict := super().conflict(kernel) or atom_conflict(self.atom, kernel):
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
            return other_types(self.atom, kernel)
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
        if conflict := atom_conflict(self.atom, kernel):
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
        conflict = super().conflict(kernel) or atom_conflict(self.atom, kernel)
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


def window_words(kernel: ConvOp, depth: int) -> Dim:
    """Words of so many channels of x under a window; one channel each where the depth is 1."""
    channels, *window = kernel.in_type(1).dims[1:]
    return dims.multiply(dims.ceildiv(channels, depth), dims.product(window))
