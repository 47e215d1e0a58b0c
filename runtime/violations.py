"""What checked code tells of accesses outside of buffers: one word for each stage, zero where there was none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .binding import Binding, Instance
from .errors import MemoryAccessError
from .memory import address_of
from .program import Segment

OFFSET_BITS = 48
"""The word is the byte offset, signed, in so many bits; above them 1 plus the number of the buffer argument."""
STACK = (1 << 14) - 2
"""The number of memory on the stack."""


def reporting(segment: Segment, execute: Callable[[Binding, Instance], None]) -> Callable[[Binding, Instance], None]:
    """``execute`` with words for its stages to report in; raises MemoryAccessError where one does."""

    def execute_and_look(binding: Binding, instance: Instance) -> None:
        words = np.zeros(len(segment.stages), np.int64)
        for slot, offset in binding.report_patches:
            instance.slots[slot] = address_of(words) + offset
        execute(binding, instance)
        raise_violation(segment, binding.sizes, words.tolist())

    return execute_and_look


def raise_violation(segment: Segment, sizes: Mapping[str, int], words: Sequence[int]) -> None:
    """Raises MemoryAccessError that names the first stage, the buffer and the offset, if any word is set.

    ``sizes`` are those of the segment's buffers, in bytes.
    """
    for stage, word in zip(segment.stages, words, strict=True):
        if not word:
            continue
        number = (word >> OFFSET_BITS) - 1
        offset = word & ((1 << OFFSET_BITS) - 1)
        offset -= (offset >> (OFFSET_BITS - 1)) << OFFSET_BITS
        place = "its stack"
        if number != STACK:
            name = [argument[1] for argument in stage.arguments if argument[0] == "buffer"][number]
            place = f"buffer '{name}' of {sizes[name]} bytes"
        raise MemoryAccessError(
            f"segment '{segment.name}': stage '{stage.name}' ({stage.function}) accesses byte {offset} of {place}: "
            "the code is wrong, or a size or index that it was given; the results are not to be used"
        )
