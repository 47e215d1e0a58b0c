"""Removes views and copies that do nothing, and moves reshapes out of the way of fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from ...dialects import shape as dims
from ...dialects.kernel import GemmOp, KernelOp, MapOp
from ...dialects.layout import ConvertOp, ReshapeOp, TensorType, TransposeOp, WindowOp, reshaped_type
from ...dialects.shape import Dim
from .dead_code import remove_unread
from .region_merging import set_operands


@dataclass(frozen=True)
class KernelSimplifyLayoutsPass(ModulePass):
    """Chains of layout ops become one op or none; maps move before reshapes, next to what they can fuse with.

    before::

        %1 = layout.reshape %0 : !layout.tensor<1 x 8 x 1 x 50 x f32> -> !layout.tensor<1 x 8 x 50 x f32>
        %2 = kernel.map ins(%1) {relu}
        %3 = layout.reshape %2 : !layout.tensor<1 x 8 x 50 x f32> -> !layout.tensor<1 x 8 x 1 x 50 x f32>

    after::

        %3 = kernel.map ins(%0) {relu}

    - convert, reshape, transpose to the type that is there already: gone
    - convert of a convert, reshape of a reshape, transpose of a transpose, window of a window: one op
    - convert of a transpose that moved only axes of length 1: a reshape
    - convert of the transpose of a matrix product or map that nobody else reads: they write it that way
    - map of a reshape of a kernel's result: reshape of a map
    """

    name = "kernel-simplify-layouts"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                simplify_layouts(function.body.block)


def simplify_layouts(block: Block) -> None:
    """One walk in order: an op's operands are as simple as they get by the time it is looked at."""
    for op in list(block.ops):
        match op:
            case ConvertOp():
                _simplify_convert(op, block)
            case TransposeOp():
                _simplify_transpose(op, block)
            case ReshapeOp():
                _simplify_reshape(op, block)
            case WindowOp():
                _simplify_window(op, block)
            case MapOp():
                _move_before_reshape(op, block)
            case _:
                pass
    remove_unread(block)


def tensor_type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def _replace(op: Operation, value: SSAValue) -> None:
    """Lets ``value`` stand for the op's result."""
    result = op.results[0]
    if value.name_hint is None:
        value.name_hint = result.name_hint
    result.replace_all_uses_with(value)
    op.detach()
    op.erase()


def _replace_by(op: Operation, new: Operation, block: Block) -> None:
    block.insert_op_before(new, op)
    _replace(op, new.results[0])


# --- layout ops ---------------------------------------------------------------------------------------------


def _simplify_convert(op: ConvertOp, block: Block) -> None:
    if isinstance(op.source.owner, ConvertOp):
        op.operands[0] = op.source.owner.source
    if op.source.type == op.result.type:
        _replace(op, op.source)
        return
    source = op.source.owner
    if not isinstance(source, TransposeOp):
        return
    if _is_reshape(source, tensor_type(op.result)):
        _replace_by(op, ReshapeOp(source.source, tensor_type(op.result).dims), block)
    elif _can_store_elsewhere(source, op):
        _store_transposed(source, op)


def _can_store_elsewhere(transpose: TransposeOp, convert: ConvertOp) -> bool:
    """Whether a kernel's result is only read through a transpose and a copy of it, so that it may write the copy.

    Its last axis must stay the one along memory, since kernels write vectors along it.
    """
    kernel = transpose.source.owner
    written = tensor_type(convert.result).layout
    return (
        isinstance(kernel, GemmOp | MapOp)
        and tensor_type(transpose.source).layout.is_row_major
        and written.is_row_major
        and list(transpose.permutation.get_values())[-1] == written.rank - 1
        and all(use.operation is transpose for use in transpose.source.uses)
        and all(use.operation is convert for use in transpose.result.uses)
    )


def _store_transposed(transpose: TransposeOp, convert: ConvertOp) -> None:
    """Gives the kernel's result the layout in which its transpose is row-major; the copy is not needed then."""
    permutation = list(transpose.permutation.get_values())
    inverse = [permutation.index(axis) for axis in range(len(permutation))]
    written = tensor_type(convert.result).layout.permuted(inverse)
    Rewriter.replace_value_with_new_type(transpose.source, tensor_type(transpose.source).with_layout(written))
    Rewriter.replace_value_with_new_type(transpose.result, tensor_type(convert.result))
    _replace(convert, transpose.result)


