"""Which dimensions of the operands an operation needs to be equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..dialects.graph import ConcatOp, ConvOp, ElementwiseOp, LayerNormOp, MatmulOp
from ..dialects.graph.recurrent import DIRECTIONS, RecurrentOp

if TYPE_CHECKING:
    from ..dialects.graph.types import TensorType
    from ..dialects.shape import Dim

Pair: TypeAlias = "tuple[Dim, Dim]"


def broadcast_pairs(shapes: Sequence[Sequence[Dim]]) -> Iterator[Pair]:
    """Dimensions other than 1 that meet when the shapes are broadcast."""
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        first = None
        for shape in shapes:
            if axis > len(shape) or shape[-axis] == 1:
                continue
            if first is None:
                first = shape[-axis]
            elif first is not shape[-axis]:
                yield first, shape[-axis]


def _elementwise(types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    return broadcast_pairs([t.dims for t in types])


def _conv(types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    x, w = types[0].dims, types[1].dims
    yield x[1], w[1] * values["group"]
    if len(types) > 2:
        yield w[0], types[2].dims[0]


def _matmul(types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    a, b = types[0].dims, types[1].dims
    yield a[-2 if values["transpose_a"] else -1], b[-1 if values["transpose_b"] else -2]
    yield from broadcast_pairs([a[:-2], b[:-2]])


def _concat(types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    for part in types[1:]:
        for axis, (left, right) in enumerate(zip(types[0].dims, part.dims)):
            if axis != values["axis"]:
                yield left, right


def _layer_norm(types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    for operand in types[1:]:
        yield from zip(types[0].dims[values["axis"] :], operand.dims)


def _recurrent(types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    x, w, r, b = (t.dims for t in types[:4])
    yield x[2], w[2]
    yield w[1], r[1]
    yield w[1] * 2, b[1]
    for weights in (w, r, b):
        yield weights[0], DIRECTIONS[values["direction"]]
    for state in types[4:]:
        if state.rank == 1:
            yield state.dims[0], x[1]
        if state.rank == 3:
            yield state.dims[0], w[0]
            yield state.dims[1], x[1]
            yield state.dims[2], r[2]


_RULES: Sequence[tuple[type, Callable[[Sequence[TensorType], Mapping[str, Any]], Iterator[Pair]]]] = (
    (ElementwiseOp, _elementwise),
    (ConvOp, _conv),
    (MatmulOp, _matmul),
    (ConcatOp, _concat),
    (LayerNormOp, _layer_norm),
    (RecurrentOp, _recurrent),
)


def required_equalities(operation: type, types: Sequence[TensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    """Pairs of dimensions that must be equal for the operation to make sense."""
    for base, rule in _RULES:
        if issubclass(operation, base):
            yield from rule(types, values)
            return
