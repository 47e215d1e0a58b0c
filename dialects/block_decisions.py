"""What a schedule decides of products by numbers of few bits."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation

from ..machines.atoms import ATOMS, GENERAL_ATOM, Atom
from . import shape as dims
from .decision_fields import ATOM_NAMES, COLUMNS, FROM_ZERO, MANY, REGISTERS, Nest, decision
from .kernel import BlockGemmOp
from .shape import Dim


@dataclass(frozen=True, kw_only=True)
class BlockGemm(Nest):
    """Tiles of rows by columns; numbers of few bits are unpacked in registers for the rows of a tile."""

    PANEL = "columns"
    OUTER = ("b", "m", "n")

    rows: int = decision("rows of a register tile", REGISTERS, says="m tile")
    columns: int = decision("columns of a register tile and of a panel of b", COLUMNS, says="n tile")
    row_chunks: int = decision("pieces of the rows that threads share beside panels", MANY, 1, says="m chunks")
    unpacked_rows: int = decision(
        "rows from which a panel of b is unpacked to memory, as f32, before it is multiplied; 0: never",
        FROM_ZERO,
        0,
        says="m unpacked",
    )
    depth_block: int = decision("of an unpacked panel the most that is there at a time", MANY, 1024, says="k block")
    ahead: int = decision(
        "bytes from what a tile of few rows reads of b to what it brings into the cache meanwhile; 0: nothing",
        FROM_ZERO,
        0,
        says="k ahead",
    )
    atom: str = decision(
        "the instruction for integers of 8 bits; the general one sums in f32", ATOM_NAMES, GENERAL_ATOM
    )

    def conflict(self, kernel: Operation) -> str | None:
        assert isinstance(kernel, BlockGemmOp)
        if self.unpacked_rows and kernel.get("int8"):
            return f"{self.phrase('unpacked_rows')}, but a is multiplied in integers"
        if self.unpacked_rows and self.depth_block % kernel.get("block"):
            return f"{self.phrase('depth_block')} is no multiple of the {kernel.get('block')} that share a scale"
        if self.atom == GENERAL_ATOM:
            return super().conflict(kernel)
        if not kernel.get("int8"):
            return f"atom {self.atom}, but a is multiplied in f32"
        row, bits = ATOMS[self.atom], kernel.get("bits")
        wrong = None if takes_numbers(row, bits) else f"atom {self.atom} takes no {bits} bits times 8 in single rows"
        return wrong or super().conflict(kernel)

    def scratch(self, kernel: Operation) -> Dim | None:
        """Rows of a chunk in integers, then for each of their blocks a scale and a sum; or an unpacked panel.

        Behind the panel come sums of the chunk's rows, where the depth is multiplied in several blocks.
        """
        assert isinstance(kernel, BlockGemmOp)
        rows, depth = self.rows_of_chunk(kernel), kernel.in_type(0).dims[-1]
        if not kernel.get("int8"):
            if not self.unpacked_rows:
                return None
            sums = dims.multiply(rows, 4 * self.columns) if self.has_blocks(kernel) else 0
            return dims.add(4 * self.columns * self.depth_at_once(kernel), sums)
        blocks = dims.multiply(dims.floordiv(depth, kernel.get("block")), 8)
        return dims.multiply(rows, dims.add(dims.multiply(depth, self.bytes_of_left), blocks))

    def rows_of_chunk(self, kernel: BlockGemmOp) -> Dim:
        """Rows of a chunk, at most."""
        return dims.ceildiv(dims.product(kernel.type.dims[:-1]), self.row_chunks)

    def depth_at_once(self, kernel: BlockGemmOp) -> int:
        """Of an unpacked panel the most that is there at a time."""
        depth = kernel.in_type(0).dims[-1]
        return min(depth, self.depth_block) if isinstance(depth, int) else self.depth_block

    def has_blocks(self, kernel: BlockGemmOp) -> bool:
        """Whether the depth is longer than what is unpacked at a time."""
        depth = kernel.in_type(0).dims[-1]
        return not (isinstance(depth, int) and depth <= self.depth_block)

    @property
    def bytes_of_left(self) -> int:
        """Of an integer of 8 bits: where there is no atom it is held as f32."""
        return 4 if self.atom == GENERAL_ATOM else 1


def takes_numbers(atom: Atom, bits: int) -> bool:
    """Whether it multiplies numbers of so many bits without a sign, four in a word, by bytes with one."""
    holds = atom.lhs == "ui8" or (atom.lhs == "i8" and bits < 8)
    return holds and (atom.rhs, atom.sums, atom.depth, atom.rows) == ("i8", "i32", 4, 1)
