"""Sizes that follow from axes or shapes which a run gives, written out in operations on small vectors of integers.

graph-bind-sizes has them read, so that what has these sizes is compiled like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.builtin import f64, i64
from xdsl.ir import Attribute, Operation, SSAValue

from ...dialects.graph import (
    AddOp,
    AndOp,
    CastOp,
    CeilOp,
    ConcatOp,
    CumsumOp,
    DimValuesOp,
    DivOp,
    DynamicReduceOp,
    DynamicSliceOp,
    EqualOp,
    GatherOp,
    GraphOperation,
    GreaterOp,
    IotaOp,
    LessOp,
    MaximumOp,
    MinimumOp,
    MulOp,
    OrOp,
    RangeOp,
    ReduceOp,
    ReshapeOp,
    ScatterElementsOp,
    SliceOp,
    SubOp,
    WhereOp,
)
from ...dialects.graph.types import GraphTensorType, is_float
from ...dialects.shape import Dim, is_static, product
from .rewriting import Rewriter, type_of


@dataclass
class SizeWriter:
    """Writes operations in front of ``place``; integers are of i64."""

    rewriter: Rewriter
    place: Operation

    def add(self, operation: GraphOperation) -> SSAValue:
        return self.rewriter.insert(self.place, operation)

    def constant(self, numbers: Any) -> SSAValue:
        return self.rewriter.constant(self.place, np.array(numbers, np.int64))

    def dims(self, sizes: Sequence[Dim]) -> SSAValue:
        """A vector of sizes."""
        return self.add(DimValuesOp([], [GraphTensorType.of([len(sizes)], i64)], dimensions=list(sizes)))

    def shaped(self, value: SSAValue, dims: Sequence[Dim]) -> SSAValue:
        return self.add(ReshapeOp([value], [type_of(value).with_dims(dims)]))

    def integers(self, value: SSAValue) -> list[int] | None:
        """The elements of a vector, where they are known."""
        owner = value.owner
        if isinstance(owner, DimValuesOp):
            sizes = owner.dimensions
            return [size for size in sizes if isinstance(size, int)] if is_static(sizes) else None
        array = self.rewriter.array(value)
        return None if array is None else [int(number) for number in array.reshape(-1)]

    def element(self, vector: SSAValue, place: int) -> SSAValue:
        """One element, as a scalar."""
        return self.shaped(self.add(SliceOp([vector], axes=(0,), starts=(place,), ends=(place + 1,))), ())

    def total(self, vector: SSAValue, axis: int = 0, kind: str = "sum") -> SSAValue:
        return self.add(ReduceOp([vector], kind=kind, axes=(axis,), keepdims=False))

    def cast(self, value: SSAValue, element: Attribute = i64) -> SSAValue:
        if type_of(value).element_type == element:
            return value
        return self.add(CastOp([value], [type_of(value).with_element(element)]))

    def clamped(self, value: SSAValue, least: SSAValue, most: SSAValue) -> SSAValue:
        return self.add(MinimumOp([self.add(MaximumOp([value, least])), most]))

    def count_up(self, size: Dim, element: Attribute = i64) -> SSAValue:
        """0, 1, 2 ... as many as that."""
        return self.add(IotaOp([], [GraphTensorType.of([size], element)]))


def named_axes(v: SizeWriter, axes: SSAValue, rank: int, none_is_all: bool = False) -> SSAValue:
    """For each axis of ``rank`` whether it is among ``axes``, which may count from the end: a vector of i1."""
    count = type_of(axes).dims[0] if type_of(axes).rank else 1
    row = v.shaped(v.cast(axes), [1, count])
    column = v.constant(np.arange(rank).reshape(rank, 1))
    from_end = v.add(AddOp([row, v.constant(rank)]))
    same = v.add(OrOp([v.add(EqualOp([row, column])), v.add(EqualOp([from_end, column]))]))
    named = v.add(GreaterOp([v.total(v.cast(same), 1), v.constant(0)]))
    if not none_is_all or (isinstance(count, int) and count > 0):
        return named
    return v.add(OrOp([named, v.add(EqualOp([v.dims([count]), v.constant(0)]))]))


def _where(v: SizeWriter, condition: SSAValue, then: SSAValue, otherwise: SSAValue) -> SSAValue:
    return v.add(WhereOp([condition, then, otherwise]))


def _places(v: SizeWriter, named: SSAValue) -> tuple[SSAValue, SSAValue]:
    """Which axes are not named, as 0 and 1, and how many such are before each."""
    kept = _where(v, named, v.constant(0), v.constant(1))
    return kept, v.add(SubOp([v.add(CumsumOp([kept], axis=0)), v.constant(1)]))


def _packed(v: SizeWriter, named: SSAValue, numbers: SSAValue, count: int) -> SSAValue:
    """The numbers of the ``count`` axes that are not named, in order."""
    kept, places = _places(v, named)
    rank = type_of(numbers).dims[0]
    wanted = v.constant(np.arange(count).reshape(count, 1))
    here = v.add(EqualOp([v.shaped(places, [1, rank]), wanted]))
    taken = v.add(AndOp([here, v.shaped(v.add(EqualOp([kept, v.constant(1)])), [1, rank])]))
    return v.total(_where(v, taken, v.shaped(numbers, [1, rank]), v.constant(0)), 1)


def reduced_sizes(v: SizeWriter, op: DynamicReduceOp) -> tuple[SSAValue, SSAValue]:
    """Which axes are reduced, and the sizes of the result."""
    x = type_of(op.x)
    named = named_axes(v, op.axes, x.rank, none_is_all=not op.none_is_none)
    sizes = v.dims(x.dims)
    if op.keepdims:
        return named, _where(v, named, v.constant(1), sizes)
    return named, _packed(v, named, sizes, type_of(op.result).rank)


def reduced(v: SizeWriter, op: DynamicReduceOp, named: SSAValue) -> SSAValue:
    """The reduction, once its sizes are bound.

    Axis by axis x is replaced by what it is reduced to, everywhere, if the axis is named; of that the first elements
    are taken along all axes or, where reduced ones go, those at the places that the others have in memory.
    """
    x, result = type_of(op.x), type_of(op.result)
    value: SSAValue = op.x
    for axis, size in enumerate(x.dims):
        total = v.add(ReduceOp([value], kind=op.kind, axes=(axis,), keepdims=True))
        value = _where(v, v.element(named, axis), total, value)
        if not isinstance(size, int) or size == 0:
            # There is a first element even where there is none.
            value = v.add(ConcatOp([value, total], axis=axis))
    widths = type_of(value).dims
    if op.keepdims:
        bounds = {"axes": range(x.rank), "starts": [0] * x.rank, "ends": result.dims}
        return v.add(SliceOp([value], [result], **bounds))
    strides = v.dims([product(widths[axis + 1 :]) for axis in range(x.rank)])
    packed = _packed(v, named, strides, result.rank) if result.rank else strides
    places: SSAValue = v.constant(0)
    for axis, size in enumerate(result.dims):
        along = v.count_up(size)
        offsets = v.add(MulOp([along, v.element(packed, axis)]))
        shape = [size if other == axis else 1 for other in range(result.rank)]
        places = v.add(AddOp([places, v.shaped(offsets, shape)]))
    return v.add(GatherOp([v.shaped(value, [product(widths)]), places], [result], axis=0))


def squeezed_sizes(v: SizeWriter, x: GraphTensorType, axes: SSAValue, rank: int) -> SSAValue:
    return _packed(v, named_axes(v, axes, x.rank), v.dims(x.dims), rank)


def unsqueezed_sizes(v: SizeWriter, x: GraphTensorType, axes: SSAValue, rank: int) -> SSAValue:
    named = named_axes(v, axes, rank)
    _, places = _places(v, named)
    from_first = v.add(MaximumOp([places, v.constant(0)]))
    own = v.add(GatherOp([v.dims(x.dims), from_first], axis=0)) if x.rank else v.constant(1)
    return _where(v, named, v.constant(1), own)


def reshaped_sizes(v: SizeWriter, x: GraphTensorType, shape: SSAValue, allow_zero: bool) -> SSAValue:
    """ONNX's shape with sizes in place of 0, unless that is meant, and of -1."""
    count = type_of(shape).dims[0]
    assert isinstance(count, int)
    sizes = v.cast(shape)
    if not allow_zero:
        own = v.dims([*x.dims, *[0] * count][:count])
        sizes = _where(v, v.add(EqualOp([sizes, v.constant(0)])), own, sizes)
    is_rest = v.add(EqualOp([sizes, v.constant(-1)]))
    others = v.total(_where(v, is_rest, v.constant(1), sizes), kind="prod")
    divisor = v.add(MaximumOp([others, v.constant(1)]))
    rest = v.add(DivOp([v.shaped(v.dims([product(x.dims)]), ()), divisor]))
    return _where(v, is_rest, rest, sizes)


