"""What a schedule decides of a product of matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.ir import Operation

from ..machines.atoms import ATOMS, GENERAL_ATOM, TILE_BAND, TILE_ROWS
from . import shape as dims
from .decision_fields import ATOM_NAMES, COLUMNS, FLAG, FROM_ZERO, MANY, REGISTERS, Axes, decision
from .kernel import GemmOp
from .layout_algebra import print_order
from .multiplying import Multiplying, atom_conflict, atom_depth
from .operand_layouts import depth_axes, lies_along
from .shape import Dim
from .storage import element_bytes
from .window_rows import last_words_bytes

MATRIX_BLOCK = 1024
"""Products of matrices that are added up from zero: blocks of depth are as long, or several times so."""

WORDS_AT_ONCE = 16
"""Words of narrow numbers that are copied at once, at most: rows of such copies are whole multiples of it."""


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
    pack_along: bool = decision(
        "whether the first tile of rows copies a block of B while it multiplies by it, rather than before", FLAG, False
    )
    prefetch: bool = decision("whether the next block of B is fetched meanwhile", FLAG, False)
    ahead: int = decision(
        "bytes from what a tile of few rows reads of a packed B to what it fetches meanwhile; 0: nothing",
        FROM_ZERO,
        0,
        says="k ahead",
    )
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
        if self.prefetch and not self._can_fetch(kernel):
            return f"{self.phrase('prefetch')}, but B is neither packed nor copied from rows of elements side by side"
        if self.pack_along and not self._can_pack_along(kernel):
            return f"{self.phrase('pack_along')}, but the first tile of rows reads no rows of B that others need copied"
        if self.ahead and (not packed or self.copies(kernel)):
            return f"{self.phrase('ahead')}, but B is not packed"
        if self.depth_block % self.atom_depth:
            return f"{self.phrase('depth_block')} is no multiple of the {self.atom_depth} that {self.atom} takes"
        conflict = super().conflict(kernel) or atom_conflict(self.atom, kernel) or self._tile_conflict(kernel)
        return conflict or self._depth_conflict(kernel)

    def _can_fetch(self, kernel: GemmOp) -> bool:
        if kernel.in_type(1).layout.pieces[-1].block:
            return not self.copies(kernel)
        return self._copies_rows(kernel)

    def _can_pack_along(self, kernel: GemmOp) -> bool:
        """Whether it is known that there are rows beyond those of the first tile."""
        y = kernel.type
        rows = dims.product(y.dims[:-1]) if kernel.in_type(1).rank == 2 else y.dims[-2]
        return self._copies_rows(kernel) and isinstance(rows, int) and rows > self.rows

    def _copies_rows(self, kernel: GemmOp) -> bool:
        """Whether rows of B are copied whose elements lie side by side."""
        b = kernel.in_type(1)
        if not self.pack or self.atom_depth > 1 or self.has_depth_only:
            return False
        return bool(b.layout.pieces[-1].block) or lies_along(b, -2 if kernel.get("transpose_b") else -1)

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


def widens(kernel: GemmOp) -> bool:
    """Whether B is narrower than A and what is summed: it is widened as it is read, or copied."""
    a, b = (kernel.in_type(index).element_type for index in (0, 1))
    return a == kernel.sums_type != b


def depth_of(kernel: GemmOp) -> Dim:
    """Products that are summed for an element of the result."""
    return kernel.in_type(0).dims[depth_axes(kernel)[0]]
