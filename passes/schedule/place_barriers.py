"""Puts a barrier wherever a stage reads what another one has written since the last barrier."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass

from ...dialects.batches import BatchesOp
from ...dialects.layout import ReshapeOp, TransposeOp, WindowOp
from ...dialects.schedule import BarrierOp, StageOp


def memory_root(value: SSAValue) -> SSAValue:
    """The buffer or input whose memory a value is a view of."""
    while isinstance(value.owner, ReshapeOp | TransposeOp | WindowOp):
        value = value.owner.source
    return value


@dataclass(frozen=True)
class SchedulePlaceBarriersPass(ModulePass):
    """Threads run freely through stages that do not depend on each other, those inside of schedule.batches, too.

    before::

        schedule.stage @a %1 = kernel.softmax(%x)
        schedule.stage @b %2 = kernel.softmax(%y)
        schedule.stage @c %3 = kernel.softmax(%1)

    after::

        schedule.stage @a %1 = kernel.softmax(%x)
        schedule.stage @b %2 = kernel.softmax(%y)
        schedule.barrier
        schedule.stage @c %3 = kernel.softmax(%1)
    """

    name = "schedule-place-barriers"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                _place(function.body.block)


def _place(block: Block) -> None:
    written: set[SSAValue] = set()
    for op in list(block.ops):
        if isinstance(op, BarrierOp):
            op.detach()
            op.erase()
        if isinstance(op, BatchesOp):
            _place(op.body.block)
        elif not isinstance(op, StageOp):
            continue
        touched = {memory_root(value) for value in (*op.ins, *op.outs)}
        if touched & written:
            block.insert_op_before(BarrierOp.create(), op)
            written = set()
        written |= {memory_root(value) for value in op.outs}