def expanded_sizes(v: SizeWriter, x: GraphTensorType, shape: SSAValue, rank: int) -> SSAValue:
    """Those of the shape, but for its ones."""
    count = type_of(shape).dims[0] if type_of(shape).rank else 1
    assert isinstance(count, int)
    wanted = v.shaped(v.cast(shape), [count])
    if count < rank:
        wanted = v.add(ConcatOp([v.constant([1] * (rank - count)), wanted], axis=0))
    own = v.dims([*[1] * (rank - x.rank), *x.dims])
    return _where(v, v.add(EqualOp([wanted, v.constant(1)])), own, wanted)


def padded_sizes(v: SizeWriter, x: GraphTensorType, pads: SSAValue) -> SSAValue:
    """How much is cut before each axis, how much is kept, how much is added before that, and how long it is then."""
    amounts, zero, size = v.cast(pads), v.constant(0), v.dims(x.dims)
    first, last = (v.add(SliceOp([amounts], axes=(0,), starts=(n * x.rank,), ends=((n + 1) * x.rank,))) for n in (0, 1))
    cut = v.add(MaximumOp([v.add(SubOp([zero, first])), zero]))
    kept = v.add(AddOp([v.add(SubOp([size, cut])), v.add(MinimumOp([last, zero]))]))
    added, after = (v.add(MaximumOp([side, zero])) for side in (first, last))
    total = v.add(AddOp([v.add(AddOp([kept, added])), after]))
    return v.add(ConcatOp([cut, kept, added, total], axis=0))


