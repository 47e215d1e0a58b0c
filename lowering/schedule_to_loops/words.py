"""Copies of narrow numbers as atoms take them: several of the axis that is summed side by side, in one word.

A matrix of ``products`` rows becomes one with a row for each word::

    for word:  for places
      copy[word, place] = source[depth * word, place], source[depth * word + 1, place] ...

Beyond the last product there are zeros, which add nothing. Numbers are put into words as integers, in the order in
which little-endian machines have them in memory: (a & 255) | b << 8 ....
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Attribute, SSAValue

from ...dialects import vector_extension as vectorx
from ...dialects.gemm_decisions import WORDS_AT_ONCE
from ...dialects.shared_attributes import vector_type
from ...dialects.storage import element_bytes
from .arithmetic import rows_of
from .loop_nest import Index, LoopNest
from .tile_access import Span, Tile, load_tile


def word_type(element: Attribute, depth: int) -> Attribute:
    """What holds so many numbers side by side: one alone is as it is."""
    return element if depth == 1 else IntegerType(8 * element_bytes(element) * depth)


def joined(nest: LoopNest, vectors: Sequence[SSAValue], element: Attribute, depth: int) -> SSAValue:
    """The words whose parts, lowest first, are the lanes of these vectors; parts beyond them are zero."""
    if depth == 1:
        return vectors[0]
    bits = 8 * element_bytes(element)
    shape = vectors[0].type.get_shape()  # pyright: ignore[reportAttributeAccessIssue]
    type_ = vector_type(word_type(element, depth), shape)
    parts: list[SSAValue] = []
    for number, value in enumerate(vectors):
        if not isinstance(element, IntegerType):
            value = nest.insert(arith.BitcastOp(value, vector_type(IntegerType(bits), shape)))
        part = nest.insert(vectorx.ExtUIOp(value, type_))
        parts.append(nest.insert(arith.ShLIOp(part, nest.constant(bits * number, type_))) if number else part)
    return reduce(lambda a, b: nest.insert(arith.OrIOp(a, b)), parts)


@dataclass(frozen=True)
class Source:
    """A matrix in flat memory: elements between neighbours along the axis that is summed, and between places."""

    memory: SSAValue
    offset: Index
    product_stride: Index
    place_stride: Index


@dataclass(frozen=True)
class WordCopy:
    """Room for words in this thread's scratch memory, ``width`` of them in a row, a multiple of ``lanes``."""

    element: Attribute
    depth: int
    byte_offset: Index
    rows: Index
    width: Index
    lanes: int = WORDS_AT_ONCE

    def memory(self, nest: LoopNest) -> SSAValue:
        """The same as elements, [rows][width][depth]."""
        size = nest.mul(nest.mul(self.rows, self.width), self.depth)
        return nest.scratch_memory(self.element, self.byte_offset, size)

    def fill(self, nest: LoopNest, source: Source, products: Index, places: Index) -> None:
        """Copies ``products`` rows of so many places; nothing is read beyond them."""
        word = word_type(self.element, self.depth)
        memory = nest.scratch_memory(word, self.byte_offset, nest.mul(self.rows, self.width))
        target = nest.view(memory, 0, [self.rows, self.width], [self.width, 1])
        whole_places = nest.mul(nest.floordiv(places, self.lanes), self.lanes)

        def rows(first_word: Index, count: Index, exist: Index) -> None:
            """Words whose first ``exist`` products are there, ``count`` of them."""
            with nest.loop(first_word, nest.add(first_word, count)) as row:
                with nest.loop(0, whole_places, self.lanes) as place:
                    copy(row.index, exist, place.index, None)
                with nest.loop(whole_places, places, self.lanes) as place:
                    copy(row.index, exist, place.index, nest.sub(places, place.index))

        def copy(row: Index, exist: Index, place: Index, lanes: Index | None) -> None:
            vectors = self._load(nest, source, row, exist, place, lanes)
            if vectors:
                nest.store_vector(joined(nest, vectors, self.element, self.depth), target, [row, place])

        whole = nest.floordiv(products, self.depth)
        rows(0, whole, self.depth)
        rest = nest.sub(products, nest.mul(whole, self.depth))
        rows(whole, nest.minimum(rest, 1), rest)

    def _load(
        self, nest: LoopNest, source: Source, row: Index, exist: Index, place: Index, lanes: Index | None
    ) -> list[SSAValue]:
        """A vector for each of the products that a word has, or may have where their number is not known."""
        first = nest.mul(row, self.depth)
        offset = nest.add(source.offset, nest.mul(first, source.product_stride))
        offset = nest.add(offset, nest.mul(place, source.place_stride))
        span = Span(self.lanes, lanes)
        if isinstance(exist, int) and source.place_stride != 1 and exist > 1:
            tile = Tile(Span(exist), span)
            return rows_of(
                nest, load_tile(nest, source.memory, offset, tile, source.product_stride, source.place_stride)
            )
        vectors: list[SSAValue] = []
        for product in range(exist if isinstance(exist, int) else self.depth):
            if not isinstance(exist, int):
                there = nest.mul(nest.maximum(nest.minimum(nest.sub(exist, product), 1), 0), self.lanes)
                span = Span(self.lanes, there if lanes is None else nest.minimum(lanes, there))
            at = nest.add(offset, nest.mul(product, source.product_stride))
            vectors.append(load_tile(nest, source.memory, at, Tile(None, span), 0, source.place_stride))
        return [nest.broadcast(vector, [self.lanes]) for vector in vectors]
