"""What stands for a size that is not known, where costs are compared."""

from __future__ import annotations

import functools

from ..dialects.shape import Dim

# What stands for each symbol of an extent that is not known: the side of a small picture, at a model's input.
TYPICAL_SIZE = 320


@functools.lru_cache(maxsize=4096)
def known_size(size: Dim, otherwise: int | None = None) -> int:
    """A dimension; an unknown one is what its expression gives for typical sizes."""
    if isinstance(size, int):
        return size
    if otherwise is not None:
        return otherwise
    return max(1, int(size.subs(dict.fromkeys(size.free_symbols, TYPICAL_SIZE))))
