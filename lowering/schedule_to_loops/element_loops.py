"""The loops of every kernel that computes each element of its result from one element of each operand.

::

    for the outer dimensions, flattened         (each thread takes its share)
      for the other outer dimensions
        for tile of rows                        (where the columns are few, or an operand lies along the rows)
          for tile of columns
            result[tile] = compute(operands[tile])

Full tiles come first. What is left of a known size is a smaller tile, of an unknown size a masked one.
Operands that do not change along the remaining loops are loaded outside of them.

Decisions of the kernels that use it: ``lanes`` of a vector, ``unroll`` vectors in a tile.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.layout_algebra import Layout
from ...dialects.shape import Dim
from .long_sums import loop_in_blocks
from .loop_nest import Index, LoopNest
from .operand_access import LoopDimension, Operand, iteration_dimensions, merge_dimensions, split_dimension
from .tile_access import Span, Tile, load_tile, store_tile

# Pieces of work that leave a few threads evenly loaded, and elements below which splitting gains nothing.
_ENOUGH_PIECES = 32
_WORTH_SPLITTING = 4096
_TILES_IN_CHUNK_OF_UNKNOWN = 16

Compute = Callable[[list[SSAValue]], SSAValue]
Locate = Callable[["Position"], "Position"]


def walk_elements(
    nest: LoopNest,
    shape: Sequence[Dim],
    order: Layout,
    operands: Sequence[Operand],
    compute: Compute,
    lanes: int = 16,
    unroll: int = 4,
) -> None:
    """Writes the loops over all elements of ``shape``, in the physical order of ``order``.

    ``operands`` are the inputs, then the result; each broadcasts to the shape. ``compute`` gets a vector of each input.
    """
    space = iteration_dimensions(shape, order, operands)
    ragged = next((d for d in space if d.group is not None and d.unit > 1 and isinstance(d.extent, int)), None)
    if ragged is None:
        origins = walk_origins(nest, len(shape), space, operands)
        walk_space(nest, space, origins, operands, compute, lanes, unroll)
        return
    # The full blocks and the last one, whose size is known, need no masks when they are walked apart.
    axis, whole = ragged.axis, int(ragged.extent) // ragged.unit * ragged.unit
    rest = [_beyond(operand, shape, axis, whole) for operand in operands]
    for size, part in ((whole, operands), (int(ragged.extent) - whole, rest)):
        box = [*shape[:axis], size, *shape[axis + 1 :]]
        walk_elements(nest, box, order, part, compute, lanes, unroll)


def _beyond(operand: Operand, shape: Sequence[Dim], axis: int, distance: int) -> Operand:
    """The operand from ``distance`` elements further along an axis of the walk."""
    own = axis - len(shape) + operand.layout.rank
    if own < 0 or (operand.shape[own] == 1 and shape[axis] != 1):
        return operand
    starts = [operand.start(each) for each in range(operand.layout.rank)]
    starts[own] = dims.add(starts[own], distance * operand.step(own))
    return replace(operand, starts=tuple(starts))


def walk_space(
    nest: LoopNest,
    space: Sequence[LoopDimension],
    origins: Sequence[Index],
    operands: Sequence[Operand],
    compute: Compute,
    lanes: int = 16,
    unroll: int = 4,
    outer_axes: Sequence[int] = (),
    locate: Locate | None = None,
) -> None:
    """Writes the loops over a space, from the operands' offsets ``origins``.

    Dimensions of ``outer_axes`` go outside of the tiles; ``locate`` may then move operands to where the data says.
    """
    plan = _plan(merge_dimensions(space), len(operands), lanes, unroll, outer_axes)
    _Walk(nest, plan, operands, compute).run(origins, locate)


def walk_origins(nest: LoopNest, rank: int, space: Sequence[LoopDimension], operands: Sequence[Operand]) -> list[Index]:
    """Offset of each operand's first element; ``rank`` is the walk's, to which operands broadcast."""
    irregular = [dimension.axis for dimension in space if dimension.offsets]
    return [operand.origin(nest, [axis - rank + operand.layout.rank for axis in irregular]) for operand in operands]


class Position:
    """Where loops have got to: the offset into each operand, and how far into the groups of the space."""

    def __init__(self, offsets: Sequence[Index], reached: dict[object, Index] | None = None):
        self.offsets = list(offsets)
        self.reached = reached or {}

    def moved(self, nest: LoopNest, dimension: LoopDimension, index: Index) -> Position:
        """The position ``index`` turns further along a dimension."""
        if dimension.offsets:
            steps = [0 if offset is None else offset(nest, index) for offset in dimension.offsets]
        else:
            # Operands often share strides, and offsets: each product and sum is made once.
            products = {stride: nest.mul(index, nest.dim(stride)) for stride in dict.fromkeys(dimension.strides)}
            steps = [products[stride] for stride in dimension.strides]
        reached = dict(self.reached)
        if dimension.group is not None:
            walked = nest.mul(index, dimension.unit)
            reached[dimension.group] = nest.add(reached.get(dimension.group, 0), walked)
        pairs = list(zip(self.offsets, steps, strict=True))
        sums = {pair: nest.add(*pair) for pair in dict.fromkeys(pairs)}
        return Position([sums[pair] for pair in pairs], reached)

    def bound(self, nest: LoopNest, dimension: LoopDimension) -> Index:
        """Turns that the dimension has from here."""
        if not self.limits(dimension):
            return nest.dim(dimension.size)
        left = nest.sub(nest.dim(dimension.extent), self.reached[dimension.group])
        return nest.minimum(nest.ceildiv(left, dimension.unit), nest.dim(dimension.size))

    def limits(self, dimension: LoopDimension) -> bool:
        """Whether the dimension can end early here."""
        return dimension.group is not None and dimension.group in self.reached


@dataclass(frozen=True)
class _Plan:
    """``outer`` loops around tiles of rows and columns."""

    outer: list[LoopDimension]
    rows: LoopDimension | None
    columns: LoopDimension
    tile_rows: int
    tile_columns: int
    lanes: int

    @property
    def levels(self) -> list[LoopDimension]:
        """Loops of tiles, outermost first; columns that fit in one tile come first, to load what rows share once."""
        if self.rows is None:
            return [self.columns]
        single = isinstance(self.columns.size, int) and self.columns.size <= self.tile_columns
        return [self.columns, self.rows] if single else [self.rows, self.columns]


def _plan(
    space: Sequence[LoopDimension], operands: int, lanes: int, unroll: int, outer_axes: Sequence[int] = ()
) -> _Plan:
    outer = list(space)
    if not outer or outer[-1].offsets or outer[-1].axis in outer_axes:
        outer.append(LoopDimension(1, (0,) * operands))
    columns = outer.pop()
    tile_rows, tile_columns = 1, lanes * unroll
    candidates = [dimension for dimension in outer if dimension.axis not in outer_axes]
    rows = _transposed_rows(candidates, columns)
    if rows is not None:
        tile_rows, tile_columns = lanes, lanes
    elif candidates and candidates[-1] is outer[-1] and _fills_little(columns, tile_columns, outer[-1]):
        rows = outer[-1]
        tile_rows = min(8, tile_columns // (-(-int(columns.size) // lanes) * lanes))
    if rows is not None:
        outer.remove(rows)
    outer, rows, columns = add_chunks(outer, rows, columns, tile_rows, tile_columns)
    return _Plan(outer, rows, columns, tile_rows, tile_columns, lanes)


def _fills_little(columns: LoopDimension, tile_columns: int, rows: LoopDimension) -> bool:
    """Whether a tile should take several rows, because it has room for two at least."""
    return isinstance(columns.size, int) and 0 < 2 * columns.size <= tile_columns and _can_be_rows(rows, columns)


def _can_be_rows(rows: LoopDimension, columns: LoopDimension) -> bool:
    return rows.is_regular and (rows.group is None or rows.group != columns.group)


def _transposed_rows(outer: Sequence[LoopDimension], columns: LoopDimension) -> LoopDimension | None:
    """A dimension along which an input is contiguous that is not along the columns."""
    for operand, stride in enumerate(columns.strides[:-1]):
        # What stands still or is contiguous needs no transposing.
        if stride in (0, 1):
            continue
        for position, dimension in enumerate(outer):
            is_last_of_group = dimension.group is None or all(d.group != dimension.group for d in outer[position + 1 :])
            if dimension.strides[operand] == 1 and is_last_of_group and _can_be_rows(dimension, columns):
                return dimension
    return None


def _known(size: Dim) -> int:
    return size if isinstance(size, int) else 1


def add_chunks(
    outer: list[LoopDimension], rows: LoopDimension | None, columns: LoopDimension, tile_rows: int, tile_columns: int
) -> tuple[list[LoopDimension], LoopDimension | None, LoopDimension]:
    """Cuts rows or columns in chunks for the threads to share where the outer loops are too few."""
    pieces = math.prod(_known(dimension.size) for dimension in outer)
    sizes = [dimension.size for dimension in (*outer, rows, columns) if dimension is not None]
    if pieces == 0 or pieces >= _ENOUGH_PIECES or (dims.is_static(sizes) and dims.product(sizes) < _WORTH_SPLITTING):
        return outer, rows, columns
    cut, tile = (columns, tile_columns) if rows is None else (rows, tile_rows)
    if cut.group is not None:
        return outer, rows, columns
    if isinstance(cut.size, int):
        chunk = -(-cut.size * pieces // (_ENOUGH_PIECES * tile)) * tile
        if chunk >= cut.size:
            return outer, rows, columns
    else:
        chunk = tile * _TILES_IN_CHUNK_OF_UNKNOWN
    index, inside = split_dimension(cut, chunk, "chunk")
    return [*outer, index], inside if rows is not None else None, columns if rows is not None else inside


def _shared_loops(outer: Sequence[LoopDimension]) -> int:
    """The fewest loops from the outermost that make enough pieces; no bound of theirs may depend on another."""
    pieces = 1
    groups: set[object] = set()
    for count, dimension in enumerate(outer):
        if pieces >= _ENOUGH_PIECES or (dimension.group is not None and dimension.group in groups):
            return count
        groups.add(dimension.group)
        pieces *= _known(dimension.size)
    return len(outer)


class _Walk:
    """Writes the loops of a plan."""

    def __init__(self, nest: LoopNest, plan: _Plan, operands: Sequence[Operand], compute: Compute):
        self.nest, self.plan, self.operands, self.compute = nest, plan, operands, compute
        self.result = len(operands) - 1
        self.inputs = [index for index in range(self.result) if operands[index].loaded]

    def run(self, origins: Sequence[Index], locate: Locate | None) -> None:
        with outer_loops(self.nest, self.plan.outer, origins) as position:
            self._tiles(self.plan.levels, position if locate is None else locate(position), {}, {})

    def _tiles(
        self, levels: Sequence[LoopDimension], position: Position, spans: dict[int, Span], loaded: dict[int, SSAValue]
    ) -> None:
        """Loops over the tiles of the remaining levels; ``spans`` holds those chosen, by the dimension's id."""
        loaded = dict(loaded)
        for operand in self.inputs:
            if operand not in loaded and all(level.strides[operand] == 0 for level in levels):
                loaded[operand] = self._load(operand, position, spans)
        if not levels:
            self._compute_tile(position, spans, loaded)
            return
        level, *rest = levels

        def at(start: Index, span: Span) -> None:
            self._tiles(rest, position.moved(self.nest, level, start), {**spans, id(level): span}, loaded)

        is_columns = level is self.plan.columns
        width = self.plan.tile_columns if is_columns else self.plan.tile_rows
        for_each_span(self.nest, level, position, width, self.plan.lanes if is_columns else 0, at)

    def _load(self, operand: int, position: Position, spans: dict[int, Span]) -> SSAValue:
        return load_tile(
            self.nest,
            self.operands[operand].memory,
            position.offsets[operand],
            self._tile(spans),
            *self._strides(operand),
        )

    def _strides(self, operand: int) -> tuple[Index, Index]:
        rows = 0 if self.plan.rows is None else self.nest.dim(self.plan.rows.strides[operand])
        return rows, self.nest.dim(self.plan.columns.strides[operand])

    def _tile(self, spans: dict[int, Span]) -> Tile:
        """The tile of the spans chosen so far; an operand that is loaded early has stride 0 along the others."""
        rows = None if self.plan.rows is None else spans.get(id(self.plan.rows))
        if rows is not None and rows.size == 1:
            rows = None
        return Tile(rows, spans.get(id(self.plan.columns), Span(1)))

    def _compute_tile(self, position: Position, spans: dict[int, Span], loaded: dict[int, SSAValue]) -> None:
        nest, tile = self.nest, self._tile(spans)
        values = [nest.broadcast(loaded[operand], tile.shape) for operand in self.inputs]
        result = nest.broadcast(self.compute(values), tile.shape)
        memory = self.operands[self.result].memory
        store_tile(nest, result, memory, position.offsets[self.result], tile, *self._strides(self.result))


