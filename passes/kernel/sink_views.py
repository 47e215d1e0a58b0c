"""Moves elementwise work before the views that it reads, next to the kernels that it can become part of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import KernelOp, MapOp
from ...dialects.layout import ReshapeOp, TensorType, TransposeOp
from ...dialects.shape import Dim
from .dead_code import remove_unread
from .region_merging import merge_repeated_operands, set_operands
from .views import VIEWS, refresh_view, row_major_copy, set_type, tensor_type


@dataclass(frozen=True)
class KernelSinkViewsPass(ModulePass):
    """A map of a reshape or transpose of a kernel's result becomes a reshape or transpose of a map.

    before::

        %1 = layout.reshape %0 : !layout.tensor<1 x 8 x 50 x f32>
        %2 = kernel.map(%1) : ... each(%a) {relu}

    after::

        %1 = kernel.map(%0) : ... each(%a) {relu}
        %2 = layout.reshape %1 : !layout.tensor<1 x 8 x 50 x f32>

    The map's other operands are seen in the shape of the kernel's result, where their layout allows that.
    """

    name = "kernel-sink-views"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                sink_views(function)


def sink_views(function: func.FuncOp) -> None:
    block = function.body.block
    for op in list(block.ops):
        match op:
            case MapOp():
                _sink_behind(op, block)
            case func.ReturnOp():
                _keep_results(op, function, block)
            case _ if isinstance(op, VIEWS):
                refresh_view(op, block)
            case _:
                pass
    remove_unread(block)


def _keep_results(op: func.ReturnOp, function: func.FuncOp, block: Block) -> None:
    """What is returned keeps the layout that the function's type promises."""
    for index, type_ in enumerate(function.function_type.outputs):
        if op.operands[index].type != type_:
            op.operands[index] = row_major_copy(op.operands[index], op, block)


def _sink_behind(op: MapOp, block: Block) -> None:
    """Moves the map before one view after another."""
    while True:
        view = next((operand.owner for operand in op.ins if _hides_kernel(operand, op)), None)
        if isinstance(view, ReshapeOp):
            moved = _move_before_reshape(op, view, block)
        elif isinstance(view, TransposeOp):
            moved = _move_before_transpose(op, view, block)
        else:
            return
        if not moved:
            return


def _hides_kernel(operand: SSAValue, op: MapOp) -> bool:
    """Whether the operand is a view that stands between the map and a kernel, and nobody else reads either."""
    view = operand.owner
    if not isinstance(view, ReshapeOp | TransposeOp) or tensor_type(operand).dims != op.type.dims:
        return False
    return (
        isinstance(view.source.owner, KernelOp)
        and tensor_type(view.source).layout.is_row_major
        and op.type.layout.is_row_major
        and all(use.operation is op for use in operand.uses)
        and all(use.operation is view for use in view.source.uses)
    )


def _move_before_view(
    op: MapOp, operands: Sequence[SSAValue], shape: Sequence[Dim], view: ReshapeOp | TransposeOp, block: Block
) -> None:
    """Computes the map on other operands in another shape, and views its result as it was."""
    old = op.type
    set_operands(op, operands)
    set_type(op.result, TensorType.of(shape, old.element_type))
    back = (
        ReshapeOp(op.result, old.dims)
        if isinstance(view, ReshapeOp)
        else TransposeOp(op.result, view.permutation.get_values())
    )
    block.insert_op_after(back, op)
    op.result.replace_uses_with_if(back.result, lambda use: use.operation is not back)
    merge_repeated_operands(op)


def _move_before_transpose(op: MapOp, view: TransposeOp, block: Block) -> bool:
    """``map(transpose(x), y)`` -> ``transpose(map(x, transpose back(y)))``.

    At most one operand as large as the result may have to be read against its rows for that.
    """
    permutation = list(view.permutation.get_values())
    inverse = [permutation.index(axis) for axis in range(len(permutation))]
    found = [_before_transpose(operand, op, permutation) for operand in op.ins]
    against_rows = [
        o for o, same in zip(op.ins, found, strict=True) if not same and tensor_type(o).dims == op.type.dims
    ]
    if len(against_rows) > 1 or any(tensor_type(o).rank > op.type.rank for o in op.ins):
        return False
    if any(_full_rank(tensor_type(operand), op) is None for operand in op.ins):
        return False
    operands = [
        same or _transposed_back(operand, inverse, op, block) for operand, same in zip(op.ins, found, strict=True)
    ]
    _move_before_view(op, operands, [op.type.dims[axis] for axis in inverse], view, block)
    return True


