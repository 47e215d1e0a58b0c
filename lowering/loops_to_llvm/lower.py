"""The pass `lower-loops-to-llvm`."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass

from ...backend.targets import Target, target_by_name
from .functions import lower_function

TARGET_ATTRIBUTE = "lamina.target"
"""On the module: the name of the target that its functions were lowered for."""


@contextmanager
def _garbage_collection_paused():
    """Thousands of live ops make the cyclic collector scan them again and again; nothing here is garbage yet."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def lower_module(module: ModuleOp, target: Target) -> ModuleOp:
    """A new module with every function of a loops-level module lowered to the llvm dialect."""
    result = ModuleOp([])
    with _garbage_collection_paused():
        for op in module.body.block.ops:
            if isinstance(op, func.FuncOp):
                result.body.block.add_ops(lower_function(op, target))
    return result


@dataclass(frozen=True)
class LowerLoopsToLLVMPass(ModulePass):
    """Lowers func, scf, memref, vector, arith and math to the llvm dialect.

    Register tiles (n-D vectors) are cut into machine vectors, strided views become pointer arithmetic, loops become
    blocks, kernels get the uniform ABI.

    ```mlir
    %r = vector.fma %a, %b, %c : vector<2x32xf32>
    ```
    becomes, on a machine with 16 lanes,
    ```mlir
    %0 = llvm.call_intrinsic "llvm.fma.v16f32"(%a0, %b0, %c0) : ...   // and three more
    ```
    """

    name = "lower-loops-to-llvm"
    target: str | None = None
    """The name of the target; by default the one of the context, else this machine."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        name = self.target or "host"
        target = target_by_name(name) if self.target else getattr(ctx, "target", None) or target_by_name("host")
        lowered = lower_module(op, target)
        block = op.body.block
        for old in list(block.ops):
            if isinstance(old, func.FuncOp):
                old.detach()
                old.erase()
        for new in list(lowered.body.block.ops):
            new.detach()
            block.add_op(new)
        op.attributes[TARGET_ATTRIBUTE] = StringAttr(self.target or target.name)
