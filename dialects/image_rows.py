"""Rows of images, as threads share them, so that each goes on with what it has written itself.

Kernels that follow each other cut an image at the same rows. What a thread reads then lies in its own cache, but for
the rows at which two of them meet.
"""

from __future__ import annotations

from .shape import Dim

ROWS_AXIS = 2
"""Of tensors of images: batch, channels, rows, columns."""
MOST_PIECES = 16


def long_row_pieces(pixels: Dim, tile: int) -> int:
    """Equal pieces, of a tile at least, of an image that is walked as one long row; 0 where there are no such.

    An even number, so that two threads have the same.
    """
    if not isinstance(pixels, int):
        return 0
    most = min(MOST_PIECES, pixels // tile)
    return max((count for count in range(2, most + 1, 2) if pixels % count == 0), default=0)
