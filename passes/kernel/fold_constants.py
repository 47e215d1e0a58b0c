"""Lays constants out at compile time: what a kernel wants packed is stored packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import ConstantOp
from ...dialects.layout import ConvertOp, ReshapeOp, TensorType, TransposeOp, WindowOp
from ...dialects.layout_algebra import storage_name
from ...dialects.shape import is_static

if TYPE_CHECKING:
    from ...context import ConstantStore


@dataclass(frozen=True)
class KernelFoldConstantsPass(ModulePass):
    """A view or another layout of a constant becomes a constant of its own.

    before::

        %0 = kernel.constant @weight : !layout.tensor<64 x 64 x 3 x 3 x f32>
        %1 = layout.convert %0 : !layout.tensor<64 x 64 x 3 x 3 x f32, ABcd16b32a>

    after::

        %1 = kernel.constant @weight.blocked : !layout.tensor<64 x 64 x 3 x 3 x f32, ABcd16b32a>

    The old constant stays in the store for ``kernel-dead-code`` to remove.
    """

    name = "kernel-fold-constants"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        folder = _Folder(ctx.constants)  # pyright: ignore[reportAttributeAccessIssue]
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                folder.fold(function.body.block)


def _type(value: SSAValue) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


class _Folder:
    def __init__(self, constants: ConstantStore):
        self.constants = constants
        self.made: dict[tuple, str] = {}

    def fold(self, block: Block) -> None:
        for op in list(block.ops):
            if not isinstance(op, ConvertOp | ReshapeOp | TransposeOp | WindowOp):
                continue
            source = op.source.owner
            # A part as long as a symbol says is only known when the model runs.
            if not isinstance(source, ConstantOp) or not is_static(_type(op.result).dims):
                continue
            constant = self.folded(op, source)
            block.insert_op_before(constant, op)
            constant.result.name_hint = op.result.name_hint or source.result.name_hint
            op.result.replace_all_uses_with(constant.result)
            op.detach()
            op.erase()
            if not source.result.uses:
                source.detach()
                source.erase()

    def folded(self, op: ConvertOp | ReshapeOp | TransposeOp | WindowOp, source: ConstantOp) -> ConstantOp:
        before, after = _type(source.result), _type(op.result)
        if not isinstance(op, ConvertOp):
            # A view of a constant has memory of its own, and no margins around it.
            after = after.with_layout(after.layout.without_margins())
        name = source.constant.data
        place = tuple(start.data for start in op.starts) if isinstance(op, WindowOp) else None
        key = (name, before, type(op), place, after)
        if key not in self.made:
            tensor = before.layout.unpack(self.constants[name], [int(size) for size in before.dims])
            memory = after.layout.pack(_viewed(op, tensor, [int(size) for size in after.dims]))
            self.made[key] = self.constants.add(memory, _name(name, op, after), after.layout)
        return ConstantOp(self.made[key], after)


def _viewed(op: ConvertOp | ReshapeOp | TransposeOp | WindowOp, tensor: np.ndarray, shape: list[int]) -> np.ndarray:
    """What the op makes of the tensor, regardless of layouts."""
    match op:
        case ReshapeOp():
            return tensor.reshape(shape)
        case TransposeOp():
            return tensor.transpose(op.permutation.get_values())
        case WindowOp():
            starts = [int(start.data) for start in op.starts]
            return tensor[tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))]
        case _:
            return tensor


def _name(name: str, op: ConvertOp | ReshapeOp | TransposeOp | WindowOp, after: TensorType) -> str:
    return f"{name}.{storage_name(after.layout)}" if isinstance(op, ConvertOp) else name
