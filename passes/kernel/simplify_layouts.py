"""Removes views and copies that do nothing."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.kernel import GemmOp, MapOp
from ...dialects.layout import ConvertOp, ReshapeOp, TensorType, TransposeOp, WindowOp, reshaped_type
from .dead_code import remove_unread
from .views import refresh_view, replace, replace_by, set_type, tensor_type


@dataclass(frozen=True)
class KernelSimplifyLayoutsPass(ModulePass):
    """Chains of layout ops become one op or none.

    before::

        %1 = layout.transpose %0 [0, 2, 1] : !layout.tensor<N x 6 x 1 x f32, acb>
        %2 = layout.convert %1 : !layout.tensor<N x 6 x 1 x f32>
        %3 = layout.reshape %2 : !layout.tensor<N x 3 x 2 x f32>

    after::

        %3 = layout.reshape %0 : !layout.tensor<N x 3 x 2 x f32>

    - convert, reshape, transpose to the type that is there already: gone
    - convert of a convert, reshape of a reshape, transpose of a transpose, window of a window: one op
    - convert of a transpose that moved only axes of length 1: a reshape
    - convert of the transpose of a matrix product, map or copy that nobody else reads: they write it that way
    """

    name = "kernel-simplify-layouts"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                simplify_layouts(function.body.block)


def simplify_layouts(block: Block) -> None:
    """One walk in order: an op's operands are as simple as they get by the time it is looked at."""
    for op in list(block.ops):
        if isinstance(op, ReshapeOp | TransposeOp | WindowOp):
            refresh_view(op, block)
        match op:
            case ConvertOp():
                _simplify_convert(op, block)
            case TransposeOp():
                _simplify_transpose(op, block)
            case ReshapeOp():
                _simplify_reshape(op, block)
            case WindowOp():
                _simplify_window(op, block)
            case _:
                pass
    remove_unread(block)


def _simplify_convert(op: ConvertOp, block: Block) -> None:
    if isinstance(op.source.owner, ConvertOp):
        op.operands[0] = op.source.owner.source
    if op.source.type == op.result.type:
        replace(op, op.source)
        return
    source = op.source.owner
    if not isinstance(source, TransposeOp):
        return
    if _is_reshape(source, tensor_type(op.result)):
        replace_by(op, ReshapeOp(source.source, tensor_type(op.result).dims), block)
    elif _can_store_elsewhere(source, op):
        _store_transposed(source, op)


def _can_store_elsewhere(transpose: TransposeOp, convert: ConvertOp) -> bool:
    """Whether a kernel's result is only read through a transpose and a copy of it, so that it may write the copy.

    A matrix product's or map's last axis must stay the one along memory, since they write vectors along it; a
    copy can write any way.
    """
    writer = transpose.source.owner
    written = tensor_type(convert.result).layout
    keeps_rows = list(transpose.permutation.get_values())[-1] == written.rank - 1
    return (
        (isinstance(writer, ConvertOp) or (isinstance(writer, GemmOp | MapOp) and keeps_rows))
        and tensor_type(transpose.source).layout.is_row_major
        and written.is_row_major
        and all(use.operation is transpose for use in transpose.source.uses)
        and all(use.operation is convert for use in transpose.result.uses)
    )


def _store_transposed(transpose: TransposeOp, convert: ConvertOp) -> None:
    """Gives the written tensor the layout in which its transpose is row-major; the copy is not needed then."""
    permutation = list(transpose.permutation.get_values())
    inverse = [permutation.index(axis) for axis in range(len(permutation))]
    written = tensor_type(convert.result).layout.permuted(inverse)
    set_type(transpose.source, tensor_type(transpose.source).with_layout(written))
    set_type(transpose.result, tensor_type(convert.result))
    replace(convert, transpose.result)


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
        replace(op, source)
    elif source is not op.source:
        replace_by(op, TransposeOp(source, permutation), block)


def _simplify_reshape(op: ReshapeOp, block: Block) -> None:
    result = tensor_type(op.result)
    inner = op.source.owner
    if isinstance(inner, ReshapeOp) and reshaped_type(tensor_type(inner.source), result.dims) == result:
        op.operands[0] = inner.source
    if op.source.type == op.result.type:
        replace(op, op.source)


def _simplify_window(op: WindowOp, block: Block) -> None:
    source, starts = op.source, [start.data for start in op.starts]
    shape = tensor_type(op.result).dims
    if isinstance(source.owner, WindowOp):
        outer = [start.data for start in source.owner.starts]
        starts = [dims.add(one, other) for one, other in zip(outer, starts, strict=True)]
        source = source.owner.source
    if shape == tensor_type(source).dims and all(start == 0 for start in starts):
        replace(op, source)
    elif source is not op.source:
        replace_by(op, WindowOp(source, starts, shape), block)
