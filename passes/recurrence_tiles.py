"""The register tile of recurrent cells, which the passes that choose layouts and tiles share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..dialects.kernel import RecurrenceOp
from ..dialects.recurrence import resets_state
from ..dialects.recurrence_decisions import is_single_step
from .tiling import even_tile, rows_in_registers

if TYPE_CHECKING:
    from ..machines import Target

# Vectors of sums in a tile of several sequences, at most: as many as those of a matrix product's.
MOST_VECTORS = 4
# Tiles of sequences that use a panel of weights before the next one, where these stay in no near cache.
TILES_OF_BLOCK = 4
# Tiles of a block of all sequences, where they do not divide into blocks of one size.
MOST_TILES = 8
# Of a batch of unknown size: all sequences.
MOST_SEQUENCES = (1 << 20) - 1


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
    batch = kernel.type.dims[2]
    rows = even_tile(batch, rows_in_registers(target, vectors))
    fewest = vectors // gates if resets_state(kernel) else vectors
    wait = int(target.costs.sum_latency * target.fma_per_cycle)
    parts = 1
    while parts * fewest < wait and parts < 4:
        parts *= 2
    return RecurrenceTile(rows, _block(kernel, rows, target), units, parts)


def _block(kernel: RecurrenceOp, rows: int, target: Target) -> int:
    """One tile of sequences, or several where the weights have to come from beyond L2 for each step of each block."""
    batch, hidden = kernel.type.dims[2:]
    if is_single_step(kernel):
        return max(1, batch) if isinstance(batch, int) else MOST_SEQUENCES
    weights = 4 * kernel.kind.gates * hidden**2 if isinstance(hidden, int) else 0
    most = rows if weights <= target.l2_bytes // 2 else TILES_OF_BLOCK * rows
    if not isinstance(batch, int):
        return most
    even = even_tile(batch, most)
    # Blocks of one size have code for that alone.
    return even if batch % even == 0 or batch > MOST_TILES * rows else batch


def _units(kernel: RecurrenceOp, gates: int, target: Target) -> int:
    """A few vectors of each gate, or fewer where they would be mostly empty."""
    hidden, lanes = kernel.type.dims[-1], target.lanes
    vectors = max(1, MOST_VECTORS // gates)
    if isinstance(hidden, int):
        vectors = min(vectors, -(-hidden // lanes))
        while vectors > 1 and -(-hidden // (vectors * lanes)) * vectors * lanes - hidden >= lanes:
            vectors -= 1
    return vectors * lanes