def _is_reshape(op: TransposeOp, result: TensorType) -> bool:
    """Whether row-major elements keep their order through the transpose: no two axes longer than 1 changed places."""
    if not (tensor_type(op.source).layout.is_row_major and result.layout.is_row_major):
        return False
    sizes = tensor_type(op.source).dims
    long_axes = [axis for axis in op.permutation.get_values() if sizes[axis] != 1]
    return long_axes == sorted(long_axes)


def _simplify_transpose(op: TransposeOp, block: Block) -> None:
    permutation = list(op.permutation.get_values())
    source = op.source
    if isinstance(source.owner, TransposeOp):
        inner = source.owner.permutation.get_values()
        permutation = [inner[axis] for axis in permutation]
        source = source.owner.source
    if permutation == sorted(permutation):
        _replace(op, source)
    elif source is not op.source:
        _replace_by(op, TransposeOp(source, permutation), block)


def _simplify_reshape(op: ReshapeOp, block: Block) -> None:
    result = tensor_type(op.result)
    inner = op.source.owner
    if isinstance(inner, ReshapeOp) and reshaped_type(tensor_type(inner.source), result.dims) == result:
        op.operands[0] = inner.source
    if op.source.type == op.result.type:
        _replace(op, op.source)


def _simplify_window(op: WindowOp, block: Block) -> None:
    source, starts = op.source, [start.data for start in op.starts]
    shape = tensor_type(op.result).dims
    if isinstance(source.owner, WindowOp):
        outer = [start.data for start in source.owner.starts]
        starts = [dims.add(one, other) for one, other in zip(outer, starts, strict=True)]
        source = source.owner.source
    if shape == tensor_type(source).dims and all(start == 0 for start in starts):
        _replace(op, source)
    elif source is not op.source:
        _replace_by(op, WindowOp(source, starts, shape), block)


# --- maps and reshapes ----------------------------------------------------------------------------------------


def _move_before_reshape(op: MapOp, block: Block) -> None:
    """``map(reshape(kernel))`` -> ``reshape(map(kernel))``, where every operand of the map can follow."""
    reshape = next((operand.owner for operand in op.ins if _hides_kernel(operand, op)), None)
    if not isinstance(reshape, ReshapeOp):
        return
    shape, old_type = tensor_type(reshape.source).dims, op.type
    shapes = [_shape_before(tensor_type(operand), old_type.dims, shape) for operand in op.ins]
    if any(found is None for found in shapes):
        return
    operands = []
    for operand, found in zip(op.ins, shapes, strict=True):
        assert found is not None
        operands.append(_reshaped(operand, found, op, block))
    set_operands(op, operands)
    result = Rewriter.replace_value_with_new_type(op.result, TensorType.of(shape, old_type.element_type))
    back = ReshapeOp(result, old_type.dims)
    block.insert_op_after(back, op)
    result.replace_uses_with_if(back.result, lambda use: use.operation is not back)
    _merge_repeated_operands(op)


def _hides_kernel(operand: SSAValue, op: MapOp) -> bool:
    """Whether the operand is a reshape that stands between the map and a kernel nobody else reads."""
    reshape = operand.owner
    if not isinstance(reshape, ReshapeOp) or tensor_type(operand).dims != op.type.dims:
        return False
    return (
        isinstance(reshape.source.owner, KernelOp)
        and all(use.operation is op for use in operand.uses)
        and all(use.operation is reshape for use in reshape.source.uses)
    )


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


def _merge_repeated_operands(op: MapOp) -> None:
    """Two operands that have become the same value are read once."""
    arguments: dict[SSAValue, SSAValue] = {}
    block = op.epilogue.block
    for operand, argument in list(zip(op.ins, block.args, strict=True)):
        if operand in arguments:
            argument.replace_all_uses_with(arguments[operand])
            block.erase_arg(argument)
        else:
            arguments[operand] = argument
    set_operands(op, list(arguments))
