"""How large a constant may become when an operation on constants is computed at compile time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Bytes of a result that repeats its operands: a broadcast zero shall not become megabytes of the compiled model.
REPEATED_BYTES = 1 << 16
# Bytes of a result that took work: computing it in each run costs more than reading it.
COMPUTED_BYTES = 4 << 20

# Integers tell more than the real numbers they stand for; nothing that large is folded before that was looked at.
_TELLING = frozenset({"dequantize"})
_REPEATING = frozenset({"broadcast_to", "iota", "pad", "range", "trilu", "dim_values"})


def folding_limit(operation: str, operand_bytes: int) -> int:
    """Largest result in bytes, for operation ``operation`` ("graph." left out).

    Never less than its operands hold, but for real numbers of which only a single one is folded.
    """
    if operation in _TELLING:
        return 4
    return max(operand_bytes, REPEATED_BYTES if operation in _REPEATING else COMPUTED_BYTES)


def distinct_bytes(arrays: Iterable[np.ndarray]) -> int:
    """The size of what an operation reads; one array as several operands counts once, or repeating it looked free."""
    return sum({id(array): array.nbytes for array in arrays}.values())