def _before_transpose(operand: SSAValue, op: MapOp, permutation: Sequence[int]) -> SSAValue | None:
    """What the operand is a transpose of, if it is that one; the operand itself if no axis of it is longer than 1."""
    type_ = tensor_type(operand)
    if all(size == 1 for size in type_.dims):
        return operand
    owner = operand.owner
    if isinstance(owner, TransposeOp) and list(owner.permutation.get_values()) == list(permutation):
        return owner.source
    return None


def _full_rank(type_: TensorType, op: MapOp) -> tuple[Dim, ...] | None:
    """The operand's shape with leading axes of length 1; None where its layout does not take them."""
    shape = (*(1,) * (op.type.rank - type_.rank), *type_.dims)
    return None if type_.layout.reshaped(type_.dims, shape) is None and shape != type_.dims else shape


def _transposed_back(operand: SSAValue, inverse: Sequence[int], op: MapOp, block: Block) -> SSAValue:
    shape = cast("tuple[Dim, ...]", _full_rank(tensor_type(operand), op))
    wide = _reshaped(operand, shape, op, block)
    view = TransposeOp(wide, inverse)
    block.insert_op_before(view, op)
    return view.result


def _move_before_reshape(op: MapOp, view: ReshapeOp, block: Block) -> bool:
    """``map(reshape(x), y)`` -> ``reshape(map(x, reshape back(y)))``."""
    shape = tensor_type(view.source).dims
    shapes = [_shape_before(tensor_type(operand), op.type.dims, shape) for operand in op.ins]
    if any(found is None for found in shapes):
        return False
    operands = [
        _reshaped(operand, cast("tuple[Dim, ...]", found), op, block)
        for operand, found in zip(op.ins, shapes, strict=True)
    ]
    _move_before_view(op, operands, shape, view, block)
    return True


def _shape_before(operand: TensorType, after: Sequence[Dim], before: Sequence[Dim]) -> tuple[Dim, ...] | None:
    """The shape in which an operand, broadcast to ``after``, broadcasts to ``before`` instead; None if it has none.

    ``before`` and ``after`` hold the same elements in the same order.
    """
    shape = _broadcast_shape_before(operand, after, before)
    return None if shape is None or operand.layout.reshaped(operand.dims, shape) is None else shape


def _broadcast_shape_before(operand: TensorType, after: Sequence[Dim], before: Sequence[Dim]) -> tuple[Dim, ...] | None:
    """_shape_before, whatever the operand's layout."""
    if all(size == 1 for size in operand.dims):
        return (1,) * min(len(operand.dims), len(before))
    if operand.dims == tuple(after):
        return tuple(before)
    full = (*(1,) * (len(after) - operand.rank), *operand.dims)
    long_after = [axis for axis, size in enumerate(after) if size != 1]
    long_before = [axis for axis, size in enumerate(before) if size != 1]
    if [after[axis] for axis in long_after] == [before[axis] for axis in long_before]:
        shape: list[Dim] = [1] * len(before)
        for axis_after, axis_before in zip(long_after, long_before, strict=True):
            shape[axis_before] = full[axis_after]
        return tuple(shape)
    if all(size == 1 for size in full[:-1]) and after[-1] == before[-1]:
        return (full[-1],)
    return None


def _reshaped(operand: SSAValue, shape: Sequence[Dim], op: MapOp, block: Block) -> SSAValue:
    if tensor_type(operand).dims == tuple(shape):
        return operand
    if isinstance(operand.owner, ReshapeOp) and tensor_type(operand.owner.source).dims == tuple(shape):
        return operand.owner.source
    view = ReshapeOp(operand, shape)
    block.insert_op_before(view, op)
    return view.result
