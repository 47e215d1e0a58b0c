"""What passes that rearrange views share: keeping the types of views in step with what they look at."""

from __future__ import annotations

from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter

from ...dialects.layout import (
    ConvertOp,
    ReshapeOp,
    TensorType,
    TransposeOp,
    WindowOp,
    reshaped_type,
    transposed_type,
    window_type,
)
from ...dialects.layout_algebra import Layout

VIEWS = (ReshapeOp, TransposeOp, WindowOp)


def tensor_type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def replace(op: Operation, value: SSAValue) -> None:
    """Lets ``value`` stand for the op's result."""
    result = op.results[0]
    if value.name_hint is None:
        value.name_hint = result.name_hint
    result.replace_all_uses_with(value)
    op.detach()
    op.erase()


def replace_by(op: Operation, new: Operation, block: Block) -> None:
    """Puts ``new`` in the op's place."""
    block.insert_op_before(new, op)
    replace(op, new.results[0])


def set_type(value: SSAValue, type_: TensorType) -> None:
    """Gives a value another type, if it is another. What reads the value must be looked at again."""
    if value.type != type_:
        Rewriter.replace_value_with_new_type(value, type_)


def row_major_copy(value: SSAValue, before: Operation, block: Block) -> SSAValue:
    """The value itself if it is row-major, else a copy that is."""
    if tensor_type(value).layout.is_row_major:
        return value
    copy = ConvertOp(value, Layout.row_major(tensor_type(value).rank))
    block.insert_op_before(copy, before)
    return copy.result


def refresh_view(op: ReshapeOp | TransposeOp | WindowOp, block: Block) -> None:
    """Derives a view's type anew after its source's has changed; a reshape may need a row-major copy for it."""
    shape = tensor_type(op.result).dims
    if isinstance(op, TransposeOp):
        set_type(op.result, transposed_type(tensor_type(op.source), op.permutation.get_values()))
    elif isinstance(op, WindowOp):
        starts = [start.data for start in op.starts]
        set_type(op.result, window_type(tensor_type(op.source), starts, shape))
    else:
        if reshaped_type(tensor_type(op.source), shape) is None:
            op.operands[0] = row_major_copy(op.source, op, block)
        new_type = reshaped_type(tensor_type(op.source), shape)
        assert new_type is not None, "a row-major tensor can be seen in any shape"
        set_type(op.result, new_type)
