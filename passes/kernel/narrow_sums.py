"""Sums bytes as they are."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import ModuleOp, i8
from xdsl.ir import Block
from xdsl.passes import ModulePass

from ...dialects.kernel import MapOp, ReduceOp
from .dead_code import remove_unread
from .region_merging import yielded_value
from .views import tensor_type


@dataclass(frozen=True)
class KernelNarrowSumsPass(ModulePass):
    """A sum of bytes that were widened to i32 takes them as they were.

    before::

        %0 = kernel.map(%x) : !layout.tensor<8 x 64 x i32> each(%a) {%w = arith.extui %a : i8 to i32}
        %1 = kernel.reduce sum(%0) axes [1] : !layout.tensor<8 x 1 x i32>

    after::

        %1 = kernel.reduce sum(%x) axes [1] unsigned [0] : !layout.tensor<8 x 1 x i32>
    """

    name = "kernel-narrow-sums"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                narrow_sums(function.body.block)


def narrow_sums(block: Block) -> None:
    for op in list(block.ops):
        if isinstance(op, ReduceOp) and op.get("kind") == "sum" and not op.has_epilogue:
            _narrow(op)
    remove_unread(block)


def _narrow(op: ReduceOp) -> None:
    widening = op.ins[0].owner
    if not isinstance(widening, MapOp) or len(widening.ins) != 1:
        return
    source, code = widening.ins[0], widening.epilogue.block
    cast = yielded_value(code).owner
    if not isinstance(cast, arith.ExtUIOp | arith.ExtSIOp) or cast.input is not code.args[0]:
        return
    type_ = tensor_type(source)
    if type_.element_type != i8 or type_.dims != widening.type.dims:
        return
    unsigned = (0,) if isinstance(cast, arith.ExtUIOp) else None
    new = ReduceOp([source], op.type, kind="sum", axes=op.get("axes"), unsigned=unsigned)
    block = op.parent
    assert block is not None
    block.insert_op_before(new, op)
    new.result.name_hint = op.result.name_hint
    op.result.replace_all_uses_with(new.result)
    op.detach()
    op.erase()
