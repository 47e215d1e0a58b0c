"""im2col without a panel: columns of neighbouring pixels of one output row, read from x where they lie.

With a stride of 1 along rows, what lies under one tap of the window for neighbouring pixels lies side by side in x.
So each step of the product loads its row of columns from x itself: nothing is copied, which pays where few output
channels use each column. Rows of the window in the padding are left out; columns in it are zeros by the load's mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

from xdsl.dialects import arith
from xdsl.dialects.builtin import VectorType, i1
from xdsl.ir import SSAValue

from ...dialects.kernel import ConvOp
from .im2col_panel import WindowAxis, window_axes
from .loop_nest import Index, Loop, LoopNest
from .register_tile import strides_by_axis

# Rows of the window with more vector products than this stay a loop.
MOST_UNROLLED_PRODUCTS = 96


class ColumnsInPlace:
    """Sums products of weights with ``columns`` pixels of a row of the output."""

    def __init__(self, nest: LoopNest, kernel: ConvOp, columns: int, lanes: int):
        """Raises ValueError where neighbouring pixels' columns are not side by side."""
        self.nest, self.columns, self.lanes = nest, columns, lanes
        self.x = nest.operands[0]
        self.axes = window_axes(nest, kernel)
        self.x_strides = strides_by_axis(self.x)
        self.channels = nest.dim(nest.operands[1].dims[1])
        if self.last.stride != 1 or self.last.step != 1:
            raise ValueError("pack = 0 needs row-major x and a stride of 1 along rows")

    @property
    def last(self) -> WindowAxis:
        return self.axes[-1]

    def accumulate(
        self,
        sums: SSAValue,
        load_weights: Callable[[Sequence[Index], Index], SSAValue],
        position: tuple[Index, Index, Sequence[Index], Index],
        count: Index,
    ) -> SSAValue:
        """Adds the products over the whole window.

        ``load_weights`` gives the weights of a tap and channel as a column; ``position`` is the image, the group, the
        output position along all spatial axes but the last and the first pixel; ``count`` pixels exist.
        """
        nest, (n, group, rows, first) = self.nest, position
        offset = nest.add(self.x.origin, nest.mul(n, self.x_strides[0, False]))
        offset = nest.add(offset, nest.mul(nest.mul(group, self.channels), self.x_strides[1, False]))

        def over_window(is_edge: bool) -> SSAValue:
            return self._over_rows(sums, load_weights, offset, list(rows), [], first, is_edge)

        conditions = self._inside_conditions(first, count)
        if not conditions:
            return over_window(False)
        inside = reduce(lambda a, b: nest.insert(arith.AndIOp(a, b)), conditions)
        return nest.choose(inside, lambda: over_window(False), lambda: over_window(True))

    def _inside_conditions(self, first: Index, count: Index) -> list[SSAValue]:
        """What must hold for all pixels to exist and no column of theirs to be padding."""
        nest, axis = self.nest, self.last
        conditions = []
        if count != self.columns:
            conditions.append(nest.compare("eq", count, self.columns))
        if axis.begin != 0:
            conditions.append(nest.compare("sge", axis.position(nest, first, 0), 0))
        if axis.end != 0:
            last_pixel = nest.add(first, self.columns - 1)
            last_position = axis.position(nest, last_pixel, nest.sub(axis.window, 1))
            conditions.append(nest.compare("slt", last_position, axis.size))
        return conditions

    def _over_rows(
        self,
        sums: SSAValue,
        load_weights: Callable[[Sequence[Index], Index], SSAValue],
        offset: Index,
        rows: list[Index],
        taps: list[Index],
        first: Index,
        is_edge: bool,
    ) -> SSAValue:
        """Loops over the window along the axes that ``taps`` does not name yet, the last one innermost."""
        nest = self.nest
        if len(taps) == len(rows):
            return self._over_columns(sums, load_weights, offset, taps, first, is_edge)
        axis, output = self.axes[len(taps)], rows[len(taps)]
        low, high = self._taps_inside(axis, output)
        with nest.loop(low, high, carried=[sums]) as tap:
            inner = nest.add(offset, nest.mul(axis.position(nest, output, tap.index), axis.step))
            tap.yield_(self._over_rows(tap.carried[0], load_weights, inner, rows, [*taps, tap.index], first, is_edge))
        return tap.results[0]

    def _taps_inside(self, axis: WindowAxis, output: Index) -> tuple[Index, Index]:
        """The range of the window's taps that are not in the padding."""
        nest = self.nest
        first_position = axis.position(nest, output, 0)
        low: Index = 0
        high = axis.window
        if axis.begin != 0:
            before = nest.maximum(nest.sub(0, first_position), 0)
            low = nest.minimum(nest.ceildiv(before, axis.dilation), axis.window)
        if axis.end != 0:
            left = nest.maximum(nest.sub(axis.size, first_position), 0)
            high = nest.minimum(nest.ceildiv(left, axis.dilation), axis.window)
        return low, high

    def _over_columns(
        self,
        sums: SSAValue,
        load_weights: Callable[[Sequence[Index], Index], SSAValue],
        offset: Index,
        taps: Sequence[Index],
        first: Index,
        is_edge: bool,
    ) -> SSAValue:
        """The taps of one row of the window, for all channels: outermost where each tap has a mask of its own."""
        nest, axis = self.nest, self.last
        if is_edge:
            with nest.loop(0, axis.window, carried=[sums]) as tap:
                mask = self._mask(axis.position(nest, first, tap.index))
                with nest.loop(0, self.channels, carried=[tap.carried[0]]) as channel:
                    step = self._step(channel, load_weights, offset, [*taps, tap.index], channel.index, first, mask)
                    channel.yield_(step)
                tap.yield_(channel.results[0])
            return tap.results[0]
        unroll = self._unroll(sums)
        with nest.loop(0, self.channels, carried=[sums]) as channel:
            with nest.loop(0, axis.window, carried=[channel.carried[0]], unroll=unroll) as tap:
                tap.yield_(self._step(tap, load_weights, offset, [*taps, tap.index], channel.index, first, None))
            channel.yield_(tap.results[0])
        return channel.results[0]

    def _unroll(self, sums: SSAValue) -> int:
        """Taps to write out: a whole row of the window, where that is not too much code."""
        window = self.last.window
        products = math.prod(sums.type.get_shape()) // self.lanes  # pyright: ignore[reportAttributeAccessIssue]
        return window if isinstance(window, int) and window * products <= MOST_UNROLLED_PRODUCTS else 1

    def _step(
        self,
        loop: Loop,
        load_weights: Callable[[Sequence[Index], Index], SSAValue],
        offset: Index,
        taps: Sequence[Index],
        channel: Index,
        first: Index,
        mask: SSAValue | None,
    ) -> SSAValue:
        """One tap of one channel."""
        nest, sums = self.nest, loop.carried[0]
        shape = sums.type.get_shape()  # pyright: ignore[reportAttributeAccessIssue]
        position = self.last.position(nest, first, taps[-1])
        at = nest.add(nest.add(offset, position), nest.mul(channel, self.x_strides[1, False]))
        row = nest.view(self.x.memory, at, [1, self.columns], [0, 1])
        pixels = nest.load_vector(row, [0, 0], [1, self.columns], mask)
        weights = nest.broadcast(load_weights(taps, channel), shape)
        return nest.fma(weights, nest.broadcast(pixels, shape), sums)

    def _mask(self, position: Index) -> SSAValue:
        """Pixels whose column is inside x, the first one's being at ``position``."""
        nest, shape = self.nest, [1, self.columns]
        below = nest.mask(shape, [1, nest.sub(self.last.size, position)])
        if self.last.begin == 0:
            return below
        before = nest.mask(shape, [1, nest.sub(0, position)])
        everywhere = nest.constant(True, VectorType(i1, shape))
        return nest.insert(arith.AndIOp(below, nest.insert(arith.XOrIOp(before, everywhere))))
