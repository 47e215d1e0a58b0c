"""Gives products of bf16 numbers, which the graph widens to f32, their narrow operands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, bf16, f32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects.graph.types import numpy_dtype
from ...dialects.kernel import ConstantOp, ContractionOp, MapOp
from .dead_code import remove_unread
from .narrow_atoms import NarrowAtoms
from .views import tensor_type
from .widening import as_widened, through_views, viewed_again, widened_by

if TYPE_CHECKING:
    from ...context import ConstantStore
    from ...machines import Target

_LOWER_HALF = np.uint32(0xFFFF)


@dataclass(frozen=True)
class KernelNarrowFloatsPass(ModulePass):
    """A product of bf16 numbers that were widened to f32 takes them as they were, where an instruction multiplies them.

    before::

        %0 = kernel.map(%x) : !layout.tensor<8 x 64 x f32> each(%a) {%w = arith.extf %a : bf16 to f32}
        %1 = kernel.constant @weight.f32 : !layout.tensor<64 x 32 x f32>
        %y = kernel.gemm(%0, %1) : !layout.tensor<8 x 32 x f32>

    after::

        %1 = kernel.constant @weight.bf16 : !layout.tensor<64 x 32 x bf16>
        %y = kernel.gemm(%x, %1) : !layout.tensor<8 x 32 x f32>

    Sums are f32 as before. A constant is stored again where each of its numbers is one of bf16. Views stay between.
    Convolutions whose weights are no constant stay in f32, and those of fewer channels a group than a block has,
    depthwise ones among them: the instruction would multiply mostly nothing.
    """

    name = "kernel-narrow-floats"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        if not NarrowAtoms.of(target).has_any:
            return
        narrowing = _Narrowing(ctx.constants, target)  # pyright: ignore[reportAttributeAccessIssue]
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                narrowing.narrow_products(function.body.block)


class _Narrowing:
    def __init__(self, constants: ConstantStore, target: Target):
        self.constants = constants
        self.atoms = NarrowAtoms.of(target)
        self.narrow_names: dict[str, str | None] = {}
        """By constant of f32, the same numbers as bf16; None where they are none."""

    def narrow_products(self, block: Block) -> None:
        for op in list(block.ops):
            if isinstance(op, ContractionOp) and self.can_narrow(op) and self.atoms.multiply(op):
                for index in (0, 1):
                    op.operands[index] = self.narrowed(op.operands[index], op)
        remove_unread(block)

    def can_narrow(self, op: ContractionOp) -> bool:
        roots = [through_views(operand)[0].owner for operand in op.ins[:2]]
        if op.sums_type != f32 or not any(self.is_widened(root) for root in roots):
            return False
        # A constant is only looked at, number by number, where the other operand was widened.
        return all(
            self.is_widened(root) or (isinstance(root, ConstantOp) and self.narrow_name(root) is not None)
            for root in roots
        )

    def is_widened(self, op: Operation | Block) -> bool:
        source = widened_by(op)
        return source is not None and tensor_type(source).element_type == bf16

    def narrowed(self, value: SSAValue, before: Operation) -> SSAValue:
        root, views = through_views(value)
        if isinstance(root.owner, ConstantOp):
            name = self.narrow_name(root.owner)
            assert name is not None
            constant = ConstantOp(name, tensor_type(root).with_element(bf16))
            constant.result.name_hint = root.name_hint
            block = before.parent
            assert block is not None
            block.insert_op_before(constant, before)
            narrow = constant.result
        else:
            narrow = widened_by(root.owner)
            assert narrow is not None and isinstance(root.owner, MapOp)
            narrow = as_widened(narrow, root.owner, only_kernels=not views)
        for view in reversed(views):
            narrow = viewed_again(view, narrow, before)
        return narrow

    def narrow_name(self, op: ConstantOp) -> str | None:
        """The constant of bf16 that holds the same numbers, made the first time."""
        name = op.constant.data
        if name not in self.narrow_names:
            self.narrow_names[name] = self._narrow_name(name)
        return self.narrow_names[name]

    def _narrow_name(self, name: str) -> str | None:
        array = self.constants[name]
        if array.dtype != np.float32:
            return None
        bits = np.ascontiguousarray(array).view(np.uint32)
        if (bits & _LOWER_HALF).any():
            return None
        narrow = (bits >> 16).astype(np.uint16).view(numpy_dtype(bf16))
        return self.constants.add(narrow, f"{name.removesuffix('.f32')}.bf16", self.constants.layout_of(name))
