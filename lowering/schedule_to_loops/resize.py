"""kernel.resize: nearest and linear interpolation along any axes but the batch and the channels' blocks.

Nearest by a whole factor repeats each element in a block: a walk over x that writes every element
``factor`` times along each axis. Any other nearest walks y and computes, once for each index of an
axis, which element of x it shows. Linear reads 2^k neighbours along the k axes that change::

    for rows and columns of y, shared
      for channels, in vectors:  y = sum of neighbours of x, each times its weights

A coordinate that follows from sizes is a fraction: whole numbers above and below, divided once, in f64, so that it is
rounded exactly to the element before or after it. By a given scale it is computed in f32, as engines have it. For
linear interpolation it is clamped to x.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import f32, f64
from xdsl.ir import SSAValue

from ...dialects.decisions import Elements
from ...dialects.kernel import ResizeOp
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim, canonical, maximum
from ...reference.coordinates import FIRST_IF_SINGLE, IN_FLOAT32, Line, source_line
from .arithmetic import convert, index_as, select, to_index
from .element_loops import Position, for_each_span, outer_loops, walk_elements, walk_origins, walk_space
from .elementwise import apply_epilogue, operand_positions
from .halo import fill_halo
from .loop_nest import Index, LoopNest
from .operand_access import AxisMap, LoopDimension, Operand, iteration_dimensions, merge_dimensions, tracked
from .tile_access import Span, Tile, load_tile, store_tile


def lower_resize(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ResizeOp)
    resize = _Resize(stage, nest, kernel)
    if kernel.get("mode") == "linear":
        resize.linear()
    elif kernel.get("mode") != "nearest":
        raise ValueError(f"kernel.resize has no mode {kernel.get('mode')}")
    elif (factors := resize.whole_factors()) is not None:
        resize.repeat(factors)
    else:
        resize.nearest()


class _Resize:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ResizeOp):
        self.nest, self.kernel = nest, kernel
        positions = operand_positions(stage)
        self.x, self.y = nest.operands[positions[0]], nest.operands[-1]
        self.extras = [nest.operands[position] for position in positions[1:]]
        decisions = stage.decided(Elements)
        self.lanes, self.unroll = decisions.lanes, decisions.unroll
        self.rank = self.y.type.rank
        self.scales = [self._given_scale(axis) for axis in range(self.rank)]
        self.changed = [axis for axis in range(self.rank) if not self._is_unchanged(axis)]
        fill_halo(nest, self.y)

    def _given_scale(self, axis: int) -> tuple[Dim, Dim] | None:
        """An axis's scale as a fraction; None where it follows from the sizes."""
        scales, common = self.kernel.get("scales"), self.kernel.get("common_scale")
        if scales and scales[axis]:
            return scales[axis].as_integer_ratio()
        return tuple(common) if common else None

    def _is_unchanged(self, axis: int) -> bool:
        """Axes that keep their length; with a scale of their own they are still only copied if it is 1."""
        scale = self.scales[axis]
        return self.x.dims[axis] == self.y.dims[axis] and (scale is None or scale[0] == scale[1])

    def _finish(self, values: list[SSAValue]) -> SSAValue:
        return apply_epilogue(self.nest, self.kernel, values[0], values[1:])

    # --- nearest ------------------------------------------------------------------------------------------

    def whole_factors(self) -> dict[int, int] | None:
        """How often each changed axis repeats its elements, if that is all the resize does."""
        coordinates, rounding = self.kernel.get("coordinates"), self.kernel.get("rounding")
        plain = (coordinates, rounding) in (
            ("asymmetric", "floor"),
            ("half_pixel", "round_prefer_floor"),
            ("half_pixel", "round_prefer_ceil"),
        )
        factors: dict[int, int] = {}
        for axis in self.changed:
            before, after = self.x.dims[axis], self.y.dims[axis]
            numerator, denominator = self.scales[axis] or (after, before)
            if not plain or not isinstance(numerator, int) or not isinstance(denominator, int):
                return None
            factor, rest = divmod(numerator, max(denominator, 1))
            if rest or factor < 1 or after != before * factor:
                return None
            # (i + 0.5) / factor - 0.5 never lies halfway between two elements, so the preference decides nothing.
            factors[axis] = factor
        if any(self.x.type.layout.block_of(axis) or self.y.type.layout.block_of(axis) for axis in factors):
            return None
        return factors

    def repeat(self, factors: dict[int, int]) -> None:
        """A walk over x, whose space has one more dimension after each changed axis: the copies."""
        nest = self.nest
        steps = [factors.get(axis, 1) for axis in range(self.rank)]
        written = [
            Operand(tensor, steps=tuple(steps[self.rank - tensor.type.rank :])) for tensor in (*self.extras, self.y)
        ]
        operands = [Operand(self.x), *written]
        space = iteration_dimensions(self.x.dims, self.y.type.layout, operands)
        space += [self._copies(operands, axis, factor) for axis, factor in factors.items()]
        place = {(piece.axis, piece.is_outer): at for at, piece in enumerate(self.y.type.layout.pieces)}
        # The sort is stable: copies come right after the dimension of their axis.
        space.sort(key=lambda d: place[d.axis, d.unit > 1 if (d.axis, True) in place else False])
        origins = walk_origins(nest, self.rank, space, operands)
        walk_space(nest, space, origins, operands, self._finish, self.lanes, self.unroll)

    def _copies(self, operands: Sequence[Operand], axis: int, factor: int) -> LoopDimension:
        strides: list[Dim] = [0]
        for operand in operands[1:]:
            own = axis - (self.rank - operand.layout.rank)
            stands = own < 0 or operand.shape[own] == 1
            strides.append(0 if stands else operand.strides_of(own)[1])
        return LoopDimension(factor, tuple(strides), axis)

    def nearest(self) -> None:
        source = Operand(self.x, maps={axis: self._nearest_map(axis) for axis in self.changed})
        operands = [source, *(Operand(tensor) for tensor in self.extras), Operand(self.y)]
        walk_elements(self.nest, self.y.dims, self.y.type.layout, operands, self._finish, self.lanes, self.unroll)

    def _nearest_map(self, axis: int) -> AxisMap:
        shift, op = _ROUNDINGS[self.kernel.get("rounding")]

        def position(nest: LoopNest, index: Index) -> Index:
            whole = to_index(nest, nest.insert(op(self._coordinate(axis, index, shift))))
            return nest.maximum(nest.minimum(whole, nest.sub(nest.dim(self.x.dims[axis]), 1)), 0)

        return position

    # --- coordinates ----------------------------------------------------------------------------------------

    def _line(self, axis: int) -> Line:
        """Where the elements of y lie along an axis of x: see source_line."""
        before, after, coordinates = self.x.dims[axis], self.y.dims[axis], self.kernel.get("coordinates")
        if after == 1 and coordinates in FIRST_IF_SINGLE:
            return 0, 0, 1
        return source_line(coordinates, before, after, self.scales[axis])

    def _coordinate(self, axis: int, index: Index, halves: int = 0) -> SSAValue:
        """Where element ``index`` of y lies along an axis of x, moved by so many halves, as an f64."""
        scale = self.kernel.get("scales")[axis] if self.kernel.get("scales") else 0.0
        if scale and self.kernel.get("coordinates") in IN_FLOAT32:
            return self._shifted(self._in_float32(axis, index, scale), halves / 2)
        step, start, divisor = self._line(axis)
        if halves:
            step, start, divisor = 2 * step, 2 * start + halves * divisor, 2 * divisor
        return self._on_line(axis, index, (step, start, divisor))

    def _shifted(self, value: SSAValue, by: float) -> SSAValue:
        return value if by == 0 else self.nest.insert(arith.AddfOp(value, self.nest.constant(by, value.type)))

    def _in_float32(self, axis: int, index: Index, scale: float) -> SSAValue:
        """By a given scale, each step rounded to f32; as an f64."""
        nest, coordinates = self.nest, self.kernel.get("coordinates")
        place = self._shifted(index_as(nest, index, f32), 0 if coordinates == "asymmetric" else 0.5)
        place = nest.insert(arith.DivfOp(place, nest.constant(scale, f32)))
        place = self._shifted(place, -0.5 if coordinates in ("half_pixel", "pytorch_half_pixel") else 0)
        after = self.y.dims[axis]
        if coordinates in FIRST_IF_SINGLE and after == 1:
            place = nest.constant(0, f32)
        elif coordinates in FIRST_IF_SINGLE and not isinstance(after, int):
            is_single = nest.compare("eq", nest.dim(after), 1)
            place = select(nest, is_single, nest.constant(0, f32), place)
        return convert(nest, place, f64)

    def _on_line(self, axis: int, index: Index, line: Line) -> SSAValue:
        nest = self.nest
        step, start, divisor = (canonical(number) for number in line)
        numerator = nest.add(nest.mul(index, nest.dim(step)), nest.dim(start))
        before, after, coordinates = self.x.dims[axis], self.y.dims[axis], self.kernel.get("coordinates")
        if not isinstance(after, int) and coordinates in FIRST_IF_SINGLE:
            is_single = nest.compare("eq", nest.dim(after), 1)
            numerator = select(nest, is_single, nest.value(0), nest.value(numerator))
            divisor = maximum(divisor, 1)
        if coordinates == "tf_half_pixel_for_nn" and self.scales[axis] is None:
            # The only coordinates by which an axis that keeps its length would not stay as it is.
            is_same = nest.compare("eq", nest.dim(before), nest.dim(after))
            same = nest.mul(index, nest.dim(divisor))
            numerator = select(nest, is_same, nest.value(same), nest.value(numerator))
        return nest.insert(arith.DivfOp(index_as(nest, numerator, f64), index_as(nest, nest.dim(divisor), f64)))

    # --- linear ----------------------------------------------------------------------------------------------

    def linear(self) -> None:
        """The walk over y stands still in x along the changed axes; what it reads there is decided at each element."""
        nest = self.nest
        source = Operand(self.x, maps={axis: lambda nest, index: 0 for axis in self.changed}, repeats=False)
        operands = [source, *(Operand(tensor) for tensor in self.extras), Operand(self.y)]
        space = iteration_dimensions(self.y.dims, self.y.type.layout, operands)
        space = [tracked(dimension) if dimension.axis in self.changed else dimension for dimension in space]
        origins = walk_origins(nest, self.rank, space, operands)
        space = merge_dimensions(space)
        if not space or space[-1].axis in self.changed:
            space.append(LoopDimension(1, (0,) * len(operands)))
        *outer, columns = space
        with outer_loops(nest, outer, origins) as position:
            neighbours = [self._neighbours(axis, position) for axis in self.changed]

            def at(start: Index, span: Span) -> None:
                self._interpolate(operands, columns, position.moved(nest, columns, start), span, neighbours)

            for_each_span(nest, columns, position, self.lanes * self.unroll, self.lanes, at)

    def _neighbours(self, axis: int, position: Position) -> _Neighbours:
        nest = self.nest
        stride = nest.dim(Operand(self.x).strides_of(axis)[1])
        index = position.reached.get(("window", axis), 0)
        last = nest.sub(nest.dim(self.x.dims[axis]), 1)
        zero = nest.constant(0, f64)
        coordinate = nest.insert(arith.MaximumfOp(self._coordinate(axis, index), zero))
        coordinate = nest.insert(arith.MinimumfOp(coordinate, index_as(nest, last, f64)))
        floor = nest.insert(math.FloorOp(coordinate))
        first = nest.minimum(to_index(nest, floor), last)
        second = nest.minimum(nest.add(first, 1), last)
        part = convert(nest, nest.insert(arith.SubfOp(coordinate, floor)), f32)
        return _Neighbours(nest.mul(first, stride), nest.mul(second, stride), part)

    def _interpolate(
        self,
        operands: Sequence[Operand],
        columns: LoopDimension,
        position: Position,
        span: Span,
        neighbours: Sequence[_Neighbours],
    ) -> None:
        nest, tile = self.nest, Tile(None, span)

        def load(operand: int, offset: Index) -> SSAValue:
            stride = nest.dim(columns.strides[operand])
            loaded = load_tile(nest, operands[operand].memory, offset, tile, 0, stride)
            return nest.broadcast(loaded, tile.shape)

        def blend(axis: int, offset: Index) -> SSAValue:
            if axis == len(neighbours):
                return convert(nest, load(0, offset), f32)
            first = blend(axis + 1, nest.add(offset, neighbours[axis].first))
            second = blend(axis + 1, nest.add(offset, neighbours[axis].second))
            part = nest.broadcast(neighbours[axis].part, tile.shape)
            return nest.fma(part, nest.insert(arith.SubfOp(second, first)), first)

        value = blend(0, position.offsets[0])
        extras = [load(k, position.offsets[k]) for k in range(1, len(operands) - 1)]
        if self.kernel.has_epilogue:
            value = convert(nest, value, self.kernel.epilogue.block.args[0].type)
        value = convert(nest, self._finish([value, *extras]), self.y.element_type)
        stride = nest.dim(columns.strides[-1])
        store_tile(nest, value, self.y.memory, position.offsets[-1], tile, 0, stride)


@dataclass(frozen=True)
class _Neighbours:
    """Offsets in x of the two elements between which an element of y lies, and how far it is from the first."""

    first: Index
    second: Index
    part: SSAValue


# By how many halves a coordinate is moved before it is rounded down or up.
_ROUNDINGS: dict[str, tuple[int, type[math.FloorOp | math.CeilOp]]] = {
    "floor": (0, math.FloorOp),
    "ceil": (0, math.CeilOp),
    "round_prefer_floor": (-1, math.CeilOp),
    "round_prefer_ceil": (1, math.FloorOp),
}
