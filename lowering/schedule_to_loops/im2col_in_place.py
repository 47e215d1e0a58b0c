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
from xdsl.dialects.builtin import i1
from xdsl.ir import SSAValue

from ...dialects.kernel import ConvOp
from .im2col_panel import WindowAxis, window_axes
from .long_sums import CONVOLUTION_BLOCK, product_turns, sum_in_blocks
from .loop_nest import Index, LoopNest
from .register_tile import strides_by_axis

# Rows of the window with more vector products than this stay a loop.
MOST_UNROLLED_PRODUCTS = 96


class ColumnsInPlace:
    """Sums products of weights with ``columns`` pixels of a row of the output."""

    def __init__(self, nest: LoopNest, kernel: ConvOp, columns: int, lanes: int):
        """Neighbouring pixels' columns must be side by side: see ``Im2col.conflict``."""
        self.nest, self.columns, self.lanes = nest, columns, lanes
        self.x = nest.operands[0]
        self.axes = window_axes(nest, kernel)
        self.x_strides = strides_by_axis(self.x)
        self.channels = nest.dim(nest.operands[1].dims[1])

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

        def turn(tap: Index, inner: SSAValue) -> SSAValue:
            at = nest.add(offset, nest.mul(axis.position(nest, output, tap), axis.step))
            return self._over_rows(inner, load_weights, at, rows, [*taps, tap], first, is_edge)

        return sum_in_blocks(nest, low, high, sums, self._turns(is_edge)[len(taps)], turn)

    def _turns(self, is_edge: bool) -> list[int]:
        """Turns in a block of the loops over the window's rows, then of the two in ``_over_columns``."""
        *outer, last = (axis.window for axis in self.axes)
        inner = [last, self.channels] if is_edge else [self.channels, last]
        return product_turns([*outer, *inner], CONVOLUTION_BLOCK)

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
        outer_turns, inner_turns = self._turns(is_edge)[-2:]

        def over_channels(tap: Index, of_tap: SSAValue) -> SSAValue:
            mask = self._mask(axis.position(nest, first, tap))

            def step(channel: Index, inner: SSAValue) -> SSAValue:
                return self._step(inner, load_weights, offset, [*taps, tap], channel, first, mask)

            return sum_in_blocks(nest, 0, self.channels, of_tap, inner_turns, step)

        def over_taps(channel: Index, of_channel: SSAValue) -> SSAValue:
            def step(tap: Index, inner: SSAValue) -> SSAValue:
                return self._step(inner, load_weights, offset, [*taps, tap], channel, first, None)

            return sum_in_blocks(nest, 0, axis.window, of_channel, inner_turns, step, self._unroll(sums))

        if is_edge:
            return sum_in_blocks(nest, 0, axis.window, sums, outer_turns, over_channels)
        return sum_in_blocks(nest, 0, self.channels, sums, outer_turns, over_taps)

    def _unroll(self, sums: SSAValue) -> int:
        """Taps to write out: a whole row of the window, where that is not too much code."""
        window = self.last.window
        products = math.prod(sums.type.get_shape()) // self.lanes  # pyright: ignore[reportAttributeAccessIssue]
        return window if isinstance(window, int) and window * products <= MOST_UNROLLED_PRODUCTS else 1

    def _step(
        self,
        sums: SSAValue,
        load_weights: Callable[[Sequence[Index], Index], SSAValue],
        offset: Index,
        taps: Sequence[Index],
        channel: Index,
        first: Index,
        mask: SSAValue | None,
    ) -> SSAValue:
        """One tap of one channel."""
        nest = self.nest
        position = self.last.position(nest, first, taps[-1])
        at = nest.add(nest.add(offset, position), nest.mul(channel, self.x_strides[1, False]))
        row = nest.view(self.x.memory, at, [1, self.columns], [0, 1])
        pixels = nest.load_vector(row, [0, 0], [1, self.columns], mask)
        return nest.contract(load_weights(taps, channel), pixels, sums)

    def _mask(self, position: Index) -> SSAValue:
        """Pixels whose column is inside x, the first one's being at ``position``."""
        nest, shape = self.nest, [1, self.columns]
        below = nest.mask(shape, [1, nest.sub(self.last.size, position)])
        if self.last.begin == 0:
            return below
        before = nest.mask(shape, [1, nest.sub(0, position)])
        everywhere = nest.constant(True, nest.vector_type(i1, shape))
        return nest.insert(arith.AndIOp(below, nest.insert(arith.XOrIOp(before, everywhere))))
