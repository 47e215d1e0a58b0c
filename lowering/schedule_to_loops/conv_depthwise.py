"""Depthwise convolution: one vector of channels wide, a tile of output rows by columns in registers.

::

    for channel block, n, tile of rows, tile of columns
      sums[rows][columns][lanes] = bias
      for kh, kw:  sums += x[n, c, oh*s+kh, ow*s+kw] * w[c, kh, kw]
      y[n, c, oh, ow] = epilogue(sums)

The window is written out, so that neighbouring outputs share the loads of x; of a large one only its rows are.
x has a halo of zeros as wide as the padding. Decisions: ``rows`` (divides the height, where it is known) and
``columns`` of a tile.
"""

from __future__ import annotations

from xdsl.ir import SSAValue

from ...dialects.decisions import Depthwise
from ...dialects.kernel import ConvOp
from ...dialects.schedule import StageOp
from .arithmetic import convert, element_of
from .conv_direct import BATCH, CHANNEL_BLOCK, COLUMN, LANE, ROW, bias_tile
from .halo import fill_halo, require_halo
from .long_sums import CONVOLUTION_BLOCK, product_turns, sum_in_blocks
from .loop_nest import Index, LoopNest
from .register_tile import ResultTile, for_each_tile, store_result_tile, strides_by_axis

# Windows with more taps than this keep a loop over their rows.
UNROLLED_TAPS = 25


def lower_conv_depthwise(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ConvOp)
    require_halo(kernel)
    y = nest.operands[-1]
    fill_halo(nest, y)
    lanes = y.type.layout.block_of(1)
    decisions = stage.decided(Depthwise)
    rows = decisions.rows
    blocks = -(-int(y.dims[1]) // lanes)
    batch, _, height, width = (nest.dim(size) for size in y.dims)
    window = _Window(nest, kernel, lanes)
    with nest.forall([blocks, batch, nest.floordiv(height, rows)]) as (block, n, row_tile):
        top = nest.mul(row_tile, rows)

        def compute_tile(column: Index, columns: int) -> None:
            starts: list[Index] = [0] * 5
            starts[BATCH], starts[CHANNEL_BLOCK], starts[ROW], starts[COLUMN] = n, block, top, column
            tile = ResultTile(starts, [(ROW, rows), (COLUMN, columns), (LANE, lanes)])
            sums = window.accumulate(bias_tile(nest, kernel, y, tile), tile)
            store_result_tile(nest, kernel, sums, y, tile)

        for_each_tile(nest, width, decisions.columns, compute_tile)


class _Window:
    """Sums the window's products into a tile."""

    def __init__(self, nest: LoopNest, kernel: ConvOp, lanes: int):
        self.nest, self.lanes = nest, lanes
        self.x, self.w = nest.operands[0], nest.operands[1]
        self.size = tuple(int(size) for size in self.w.dims[2:])
        self.strides, self.dilations, self.pads = (kernel.get(name) for name in ("strides", "dilations", "pads"))

    def accumulate(self, sums: SSAValue, tile: ResultTile) -> SSAValue:
        nest = self.nest
        height, width = self.size
        x_view, w_view = self._x_view(tile), self._w_view(tile)
        if height * width <= UNROLLED_TAPS:
            for kh in range(height):
                sums = self._row(sums, tile, x_view, w_view, kh)
            return sums
        rows, _ = product_turns(self.size, CONVOLUTION_BLOCK)
        return sum_in_blocks(nest, 0, height, sums, rows, lambda kh, inner: self._row(inner, tile, x_view, w_view, kh))

    def _row(self, sums: SSAValue, tile: ResultTile, x_view: SSAValue, w_view: SSAValue, kh: Index) -> SSAValue:
        nest, element = self.nest, element_of(sums.type)
        for kw in range(self.size[1]):
            pixels = convert(nest, nest.load_vector(x_view, [kh, kw, 0, 0, 0], tile.shape), element)
            weights = convert(nest, nest.load_vector(w_view, [kh, kw, 0], [self.lanes]), element)
            sums = nest.fma(pixels, nest.broadcast(weights, tile.shape), sums)
        return sums

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

    def _w_view(self, tile: ResultTile) -> SSAValue:
        nest, strides = self.nest, strides_by_axis(self.w)
        offset = nest.mul(tile.starts[CHANNEL_BLOCK], strides[0, True])
        return nest.view(self.w.memory, offset, [*self.size, self.lanes], [strides[2, False], strides[3, False], 1])