# --- slices -------------------------------------------------------------------------------------------------


def _steps_within(v: SizeWriter, distance: SSAValue, step: SSAValue) -> SSAValue:
    """How many places there are from 0 to before a distance, a step from one to the next; -1 for a step of 0."""
    zero, one = v.constant(0), v.constant(1)
    is_back = v.add(LessOp([step, zero]))
    length, pace = (_where(v, is_back, v.add(SubOp([zero, value])), value) for value in (distance, step))
    last = v.add(SubOp([v.add(MaximumOp([length, one])), one]))
    further = v.add(DivOp([last, v.add(MaximumOp([pace, one]))]))
    count = v.add(AddOp([further, v.clamped(length, zero, one)]))
    return _where(v, v.add(EqualOp([step, zero])), v.constant(-1), count)


@dataclass
class Slices:
    """How each axis is sliced, as vectors of i64: the first place, the distance to the next one, how many there are.

    Without steps it is to the neighbour.
    """

    axes: list[int]
    first: SSAValue
    steps: SSAValue | None
    counts: SSAValue


def slices(v: SizeWriter, op: DynamicSliceOp) -> Slices:
    """By ONNX's rule: negative bounds count from the end, then both are clamped to the axis. A step of 0 counts -1.

    Axes that a run gives are written into the bounds of all axes, of which the others stay whole.
    """
    x = type_of(op.x)
    starts, ends, steps = (v.cast(value) for value in (op.starts, op.ends, op.steps))
    axes = v.integers(op.axes)
    if axes is None:
        axes = list(range(x.rank))
        given = v.cast(op.axes)
        last = np.full(x.rank, np.iinfo(np.int64).max)
        starts, ends, steps = (
            v.add(ScatterElementsOp([v.constant(whole), given, value], axis=0))
            for whole, value in ((np.zeros(x.rank), starts), (last, ends), (np.ones(x.rank), steps))
        )
    axes = [axis % x.rank for axis in axes]
    known = v.integers(op.steps)
    if known is not None and all(step == 1 for step in known):
        return _runs(v, axes, v.dims([x.dims[axis] for axis in axes]), starts, ends)
    sizes, zero, one = v.dims([x.dims[axis] for axis in axes]), v.constant(0), v.constant(1)
    # What a longer step passes is beyond the axis anyway.
    beyond = v.add(AddOp([sizes, one]))
    steps = v.clamped(steps, v.add(SubOp([zero, beyond])), beyond)
    is_back = v.add(LessOp([steps, zero]))
    start, end = (_from_the_beginning(v, bound, sizes, zero) for bound in (starts, ends))
    before, last = _where(v, is_back, v.constant(-1), zero), v.add(SubOp([sizes, one]))
    most = _where(v, is_back, last, sizes)
    # Of an axis without elements the first place is none of it, but there are none to take.
    first, end = v.clamped(start, zero, most), v.clamped(end, before, most)
    distance = v.add(SubOp([end, first]))
    return Slices(axes, first, steps, _steps_within(v, distance, steps))


