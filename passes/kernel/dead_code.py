"""Removes kernels and views whose result nobody reads, and constants that nothing names any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.traits import is_side_effect_free

if TYPE_CHECKING:
    from ...context import ConstantStore


@dataclass(frozen=True)
class KernelDeadCodePass(ModulePass):
    """Drops what does not reach a result.

    before::

        %0 = kernel.constant @weight : !layout.tensor<64 x 64 x 1 x 1 x f32>
        %1 = kernel.constant @weight.blocked : !layout.tensor<64 x 64 x 1 x 1 x f32, ABcd16b64a>
        %2 = kernel.conv(%x, %1) : ...

    after::

        %1 = kernel.constant @weight.blocked : !layout.tensor<64 x 64 x 1 x 1 x f32, ABcd16b64a>
        %2 = kernel.conv(%x, %1) : ...

    and ``weight`` is gone from the store.
    """

    name = "kernel-dead-code"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                remove_unread(function.body.block)
        _forget_unnamed(op, ctx.constants)  # pyright: ignore[reportAttributeAccessIssue]


def remove_unread(block: Block) -> None:
    """Last ops first, so that what only a dead op reads is dead too."""
    for op in reversed(list(block.ops)):
        if op.results and not any(result.uses for result in op.results) and is_side_effect_free(op):
            op.detach()
            op.erase()


def _forget_unnamed(module: ModuleOp, constants: ConstantStore) -> None:
    named: set[str] = set()
    for op in module.walk():
        for key in ("constant", "handle"):
            attribute = op.properties.get(key)
            if isinstance(attribute, StringAttr):
                named.add(attribute.data)
    for name in [name for name in constants if name not in named]:
        del constants[name]
