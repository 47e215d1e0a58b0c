"""The register tile of recurrent cells, which the passes that choose layouts and tiles share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..dialects.kernel import RecurrenceOp
from ..dialects.recurrence import resets_state
from .tiling import even_tile, rows_in_registers

if TYPE_CHECKING:
    from ..machines import Target

# Vectors of sums in a tile of several sequences, at most: as many as those of a matrix product's.
MOST_VECTORS = 4


@dataclass(frozen=True)
class RecurrenceTile:
    """Sequences by units, and how many sums a single sequence has for each element."""

    rows: int
    units: int
    depth_sums: int


def recurrence_tile(kernel: RecurrenceOp, target: Target, units: int = 0) -> RecurrenceTile:
    """The tile for the cell's gates; ``units`` are given where the weights are packed already."""
    gates = 2 if resets_state(kernel) else kernel.kind.gates
    units = units or _units(kernel, gates, target)
    vectors = gates * max(1, units // target.lanes)
    rows = even_tile(kernel.type.dims[2], rows_in_registers(target, vectors))
    fewest = vectors // gates if resets_state(kernel) else vectors
    wait = int(target.costs.sum_latency * target.fma_per_cycle)
    parts = 1
    while parts * fewest < wait and parts < 4:
        parts *= 2
    return RecurrenceTile(rows, units, parts)


def _units(kernel: RecurrenceOp, gates: int, target: Target) -> int:
    """A few vectors of each gate, or fewer where they would be mostly empty."""
    hidden, lanes = kernel.type.dims[-1], target.lanes
    vectors = max(1, MOST_VECTORS // gates)
    if isinstance(hidden, int):
        vectors = min(vectors, -(-hidden // lanes))
        while vectors > 1 and -(-hidden // (vectors * lanes)) * vectors * lanes - hidden >= lanes:
            vectors -= 1
    return vectors * lanes
