"""How many of an image's tiles Winograd's convolution transforms and multiplies together."""

from __future__ import annotations

from ..dialects.shape import Dim

# Work that is not too much for blocks which threads share evenly.
WORTH_AN_EVEN_SHARE = 1.02
# Rows of one of Winograd's products that take as long as loading a row of U from L2, measured.
LOAD_OF_U = 0.7


def idle_part(pieces: int) -> tuple[float, ...]:
    """The part of the time that threads idle which share so many equal pieces: two threads, then four."""
    return tuple(1 - pieces / (threads * -(-pieces // threads)) for threads in (2, 4))


def winograd_block(count: Dim, largest: int, most_rows: int, *, is_shared: bool = False) -> tuple[int, int]:
    """Rows of a register tile and tiles of a block that take least time for so many tiles of the image.

    Where threads share blocks alone, a little more work is done for blocks that these can share evenly.
    """
    if not isinstance(count, int):
        return most_rows, max(1, largest // most_rows) * most_rows
    found = [
        (_work_with_padding(count, rows, blocks), -rows * blocks, rows)
        for rows in range(1, most_rows + 1)
        for blocks in range(1, max(1, min(largest, count + rows) // rows) + 1)
        if rows * blocks * 2 > min(largest, count)
    ]
    least = min(found)
    if is_shared:
        near = [one for one in found if one[0] <= WORTH_AN_EVEN_SHARE * least[0]]
        least = min(near, key=lambda one: (idle_part(-(-count // -one[1])), one))
    _, negative_tiles, rows = least
    return rows, -negative_tiles


def _work_with_padding(count: int, rows: int, blocks: int) -> float:
    """Tiles computed in all, each dearer the fewer rows share a load of U."""
    return -(-count // (rows * blocks)) * rows * blocks * (1 + LOAD_OF_U / rows)
