"""Matrix product with numbers of few bits: unpacked in registers, as many as lie in a word, for all rows of a tile.

::

    for chunk of rows, panel of b's columns
      copy the chunk's rows of a as integers of 8 bits, with a scale and a sum for each block      (``int8``)
      for tile of rows
        total[rows][columns] = 0
        for block
          part[rows][columns] = 0, or - half of the numbers' range * the block's sum of a
          for word of the block, for each four numbers in it:  part += a[row, four] * four[column]
          total += part * b's scales[column] (* a's scale[row])
        y[row, column] = epilogue(total)

With more than a few rows, not rounded, each number is scaled instead, and total takes the products themselves. With
many a panel is unpacked to scratch first, block of depth by block, and multiplied as any other matrix.

Four numbers of a word are a mask and a shift away from the bytes that an atom multiplies (``int8``). Otherwise each is
made an f32 where it lies, less its zero point, and multiplied by a's element as it is; or, where ``int8`` meets a
machine without an atom, by a's integer held as f32, in which sums of a block are exact too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects import math as functions
from xdsl.dialects.builtin import f32, i8, i32
from xdsl.ir import SSAValue

from ...dialects.block_decisions import BlockGemm
from ...dialects.gemm_decisions import MATRIX_BLOCK
from ...dialects.kernel import BlockGemmOp
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from ...machines.atoms import GENERAL_ATOM
from .arithmetic import convert, reduce_lanes, select
from .contraction import CACHE_LINE, FEW_ELEMENTS, STREAMED_BY, Contraction, Partial, Reach, RowTiles, Sum
from .gemm_product import matrix_of, merge_batch_into_rows
from .long_sums import sum_in_blocks
from .loop_nest import Index, LoopNest
from .outer_axes import Turn, outer_loops
from .register_tile import ResultTile, store_result_tile

# Words of a block that are written out in a turn of the loop over them, where each has but a few products.
WORDS_IN_TURN = 4
# Rows of a tile, at most, whose sums of a block are scaled rather than the numbers.
FEW_ROWS = 3
WORD_BITS = 32
BYTES_OF_WORD = 4
LARGEST_INT8 = 127
MANTISSA_BITS, EXPONENT_BIAS = 23, 127
"""Of an f32."""
ABSOLUTE = 0x7FFFFFFF
"""Of the bits of an f32, those but its sign."""


def lower_block_gemm(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, BlockGemmOp)
    merge_batch_into_rows(nest, kernel)
    _BlockProduct(stage.decided(BlockGemm), nest, kernel).lower()


@dataclass(frozen=True)
class _Left:
    """Rows of a chunk: elements, or words of integers; of integers also the scale and the correction of each block.

    The correction is what takes zero points off: less the block's sum, times half of the numbers' range where there are
    no others.
    """

    elements: SSAValue
    scales: SSAValue | None = None
    corrections: SSAValue | None = None


class _BlockProduct:
    def __init__(self, decisions: BlockGemm, nest: LoopNest, kernel: BlockGemmOp):
        self.decisions, self.nest, self.kernel = decisions, nest, kernel
        self.a, self.b, self.y = nest.operands[0], nest.operands[1], nest.operands[-1]
        self.bits, self.block, self.has_zeros = kernel.get("bits"), kernel.get("block"), kernel.get("zeros")
        self.is_rounded, self.has_atom = kernel.get("int8"), decisions.atom != GENERAL_ATOM
        self.batch = [nest.dim(size) for size in self.y.dims[:-2]]
        self.rows, self.columns = nest.dim(self.y.dims[-2]), nest.dim(self.y.dims[-1])
        self.depth = nest.dim(self.a.dims[-1])
        self.blocks = nest.floordiv(self.depth, self.block)
        self.matrix = matrix_of(nest, self.a, False, self.y)

    # --- the walk -------------------------------------------------------------------------------------------

    def lower(self) -> None:
        nest, least = self.nest, self.decisions.unpacked_rows
        if not least or (isinstance(self.rows, int) and self.rows < least):
            self._walk(self._in_registers)
        elif isinstance(self.rows, int):
            self._walk(self._unpacked)
        else:
            with nest.when(nest.compare("slt", self.rows, least)):
                self._walk(self._in_registers)
            with nest.when(nest.compare("sge", self.rows, least)):
                self._walk(self._unpacked)

    def _walk(self, multiply: Callable[[Turn, RowTiles, Callable[[Index, int], ResultTile]], None]) -> None:
        """``multiply(turn, rows, tile_of)`` for each panel and chunk of rows."""
        nest, width, chunks = self.nest, self.decisions.columns, self.decisions.row_chunks
        is_ragged = not isinstance(self.columns, int) or self.columns % width != 0
        bounds = {"b": self.batch, "m": [chunks], "n": [nest.ceildiv(self.columns, width)]}
        with outer_loops(nest, self.decisions, self.kernel, bounds) as turn:
            rows = RowTiles.of_chunk(nest, self.rows, self.decisions.rows, turn.index("m"), chunks)
            column = nest.mul(turn.index("n"), width)
            lanes = nest.minimum(nest.sub(self.columns, column), width) if is_ragged else None

            def tile_of(row: Index, count: int) -> ResultTile:
                by_axis = [*turn.indices["b"], row, column]
                pieces = self.y.type.layout.pieces
                spans = {self.y.type.rank - 2: count, self.y.type.rank - 1: width}
                dimensions = [(place, spans[piece.axis]) for place, piece in enumerate(pieces) if piece.axis in spans]
                return ResultTile([by_axis[piece.axis] for piece in pieces], dimensions, lanes)

            multiply(turn, rows, tile_of)

    def _in_registers(self, turn: Turn, rows: RowTiles, tile_of: Callable[[Index, int], ResultTile]) -> None:
        nest = self.nest
        left, words = self._left(list(turn.indices["b"]), rows, turn), self._panel(turn.index("n"))

        def tile(row: Index, count: int) -> None:
            total = self._total(left, words, nest.sub(row, rows.begin), count)
            store_result_tile(nest, self.kernel, total, self.y, tile_of(row, count))

        rows.walk(nest, tile)

    # --- an unpacked panel ----------------------------------------------------------------------------------

    def _unpacked(self, turn: Turn, rows: RowTiles, tile_of: Callable[[Index, int], ResultTile]) -> None:
        nest, width, words = self.nest, self.decisions.columns, self._panel(turn.index("n"))
        begin, stride = self.matrix.offset(nest, list(turn.indices["b"])), self.matrix.row_stride

        def left(row: Index, count: int) -> Reach:
            offset = nest.add(begin, nest.mul(row, stride))
            return Reach(self.a.memory, offset, [self.matrix.column_stride], [count, 1], [stride, 1])

        def right(first: Index, count: Index) -> Reach:
            panel = nest.scratch_memory(f32, 0, width * self.decisions.depth_at_once(self.kernel))
            self._unpack(words, first, count, nest.view(panel, 0, [count, width], [width, 1]))
            return Reach(panel, 0, [width], [1, width], [width, 1])

        Contraction(
            rows=rows,
            summed=Sum([self.depth], MATRIX_BLOCK, FEW_ELEMENTS),
            left=left,
            right=right,
            start=lambda _, count: nest.constant(0.0, vector_type(f32, [count, width])),
            finish=lambda row, count, sums: store_result_tile(nest, self.kernel, sums, self.y, tile_of(row, count)),
            partial=self._partial(rows.begin),
        ).write(nest)

    def _partial(self, first_row: Index) -> Partial | None:
        if not self.decisions.has_blocks(self.kernel):
            return None
        nest, width, turns = self.nest, self.decisions.columns, self.decisions.depth_block
        size = nest.mul(nest.dim(self.decisions.rows_of_chunk(self.kernel)), width)
        return Partial(
            nest.scratch_memory(f32, 4 * width * self.decisions.depth_at_once(self.kernel), size),
            first_row,
            [width],
            turns,
        )

    def _unpack(self, words: SSAValue, first: Index, count: Index, panel: SSAValue) -> None:
        """``count`` rows of b from ``first`` on, both whole blocks, each number scaled."""
        nest = self.nest
        before = nest.floordiv(first, self.block)
        with nest.loop(0, nest.floordiv(count, self.block)) as number:
            row = nest.mul(nest.add(before, number.index), self.kernel.rows_of_block)
            scales = self._floats(words, row)
            zeros = self._floats(words, nest.add(row, 1)) if self.has_zeros else None
            begin = nest.add(row, 1 + int(self.has_zeros))
            with nest.loop(0, self.kernel.words_of_block) as word:
                numbers = nest.load_vector(words, [nest.add(begin, word.index), 0], [self.decisions.columns])
                place = nest.add(nest.mul(number.index, self.block), nest.mul(word.index, WORD_BITS // self.bits))
                for index, value in enumerate(self._values(numbers, zeros, scales)):
                    nest.store_vector(value, panel, [nest.add(place, index), 0])

    def _panel(self, panel: Index) -> SSAValue:
        """A panel of b, [rows][columns]."""
        nest, width = self.nest, self.decisions.columns
        rows = nest.mul(self.blocks, self.kernel.rows_of_block)
        return nest.view(self.b.memory, nest.mul(nest.mul(panel, rows), width), [rows, width], [width, 1])

    # --- rows of a ------------------------------------------------------------------------------------------

    def _left(self, batch: list[Index], rows: RowTiles, turn: Turn) -> _Left:
        nest = self.nest
        begin = nest.add(self.matrix.offset(nest, batch), nest.mul(rows.begin, self.matrix.row_stride))
        source = nest.view(self.a.memory, begin, [rows.count, self.depth], [self.matrix.row_stride, 1])
        if not self.is_rounded:
            return _Left(source)
        longest = nest.ceildiv(self.rows, self.decisions.row_chunks)
        integers = nest.scratch_array(i8 if self.has_atom else f32, 0, [longest, self.depth])
        corrections = f32 if self.has_zeros else i32
        at = nest.mul(longest, nest.mul(self.depth, self.decisions.bytes_of_left))
        after = nest.add(at, nest.mul(nest.mul(longest, self.blocks), 4))
        left = _Left(
            integers,
            nest.scratch_array(f32, at, [longest, self.blocks]),
            nest.scratch_array(corrections, after, [longest, self.blocks]) if self.has_atom else None,
        )
        with turn.once_for_all("n"):
            self._round(source, rows.count, left)
        if not self.has_atom:
            return left
        words = nest.scratch_array(i32, 0, [longest, nest.floordiv(self.depth, BYTES_OF_WORD)])
        return _Left(words, left.scales, left.corrections)

    def _round(self, source: SSAValue, count: Index, left: _Left) -> None:
        """Copies rows of a as integers: each block times 127 by its largest number."""
        nest, block = self.nest, self.block
        assert left.scales is not None
        with nest.loop(0, count) as row, nest.loop(0, self.blocks) as place:
            first, at = nest.mul(place.index, block), [row.index, place.index]
            x = nest.load_vector(source, [row.index, first], [block])
            scale = nest.insert(arith.DivfOp(self._largest(x), nest.constant(float(LARGEST_INT8), f32)))
            zero = nest.constant(0.0, f32)
            is_zero = nest.insert(arith.CmpfOp(scale, zero, "oeq"))
            inverse = select(nest, is_zero, zero, nest.insert(arith.DivfOp(nest.constant(1.0, f32), scale)))
            scaled = nest.insert(arith.MulfOp(x, nest.broadcast(inverse, [block])))
            rounded = nest.insert(functions.RoundEvenOp(scaled))
            nest.store(scale, left.scales, at)
            if left.corrections is None:
                nest.store_vector(rounded, left.elements, [row.index, first])
            else:
                integers = convert(nest, rounded, i32)
                nest.store_vector(convert(nest, integers, i8), left.elements, [row.index, first])
                nest.store(self._correction(reduce_lanes(nest, "sum", integers)), left.corrections, at)

    def _largest(self, x: SSAValue) -> SSAValue:
        """Of absolute values, which order as their bits do; a NaN is the largest."""
        nest, type_ = self.nest, vector_type(i32, [self.block])
        bits = nest.insert(arith.AndIOp(nest.insert(arith.BitcastOp(x, type_)), nest.constant(ABSOLUTE, type_)))
        return nest.insert(arith.BitcastOp(reduce_lanes(nest, "max", bits), f32))

    def _correction(self, total: SSAValue) -> SSAValue:
        nest = self.nest
        if self.has_zeros:
            return convert(nest, nest.insert(arith.SubiOp(nest.constant(0, i32), total)), f32)
        return nest.insert(arith.MuliOp(total, nest.constant(-self._half, i32)))

    @property
    def _half(self) -> int:
        return 1 << (self.bits - 1)

    # --- a tile ---------------------------------------------------------------------------------------------

    def _total(self, left: _Left, words: SSAValue, row: Index, count: int) -> SSAValue:
        nest, shape = self.nest, [count, self.decisions.columns]
        zero = nest.constant(0.0, vector_type(f32, shape))

        def block(number: Index) -> tuple[_Block, SSAValue, SSAValue | None]:
            first = nest.mul(number, self.kernel.rows_of_block)
            if self.decisions.ahead and count <= STREAMED_BY:
                self._fetch(words, first)
            zeros = self._floats(words, nest.add(first, 1)) if self.has_zeros else None
            begin = nest.add(first, 1 + int(self.has_zeros))
            return _Block(left, words, begin, row, number, shape), self._floats(words, first), zeros

        def add_part(number: Index, total: SSAValue) -> SSAValue:
            place, scales, zeros = block(number)
            part = self._integer_products(place, zeros) if self.has_atom else self._float_products(place, zero, zeros)
            if left.scales is not None:
                part = nest.insert(arith.MulfOp(part, self._of_rows(left.scales, place)))
            return nest.fma(part, nest.broadcast(scales, shape), total)

        def add_scaled(number: Index, total: SSAValue) -> SSAValue:
            place, scales, zeros = block(number)
            return self._float_products(place, total, zeros, scales)

        # With many rows a number's scale costs less than a second sum of each row.
        is_scaled = left.scales is None and count > FEW_ROWS
        at_once = max(1, MATRIX_BLOCK // self.block) if is_scaled else 0
        return sum_in_blocks(nest, 0, self.blocks, zero, at_once, add_scaled if is_scaled else add_part)

    def _fetch(self, words: SSAValue, first: Index) -> None:
        """Brings into the cache what lies so far behind a block, which begins in row ``first`` of a panel."""
        nest, width = self.nest, self.decisions.columns
        row = nest.add(first, -(-self.decisions.ahead // (BYTES_OF_WORD * width)))
        for place in range(0, self.kernel.rows_of_block * width, CACHE_LINE // BYTES_OF_WORD):
            nest.prefetch(words, nest.add(row, place // width), place % width)

    def _floats(self, words: SSAValue, row: Index) -> SSAValue:
        """A row of b that holds f32."""
        bits = self.nest.load_vector(words, [row, 0], [self.decisions.columns])
        return self.nest.insert(arith.BitcastOp(bits, vector_type(f32, [self.decisions.columns])))

    def _of_rows(self, memory: SSAValue, block: _Block, place: Index | None = None) -> SSAValue:
        """An element of each row of the tile, for all columns: the block's, or one at a place."""
        at = block.number if place is None else place
        return self.nest.broadcast(self.nest.load_vector(memory, [block.row, at], [block.shape[0], 1]), block.shape)

    def _integer_products(self, block: _Block, zeros: SSAValue | None) -> SSAValue:
        """Sums of a block less its zero points, exact in f32 too."""
        nest = self.nest
        assert block.left.corrections is not None
        correction = self._of_rows(block.left.corrections, block)
        four, in_word = vector_type(i32, [self.decisions.columns]), 8 // self.bits
        lowest = nest.constant(sum(((1 << self.bits) - 1) << (8 * byte) for byte in range(BYTES_OF_WORD)), four)
        before = nest.mul(block.number, self.block // BYTES_OF_WORD)

        def add(word: Index, numbers: SSAValue, sums: SSAValue) -> SSAValue:
            for part in range(in_word):
                shift = nest.constant(self.bits * part, four)
                bytes_ = nest.insert(arith.ShRUIOp(numbers, shift)) if part else numbers
                bytes_ = nest.insert(arith.AndIOp(bytes_, lowest)) if in_word > 1 else bytes_
                place = nest.add(before, nest.add(nest.mul(word, in_word), part))
                integers = self._of_rows(block.left.elements, block, place)
                sums = nest.dot(nest.broadcast(bytes_, block.shape), integers, sums, self.decisions.atom)
            return sums

        if zeros is None:
            return convert(nest, self._sum(block, correction, add), f32)
        sums = self._sum(block, nest.constant(0, vector_type(i32, block.shape)), add)
        return nest.fma(correction, nest.broadcast(zeros, block.shape), convert(nest, sums, f32))

    def _float_products(
        self, block: _Block, start: SSAValue, zeros: SSAValue | None, scales: SSAValue | None = None
    ) -> SSAValue:
        """``start`` plus a block's products, each number less its zero point and, with ``scales``, scaled."""
        nest, in_word = self.nest, WORD_BITS // self.bits
        before = nest.mul(block.number, self.block)

        def add(word: Index, numbers: SSAValue, sums: SSAValue) -> SSAValue:
            for number, value in enumerate(self._values(numbers, zeros, scales)):
                place = nest.add(before, nest.add(nest.mul(word, in_word), number))
                left = self._of_rows(block.left.elements, block, place)
                sums = nest.fma(left, nest.broadcast(value, block.shape), sums)
            return sums

        return self._sum(block, start, add)

    def _values(self, numbers: SSAValue, zeros: SSAValue | None, scales: SSAValue | None) -> Iterator[SSAValue]:
        """The numbers of a word as f32, each less its zero point and, with ``scales``, scaled."""
        nest = self.nest
        for value in self._floats_of(numbers, zeros):
            if zeros is not None:
                value = nest.insert(arith.SubfOp(value, zeros))
            yield value if scales is None else nest.insert(arith.MulfOp(value, scales))

    def _bits(self) -> Iterator[int]:
        """Where each number of a word begins."""
        for number in range(WORD_BITS // self.bits):
            byte, part = number % BYTES_OF_WORD, number // BYTES_OF_WORD
            yield 8 * byte + self.bits * part

    def _floats_of(self, numbers: SSAValue, zeros: SSAValue | None) -> Iterator[SSAValue]:
        """Without ``zeros`` each less half of the numbers' range.

        A number n at bit p of a mantissa is n + 2^(23 - p) under the exponent of that power, and both it and what is
        left without the power are exact: no number is shifted or converted, but that those beyond the mantissa are
        brought into it, together.
        """
        nest, words = self.nest, vector_type(i32, [self.decisions.columns])
        floats = vector_type(f32, [self.decisions.columns])
        lower = -(-(WORD_BITS - MANTISSA_BITS) // self.bits) * self.bits
        brought = nest.insert(arith.ShRUIOp(numbers, nest.constant(lower, words)))
        for bit in self._bits():
            source, place = (numbers, bit) if bit + self.bits <= MANTISSA_BITS else (brought, bit - lower)
            power = MANTISSA_BITS - place
            mantissa = nest.insert(arith.AndIOp(source, nest.constant(((1 << self.bits) - 1) << place, words)))
            exponent = nest.constant((EXPONENT_BIAS + power) << MANTISSA_BITS, words)
            value = nest.insert(arith.BitcastOp(nest.insert(arith.OrIOp(mantissa, exponent)), floats))
            less = float((1 << power) + (self._half if zeros is None else 0))
            yield nest.insert(arith.SubfOp(value, nest.constant(less, floats)))

    def _sum(self, block: _Block, start: SSAValue, add: Callable[[Index, SSAValue, SSAValue], SSAValue]) -> SSAValue:
        """``add(word, its numbers, sums)`` for each word of a block."""
        nest, unroll = self.nest, WORDS_IN_TURN if self.has_atom else 1
        with nest.loop(0, self.kernel.words_of_block, carried=[start], unroll=unroll) as loop:
            row = nest.add(block.first, loop.index)
            numbers = nest.load_vector(block.words, [row, 0], [self.decisions.columns])
            loop.yield_(add(loop.index, numbers, loop.carried[0]))
        return loop.results[0]


@dataclass(frozen=True)
class _Block:
    """What a tile multiplies in one turn: its rows from ``row`` on, and a block's words from row ``first`` of b on."""

    left: _Left
    words: SSAValue
    first: Index
    row: Index
    number: Index
    shape: list[int]
