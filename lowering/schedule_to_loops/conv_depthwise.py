"""Depthwise convolution: one vector of channels wide, a tile of output rows by columns in registers.

::

    for channel block, n, tile of rows, tile of columns
      sums[rows][columns][lanes] = bias
      for kh, kw:  sums += x[n, c, oh*s+kh, ow*s+kw] * w[c, kh, kw]
      y[n, c, oh, ow] = epilogue(sums)

The window is written out, so that neighbouring outputs share the loads of x; of a large one only its rows are.
x has a halo of zeros as wide as the padding. Decisions: ``rows`` (divides the height, where it is known) and
``columns`` of a tile; ``atom``: the instruction that multiplies. It takes neighbouring taps of a row at once, in a word
for each lane: of x put together once for all taps that see the pixels, of w once for all tiles of a row::

    sums += (x[ow*s+kw], x[ow*s+kw+1]) . (w[kw], w[kw+1])
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import IntegerType, Signedness, bf16, i8, i16
from xdsl.ir import Attribute, SSAValue

from ...dialects.conv_decisions import Depthwise
from ...dialects.kernel import ConvOp
from ...dialects.schedule import StageOp
from ...machines.atoms import ATOMS
from .arithmetic import convert
from .conv_images import BATCH, CHANNEL_BLOCK, COLUMN, LANE, ROW, bias_tile
from .halo import fill_halo, require_halo
from .long_sums import CONVOLUTION_BLOCK, product_turns, sum_in_blocks
from .loop_nest import Index, LoopNest
from .outer_axes import outer_loops
from .register_tile import ResultTile, for_each_tile, store_result_tile, strides_by_axis
from .words import joined

# Windows with more taps than this keep a loop over their rows.
UNROLLED_TAPS = 25
_FACTORS: dict[str, Attribute] = {"i8": i8, "ui8": IntegerType(8, Signedness.UNSIGNED), "i16": i16, "bf16": bf16}
"""What atoms multiply, by name."""


def lower_conv_depthwise(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ConvOp)
    require_halo(kernel)
    y = nest.operands[-1]
    decisions = stage.decided(Depthwise)
    fill_halo(nest, y, "c" not in decisions.shared(kernel))
    lanes = y.type.layout.block_of(1)
    rows = decisions.rows
    blocks = -(-int(y.dims[1]) // lanes)
    batch, _, height, width = (nest.dim(size) for size in y.dims)
    window = _Window(nest, kernel, lanes, decisions.atom)
    bounds = {"c": [blocks], "n": [batch], "oh": [nest.floordiv(height, rows)]}
    with outer_loops(nest, decisions, kernel, bounds) as turn:
        block, n, top = turn.index("c"), turn.index("n"), nest.mul(turn.index("oh"), rows)
        weights = window.weights(block)

        def compute_tile(column: Index, columns: int) -> None:
            starts: list[Index] = [0] * 5
            starts[BATCH], starts[CHANNEL_BLOCK], starts[ROW], starts[COLUMN] = n, block, top, column
            tile = ResultTile(starts, [(ROW, rows), (COLUMN, columns), (LANE, lanes)])
            sums = window.accumulate(bias_tile(nest, kernel, y, tile), tile, weights)
            store_result_tile(nest, kernel, sums, y, tile)

        for_each_tile(nest, width, decisions.columns, compute_tile)


Weights = Callable[[Index, int], SSAValue]
"""The lanes' weights of a row of the window from a column on, as many as are taken at once."""


