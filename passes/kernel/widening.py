"""What passes that move casts from narrow floats to f32 share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.kernel import MapOp
from ...dialects.layout import ConvertOp, ReshapeOp, TransposeOp, WindowOp
from .region_merging import yielded_value
from .views import VIEWS, row_major_copy, tensor_type

View = ReshapeOp | TransposeOp | WindowOp | ConvertOp
VIEWS_AND_COPIES = (*VIEWS, ConvertOp)


def widened_by(op: Operation | Block) -> SSAValue | None:
    """The f16 or bf16 tensor that a map only widens to f32, element by element; None for any other op.

    It may lie otherwise than the map's result.
    """
    if not isinstance(op, MapOp) or len(op.ins) != 1 or op.type.element_type != f32:
        return None
    block = op.epilogue.block
    cast = yielded_value(block).owner
    if not isinstance(cast, arith.ExtFOp) or cast.input is not block.args[0]:
        return None
    return op.ins[0] if tensor_type(op.ins[0]).dims == op.type.dims else None


def readers_of(value: SSAValue, views: tuple[type[Operation], ...]) -> Iterator[Operation]:
    """What reads the value, or a view of it."""
    for use in value.uses:
        if isinstance(use.operation, views):
            yield from readers_of(use.operation.results[0], views)
        else:
            yield use.operation


def as_widened(value: SSAValue, cast: MapOp, only_kernels: bool) -> SSAValue:
    """The value where the map's result was read: as it lies if only kernels read it, in rows for views and results."""
    if only_kernels or tensor_type(value).layout == cast.type.layout:
        return value
    block = cast.parent
    assert block is not None
    return row_major_copy(value, cast, block)


def viewed_again(view: View, source: SSAValue, before: Operation) -> SSAValue:
    """The same view of another tensor of the same shape and layout, put before ``before``."""
    match view:
        case ReshapeOp():
            again = ReshapeOp(source, tensor_type(view.result).dims)
        case TransposeOp():
            again = TransposeOp(source, view.permutation.get_values())
        case WindowOp():
            again = WindowOp(source, [start.data for start in view.starts], tensor_type(view.result).dims)
        case ConvertOp():
            again = ConvertOp(source, tensor_type(view.result).layout)
    block = before.parent
    assert block is not None
    block.insert_op_before(again, before)
    return again.result


def through_views(value: SSAValue) -> tuple[SSAValue, Sequence[View]]:
    """What the value is a view of, and the views on the way, the one next to it first."""
    views: list[View] = []
    while isinstance(value.owner, View):
        views.append(value.owner)
        value = value.owner.source
    return value, views
