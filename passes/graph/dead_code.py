"""Removes what nothing reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block
from xdsl.passes import ModulePass

from ...dialects.graph import BindSizesOp, ConstantOp, GraphOperation, IfOp, LoopOp

if TYPE_CHECKING:
    from ...context import ConstantStore


@dataclass(frozen=True)
class GraphDeadCodePass(ModulePass):
    """Drops operations whose results nobody reads, and the contents of constants that no operation names.

    before::

        %0 = graph.constant @unread : !graph.tensor<8 x f32>
        %1 = graph.exp %x : !graph.tensor<8 x f32>
        func.return %x : !graph.tensor<8 x f32>

    after::

        func.return %x : !graph.tensor<8 x f32>
    """

    name = "graph-dead-code"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, FuncOp) and function.body.blocks:
                remove_unread(function.body.block)
        forget_unnamed(op, ctx.constants)  # pyright: ignore[reportAttributeAccessIssue]


def remove_unread(block: Block) -> None:
    """Last operations first, so that what only a dead one reads is dead too."""
    for operation in reversed(list(block.ops)):
        if not isinstance(operation, GraphOperation | IfOp | LoopOp) or isinstance(operation, BindSizesOp):
            continue
        if any(result.first_use is not None for result in operation.results):
            for region in operation.regions:
                for inner in region.blocks:
                    remove_unread(inner)
            continue
        operation.detach()
        operation.erase()


def forget_unnamed(module: ModuleOp, constants: ConstantStore) -> None:
    """Only where the whole module is at the graph level: kernels name constants in their own ways."""
    named: set[str] = set()
    for operation in module.walk():
        if isinstance(operation, ConstantOp):
            named.add(operation.handle)
        elif operation.name.partition(".")[0] not in ("graph", "func", "builtin"):
            return
    for name in [name for name in constants if name not in named]:
        del constants[name]
