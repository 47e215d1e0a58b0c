"""The functions that occur in expressions of sizes, of integers."""

from __future__ import annotations

import numpy as np


def scaled(size: int, numerator: int, denominator: int) -> int:
    """A size times a fraction that float32 holds, rounded to float32 as engines do, and then down: 10 by 0.7 is 7.

    The exact product is 6.9999999, since float32 has no 0.7.
    """
    return int(np.floor(np.float32(size) * np.float32(numerator / denominator)))


def broadcast(left: int, right: int) -> int:
    """What two sizes broadcast to; they are equal, or one of them is 1."""
    return right if left == 1 else left
