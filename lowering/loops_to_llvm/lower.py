"""The pass `lower-loops-to-llvm`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass

from ...dialects.calling_convention import is_kernel
from ...machines import Target, target_by_name
from .functions import lower_function

TARGET_ATTRIBUTE = "lamina.target"
"""On the module: the name of the target that its functions were lowered for."""


def code_functions(module: ModuleOp, only: str | None = None) -> list[func.FuncOp]:
    """The functions that become machine code: kernels (or ``only`` that one), and what they call, in the text's order.

    Other functions, such as the plan of a model, stay as they are.
    """
    functions = {op.sym_name.data: op for op in module.body.block.ops if isinstance(op, func.FuncOp)}
    pending = [name for name, function in functions.items() if is_kernel(function) and only in (None, name)]
    wanted = set(pending)
    while pending:
        for op in functions[pending.pop()].walk():
            if not isinstance(op, func.CallOp):
                continue
            callee = op.callee.root_reference.data
            if callee in functions and callee not in wanted:
                wanted.add(callee)
                pending.append(callee)
    return [function for name, function in functions.items() if name in wanted]


def lower_module(module: ModuleOp, target: Target) -> ModuleOp:
    """A new module with the machine code functions of a loops-level module, lowered to the llvm dialect."""
    result = ModuleOp([])
    for function in code_functions(module):
        result.body.block.add_ops(lower_function(function, target))
    return result


def _target_of(context: Context) -> Target:
    """The target of a compiler's context; this machine for any other context."""
    return getattr(context, "target", None) or target_by_name("host")


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
        target = target_by_name(self.target) if self.target else _target_of(ctx)
        block = op.body.block
        for function in code_functions(op):
            for lowered in lower_function(function, target):
                block.insert_op_before(lowered, function)
            function.detach()
            function.erase()
        op.attributes[TARGET_ATTRIBUTE] = StringAttr(self.target or target.name)
