"""Arithmetic of register tiles, shared by the passes that choose layouts and tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dialects.shape import Dim

if TYPE_CHECKING:
    from ..backend.targets import Target

# Registers kept free beside the sums and one row of B: LLVM's scheduler loads that many columns of A ahead.
LOADED_AHEAD = 4


def rows_in_registers(target: Target, vectors: int) -> int:
    """Rows of a register tile that is ``vectors`` registers wide, so that nothing spills."""
    reserve = min(LOADED_AHEAD, target.vector_registers // 8)
    return max(1, (target.vector_registers - vectors - reserve) // vectors)


def even_tile(extent: Dim, largest: int) -> int:
    """The tile size for an extent: the largest that divides it, unless that is below half of ``largest``.

    Then the size that spreads it evenly over the fewest tiles. An unknown extent gets ``largest``.
    """
    if not isinstance(extent, int):
        return largest
    for size in range(min(largest, extent), largest // 2, -1):
        if extent % size == 0:
            return size
    return -(-extent // -(-extent // largest))


def gemm_columns(size: Dim, target: Target) -> int:
    """Columns of a panel of B: the target's tile, or less where the matrix is narrower."""
    preferred = target.gemm_tile[1]
    if not isinstance(size, int):
        return preferred
    return min(preferred, -(-size // target.lanes) * target.lanes)
