"""What compiled code tells of indices out of range, and checked code of accesses outside of buffers.

Each stage has three words, zero where all is well: of an access; the size of an axis plus one and the index that
is out of range for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import IndexOutOfRangeError, MemoryAccessError
from .program import REPORT_BYTES, Segment, Stage

OFFSET_BITS = 48
"""The word of an access is the byte offset, signed, in so many bits; above them 1 plus the number of the buffer."""
STACK = (1 << 14) - 2
"""The number of memory on the stack."""

_WORDS = REPORT_BYTES // 8


def raise_violation(segment: Segment, sizes: Mapping[str, int], words: Sequence[int]) -> None:
    """Raises the error of the first stage that reports one: MemoryAccessError or IndexOutOfRangeError.

    ``sizes`` are those of the segment's buffers, in bytes.
    """
    for number, stage in enumerate(segment.stages):
        access, size, index = words[_WORDS * number : _WORDS * (number + 1)]
        if size:
            raise IndexOutOfRangeError(_describe_index(stage, size - 1, index))
        if access:
            raise MemoryAccessError(_describe_access(segment, stage, sizes, access))


def _describe_index(stage: Stage, size: int, index: int) -> str:
    where = f"node '{stage.node}'" if stage.node else f"stage '{stage.name}'"
    return f"{where} picks index {index} of an axis of {size}: expected {-size} to {size - 1}"


def place_of_access(word: int) -> tuple[int, int]:
    """What the word of an access tells: the number of the buffer, or STACK, and the byte offset in it."""
    offset = word & ((1 << OFFSET_BITS) - 1)
    return (word >> OFFSET_BITS) - 1, offset - ((offset >> (OFFSET_BITS - 1)) << OFFSET_BITS)


def _describe_access(segment: Segment, stage: Stage, sizes: Mapping[str, int], word: int) -> str:
    number, offset = place_of_access(word)
    place = "its stack"
    if number != STACK:
        name = [argument[1] for argument in stage.arguments if argument[0] == "buffer"][number]
        place = f"buffer '{name}' of {sizes[name]} bytes"
    return (
        f"segment '{segment.name}': stage '{stage.name}' ({stage.function}) accesses byte {offset} of {place}: "
        "the code is wrong, or a size or index that it was given; the results are not to be used"
    )