@contextlib.contextmanager
def outer_loops(nest: LoopNest, dimensions: Sequence[LoopDimension], origins: Sequence[Index]) -> Iterator[Position]:
    """Loops over dimensions, as many of the outer ones flattened and split among threads as make enough pieces.

    Where some are said to be shared, threads share these, which then go inside of the others before them.
    """
    alone, shared, rest = _by_share(dimensions)
    position = Position(origins)
    with contextlib.ExitStack() as stack:

        def loop_over(dimension: LoopDimension) -> Position:
            index = stack.enter_context(nest.loop(0, position.bound(nest, dimension))).index
            return position.moved(nest, dimension, index)

        for dimension in alone:
            position = loop_over(dimension)
        indices = stack.enter_context(nest.forall([nest.dim(dimension.size) for dimension in shared] or [1]))
        for dimension, index in zip(shared, indices, strict=False):
            position = position.moved(nest, dimension, index)
        for dimension in rest:
            position = loop_over(dimension)
        yield position


def _by_share(
    dimensions: Sequence[LoopDimension],
) -> tuple[list[LoopDimension], list[LoopDimension], list[LoopDimension]]:
    """What each thread walks alone outside of what threads share, that, and what each walks inside of it."""
    shared = [dimension for dimension in dimensions if dimension.is_shared]
    if not shared:
        count = _shared_loops(dimensions)
        return [], list(dimensions[:count]), list(dimensions[count:])
    end = 1 + max(number for number, dimension in enumerate(dimensions) if dimension.is_shared)
    return [d for d in dimensions[:end] if not d.is_shared], shared, list(dimensions[end:])


