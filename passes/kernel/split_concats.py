"""Makes a tree of concatenations with many operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects.kernel import ConcatOp
from ...dialects.layout import TensorType
from ...dialects.shape import Dim, add

MOST_OPERANDS = 64


@dataclass(frozen=True)
class KernelSplitConcatsPass(ModulePass):
    """Lets no concatenation have more than 64 operands, so that no kernel's code grows with their number.

    before::

        %y = kernel.concat(%0, ..., %99) axis 0 : !layout.tensor<100 x f32>

    after::

        %a = kernel.concat(%0, ..., %63) axis 0 : !layout.tensor<64 x f32>
        %b = kernel.concat(%64, ..., %99) axis 0 : !layout.tensor<36 x f32>
        %y = kernel.concat(%a, %b) axis 0 : !layout.tensor<100 x f32>
    """

    name = "kernel-split-concats"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if not isinstance(function, func.FuncOp) or not function.body.blocks:
                continue
            for kernel in list(function.body.block.ops):
                if isinstance(kernel, ConcatOp) and len(kernel.ins) > MOST_OPERANDS:
                    _split(kernel)


def _split(concat: ConcatOp) -> None:
    parts: list[SSAValue] = list(concat.ins)
    while len(parts) > MOST_OPERANDS:
        groups = [parts[start : start + MOST_OPERANDS] for start in range(0, len(parts), MOST_OPERANDS)]
        parts = [group[0] if len(group) == 1 else _concatenated(concat, group) for group in groups]
    block = concat.parent
    assert block is not None
    last = ConcatOp(parts, concat.type, axis=concat.get("axis"))
    last.result.name_hint = concat.result.name_hint
    block.insert_op_before(last, concat)
    concat.result.replace_all_uses_with(last.result)
    block.erase_op(concat)


def _concatenated(concat: ConcatOp, group: Sequence[SSAValue]) -> SSAValue:
    """The operands of a group, one after another, before the concatenation that they belong to."""
    axis = concat.get("axis")
    total: Dim = 0
    for value in group:
        assert isinstance(value.type, TensorType)
        total = add(total, value.type.dims[axis])
    dims = [total if other == axis else size for other, size in enumerate(concat.type.dims)]
    part = ConcatOp(group, TensorType.of(dims, concat.type.element_type), axis=axis)
    block = concat.parent
    assert block is not None
    block.insert_op_before(part, concat)
    return part.result
