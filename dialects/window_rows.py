"""Rows of what lies under a convolution's window, as registers of whole matrices take them: sizes and scratch memory.

A strip of output pixels has a row each, [taps][words of channels], in words of as many channels as the atom takes at
once::

    rows of the strip, zeros behind each | sums of the strip by a panel's columns | last words of a panel above zeros
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import AnyFloat
from xdsl.ir import Attribute

from ..machines.atoms import TILE_BAND, TILE_ROW_BYTES, TILE_ROWS, Atom
from . import shape as dims
from .kernel import ConvOp
from .shape import Dim
from .storage import element_bytes


def last_words_bytes(atom: Atom, words: Dim, columns: int, element: Attribute) -> int:
    """Of a copy of the last of so many words of integers, where these fill no register and some before them do."""
    known = words if isinstance(words, int) and words >= atom.steps and not isinstance(element, AnyFloat) else 0
    return atom.steps * columns * atom.depth * element_bytes(element) if known % atom.steps else 0


@dataclass(frozen=True)
class WindowRows:
    """Rows of ``pixels`` pixels, whose products with ``columns`` output channels are summed.

    ``channel_words`` are the words of a tap.
    """

    atom: Atom
    pixels: int
    columns: int
    taps: int
    channel_words: int
    element_bytes: int
    sum_bytes: int

    @classmethod
    def of(cls, kernel: ConvOp, atom: Atom, pixels: int, columns: int) -> WindowRows:
        """Of a convolution whose channels and window are known."""
        channels, *window = kernel.in_type(1).dims[1:]
        return cls(
            atom,
            pixels,
            columns,
            int(dims.product(window)),
            -(-int(channels) // atom.depth),
            element_bytes(kernel.in_type(0).element_type),
            element_bytes(kernel.sums_type),
        )

    @property
    def words(self) -> int:
        return self.taps * self.channel_words

    @property
    def last_words(self) -> int:
        """Words that fill no register."""
        return self.words % self.atom.steps

    @property
    def stride(self) -> int:
        """Elements from row to row: an odd number of cache lines, so that rows share no cache set."""
        lines = -(-self.words * self.atom.depth * self.element_bytes // TILE_ROW_BYTES)
        return (lines | 1) * TILE_ROW_BYTES // self.element_bytes

    @property
    def whole_pixels(self) -> int:
        """Pixels of registers that are full of rows."""
        return -(-self.pixels // TILE_ROWS) * TILE_ROWS

    @property
    def sums_at(self) -> int:
        """Bytes before the sums."""
        return self.whole_pixels * self.stride * self.element_bytes

    @property
    def last_at(self) -> int:
        """Bytes before the last words of a panel."""
        return self.sums_at + self.whole_pixels * self.columns * self.sum_bytes

    @property
    def scratch(self) -> Dim:
        last = self.atom.steps * self.columns * self.atom.depth * self.element_bytes
        return self.last_at + (last if self.last_words else 0)

    def conflict(self, kernel: ConvOp) -> str | None:
        """Why registers of whole matrices cannot multiply such rows by the kernel's weights, if they cannot."""
        name, steps = f"atom {self.atom.name}", self.atom.steps
        if self.columns not in (TILE_ROWS, TILE_BAND):
            return f"{name} takes {TILE_ROWS} or {TILE_BAND} output channels, not {self.columns}"
        if not self.pixels or not dims.is_static(kernel.type.dims[2:]):
            return f"{name} takes strips of an image of known size: of 1 pixel or more, not {self.pixels}"
        if self.words < steps:
            return f"{name} takes {steps} words at once, and a window has {self.words}"
        return None