@dataclass(frozen=True)
class Stretch:
    """A run of equal spans along a dimension.

    part: ``whole`` spans of a width; the ``rest`` of a known size; what is ``left`` of an unknown one, span by span;
    or the ``only`` span of a dimension that may end early.
    """

    size: int
    part: str
    is_masked: bool = False
    start: int = 0
    count: int = 0


def stretches_of(dimension: LoopDimension, limited: bool, width: int, mask_lanes: int) -> list[Stretch]:
    """How a dimension is covered by spans of ``width`` and smaller ones.

    With ``mask_lanes`` a rest goes in masked vectors of so many lanes, without it in single elements.
    ``limited``: it may end early.
    """
    size = dimension.size
    if isinstance(size, int) and not limited:
        whole = size - size % width
        segments = [Stretch(width, "whole", count=whole)] if whole else []
        if size == whole:
            return segments
        rest = size - whole
        ragged = rest % mask_lanes if mask_lanes else 0
        # A rest whose vectors are powers of two goes without a mask.
        if ragged & (ragged - 1) == 0:
            return [*segments, Stretch(rest, "rest", start=whole)]
        return [*segments, Stretch(rest - ragged + mask_lanes, "rest", True, whole, rest)]
    if mask_lanes and isinstance(size, int) and size <= width:
        return [Stretch(size, "only", True)]
    return [Stretch(width, "whole"), Stretch(min(mask_lanes, width) or 1, "left", mask_lanes > 0)]


