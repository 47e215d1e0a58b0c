"""kernel.scatter_elements and kernel.scatter_nd: a copy of x, into which updates go one after another.

::

    for the axes before, and stretches of columns, shared          (which no index crosses)
      y[..., columns] = x[..., columns]
      for updates, in order
        report indices[update] out of range
        y[..., indices[update], columns] = y[...] op updates[update, columns]

Several updates of one place are thus made in their order, whatever the number of threads. Where one index holds for
all columns they go in vectors, else each column has its own. Of an index out of range its update goes to place 0;
that the run fails is the runtime's part. x may be one element for all of y.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from xdsl.dialects import arith
from xdsl.dialects.builtin import AnyFloat, i1
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.decisions import Elements
from ...dialects.kernel_indexing import ScatterElementsOp, ScatterNdOp
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from .arithmetic import combine, element_of
from .elementwise import operand_positions
from .gather import checked_index
from .loop_nest import Index, LoopNest, Tensor
from .operand_access import axis_strides
from .tile_access import Span, Tile, load_tile, store_tile

# Columns that are too few to be shared out; with them whole blocks of y are copied at once.
_FEW_COLUMNS = 32
_KINDS = {"add": "sum", "mul": "prod", "max": "max", "min": "min"}
_UNSIGNED = {"max": arith.MaxUIOp, "min": arith.MinUIOp}
# Sums of truth values are as their maxima, products as their minima.
_OF_TRUTH_VALUES = {"add": arith.OrIOp, "max": arith.OrIOp, "mul": arith.AndIOp, "min": arith.AndIOp}


@dataclass(frozen=True)
class _Axis:
    """An axis of y: its size, how many of it have updates, and the elements between neighbours of each tensor."""

    size: Dim
    count: Dim
    x: Dim
    y: Dim
    indices: Dim
    updates: Dim


@dataclass(frozen=True)
class _Part:
    """One number of a position: where it lies among those of an update, and the axis of y that it is a place on."""

    offset: Index
    size: Dim
    stride: Dim


@dataclass(frozen=True)
class _At:
    """Offsets into the tensors."""

    x: Index
    y: Index
    indices: Index
    updates: Index

    def moved(self, nest: LoopNest, axis: _Axis, index: Index) -> _At:
        def further(offset: Index, stride: Dim) -> Index:
            return nest.add(offset, nest.mul(index, nest.dim(stride)))

        return _At(
            further(self.x, axis.x),
            further(self.y, axis.y),
            further(self.indices, axis.indices),
            further(self.updates, axis.updates),
        )


def lower_scatter_elements(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ScatterElementsOp)
    scatter = _Scatter(stage, nest, kernel)
    axis, rank = kernel.get("axis"), scatter.y.type.rank
    axes = [scatter.axis(each) for each in range(rank)]
    own = axes[axis]
    turns = _Axis(own.count, own.count, 0, 0, own.indices, own.updates)
    along = [replace(own, count=own.size)]
    scatter.write(axes[:axis], turns, axes[axis + 1 :], along, [_Part(0, own.size, own.y)])


def lower_scatter_nd(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, ScatterNdOp)
    scatter = _Scatter(stage, nest, kernel)
    *counts, depth = scatter.indices.dims
    assert isinstance(depth, int)
    y_strides = axis_strides(scatter.y)
    x_strides = scatter.strides_of_x()
    slices = scatter.y.dims[depth:]
    inside = [
        _Axis(size, size, x, y, 0, y) for size, x, y in zip(slices, x_strides[depth:], y_strides[depth:], strict=True)
    ]
    along = [
        _Axis(size, size, x, y, 0, 0) for size, x, y in zip(scatter.y.dims[:depth], x_strides, y_strides, strict=False)
    ]
    count = dims.product(counts)
    turns = _Axis(count, count, 0, 0, depth, dims.product(slices))
    scatter.write([], turns, inside, along, [_Part(place, a.size, a.y) for place, a in enumerate(along)])


class _Scatter:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: ScatterElementsOp | ScatterNdOp):
        self.nest, self.kernel = nest, kernel
        self.x, self.indices, self.updates = (nest.operands[position] for position in operand_positions(stage))
        self.y = nest.operands[-1]
        self.reduction = kernel.get("reduction")
        decisions = stage.decided(Elements)
        self.lanes, self.width = decisions.lanes, decisions.lanes * decisions.unroll
        self.is_filled = all(size == 1 for size in self.x.dims)

    def strides_of_x(self) -> Sequence[Dim]:
        return [0] * self.y.type.rank if self.is_filled else axis_strides(self.x)

    def axis(self, axis: int) -> _Axis:
        """An axis of tensors that all have it, the indices perhaps once for all updates along it."""
        count, own = self.updates.dims[axis], self.indices.dims[axis]
        stride = 0 if own == 1 else axis_strides(self.indices)[axis]
        return _Axis(
            self.y.dims[axis],
            count,
            self.strides_of_x()[axis],
            axis_strides(self.y)[axis],
            stride,
            axis_strides(self.updates)[axis],
        )

    # --- loops ----------------------------------------------------------------------------------------

    def write(
        self, before: list[_Axis], turns: _Axis, inside: list[_Axis], along: list[_Axis], parts: list[_Part]
    ) -> None:
        """``along`` are the axes that indices cross, ``inside`` those after them."""
        nest = self.nest
        inside = _merged(inside)
        columns = inside.pop() if inside else _Axis(1, 1, 0, 0, 0, 0)
        is_shared = not inside and _is_whole(columns) and not _is_few(columns.size)
        bounds = [nest.dim(axis.size) for axis in before]
        with nest.forall([*bounds, nest.threads if is_shared else 1]) as (*outer, piece):
            at = _At(self.x.origin, self.y.origin, self.indices.origin, self.updates.origin)
            for axis, index in zip(before, outer, strict=True):
                at = at.moved(nest, axis, index)
            begin, end = self._stretch(columns, piece) if is_shared else (0, nest.dim(columns.count))
            if is_shared:
                self._copy_columns(at, along, begin, end)
            else:
                self._copy(at, 0, nest.dim(dims.product(axis.size for axis in (*along, *inside, columns))))
            with self._where_updated(before, outer), nest.loop(0, nest.dim(turns.count)) as turn:
                self._update(at.moved(nest, turns, turn.index), inside, columns, parts, begin, end)

    def _stretch(self, columns: _Axis, piece: Index) -> tuple[Index, Index]:
        """This thread's columns: whole vectors of them."""
        nest, count = self.nest, self.nest.dim(columns.size)
        length = nest.mul(nest.ceildiv(nest.ceildiv(count, self.lanes), nest.threads), self.lanes)
        begin = nest.minimum(nest.mul(piece, length), count)
        return begin, nest.minimum(nest.add(begin, length), count)

    @contextlib.contextmanager
    def _where_updated(self, axes: Sequence[_Axis], indices: Sequence[Index]) -> Iterator[None]:
        """The places along axes that have updates."""
        nest = self.nest
        with contextlib.ExitStack() as stack:
            for axis, index in zip(axes, indices, strict=True):
                if not _is_whole(axis):
                    stack.enter_context(nest.when(nest.compare("slt", index, nest.dim(axis.count))))
            yield

    def _update(
        self, at: _At, inside: list[_Axis], columns: _Axis, parts: list[_Part], begin: Index, end: Index
    ) -> None:
        """One turn: what goes to the place that an index, or one of each column, says."""
        nest = self.nest
        if columns.indices == 0 and all(axis.indices == 0 for axis in inside):
            at = self._moved_to(at, parts)
            with self._loops(inside, at) as here:
                self._spans(begin, end, lambda start, span: self._combine(here, start, span))
            return
        with self._loops(inside, at) as here, nest.loop(begin, end) as column:
            self._combine(self._moved_to(here.moved(nest, columns, column.index), parts), 0, Span(1))

    @contextlib.contextmanager
    def _loops(self, axes: Sequence[_Axis], at: _At) -> Iterator[_At]:
        with self.nest.loops([self.nest.dim(axis.count) for axis in axes]) as indices:
            for axis, index in zip(axes, indices, strict=True):
                at = at.moved(self.nest, axis, index)
            yield at

    def _moved_to(self, at: _At, parts: Sequence[_Part]) -> _At:
        """Where the position at ``at.indices`` says that the update goes."""
        nest, y = self.nest, at.y
        for part in parts:
            memory = nest.view(self.indices.memory, nest.add(at.indices, part.offset), [1], [1])
            place = checked_index(nest, nest.load(memory, [0]), nest.dim(part.size))
            y = nest.add(y, nest.mul(place, nest.dim(part.stride)))
        return _At(at.x, y, at.indices, at.updates)

    def _spans(self, begin: Index, end: Index, body: Callable[[Index, Span], None]) -> None:
        """Calls ``body(start, span)`` for what lies side by side, full tiles first, then vectors."""
        nest = self.nest
        whole = nest.add(begin, nest.mul(nest.floordiv(nest.sub(end, begin), self.width), self.width))
        with nest.loop(begin, whole, self.width) as tile:
            body(tile.index, Span(self.width))
        if isinstance(whole, int) and isinstance(end, int) and end - whole == 1:
            body(whole, Span(1))
            return
        with nest.loop(whole, end, self.lanes) as left:
            body(left.index, Span(self.lanes, nest.minimum(nest.sub(end, left.index), self.lanes)))

    # --- elements -------------------------------------------------------------------------------------

    def _copy_columns(self, at: _At, along: Sequence[_Axis], begin: Index, end: Index) -> None:
        with self._loops(along, at) as here:
            self._copy(here, begin, end)

    def _copy(self, at: _At, begin: Index, end: Index) -> None:
        """Elements of x, which lie side by side in y."""
        nest = self.nest
        stride = 0 if self.is_filled else 1

        def move(start: Index, span: Span) -> None:
            tile = Tile(None, span)
            source = nest.add(at.x, nest.mul(start, stride))
            value = nest.broadcast(load_tile(nest, self.x.memory, source, tile, 0, stride), tile.shape)
            store_tile(nest, value, self.y.memory, nest.add(at.y, start), tile, 0, 1)

        self._spans(begin, end, move)

    def _combine(self, at: _At, start: Index, span: Span) -> None:
        nest, tile = self.nest, Tile(None, span)

        def load(tensor: Tensor, offset: Index) -> SSAValue:
            return load_tile(nest, tensor.memory, nest.add(offset, start), tile, 0, 1)

        value = load(self.updates, at.updates)
        if self.reduction != "none":
            value = self._reduced(load(self.y, at.y), value)
        store_tile(nest, value, self.y.memory, nest.add(at.y, start), tile, 0, 1)

    def _reduced(self, old: SSAValue, new: SSAValue) -> SSAValue:
        nest, element = self.nest, element_of(old.type)
        if element == i1:
            return nest.insert(_OF_TRUTH_VALUES[self.reduction](old, new))
        if not isinstance(element, AnyFloat) and self.kernel.unsigned is not None and self.reduction in _UNSIGNED:
            return nest.insert(_UNSIGNED[self.reduction](old, new))
        return combine(nest, _KINDS[self.reduction], old, new)


def _is_whole(axis: _Axis) -> bool:
    """Whether there are updates for all places along it."""
    return dims.same_dimension(axis.size, axis.count)


def _is_few(size: Dim) -> bool:
    return isinstance(size, int) and size < _FEW_COLUMNS


def _merged(axes: Sequence[_Axis]) -> list[_Axis]:
    """Axes of which all have updates as one, where they are one in each tensor; indices then have them all, or none."""
    if not axes or not all(map(_is_whole, axes)) or len({axis.indices == 0 for axis in axes}) > 1:
        return list(axes)
    size, last = dims.product(axis.size for axis in axes), axes[-1]
    return [_Axis(size, size, last.x, last.y, last.indices, last.updates)]
