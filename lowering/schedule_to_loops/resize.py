"""kernel.resize: nearest and linear interpolation along any axes but the batch and the channels' blocks.

Nearest by a whole factor repeats each element in a block: a walk over x that writes every element
``factor`` times along each axis. Any other nearest walks y and computes, once for each index of an
axis, which element of x it shows. Linear reads 2^k neighbours along the k axes that change::

    for rows and columns of y, shared
      for channels, in vectors:  y = sum of neighbours of x, each times its weights

Coordinates are computed in f32 as ONNX says, and clamped to x for linear interpolation.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import IndexType, f32, i64
from xdsl.ir import SSAValue

from ...dialects.kernel import ResizeOp
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from .arithmetic import convert, index_as, select
from .element_loops import Position, for_each_span, outer_loops, walk_elements, walk_origins, walk_space
from .elementwise import apply_epilogue, operand_positions, unroll_for, vector_lanes
from .halo import fill_halo
from .loop_nest import Index, LoopNest
from .operand_access import AxisMap, Dimension, Operand, iteration_dimensions, merge_dimensions, tracked
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
        self.lanes = vector_lanes(stage)
        self.unroll = int(stage.decisions.get("unroll", unroll_for(kernel.epilogue)))
        self.rank = self.y.type.rank
        scales = kernel.get("scales")
        self.scales: Sequence[float] = scales if scales else [0.0] * self.rank
        self.changed = [axis for axis in range(self.rank) if not self._is_unchanged(axis)]
        fill_halo(nest, self.y)

    def _is_unchanged(self, axis: int) -> bool:
        """Axes that keep their length; with a scale of their own they are still only copied if it is 1."""
        return self.x.dims[axis] == self.y.dims[axis] and self.scales[axis] in (0.0, 1.0)

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
            scale = self.scales[axis]
            if not scale and isinstance(before, int) and isinstance(after, int) and after % before == 0:
                scale = float(after // before)
            if not plain or scale < 1 or scale != int(scale) or after != before * int(scale):
                return None
            # (i + 0.5) / factor - 0.5 never lies halfway between two elements, so the preference decides nothing.
            factors[axis] = int(scale)
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

    def _copies(self, operands: Sequence[Operand], axis: int, factor: int) -> Dimension:
        strides: list[Dim] = [0]
        for operand in operands[1:]:
            own = axis - (self.rank - operand.layout.rank)
            stands = own < 0 or operand.shape[own] == 1
            strides.append(0 if stands else operand.strides_of(own)[1])
        return Dimension(factor, tuple(strides), axis)

    def nearest(self) -> None:
        source = Operand(self.x, maps={axis: self._nearest_map(axis) for axis in self.changed})
        operands = [source, *(Operand(tensor) for tensor in self.extras), Operand(self.y)]
        walk_elements(self.nest, self.y.dims, self.y.type.layout, operands, self._finish, self.lanes, self.unroll)

    def _nearest_map(self, axis: int) -> AxisMap:
        def position(nest: LoopNest, index: Index) -> Index:
            rounded = _ROUNDINGS[self.kernel.get("rounding")](nest, self._coordinate(axis, index))
            whole = _to_index(nest, rounded)
            return nest.maximum(nest.minimum(whole, nest.sub(nest.dim(self.x.dims[axis]), 1)), 0)

        return position

    # --- coordinates ----------------------------------------------------------------------------------------

    def _coordinate(self, axis: int, index: Index) -> SSAValue:
        """Where element ``index`` of y lies along an axis of x, as ONNX's coordinate_transformation_mode says."""
        nest, kind = self.nest, self.kernel.get("coordinates")
        place = index_as(nest, index, f32)
        if kind == "align_corners":
            before, after = (nest.sub(nest.dim(tensor.dims[axis]), 1) for tensor in (self.x, self.y))
            spaces = index_as(nest, nest.maximum(after, 1), f32)
            return nest.insert(arith.DivfOp(nest.insert(arith.MulfOp(place, index_as(nest, before, f32))), spaces))
        if kind == "asymmetric":
            return nest.insert(arith.DivfOp(place, self._scale(axis)))
        if kind not in ("half_pixel", "pytorch_half_pixel"):
            raise ValueError(f"kernel.resize has no coordinates {kind}")
        half = nest.constant(0.5, f32)
        centre = nest.insert(arith.DivfOp(nest.insert(arith.AddfOp(place, half)), self._scale(axis)))
        shifted = nest.insert(arith.SubfOp(centre, half))
        if kind == "half_pixel":
            return shifted
        is_single = nest.compare("eq", nest.dim(self.y.dims[axis]), 1)
        return select(nest, is_single, nest.constant(0, f32), shifted)

    def _scale(self, axis: int) -> SSAValue:
        nest = self.nest
        if self.scales[axis]:
            return nest.constant(self.scales[axis], f32)
        before, after = (nest.dim(tensor.dims[axis]) for tensor in (self.x, self.y))
        return nest.insert(arith.DivfOp(index_as(nest, after, f32), index_as(nest, before, f32)))

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
            space.append(Dimension(1, (0,) * len(operands)))
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
        zero = nest.constant(0, f32)
        coordinate = nest.insert(arith.MaximumfOp(self._coordinate(axis, index), zero))
        coordinate = nest.insert(arith.MinimumfOp(coordinate, index_as(nest, last, f32)))
        floor = nest.insert(math.FloorOp(coordinate))
        first = nest.minimum(_to_index(nest, floor), last)
        second = nest.minimum(nest.add(first, 1), last)
        part = nest.insert(arith.SubfOp(coordinate, floor))
        return _Neighbours(nest.mul(first, stride), nest.mul(second, stride), part)

    def _interpolate(
        self,
        operands: Sequence[Operand],
        columns: Dimension,
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


def _to_index(nest: LoopNest, value: SSAValue) -> Index:
    return nest.insert(arith.IndexCastOp(nest.insert(arith.FPToSIOp(value, i64)), IndexType()))


def _shifted(op: type[math.FloorOp | math.CeilOp], shift: float) -> Callable[[LoopNest, SSAValue], SSAValue]:
    def apply(nest: LoopNest, value: SSAValue) -> SSAValue:
        moved = value if shift == 0 else nest.insert(arith.AddfOp(value, nest.constant(shift, f32)))
        return nest.insert(op(moved))

    return apply


_ROUNDINGS: dict[str, Callable[[LoopNest, SSAValue], SSAValue]] = {
    "floor": _shifted(math.FloorOp, 0),
    "ceil": _shifted(math.CeilOp, 0),
    "round_prefer_floor": _shifted(math.CeilOp, -0.5),
    "round_prefer_ceil": _shifted(math.FloorOp, 0.5),
}
