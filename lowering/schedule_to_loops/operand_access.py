"""How a kernel's operands are read in the iteration space of its result.

An iteration space is a list of dimensions, outermost first, in the physical order of one tensor (as a
rule the result). Along a dimension every operand has one stride: 0 where it is broadcast. An axis that
any operand splits in blocks is split in the space too, so an operand in NCHW and a result in NCHW16c share::

    n   c outer   h * w   c inner         sizes N, C / 16, H * W, 16
    NCHW16c: C*H*W, 16*H*W, 16, 1         NCHW: C*H*W, 16*H*W, 1, H*W

Neighbouring dimensions that are contiguous for all operands are merged, so that loops become long.
Where blocks do not fill their axis, the dimensions of that axis form a group: the inner ones end where
the axis ends (padding lanes hold unspecified values). An axis whose elements an operand does not hold
at one stride (a block cut by an offset, a mirrored border) is irregular: its offset is computed element by element.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from xdsl.ir import Attribute, SSAValue

from ...dialects import shape as dims
from ...dialects.layout_algebra import Layout
from ...dialects.shape import Dim
from .loop_nest import Index, LoopNest, Tensor

AxisMap: TypeAlias = Callable[[LoopNest, Index], Index]


@dataclass(frozen=True)
class Operand:
    """A tensor as a kernel walks it: element ``i`` of a walk along axis ``a`` is element ``starts[a] + i * steps[a]``.

    ``starts``/``steps`` may be empty (0 and 1). ``maps`` replaces both for the axes it names. An axis of
    length 1 is repeated, unless ``repeats`` is false; one of ``undecided`` is if it turns out to be of length 1. An
    operand that is not ``loaded`` is only kept track of.
    """

    tensor: Tensor
    starts: tuple[Dim, ...] = ()
    steps: tuple[int, ...] = ()
    maps: dict[int, AxisMap] = field(default_factory=dict)
    repeats: bool = True
    undecided: tuple[int, ...] = ()
    loaded: bool = True

    @property
    def layout(self) -> Layout:
        return self.tensor.type.layout

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.tensor.dims

    @property
    def element_type(self) -> Attribute:
        return self.tensor.element_type

    @property
    def memory(self) -> SSAValue:
        return self.tensor.memory

    def start(self, axis: int) -> Dim:
        return self.starts[axis] if self.starts else 0

    def step(self, axis: int) -> int:
        return self.steps[axis] if self.steps else 1

    def strides_of(self, axis: int) -> tuple[Dim, Dim]:
        """Strides of the axis' block index and of the inside of its blocks (both the same where it is whole)."""
        found = [
            stride
            for piece, stride in zip(self.layout.pieces, self.layout.physical_strides(self.shape), strict=True)
            if piece.axis == axis
        ]
        if axis in self.undecided:
            moves = dims.minimum(dims.maximum(dims.subtract(self.shape[axis], 1), 0), 1)
            found = [dims.multiply(stride, moves) for stride in found]
        return found[0], found[-1]

    def is_regular(self, axis: int) -> bool:
        """Whether blocks of the walk are blocks of the tensor along the axis."""
        if axis in self.maps:
            return False
        block = self.layout.block_of(axis)
        return not block or (self.step(axis) == 1 and dims.modulo(self.start(axis), block) == 0)

    def unit_stride(self, axis: int, unit: int) -> Dim:
        """Elements of memory that ``unit`` elements of a regular axis take."""
        outer, inner = self.strides_of(axis)
        block = self.layout.block_of(axis)
        if block and unit >= block:
            return dims.multiply(outer, unit // block)
        return dims.multiply(inner, unit * self.step(axis))

    def origin(self, nest: LoopNest, irregular: Sequence[int]) -> Index:
        """Offset of the walk's first element, leaving out irregular axes."""
        offset = self.tensor.origin
        for axis in range(self.layout.rank):
            start = self.start(axis)
            if axis in irregular or start == 0:
                continue
            outer, inner = self.strides_of(axis)
            block = self.layout.block_of(axis)
            stride = outer if block else inner
            offset = nest.add(offset, nest.dim(dims.multiply(dims.floordiv(start, block or 1), stride)))
        return offset

    def irregular_offset(self, nest: LoopNest, axis: int, index: Index) -> Index:
        """Offset that element ``index`` of an axis adds, whatever the axis' blocks, start or map."""
        if axis in self.maps:
            position = self.maps[axis](nest, index)
        else:
            position = nest.add(nest.dim(self.start(axis)), nest.mul(index, self.step(axis)))
        outer, inner = (nest.dim(stride) for stride in self.strides_of(axis))
        block = self.layout.block_of(axis)
        if not block:
            return nest.mul(position, inner)
        return nest.add(nest.mul(nest.floordiv(position, block), outer), nest.mul(nest.mod(position, block), inner))


@dataclass(frozen=True)
class StridedOperand(Operand):
    """A tensor seen under another shape, with one stride an axis (0 where it does not move)."""

    view_shape: tuple[Dim, ...] = ()
    view_strides: tuple[Dim, ...] = ()

    @property
    def layout(self) -> Layout:
        return Layout.row_major(len(self.view_shape))

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.view_shape

    def strides_of(self, axis: int) -> tuple[Dim, Dim]:
        return self.view_strides[axis], self.view_strides[axis]


def axis_strides(tensor: Tensor) -> tuple[Dim, ...]:
    """Elements between neighbours along each axis. Raises ValueError for a tensor in blocks."""
    strides = tensor.type.layout.axis_strides(tensor.dims)
    if strides is None:
        raise ValueError(f"an operand must not lie in blocks here: {tensor.type}")
    return strides


@dataclass(frozen=True)
class LoopDimension:
    """One loop: ``size`` turns, each ``strides[k]`` elements further in operand k.

    A dimension with a ``group`` walks ``unit`` elements of the group's axis a turn, which has ``extent`` elements;
    within the group's outer dimensions it may end early. ``offsets`` stand for strides where the axis is irregular.
    Threads share the turns of those that are said to be shared.
    """

    size: Dim
    strides: tuple[Dim, ...]
    axis: int = -1
    group: object = None
    unit: int = 1
    extent: Dim = 0
    offsets: tuple[AxisMap | None, ...] = ()
    is_shared: bool = False

    @property
    def is_regular(self) -> bool:
        return not self.offsets


def _irregular(operand: Operand, axis: int, nest: LoopNest, index: Index) -> Index:
    return operand.irregular_offset(nest, axis, index)


def _levels(sizes: Sequence[int]) -> list[int]:
    """Units in which an axis is walked, outermost first: every block size, then single elements."""
    units = sorted({size for size in sizes if size}, reverse=True)
    for larger, smaller in itertools.pairwise(units):
        if larger % smaller:
            raise ValueError(f"blocks of {larger} and {smaller} elements along one axis do not nest")
    return [*units, 1]


def iteration_dimensions(
    shape: Sequence[Dim], order: Layout, operands: Sequence[Operand], guarded_axes: Sequence[int] = ()
) -> list[LoopDimension]:
    """The space of all elements of ``shape`` in the physical order of ``order``; operands broadcast to the shape.

    The last operand is the one that is written: blocks that another tensor continues are not overwritten.
    Padding lanes are walked over where all operands have them, unless their axis is in ``guarded_axes``.
    """
    ranks = [len(shape) - operand.layout.rank for operand in operands]

    def is_broadcast(operand: Operand, axis: int) -> bool:
        if axis < 0:
            return True
        return operand.repeats and operand.shape[axis] == 1 and shape[axis + len(shape) - operand.layout.rank] != 1

    def axis_dimensions(axis: int) -> list[LoopDimension]:
        owned = [(op, axis - missing) for op, missing in zip(operands, ranks, strict=True)]
        present = [(op, own) for op, own in owned if not is_broadcast(op, own)]
        extent = shape[axis]
        if not all(op.is_regular(own) for op, own in present):
            offsets = tuple(
                None
                if is_broadcast(op, own)
                else (lambda nest, index, op=op, own=own: op.irregular_offset(nest, own, index))
                for op, own in owned
            )
            return [LoopDimension(extent, tuple(0 for _ in operands), axis, offsets=offsets)]
        blocks = [op.layout.block_of(own) for op, own in present]
        units = _levels([*blocks, order.block_of(axis)])
        ragged = dims.modulo(extent, units[0]) != 0
        written, own = owned[-1]
        shared = not is_broadcast(written, own) and written.layout.margin(own)[1] != 0
        guard = ragged and (shared or axis in guarded_axes or any(block != units[0] for block in blocks))
        while guard and len(units) > 1 and dims.ceildiv(extent, units[0]) == 1:
            # One block that is not full: its index never moves, its inside ends where the axis ends.
            units = units[1:]
        result = []
        for level, unit in enumerate(units):
            size = dims.ceildiv(extent, unit) if level == 0 else units[level - 1] // unit
            strides = tuple(0 if is_broadcast(op, own) else op.unit_stride(own, unit) for op, own in owned)
            result.append(LoopDimension(size, strides, axis, ("axis", axis) if guard else None, unit, extent))
        return result

    by_axis = {axis: axis_dimensions(axis) for axis in range(len(shape))}
    result: list[LoopDimension] = []
    for piece in order.pieces:
        waiting = by_axis[piece.axis]
        if piece.is_outer:
            taken = [dimension for dimension in waiting if dimension.unit >= piece.block or not dimension.is_regular]
        else:
            taken = waiting
        by_axis[piece.axis] = [dimension for dimension in waiting if dimension not in taken]
        result += taken
    return [dimension for dimension in result if dimension.size != 1 or dimension.offsets]


def merge_dimensions(
    space: Sequence[LoopDimension], kinds: Callable[[LoopDimension], object] = lambda _: None
) -> list[LoopDimension]:
    """Merges neighbours that are contiguous for every operand and of one kind."""
    merged: list[LoopDimension] = []
    for dimension in space:
        if merged and _can_merge(merged[-1], dimension):
            outer = merged.pop()
            dimension = replace(dimension, size=dims.multiply(outer.size, dimension.size))
        merged.append(dimension)
    return merged


def _can_merge(outer: LoopDimension, inner: LoopDimension) -> bool:
    if outer.offsets or inner.offsets or outer.group is not None or inner.group is not None:
        return False
    return all(
        dims.same_dimension(far, dims.multiply(near, inner.size))
        for far, near in zip(outer.strides, inner.strides, strict=True)
    )


def split_dimension(dimension: LoopDimension, chunk: int, group: object) -> tuple[LoopDimension, LoopDimension]:
    """Cuts a dimension without group in chunks: the chunk index, and the turns inside one, which may end early."""
    size = dimension.size
    ragged = dims.modulo(size, chunk) != 0
    outer = replace(
        dimension,
        size=dims.ceildiv(size, chunk),
        strides=tuple(dims.multiply(stride, chunk) for stride in dimension.strides),
        group=group if ragged else None,
        unit=chunk,
        extent=size,
    )
    inner = replace(dimension, size=chunk, group=group if ragged else None, unit=1, extent=size)
    return outer, inner


def tracked(dimension: LoopDimension) -> LoopDimension:
    """A dimension whose index ``Position.reached`` holds, under ("window", axis)."""
    return replace(dimension, group=("window", dimension.axis), extent=dimension.size)