def _from_the_beginning(v: SizeWriter, bounds: SSAValue, sizes: SSAValue, zero: SSAValue) -> SSAValue:
    """Bounds of which negative ones count from the end."""
    return _where(v, v.add(LessOp([bounds, zero])), v.add(AddOp([bounds, sizes])), bounds)


def _runs(v: SizeWriter, axes: list[int], sizes: SSAValue, starts: SSAValue, ends: SSAValue) -> Slices:
    """Slices of neighbours."""
    zero = v.constant(0)
    first, end = (v.clamped(_from_the_beginning(v, bound, sizes, zero), zero, sizes) for bound in (starts, ends))
    return Slices(axes, first, None, v.add(MaximumOp([v.add(SubOp([end, first])), zero])))


def sliced(v: SizeWriter, op: DynamicSliceOp, found: Slices) -> SSAValue:
    """The slices, once their sizes are bound: along one axis after another what lies at its places is gathered."""
    value, result = op.x, type_of(op.result)
    for number, axis in enumerate(found.axes):
        along = v.count_up(result.dims[axis])
        if found.steps is not None:
            along = v.add(MulOp([along, v.element(found.steps, number)]))
        places = v.add(AddOp([along, v.element(found.first, number)]))
        value = v.add(GatherOp([value, places], axis=axis))
    return value


# --- ranges -------------------------------------------------------------------------------------------------


def range_size(v: SizeWriter, op: RangeOp) -> SSAValue:
    """How many numbers there are before the limit. With a step of 0 it is -1."""
    start, limit, step = op.operands
    if is_float(type_of(step).element_type):
        start, limit, step = (v.cast(value, f64) for value in (start, limit, step))
        zero = v.add(CastOp([v.constant(0)], [type_of(step)]))
        quotient = v.add(DivOp([v.add(SubOp([limit, start])), step]))
        count = v.cast(v.add(MaximumOp([v.add(CeilOp([quotient])), zero])))
        return _where(v, v.add(EqualOp([step, zero])), v.constant(-1), count)
    start, limit, step = (v.cast(value) for value in (start, limit, step))
    return _steps_within(v, v.add(SubOp([limit, start])), step)


def ranged(v: SizeWriter, op: RangeOp) -> SSAValue:
    """The numbers, once it is known how many; floats are computed in f64 and rounded once."""
    result = type_of(op.result)
    element = f64 if is_float(result.element_type) else result.element_type
    start, _, step = (v.cast(value, element) for value in op.operands)
    numbers = v.add(AddOp([v.add(MulOp([v.count_up(result.dims[0], element), step])), start]))
    return v.cast(numbers, result.element_type)
