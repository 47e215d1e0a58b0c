"""Which way a matrix product's lanes run, by what both ways cost: over columns, or along the depth.

Columns in lanes share a load of B among all rows of a tile, and leave lanes idle where columns are few; a B that lies
by columns must be transposed first. Lanes along the depth are all busy whatever the numbers of rows and columns, but
their partial sums are added at the end of each sum, and both matrices must lie by depth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..dialects.kernel import GemmOp
from ..dialects.operand_layouts import depth_axes, lies_along
from ..dialects.shape import Dim
from ..dialects.storage import element_bytes
from .tiling import even_tile, gemm_columns, gemm_rows, product_atom, rows_in_registers

if TYPE_CHECKING:
    from ..machines import Target

# A size that is not known is taken for this one.
USUAL_SIZE = 256
# Numbers of rows to be ready for, where it is not known, from the most on.
FEW_ROWS = (8, 4, 2, 1)
# What lanes along the depth must be better by.
SHARE_OF_COLUMNS = 0.85


@dataclass(frozen=True)
class DepthTile:
    """A register tile of sums that are vectors of ``lanes`` partial sums each."""

    rows: int
    columns: int
    lanes: int


def depth_tile(kernel: GemmOp, target: Target, packs: bool = False) -> DepthTile | None:
    """The best tile with lanes along the depth; None where columns in lanes are as good, or A lies otherwise.

    ``packs``: B is a constant that can lie as one likes. Another one may have to be copied (``lies_by_depth``).
    """
    if not lies_along(kernel.in_type(0), depth_axes(kernel)[0]):
        return None
    return _best_tile(kernel, gemm_rows(kernel), target, packs)


def few_rows_tile(kernel: GemmOp, target: Target) -> tuple[int, DepthTile] | None:
    """The most rows of an unknown number that lanes along the depth are better for, and the tile, of one row."""
    is_there = lies_along(kernel.in_type(0), depth_axes(kernel)[0]) and lies_by_depth(kernel)
    if isinstance(gemm_rows(kernel), int) or not is_there:
        return None
    for rows in FEW_ROWS:
        tile = _best_tile(kernel, rows, target, packs=False, most_rows=1)
        if tile is not None:
            return rows, tile
    return None


def lies_by_depth(kernel: GemmOp) -> bool:
    """Whether the elements of a column of B lie side by side."""
    return lies_along(kernel.in_type(1), depth_axes(kernel)[1])


def _best_tile(
    kernel: GemmOp, rows: Dim, target: Target, packs: bool, most_rows: int | None = None
) -> DepthTile | None:
    size, is_copied = replace(_Size.of(kernel), rows=_usual(rows)), not packs and not lies_by_depth(kernel)
    best, fewest = None, SHARE_OF_COLUMNS * _columns_cycles(kernel, size, target, is_packed=packs)
    for tile in _tiles(kernel, rows, target, most_rows or target.costs.row_pointers):
        cycles = _depth_cycles(tile, size, target)
        if is_copied:
            cycles += -(-size.columns // tile.columns) * size.depth * target.costs.packed_vector_cycles
        if cycles < fewest:
            best, fewest = tile, cycles
    return best


@dataclass(frozen=True)
class _Size:
    """Of one matrix of the batch, unknown sizes as usual; bytes of an element of a, and of a sum."""

    rows: int
    columns: int
    depth: int
    element: int
    sum: int

    @classmethod
    def of(cls, kernel: GemmOp) -> _Size:
        a = kernel.in_type(0)
        return cls(
            rows=_usual(gemm_rows(kernel)),
            columns=_usual(kernel.type.dims[-1]),
            depth=_usual(a.dims[depth_axes(kernel)[0]]),
            element=element_bytes(a.element_type),
            sum=max(4, element_bytes(kernel.sums_type)),
        )


def _usual(size: Dim) -> int:
    return size if isinstance(size, int) else USUAL_SIZE


def _tiles(kernel: GemmOp, rows: Dim, target: Target, most_rows: int) -> Iterator[DepthTile]:
    """Tiles whose sums stay in registers beside the vectors that they multiply, with sums enough to hide latency."""
    columns, most_columns = kernel.type.dims[-1], target.costs.row_pointers
    lanes = target.vector_bytes // max(4, element_bytes(kernel.sums_type))
    chains = math.ceil(target.costs.sum_latency * min(target.fma_per_cycle, target.costs.loads_per_cycle))
    for high in sorted({even_tile(rows, size) for size in range(1, most_rows + 1)}):
        for wide in sorted({even_tile(columns, size) for size in range(1, most_columns + 1)}):
            is_short = high == 1 or _is_short(rows, high, columns, wide)
            if high * wide + high + wide > target.vector_registers or not is_short:
                continue
            vectors = next((n for n in (1, 2, 4) if n * high * wide >= chains), 4)
            yield DepthTile(high, wide, lanes * vectors)


def _is_short(rows: Dim, high: int, columns: Dim, wide: int) -> bool:
    """Whether one of both is cut in tiles of one size, so that few tiles of others have to be written."""
    return any(isinstance(size, int) and size % tile == 0 for size, tile in ((rows, high), (columns, wide)))


def _columns_cycles(kernel: GemmOp, size: _Size, target: Target, is_packed: bool) -> float:
    """Of the products with columns in lanes, by an atom if there is one; of transposing B where it lies by depth."""
    costs, width, atom = target.costs, gemm_columns(kernel, target), product_atom(kernel, target)
    vectors = max(1, width // target.lanes)
    rows = even_tile(size.rows, rows_in_registers(target, vectors))
    step = max(rows * vectors / target.fma_per_cycle, (rows + vectors) / costs.loads_per_cycle, costs.sum_latency)
    panels = -(-size.columns // width)
    tiles = panels * -(-size.rows // rows)
    copied = panels * vectors if lies_by_depth(kernel) and not is_packed and size.columns > 1 else 0
    turns = size.depth / (atom.depth if atom else 1)
    return size.sum / 4 * turns * (tiles * step + copied * costs.packed_vector_cycles)


def _depth_cycles(tile: DepthTile, size: _Size, target: Target) -> float:
    """Of the products, of the loads that feed them, and of adding up each sum's vector."""
    costs = target.costs
    vectors = tile.lanes * size.sum / target.vector_bytes
    sums, loads = tile.rows * tile.columns, tile.rows + tile.columns
    step = vectors * max(sums / target.fma_per_cycle, loads / costs.loads_per_cycle)
    step = max(step, costs.sum_latency, _reading_cycles(tile, size, target))
    tiles = -(-size.rows // tile.rows) * -(-size.columns // tile.columns)
    return tiles * (-(-size.depth // tile.lanes) * step + sums * costs.lane_sum_cycles + costs.lane_sums_latency)


def _reading_cycles(tile: DepthTile, size: _Size, target: Target) -> float:
    """Of reading what a step multiplies, from where it lies since other tiles have read it."""
    step = tile.lanes * size.element
    again = 0.0
    if size.columns > tile.columns:
        again += tile.rows * step / _bandwidth(size.rows * size.depth * size.element, target)
    if size.rows > tile.rows:
        again += tile.columns * step / _bandwidth(tile.columns * size.depth * size.element, target)
    return again


def _bandwidth(held: int, target: Target) -> float:
    """Bytes a cycle from the cache that holds so many bytes."""
    costs = target.costs
    if held <= target.l1_bytes // 2:
        return costs.loads_per_cycle * target.vector_bytes
    return costs.bytes_a_cycle_from_l2 if held <= target.l2_bytes // 2 else costs.bytes_a_cycle_beyond_l2
