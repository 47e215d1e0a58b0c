"""The left of a tile of a convolution as a column of words: one of each pixel, wherever that lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import vector
from xdsl.ir import Attribute, SSAValue

from ...dialects.shared_attributes import vector_type
from .loop_nest import Index, LoopNest
from .words import joined, word_type


@dataclass(frozen=True)
class WordColumn:
    """Words of ``depth`` elements, of which the first ``exist`` are there: the others are not read, and zero.

    ``pixels`` are memory of [words][exist], one for each row of the tile.
    """

    element: Attribute
    depth: int
    exist: int

    def read(self, nest: LoopNest, pixels: Sequence[SSAValue], index: Index) -> SSAValue:
        """One word of each pixel."""
        word = word_type(self.element, self.depth)
        words = nest.constant(0, vector_type(word, [len(pixels), 1, 1]))
        for row, view in enumerate(pixels):
            lane = nest.insert(vector.ExtractOp(self._word(nest, view, index), [0], word))
            words = nest.insert(vector.InsertOp(lane, words, [row, 0, 0]))
        return nest.insert(vector.BitcastOp(words, vector_type(self.element, [len(pixels), 1, self.depth])))

    def _word(self, nest: LoopNest, view: SSAValue, index: Index) -> SSAValue:
        if self.exist < self.depth:
            elements = [nest.load_vector(view, [index, place], [1]) for place in range(self.exist)]
            return joined(nest, elements, self.element, self.depth)
        elements = nest.load_vector(view, [index, 0], [self.depth])
        return nest.insert(vector.BitcastOp(elements, vector_type(word_type(self.element, self.depth), [1])))


@dataclass(frozen=True)
class PartialWords:
    """The left of a tile whose pixels lie evenly: the word of each that its channels do not fill.

    ``along`` are elements of memory between neighbours along the outer axes of the sum, ``pixel`` between pixels.
    """

    memory: SSAValue
    offset: Index
    along: Sequence[Index]
    pixel: Index
    rows: int
    column: WordColumn

    def reader(
        self, nest: LoopNest, bounds: Sequence[Index]
    ) -> Callable[[Sequence[Index]], Callable[[Index], SSAValue]]:
        exist = self.column.exist

        def read(outer: Sequence[Index]) -> Callable[[Index], SSAValue]:
            start = self.offset
            for index, stride in zip(outer, self.along, strict=True):
                start = nest.add(start, nest.mul(index, stride))
            starts = [nest.add(start, nest.mul(row, self.pixel)) for row in range(self.rows)]
            pixels = [nest.view(self.memory, at, [bounds[-1], exist], [exist, 1]) for at in starts]
            return lambda index: self.column.read(nest, pixels, index)

        return read
