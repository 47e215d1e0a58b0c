"""What each graph operation computes, in NumPy alone.

``REFERENCE[name](inputs, attributes)`` takes the operands as arrays and the operation's fields as plain
values; it returns the results as a list. Operations whose result's shape or type does not follow from
the operands read them from two further attributes: ``shape`` (a tuple of integers) and ``dtype`` (a NumPy
dtype or the name of one). Floating-point types narrower than float32 are computed in float32.

Constant folding, the graph interpreter, tests and the host's part of a compiled model all use this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .block_products import BLOCK_PRODUCTS
from .containers import CONTAINERS
from .custom import CUSTOM
from .elementwise import ELEMENTWISE, Operation
from .encoders import ENCODERS
from .host import HOST
from .indexing import INDEXING
from .linear import LINEAR
from .movement import MOVEMENT
from .quantization import QUANTIZATION
from .random_numbers import RANDOM_NUMBERS
from .recurrent import RECURRENT
from .reductions import REDUCTIONS
from .sampling import SAMPLING
from .selections import SELECTIONS
from .text import TEXT
from .trees import TREES

REFERENCE: dict[str, Operation] = {
    **CUSTOM,
    **ELEMENTWISE,
    **QUANTIZATION,
    **LINEAR,
    **BLOCK_PRODUCTS,
    **REDUCTIONS,
    **MOVEMENT,
    **INDEXING,
    **SAMPLING,
    **RECURRENT,
    **TEXT,
    **SELECTIONS,
    **TREES,
    **CONTAINERS,
    **ENCODERS,
    **HOST,
    **RANDOM_NUMBERS,
}

# Operations that read the attributes 'shape' and 'dtype' of their (only) result.
SHAPED_BY_RESULT = frozenset(
    {
        "reshape",
        "broadcast_to",
        "dim_values",
        "iota",
        "one_hot",
        "random",
        "mel_weights",
        "resize",
        "cast",
        "bitcast",
        "quantize",
        "suppress_boxes",
        "unzip_map",
    }
)

# Operations that are not the same at each run, and must not be done once for all.
NEVER_FOLDED = frozenset({"entropy"})


def evaluate(name: str, inputs: Sequence[np.ndarray], attributes: Mapping[str, Any]) -> list[np.ndarray]:
    """Runs one operation with floating-point warnings off: inf and NaN are results like others.

    Raises KeyError for an unknown operation.
    """
    with np.errstate(all="ignore"):
        return [np.asarray(result) for result in REFERENCE[name](list(inputs), dict(attributes))]


__all__ = ["NEVER_FOLDED", "REFERENCE", "SHAPED_BY_RESULT", "Operation", "evaluate"]
