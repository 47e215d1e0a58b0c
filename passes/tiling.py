"""Arithmetic of register tiles, shared by the passes that choose layouts and tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dialects import shape as dims
from ..dialects.kernel import ConvOp
from ..dialects.shape import Dim

if TYPE_CHECKING:
    from ..backend.targets import Target

# Registers kept free beside the sums and one row of B: LLVM's scheduler loads that many columns of A ahead.
LOADED_AHEAD = 4
# Each row of an indirect convolution's tile has a pointer of its own in a general register.
INDIRECT_ROWS = 8


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


def im2col_tile(kernel: ConvOp, target: Target) -> tuple[int, int]:
    """Rows (output channels of a group) and columns (pixels) of the register tile of an im2col convolution.

    The fewest cycles a pixel, counting products, the loads that feed them and lanes beyond the last pixel; the
    panel of window x columns should stay in L2.
    """
    groups, depth = kernel.get("groups"), dims.product(kernel.in_type(1).dims[1:])
    channels = dims.floordiv(kernel.type.dims[1], groups)
    pixels = dims.product(kernel.type.dims[2:])
    best, fewest_cycles = (1, target.lanes), float("inf")
    for vectors in (4, 3, 2, 1, 8, 6):
        width = vectors * target.lanes
        rows = even_tile(channels, rows_in_registers(target, vectors))
        tiles = -(-channels // rows) if isinstance(channels, int) else 1
        # Every sum waits for its last step: four of them at least keep the multipliers busy.
        products = max(rows * vectors, 4.0)
        loads = (rows + vectors) / 2.0
        is_in_l2 = not isinstance(depth, int) or 4 * width * depth <= target.l2_bytes * 3 // 4
        cycles = tiles * max(products, loads, 0.0 if is_in_l2 else 4.0 * vectors)
        computed = -(-pixels // width) * width / max(1, pixels) if isinstance(pixels, int) else 1.0
        cycles *= computed / (width * (channels if isinstance(channels, int) else rows))
        if cycles < 0.98 * fewest_cycles:
            best, fewest_cycles = (rows, width), cycles
    return best


def indirect_columns(kernel: ConvOp, target: Target) -> int:
    """Output channels in a panel of an indirect convolution's weights; 0 where no panel divides a group's channels."""
    groups = kernel.get("groups")
    channels = kernel.type.dims[1]
    if not isinstance(channels, int):
        return 0
    best, fewest_cycles = 0, float("inf")
    for vectors in (4, 3, 2, 1):
        width = vectors * target.lanes
        if groups > 1 and channels // groups % width:
            continue
        rows = min(rows_in_registers(target, vectors), INDIRECT_ROWS)
        cycles = -(-channels // groups // width) * max(rows * vectors, 4, (rows + vectors) / 2) / rows
        if cycles < 0.98 * fewest_cycles:
            best, fewest_cycles = width, cycles
    return best
