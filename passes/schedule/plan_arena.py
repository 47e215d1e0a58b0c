"""Finds how long each arena buffer lives and, where all sizes are known, its place in the arena."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.batches import BatchesOp
from ...dialects.schedule import BarrierOp, BufferOp, StageOp
from ...dialects.shape import Dim
from ...dialects.storage import buffer_bytes
from ...runtime.arena import LiveRange, plan
from .place_barriers import memory_root


@dataclass(frozen=True)
class SchedulePlanArenaPass(ModulePass):
    """Fills in ``lives FIRST to LAST`` (stage numbers) and ``offset`` (bytes) of every arena buffer.

    Threads may be anywhere between two barriers, so a buffer's life is stretched to the barriers around it.
    Where a size depends on symbols, the runtime plans the offsets once the symbols are bound. The stages of a
    schedule.batches are numbered for themselves, and have an arena of their own for each thread; outside it counts as
    one stage.
    """

    name = "schedule-plan-arena"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                _plan(function.body.block)


def _plan(block: Block) -> None:
    spans = _stage_spans(block)
    lives: dict[SSAValue, tuple[int, int]] = {}
    stages = [op for op in block.ops if isinstance(op, StageOp | BatchesOp)]
    for index, stage in enumerate(stages):
        if isinstance(stage, BatchesOp):
            _plan(stage.body.block)
        for value in (*stage.ins, *stage.outs):
            root = memory_root(value)
            first, last = lives.get(root, spans[index])
            lives[root] = (min(first, spans[index][0]), max(last, spans[index][1]))
    buffers = [op for op in block.ops if isinstance(op, BufferOp) and op.kind.data == "arena"]
    for buffer in buffers:
        # What no stage touches needs no life of its own.
        buffer.set_lives(*lives.get(buffer.result, (0, 0)))
    batches = block.parent_op()
    sizes: list[Dim] = [buffer_bytes(buffer.type) for buffer in buffers]
    if isinstance(batches, BatchesOp):
        sizes = [batches.of_whole_step(size) for size in sizes]
    if not dims.is_static(sizes):
        return
    ranges = [LiveRange(int(size), *buffer.lives) for size, buffer in zip(sizes, buffers, strict=True)]
    for buffer, offset in zip(buffers, plan(ranges).offsets, strict=True):
        buffer.offset = IntegerAttr(offset, i64)


def _stage_spans(block: Block) -> list[tuple[int, int]]:
    """For each stage, the numbers of the first and last stage between the barriers around it."""
    groups: list[list[int]] = [[]]
    count = 0
    for op in block.ops:
        if isinstance(op, BarrierOp):
            groups.append([])
        elif isinstance(op, StageOp | BatchesOp):
            groups[-1].append(count)
            count += 1
    return [(group[0], group[-1]) for group in groups for _ in group]
