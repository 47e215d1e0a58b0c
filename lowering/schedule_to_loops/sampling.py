"""kernel.grid_sample and kernel.roi_align: elements of an image at positions that lie between them.

::

    for images, rows of the result, shared          for regions, rows of the result, shared
      for places of a row                             for places of a row
        neighbours, and their weights                   for channels
        for channels                                      for samples of the place:  neighbours, and their weights
          y = sum of neighbours times weights               y = sum or maximum of neighbours times weights

Where channels lie last they go in vectors. Positions are computed in f32, as engines have them; those far outside,
and what is no number, are taken as a place just outside. Neighbours outside of the image are read as its border, and
count as zero where that is the padding. An index of an image out of range is reported, and image 0 is read.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile of channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import f32
from xdsl.ir import Operation, SSAValue

from ...dialects.decisions import Elements
from ...dialects.kernel_sampling import GridSampleOp, RoiAlignOp
from ...dialects.schedule import StageOp
from .arithmetic import combine, index_as, select, to_index
from .element_loops import Position, for_each_span
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest, Tensor
from .operand_access import LoopDimension, axis_strides
from .tile_access import Span, Tile, load_tile, store_tile

_CUBIC = -0.75
# Samples of a place along an axis, at most: what a region that is not finite asks for must end.
_MOST_SAMPLES = 1 << 15


class Scalars:
    """Arithmetic in f32 and on truth values, one by one."""

    def __init__(self, nest: LoopNest):
        self.nest = nest

    def number(self, value: float) -> SSAValue:
        return self.nest.constant(value, f32)

    def of_index(self, index: Index) -> SSAValue:
        return index_as(self.nest, index, f32)

    def to_index(self, value: SSAValue) -> SSAValue:
        return to_index(self.nest, value)

    def _apply(self, op: Callable[[SSAValue, SSAValue], Operation], a: SSAValue, b: SSAValue | float) -> SSAValue:
        return self.nest.insert(op(a, self.number(b) if isinstance(b, int | float) else b))

    def add(self, a: SSAValue, b: SSAValue | float) -> SSAValue:
        return self._apply(arith.AddfOp, a, b)

    def sub(self, a: SSAValue, b: SSAValue | float) -> SSAValue:
        return self._apply(arith.SubfOp, a, b)

    def mul(self, a: SSAValue, b: SSAValue | float) -> SSAValue:
        return self._apply(arith.MulfOp, a, b)

    def div(self, a: SSAValue, b: SSAValue | float) -> SSAValue:
        return self._apply(arith.DivfOp, a, b)

    def floor(self, a: SSAValue) -> SSAValue:
        return self.nest.insert(math.FloorOp(a))

    def compare(self, predicate: str, a: SSAValue, b: SSAValue | float) -> SSAValue:
        return self._apply(lambda left, right: arith.CmpfOp(left, right, predicate), a, b)

    def both(self, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.nest.insert(arith.AndIOp(a, b))

    def choose(self, condition: SSAValue, a: SSAValue, b: SSAValue) -> SSAValue:
        return select(self.nest, condition, a, b)

    def at_least(self, a: SSAValue, least: SSAValue | float) -> SSAValue:
        """The larger one; the second where the first is no number."""
        least = self.number(least) if isinstance(least, int | float) else least
        return self.choose(self.compare("ogt", a, least), a, least)

    def at_most(self, a: SSAValue, most: SSAValue | float) -> SSAValue:
        most = self.number(most) if isinstance(most, int | float) else most
        return self.choose(self.compare("olt", a, most), a, most)


@dataclass(frozen=True)
class _Neighbour:
    """An element along one axis: how far it lies in x, its weight (None: 1), and whether it counts (None: always)."""

    offset: Index
    weight: SSAValue | None
    counts: SSAValue | None


class _Channels:
    """The loop over the channels of one place: in vectors where they lie side by side, else one by one."""

    def __init__(self, stage: StageOp, nest: LoopNest, x: Tensor, y: Tensor, axis: int):
        self.nest, self.x, self.y = nest, x, y
        self.count = y.dims[axis]
        self.x_stride, self.y_stride = (nest.dim(axis_strides(tensor)[axis]) for tensor in (x, y))
        decisions = stage.decided(Elements)
        in_vectors = self.x_stride == self.y_stride == 1
        self.lanes = decisions.lanes if in_vectors else 1
        self.width = decisions.lanes * decisions.unroll if in_vectors else 1

    def each(self, body: Callable[[Index, Span], None]) -> None:
        dimension = LoopDimension(self.count, ())
        for_each_span(self.nest, dimension, Position([]), self.width, self.lanes if self.width > 1 else 0, body)

    def load(self, offset: Index, start: Index, span: Span) -> SSAValue:
        nest, tile = self.nest, Tile(None, span)
        at = nest.add(offset, nest.mul(start, self.x_stride))
        return load_tile(nest, self.x.memory, at, tile, 0, self.x_stride)

    def store(self, value: SSAValue, offset: Index, start: Index, span: Span) -> None:
        nest, tile = self.nest, Tile(None, span)
        at = nest.add(offset, nest.mul(start, self.y_stride))
        store_tile(nest, value, self.y.memory, at, tile, 0, self.y_stride)


def _moved(nest: LoopNest, offset: Index, indices: Sequence[Index], strides: Sequence[Index]) -> Index:
    for index, stride in zip(indices, strides, strict=True):
        offset = nest.add(offset, nest.mul(index, stride))
    return offset


# --- grid_sample ------------------------------------------------------------------------------------------


def lower_grid_sample(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, GridSampleOp)
    _GridSample(stage, nest, kernel).lower()


class _GridSample:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: GridSampleOp):
        self.nest, self.scalars = nest, Scalars(nest)
        self.x, self.grid = (nest.operands[position] for position in operand_positions(stage))
        self.y = nest.operands[-1]
        self.mode, self.padding = kernel.get("mode"), kernel.get("padding")
        self.coordinates = kernel.get("coordinates")
        rank = self.x.type.rank
        last = bool(kernel.get("channels_last"))
        self.axes = range(1, rank - 1) if last else range(2, rank)
        self.channels = _Channels(stage, nest, self.x, self.y, rank - 1 if last else 1)

    def lower(self) -> None:
        nest = self.nest
        x_strides, y_strides, grid_strides = (
            [nest.dim(stride) for stride in axis_strides(tensor)] for tensor in (self.x, self.y, self.grid)
        )
        *outer, row = [nest.dim(self.y.dims[axis]) for axis in self.axes]
        y_axes = [0, *self.axes]
        with nest.forall([nest.dim(self.y.dims[0]), *outer]) as places, nest.loop(0, row) as column:
            at = [*places, column.index]
            grid = _moved(nest, self.grid.origin, at, grid_strides[:-1])
            x = nest.add(self.x.origin, nest.mul(at[0], x_strides[0]))
            y = _moved(nest, self.y.origin, at, [y_strides[axis] for axis in y_axes])
            memory = nest.view(self.grid.memory, grid, [len(self.axes)], [1])
            neighbours = []
            for number, axis in enumerate(self.axes):
                # The grid names the last axis first.
                place = nest.load(memory, [len(self.axes) - 1 - number])
                neighbours.append(self._neighbours(place, nest.dim(self.x.dims[axis]), x_strides[axis]))

            def sample(start: Index, span: Span, x: Index = x, y: Index = y, found: list = neighbours) -> None:
                value = self._sum(found, x, None, start, span)
                self.channels.store(value, y, start, span)

            self.channels.each(sample)

    def _sum(
        self, axes: Sequence[list[_Neighbour]], offset: Index, counts: SSAValue | None, start: Index, span: Span
    ) -> SSAValue:
        """The sum over the neighbours along the axes that are left."""
        nest = self.nest
        if not axes:
            value = self.channels.load(offset, start, span)
            if counts is None:
                return value
            mask = nest.broadcast(counts, [span.size])
            return select(nest, mask, value, nest.constant(0, value.type))
        total: SSAValue | None = None
        for neighbour in axes[0]:
            inside = counts if neighbour.counts is None else neighbour.counts
            if neighbour.counts is not None and counts is not None:
                inside = self.scalars.both(neighbour.counts, counts)
            part = self._sum(axes[1:], nest.add(offset, neighbour.offset), inside, start, span)
            if neighbour.weight is None:
                return part
            weight = nest.broadcast(neighbour.weight, [span.size])
            total = nest.insert(arith.MulfOp(weight, part)) if total is None else nest.fma(weight, part, total)
        assert total is not None
        return total

    # --- positions ------------------------------------------------------------------------------------

    def _neighbours(self, place: SSAValue, size: Index, stride: Index) -> list[_Neighbour]:
        """Of a number of the grid: the elements along an axis that it lies between."""
        s = self.scalars
        count = s.of_index(size)
        position = self._position(place, count)
        last = s.sub(count, 1.0)
        if self.mode != "cubic" and self.padding == "border":
            position = s.at_most(s.at_least(position, 0.0), last)
        elif self.mode != "cubic" and self.padding == "reflection":
            position = self._reflected(position, count)
        # Further outside nothing changes.
        bounds = (-4.0, s.add(count, 3.0))
        if self.padding != "reflection" or self.mode != "cubic":
            position = s.at_most(s.at_least(position, bounds[0]), bounds[1])
        if self.mode == "nearest":
            return [self._neighbour(self.nest.insert(math.RoundEvenOp(position)), None, size, count, stride)]
        base = s.floor(position)
        part = s.sub(position, base)
        return [
            self._neighbour(s.add(base, float(number)), weight, size, count, stride)
            for number, weight in self._weights(part)
        ]

    def _position(self, place: SSAValue, count: SSAValue) -> SSAValue:
        s = self.scalars
        if self.coordinates == "elements":
            return place
        if self.coordinates == "centers":
            return s.mul(s.mul(s.add(place, 1.0), 0.5), s.sub(count, 1.0))
        return s.mul(s.sub(s.mul(s.add(place, 1.0), count), 1.0), 0.5)

    def _weights(self, part: SSAValue) -> list[tuple[int, SSAValue]]:
        """By neighbour, counted from the one before, its weight."""
        s = self.scalars
        rest = s.sub(s.number(1.0), part)
        if self.mode == "linear":
            return [(0, rest), (1, part)]
        return [
            (-1, self._far(s.add(part, 1.0))), (0, self._near(part)),
            (1, self._near(rest)), (2, self._far(s.add(rest, 1.0))),
        ]  # fmt: skip

    def _near(self, distance: SSAValue) -> SSAValue:
        s = self.scalars
        slope = s.sub(s.mul(distance, _CUBIC + 2), _CUBIC + 3)
        return s.add(s.mul(s.mul(slope, distance), distance), 1.0)

    def _far(self, distance: SSAValue) -> SSAValue:
        s = self.scalars
        value = s.sub(s.mul(distance, _CUBIC), 5 * _CUBIC)
        return s.sub(s.mul(s.add(s.mul(value, distance), 8 * _CUBIC), distance), 4 * _CUBIC)

    def _neighbour(
        self, place: SSAValue, weight: SSAValue | None, size: Index, count: SSAValue, stride: Index
    ) -> _Neighbour:
        nest, s = self.nest, self.scalars
        last = s.sub(count, 1.0)
        counts = None
        if self.padding == "zeros":
            counts = s.both(s.compare("oge", place, 0.0), s.compare("ole", place, last))
        elif self.padding == "reflection" and self.mode == "cubic":
            place = self._reflected(place, count)
        index = s.to_index(s.at_most(s.at_least(place, 0.0), last))
        return _Neighbour(nest.mul(index, stride), weight, counts)

    def _reflected(self, position: SSAValue, count: SSAValue) -> SSAValue:
        """Mirrored at the border until it lies inside: at the outermost elements, or at the edges of x."""
        s = self.scalars
        at_centers = self.coordinates == "centers"
        low, span = (0.0, s.sub(count, 1.0)) if at_centers else (-0.5, count)
        span = s.at_least(span, 1e-6)
        distance = self.nest.insert(math.AbsFOp(s.sub(position, low)))
        turns = s.floor(s.div(distance, span))
        rest = s.sub(distance, s.mul(turns, span))
        is_even = s.compare("oeq", s.mul(s.floor(s.mul(turns, 0.5)), 2.0), turns)
        return s.add(s.choose(is_even, rest, s.sub(span, rest)), low)


# --- roi_align --------------------------------------------------------------------------------------------


def lower_roi_align(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, RoiAlignOp)
    _RoiAlign(stage, nest, kernel).lower()


@dataclass(frozen=True)
class _Extent:
    """A region along one axis: where it starts, the extent of a place of the result, and its samples."""

    start: SSAValue
    place: SSAValue
    samples: Index
    samples_as_number: SSAValue


class _RoiAlign:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: RoiAlignOp):
        self.nest, self.kernel, self.scalars = nest, kernel, Scalars(nest)
        self.x, self.regions, self.images = (nest.operands[position] for position in operand_positions(stage))
        self.y = nest.operands[-1]
        last = bool(kernel.get("channels_last"))
        self.axes = (1, 2) if last else (2, 3)
        self.channels = _Channels(stage, nest, self.x, self.y, 3 if last else 1)
        self.is_max = kernel.get("kind") == "max"

    def lower(self) -> None:
        nest = self.nest
        x_strides, y_strides = ([nest.dim(stride) for stride in axis_strides(t)] for t in (self.x, self.y))
        height, width = self.kernel.get("size")
        with nest.forall([nest.dim(self.y.dims[0]), height]) as (region, row):
            image = self._image(region)
            rows, columns = (self._extent(region, axis) for axis in range(2))
            x = nest.add(self.x.origin, nest.mul(image, x_strides[0]))
            with nest.loop(0, width) as column:
                at = (region, row, column.index)
                y = _moved(nest, self.y.origin, at, [y_strides[axis] for axis in (0, *self.axes)])

                def pool(start: Index, span: Span, y: Index = y, column: Index = column.index) -> None:
                    value = self._pooled(x, rows, columns, row, column, start, span)
                    self.channels.store(value, y, start, span)

                self.channels.each(pool)

    def _image(self, region: Index) -> Index:
        nest = self.nest
        memory = nest.view(self.images.memory, nest.add(self.images.origin, region), [1], [1])
        image = to_index(nest, nest.load(memory, [0]))
        count = nest.dim(self.x.dims[0])

        def report() -> SSAValue:
            nest.report_index(image, count)
            return nest.constant(0)

        return nest.choose(nest.compare("ult", image, count), lambda: image, report)

    def _extent(self, region: Index, axis: int) -> _Extent:
        """Regions are x, y of one corner, then of the other."""
        nest, s, kernel = self.nest, self.scalars, self.kernel
        offset = nest.add(self.regions.origin, nest.mul(region, 4))
        corners = nest.view(self.regions.memory, offset, [4], [1])
        shift = 0.5 if kernel.get("half_pixel") else 0.0
        start, end = (
            s.sub(s.mul(nest.load(corners, [place]), float(kernel.get("spatial_scale"))), shift)
            for place in (1 - axis, 3 - axis)
        )
        extent = s.sub(end, start)
        if not kernel.get("half_pixel"):
            extent = s.at_least(extent, 1.0)
        place = s.div(extent, float(kernel.get("size")[axis]))
        given = kernel.get("sampling_ratio")
        if given > 0:
            return _Extent(start, place, given, s.number(float(given)))
        count = s.at_most(s.at_least(nest.insert(math.CeilOp(place)), 0.0), float(_MOST_SAMPLES))
        return _Extent(start, place, s.to_index(count), count)

    def _pooled(
        self, x: Index, rows: _Extent, columns: _Extent, row: Index, column: Index, start: Index, span: Span
    ) -> SSAValue:
        """A region whose ends are exchanged may have no samples: that is 0."""
        nest, s = self.nest, self.scalars
        first = nest.constant(float("-inf") if self.is_max else 0.0, nest.vector_type(f32, [span.size]))
        with nest.loop(0, rows.samples, carried=[first]) as down:
            upper = self._sample(rows, row, down.index, 0)
            with nest.loop(0, columns.samples, carried=down.carried) as across:
                left = self._sample(columns, column, across.index, 1)
                value = self._combined(across.carried[0], x, upper, left, start, span)
                across.yield_(value)
            down.yield_(*across.results)
        count = s.mul(rows.samples_as_number, columns.samples_as_number)
        if not self.is_max:
            return nest.insert(arith.DivfOp(down.results[0], nest.broadcast(s.at_least(count, 1.0), [span.size])))
        if self.kernel.get("sampling_ratio") > 0:
            return down.results[0]
        has_samples = nest.broadcast(s.compare("ogt", count, 0.0), [span.size])
        return select(nest, has_samples, down.results[0], nest.constant(0.0, first.type))

    def _sample(self, extent: _Extent, place: Index, number: Index, axis: int) -> list[_Neighbour]:
        """The two neighbours of a sample along an axis; one that lies outside by more than an element has no weight."""
        nest, s = self.nest, self.scalars
        size = nest.dim(self.x.dims[self.axes[axis]])
        stride = nest.dim(axis_strides(self.x)[self.axes[axis]])
        middle = s.add(s.of_index(number), 0.5)
        within = s.div(s.mul(middle, extent.place), extent.samples_as_number)
        position = s.add(s.add(extent.start, s.mul(s.of_index(place), extent.place)), within)
        counts = s.both(s.compare("oge", position, -1.0), s.compare("ole", position, s.of_index(size)))
        last = nest.sub(size, 1)
        clamped = s.at_most(s.at_least(position, 0.0), s.of_index(last))
        low = s.floor(clamped)
        first = s.to_index(low)
        share = s.sub(clamped, low)
        zero = s.number(0.0)
        weights = [s.choose(counts, weight, zero) for weight in (s.sub(s.number(1.0), share), share)]
        places = (first, nest.minimum(nest.add(first, 1), last))
        return [_Neighbour(nest.mul(at, stride), weight, None) for at, weight in zip(places, weights, strict=True)]

    def _combined(
        self,
        so_far: SSAValue,
        x: Index,
        rows: Sequence[_Neighbour],
        columns: Sequence[_Neighbour],
        start: Index,
        span: Span,
    ) -> SSAValue:
        """The largest weighted neighbour, as ONNX has it, or the sum of all."""
        nest = self.nest
        for upper in rows:
            for left in columns:
                assert upper.weight is not None and left.weight is not None
                weight = nest.broadcast(self.scalars.mul(upper.weight, left.weight), [span.size])
                element = self.channels.load(nest.add(x, nest.add(upper.offset, left.offset)), start, span)
                if self.is_max:
                    so_far = combine(nest, "max", so_far, nest.insert(arith.MulfOp(weight, element)))
                else:
                    so_far = nest.fma(weight, element, so_far)
        return so_far