class _Window:
    """Sums the window's products into a tile."""

    def __init__(self, nest: LoopNest, kernel: ConvOp, lanes: int, atom: str):
        self.nest, self.lanes, self.atom = nest, lanes, atom
        self.x, self.w = nest.operands[0], nest.operands[1]
        self.size = tuple(int(size) for size in self.w.dims[2:])
        self.strides, self.dilations, self.pads = (kernel.get(name) for name in ("strides", "dilations", "pads"))
        row = ATOMS.get(atom)
        self.taps = row.depth if row else 1
        self.factors = (_FACTORS[row.lhs], _FACTORS[row.rhs]) if row else (kernel.sums_type, kernel.sums_type)
        self.is_written_out = math.prod(self.size) <= UNROLLED_TAPS

    def weights(self, block: Index) -> Weights:
        """Those of a block of channels; words of them are put together here, and not for each tile."""
        height, width = self.size
        view = self._w_view(block)

        def read(kh: Index, kw: int) -> SSAValue:
            return self._taken_at_once(view, self.factors[1], kh, kw, [self.lanes])

        if self.taps == 1 or not self.is_written_out:
            return read
        words = {(kh, kw): read(kh, kw) for kh in range(height) for kw in range(0, width, self.taps)}
        return lambda kh, kw: words[int(kh), kw]  # pyright: ignore[reportArgumentType]

    def accumulate(self, sums: SSAValue, tile: ResultTile, weights: Weights) -> SSAValue:
        nest = self.nest
        height, _ = self.size
        view = self._x_view(tile)
        if self.is_written_out:
            for kh in range(height):
                sums = self._row(sums, tile, view, weights, kh)
            return sums
        rows, _ = product_turns(self.size, CONVOLUTION_BLOCK)
        return sum_in_blocks(nest, 0, height, sums, rows, lambda kh, inner: self._row(inner, tile, view, weights, kh))

    def _row(self, sums: SSAValue, tile: ResultTile, view: SSAValue, weights: Weights, kh: Index) -> SSAValue:
        nest = self.nest
        for kw in range(0, self.size[1], self.taps):
            pixels = self._taken_at_once(view, self.factors[0], kh, kw, tile.shape)
            factors = pixels, nest.broadcast(weights(kh, kw), tile.shape)
            sums = nest.fma(*factors, sums) if self.taps == 1 else nest.dot(*factors, sums, self.atom)
        return sums

    def _taken_at_once(self, view: SSAValue, factor: Attribute, kh: Index, kw: int, shape: Sequence[int]) -> SSAValue:
        """The elements of the taps from column ``kw`` on, widened; a word has zeros beyond the last of a row."""
        nest, zeros = self.nest, [0] * len(shape)
        taps = range(kw, min(kw + self.taps, self.size[1]))
        vectors = [convert(nest, nest.load_vector(view, [kh, tap, *zeros], shape), factor) for tap in taps]
        return joined(nest, vectors, factor, self.taps)

    def _x_view(self, tile: ResultTile) -> SSAValue:
        """x as [window row][window column][output row][output column][lane]."""
        nest, strides = self.nest, strides_by_axis(self.x)
        offset = self.x.origin
        offset = nest.add(offset, nest.mul(tile.starts[BATCH], strides[0, False]))
        offset = nest.add(offset, nest.mul(tile.starts[CHANNEL_BLOCK], strides[1, True]))
        for axis, position in ((0, tile.starts[ROW]), (1, tile.starts[COLUMN])):
            first = nest.sub(nest.mul(position, self.strides[axis]), self.pads[axis])
            offset = nest.add(offset, nest.mul(first, strides[2 + axis, False]))
        row, column = strides[2, False], strides[3, False]
        return nest.view(
            self.x.memory,
            offset,
            [*self.size, *tile.shape],
            [
                nest.mul(self.dilations[0], row),
                nest.mul(self.dilations[1], column),
                nest.mul(self.strides[0], row),
                nest.mul(self.strides[1], column),
                1,
            ],
        )

    def _w_view(self, block: Index) -> SSAValue:
        nest, strides = self.nest, strides_by_axis(self.w)
        offset = nest.mul(block, strides[0, True])
        return nest.view(self.w.memory, offset, [*self.size, self.lanes], [strides[2, False], strides[3, False], 1])
