"""Sizes that follow from axes or shapes which a run gives, written out in operations on small vectors of integers.

graph-bind-sizes has them read, so that what has these sizes is compiled like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.dialects.builtin import i64
from xdsl.ir import Operation, SSAValue

from ...dialects.graph import (
    AddOp,
    AndOp,
    CastOp,
    ConcatOp,
    CumsumOp,
    DimValuesOp,
    DivOp,
    DynamicReduceOp,
    EqualOp,
    GatherOp,
    GraphOperation,
    GreaterOp,
    IotaOp,
    MaximumOp,
    MulOp,
    OrOp,
    ReduceOp,
    ReshapeOp,
    SliceOp,
    SubOp,
    WhereOp,
)
from ...dialects.graph.types import GraphTensorType
from ...dialects.shape import Dim, product
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

    def element(self, vector: SSAValue, place: int) -> SSAValue:
        """One element, as a scalar."""
        return self.shaped(self.add(SliceOp([vector], axes=(0,), starts=(place,), ends=(place + 1,))), ())

    def total(self, vector: SSAValue, axis: int = 0, kind: str = "sum") -> SSAValue:
        return self.add(ReduceOp([vector], kind=kind, axes=(axis,), keepdims=False))

    def cast(self, value: SSAValue) -> SSAValue:
        return self.add(CastOp([value], [type_of(value).with_element(i64)]))


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
        along = v.add(IotaOp([], [GraphTensorType.of([size], i64)]))
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
