"""Which dimensions of the operands an operation needs to be equal, and which large enough.

Those that broadcast are ``Symbols.broadcast``'s. What is not known when the model is compiled is checked at each run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..dialects.graph import (
    ConcatOp,
    ConvOp,
    GatherElementsOp,
    GatherNdOp,
    GatherOp,
    GridSampleOp,
    LayerNormOp,
    MatmulOp,
    NonMaxSuppressionOp,
    PadOp,
    ReshapeOp,
    ReverseSequenceOp,
    RoiAlignOp,
    ScatterElementsOp,
    ScatterNdOp,
)
from ..dialects.graph.recurrent import DIRECTIONS, RecurrentOp
from ..dialects.graph.reductions import ArgReduceOp
from ..dialects.shape import add, maximum, minimum, product

if TYPE_CHECKING:
    from ..dialects.graph.types import GraphTensorType
    from ..dialects.shape import Dim

Pair: TypeAlias = "tuple[Dim, Dim]"
Rules: TypeAlias = "Sequence[tuple[type, Callable[[Sequence[GraphTensorType], Mapping[str, Any]], Iterator[Pair]]]]"


def _conv(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    x, w = types[0].dims, types[1].dims
    yield x[1], w[1] * values["group"]
    if len(types) > 2:
        yield w[0], types[2].dims[0]


def _matmul(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    a, b = types[0].dims, types[1].dims
    yield a[-2 if values["transpose_a"] else -1], b[-1 if values["transpose_b"] else -2]


def _concat(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    for part in types[1:]:
        for axis, (left, right) in enumerate(zip(types[0].dims, part.dims)):
            if axis != values["axis"]:
                yield left, right


def _layer_norm(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    for operand in types[1:]:
        yield from zip(types[0].dims[values["axis"] :], operand.dims)


def _recurrent(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    x, w, r, b = (t.dims for t in types[:4])
    yield x[2], w[2]
    yield w[1], r[1]
    yield w[1] * 2, b[1]
    for weights in (w, r, b):
        yield weights[0], DIRECTIONS[values["direction"]]
    for state in types[4:]:
        if state.rank == 2:
            yield state.dims[0], w[0]
            yield state.dims[1], r[2] * 3
        if state.rank == 1:
            yield state.dims[0], x[1]
        if state.rank == 3:
            yield state.dims[0], w[0]
            yield state.dims[1], x[1]
            yield state.dims[2], r[2]


def _gather_nd(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    return zip(types[0].dims[: values["batch_dims"]], types[1].dims)


def _scatter_elements(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    return zip(types[1].dims, types[2].dims)


def _scatter_nd(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    """The ranks tell how many axes a position names, whatever the size of the indices' last axis is."""
    x, indices, updates = types
    depth = indices.rank - 1 + x.rank - updates.rank
    yield indices.dims[-1], depth
    if 0 <= depth <= x.rank:
        yield from zip((*indices.dims[:-1], *x.dims[depth:]), updates.dims, strict=True)


def _grid_sample(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    x, grid = types[0].dims, types[1].dims
    yield x[0], grid[0]
    yield grid[-1], len(x) - 2


def _reverse_sequence(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    yield types[0].dims[values["batch_axis"]], types[1].dims[0]


def _roi_align(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    yield types[1].dims[0], types[2].dims[0]
    yield types[1].dims[1], 4


def _non_max_suppression(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    boxes, scores = types[0].dims, types[1].dims
    yield boxes[0], scores[0]
    yield boxes[1], scores[2]
    yield boxes[2], 4
    for scalar in types[2:]:
        yield scalar.element_count, 1


_EQUALITIES: Rules = (
    (ConvOp, _conv),
    (MatmulOp, _matmul),
    (ConcatOp, _concat),
    (LayerNormOp, _layer_norm),
    (RecurrentOp, _recurrent),
    (GatherNdOp, _gather_nd),
    (ScatterElementsOp, _scatter_elements),
    (ScatterNdOp, _scatter_nd),
    (GridSampleOp, _grid_sample),
    (ReverseSequenceOp, _reverse_sequence),
    (RoiAlignOp, _roi_align),
    (NonMaxSuppressionOp, _non_max_suppression),
)


def required_equalities(
    operation: type, types: Sequence[GraphTensorType], values: Mapping[str, Any], results: Sequence[GraphTensorType]
) -> Iterator[Pair]:
    """Pairs of dimensions that must be equal for the operation to make sense."""
    if operation is ReshapeOp:
        return _reshape(types[0], results[0])
    return _apply(_EQUALITIES, operation, types, values)


def _reshape(x: GraphTensorType, result: GraphTensorType) -> Iterator[Pair]:
    if not x.is_static or not result.is_static:
        yield product(x.dims), product(result.dims)


# --- minimums ---------------------------------------------------------------------------------------


def _picked(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    yield from _one_where_picked([types[0].dims[values["axis"]]], types[1].dims)


def _one_where_picked(sizes: Sequence[Dim], positions: Sequence[Dim]) -> Iterator[Pair]:
    for size in sizes:
        if not isinstance(size, int) or size < 1:
            yield size, minimum(product(positions), 1)


def _picked_elements(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    yield from _picked(types, values)
    for axis, (size, least) in enumerate(zip(types[0].dims, types[1].dims)):
        if axis != values["axis"]:
            yield size, least


def _picked_positions(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    positions, depth = types[1].dims[:-1], types[1].dims[-1]
    if isinstance(depth, int):
        batch = values.get("batch_dims", 0)
        yield from _one_where_picked(types[0].dims[batch : batch + depth], positions)


def _scattered_positions(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    x, indices, updates = types
    depth = max(indices.rank - 1 + x.rank - updates.rank, 0)
    yield from _one_where_picked(x.dims[:depth], indices.dims[:-1])


def _compared(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    """There is no largest element of none."""
    dims, axis = types[0].dims, values["axis"]
    yield from _one_where_picked([dims[axis]], dims[:axis] + dims[axis + 1 :])


def _repeated(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    """There is an element to repeat, once the pads that cut have done so."""
    if values["mode"] == "constant":
        return
    rank, pads = types[0].rank, values["pads"]
    for size, before, after in zip(types[0].dims, pads[:rank], pads[rank:]):
        added = add(maximum(before, 0), maximum(after, 0))
        if added != 0:
            yield add(size, add(minimum(before, 0), minimum(after, 0))), minimum(added, 1)


def _sampled(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    """An image without elements has none to read at the places of a grid."""
    yield from _one_where_picked(types[0].dims[2:], types[1].dims)


def _pooled_regions(types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    images, _, *spatial = types[0].dims
    yield from _one_where_picked([images, *spatial], types[1].dims)


_MINIMUMS: Rules = (
    (ArgReduceOp, _compared),
    (GridSampleOp, _sampled),
    (RoiAlignOp, _pooled_regions),
    (GatherOp, _picked),
    (GatherElementsOp, _picked_elements),
    (GatherNdOp, _picked_positions),
    (PadOp, _repeated),
    (ScatterElementsOp, _picked_elements),
    (ScatterNdOp, _scattered_positions),
)


def required_minimums(operation: type, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Iterator[Pair]:
    """Dimensions, each with the size that it must have at least: one where anything is taken from the axis."""
    return _apply(_MINIMUMS, operation, types, values)


def _apply(
    rules: Rules, operation: type, types: Sequence[GraphTensorType], values: Mapping[str, Any]
) -> Iterator[Pair]:
    for base, rule in rules:
        if issubclass(operation, base):
            yield from rule(types, values)
            return
