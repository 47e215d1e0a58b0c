"""Sizes for free dims of which nobody says how large they are: those of a small picture, a short sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..runtime.expressions import is_symbol, symbols_of

PICTURE_SIDE = 224
SEQUENCE_LENGTH = 64


def assumed_sizes(shapes: Iterable[Sequence[int | str]]) -> dict[str, int]:
    """A size for every free dim of a model's inputs.

    1 along the first axis, which is the batch, and where the name says so; the side of a picture along the last two
    axes of four; the length of a sequence elsewhere. What only occurs in an expression is 1.
    """
    shapes = list(shapes)
    sizes: dict[str, int] = {}
    for shape in shapes:
        for axis, dim in enumerate(shape):
            if isinstance(dim, str) and is_symbol(dim):
                sizes[dim] = min(sizes.get(dim, PICTURE_SIDE), _assumed(dim, axis, len(shape)))
    return dict.fromkeys(symbols_of(*(dim for shape in shapes for dim in shape)), 1) | sizes


def _assumed(name: str, axis: int, rank: int) -> int:
    if axis == 0 or "batch" in name.lower():
        return 1
    return PICTURE_SIDE if rank == 4 and axis >= 2 else SEQUENCE_LENGTH
