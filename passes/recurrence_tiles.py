"""The register tile of recurrent cells, which the passes that choose layouts and tiles share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..dialects.kernel import RecurrenceOp
from ..dialects.recurrence import resets_state
from ..dialects.recurrence_decisions import is_single_step
from .tiling import rows_in_registers

if TYPE_CHECKING:
    from ..machines import Target

# Vectors of sums in a tile of several sequences, at most: as many as those of a matrix product's.
MOST_VECTORS = 4
# Tiles of sequences that use a panel of weights before the next one, where these stay in no near cache.
TILES_OF_BLOCK = 4
# Tiles of a block, at most, and by how many more of them than the fewest smaller blocks are as good.
MOST_TILES = 8
SLACK = 1.1


@dataclass(frozen=True)
class RecurrenceTile:
    """Sequences, of a block, by units, and how many sums a single sequence has for each element."""

    rows: int
    block: int
    units: int
    depth_sums: int


def recurrence_tile(kernel: RecurrenceOp, target: Target, units: int = 0) -> RecurrenceTile:
    """The tile for the cell's gates; ``units`` are given where the weights are packed already."""
    gates = 2 if resets_state(kernel) else kernel.kind.gates
    units = units or _units(kernel, gates, target)
    vectors = gates * max(1, units // target.lanes)
    batch, most = kernel.type.dims[2], rows_in_registers(target, vectors)
    rows = min(most, max(batch, 1)) if isinstance(batch, int) else most
    fewest = vectors // gates if resets_state(kernel) else vectors
    wait = int(target.costs.sum_latency * target.fma_per_cycle)
    parts = 1
    while parts * fewest < wait and parts < 4:
        parts *= 2
    return RecurrenceTile(rows, _block(kernel, rows, target), units, parts)


def _block(kernel: RecurrenceOp, rows: int, target: Target) -> int:
    """One tile of sequences, or several where the weights have to come from beyond L2 for each step of each block."""
    batch, hidden = kernel.type.dims[2:]
    weights = 4 * kernel.kind.gates * hidden**2 if isinstance(hidden, int) else 0
    is_near = weights <= target.l2_bytes // 2 and not is_single_step(kernel)
    if isinstance(batch, int):
        return _even_block(batch, rows, rows // 2 if is_near else TILES_OF_BLOCK * rows)
    return rows if is_near else TILES_OF_BLOCK * rows


def _even_block(batch: int, rows: int, least: int) -> int:
    """Sequences of each of a few blocks of one size: of ``least`` or more, which fill tiles well.

    Blocks of one size have code for that alone. Where there are none, a larger one is last and may be partly filled.
    """
    sizes = [size for size in range(1, batch + 1) if batch % size == 0 and size <= MOST_TILES * rows]
    large = [size for size in sizes if size >= min(batch, least)] or sizes[-1:]
    if not large or large[-1] < min(batch, rows // 2):
        return MOST_TILES * rows
    fewest = min(-(-size // rows) / size for size in large)
    return next(size for size in large if -(-size // rows) / size <= SLACK * fewest)


def _units(kernel: RecurrenceOp, gates: int, target: Target) -> int:
    """A few vectors of each gate, or fewer where they would be mostly empty."""
    hidden, lanes = kernel.type.dims[-1], target.lanes
    vectors = max(1, MOST_VECTORS // gates)
    if isinstance(hidden, int):
        vectors = min(vectors, -(-hidden // lanes))
        while vectors > 1 and -(-hidden // (vectors * lanes)) * vectors * lanes - hidden >= lanes:
            vectors -= 1
    return vectors * lanes