def walk_stretch(
    nest: LoopNest,
    segment: Stretch,
    dimension: LoopDimension,
    position: Position,
    width: int,
    body: Callable[[Index, Span, list[SSAValue]], Sequence[SSAValue]],
    carried: Sequence[SSAValue] = (),
    turns: int = 0,
    keeps_lost: bool = True,
) -> list[SSAValue]:
    """Calls ``body(start, span, carried)`` for the spans of one segment; gives the values that the last one left.

    With ``turns`` in a block they are sums from zero, as of ``loop_in_blocks``.
    """
    if segment.part == "rest":
        span = Span(segment.size, segment.count if segment.is_masked else None)
        return list(body(segment.start, span, list(carried)))
    if segment.part == "whole" and segment.count:

        def whole_turn(start: Index, values: list[SSAValue]) -> Sequence[SSAValue]:
            return body(start, Span(width), values)

        return loop_in_blocks(nest, 0, segment.count, width, carried, turns, whole_turn, keeps_lost)
    bound = position.bound(nest, dimension)
    if segment.part == "only":
        return list(body(0, Span(segment.size, bound), list(carried)))
    whole = nest.mul(nest.floordiv(bound, width), width)
    lower, upper = (0, whole) if segment.part == "whole" else (whole, bound)

    def turn(start: Index, values: list[SSAValue]) -> Sequence[SSAValue]:
        left = nest.minimum(nest.sub(bound, start), segment.size) if segment.is_masked else None
        return body(start, Span(segment.size, left), values)

    # What is left of a whole span is too little to need blocks.
    turns = turns if segment.part == "whole" else 0
    return loop_in_blocks(nest, lower, upper, segment.size, carried, turns, turn, keeps_lost)


def for_each_span(
    nest: LoopNest,
    dimension: LoopDimension,
    position: Position,
    width: int,
    mask_lanes: int,
    body: Callable[[Index, Span], None],
) -> None:
    """Calls ``body(start, span)`` for spans that cover a dimension (``stretches_of`` says which)."""

    def without_values(start: Index, span: Span, _: list[SSAValue]) -> Sequence[SSAValue]:
        body(start, span)
        return ()

    for segment in stretches_of(dimension, position.limits(dimension), width, mask_lanes):
        walk_stretch(nest, segment, dimension, position, width, without_values)
