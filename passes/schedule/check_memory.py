"""Refuses a schedule, edited by hand, whose stages would read or write memory that is another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.schedule import BarrierOp, BufferOp, StageOp
from ...dialects.storage import buffer_bytes
from ...errors import OperationError
from ...runtime.arena import LiveRange, shared_bytes
from ...runtime.memory import ALIGNMENT
from .place_barriers import memory_root


@dataclass(frozen=True)
class ScheduleCheckMemoryPass(ModulePass):
    """Changes nothing. Raises OperationError at the first buffer or stage that breaks one of these rules.

    Stages: what is read was written before, with a barrier in between; nobody writes what another stage touches
    between the same two barriers (parts of one buffer may be written side by side); only buffers of the arena and
    outputs are written. Buffers: one of the arena lives as long as stages touch it; its offset is aligned, and shares
    no bytes with another that lives at the same time; outputs are numbered as they are returned, and all are written.
    """

    name = "schedule-check-memory"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        check_memory(op)


def check_memory(module: ModuleOp) -> None:
    for function in module.ops:
        if isinstance(function, func.FuncOp) and function.body.blocks:
            block = function.body.block
            if any(isinstance(op, StageOp | BufferOp) for op in block.ops):
                _Check(function).run()


@dataclass
class _Uses:
    """What happens to a buffer: the epoch in which it is written last and read last, and whether as a whole."""

    first: int
    last: int
    written: int | None = None
    whole: bool = True
    read: int | None = None


class _Check:
    def __init__(self, function: func.FuncOp):
        self.function = function
        self.uses: dict[SSAValue, _Uses] = {}
        self.epochs: list[int] = []
        """For each stage the number of barriers before it."""

    def run(self) -> None:
        epoch = 0
        for op in self.function.body.block.ops:
            if isinstance(op, BarrierOp):
                epoch += 1
            elif isinstance(op, StageOp):
                self.epochs.append(epoch)
                self.check_stage(op, epoch)
        self.check_outputs()
        buffers = [op for op in self.function.body.block.ops if isinstance(op, BufferOp) and op.kind.data == "arena"]
        for buffer in buffers:
            self.check_buffer(buffer)
        self.check_apart([buffer for buffer in buffers if buffer.offset is not None])

    def check_stage(self, stage: StageOp, epoch: int) -> None:
        for value in stage.ins:
            root = memory_root(value)
            if not isinstance(root.owner, BufferOp) or root.owner.constant is not None:
                continue
            uses = self.uses.get(root)
            if uses is None or uses.written is None:
                raise OperationError(f"{_name(root)} is read before a stage has written it", stage)
            if uses.written == epoch:
                raise OperationError(
                    f"{_name(root)} is read with no schedule.barrier since the stage that writes it", stage
                )
            uses.read = uses.last = epoch
        for value in stage.outs:
            self.check_written(stage, value, epoch)

    def check_written(self, stage: StageOp, value: SSAValue, epoch: int) -> None:
        root = memory_root(value)
        if not isinstance(root.owner, BufferOp) or root.owner.constant is not None:
            raise OperationError(f"{_name(root)} is written, and only arena and output buffers can be", stage)
        uses = self.uses.setdefault(root, _Uses(epoch, epoch))
        whole = value is root
        if uses.written == epoch and (whole or uses.whole):
            raise OperationError(f"{_name(root)} is written twice with no schedule.barrier in between", stage)
        if uses.read == epoch:
            raise OperationError(f"{_name(root)} is written with no schedule.barrier since it was read", stage)
        uses.written, uses.whole, uses.last = epoch, whole, epoch

    def check_buffer(self, buffer: BufferOp) -> None:
        first, last = buffer.lives
        if not 0 <= first <= last < max(len(self.epochs), 1):
            raise OperationError(
                f"{_name(buffer.result)} lives {first} to {last}: the stages are numbered 0 to {len(self.epochs) - 1}",
                buffer,
            )
        uses = self.uses.get(buffer.result)
        if uses is not None and not (self.epochs[first] <= uses.first and uses.last <= self.epochs[last]):
            begin, end = self.epochs.index(uses.first), len(self.epochs) - 1 - self.epochs[::-1].index(uses.last)
            raise OperationError(
                f"{_name(buffer.result)} lives {first} to {last}, and stages may touch it from {begin} to {end}", buffer
            )
        if buffer.offset is None:
            return
        offset = buffer.offset.value.data
        if offset < 0 or offset % ALIGNMENT:
            raise OperationError(f"offset {offset}: expected a multiple of {ALIGNMENT}, and 0 or more", buffer)
        if not dims.is_static([buffer_bytes(buffer.type)]):
            raise OperationError(f"offset {offset} is given for a buffer whose size is not known", buffer)

    def check_apart(self, buffers: Sequence[BufferOp]) -> None:
        ranges = []
        for buffer in buffers:
            assert buffer.offset is not None
            first, last = (self.epochs[stage] if self.epochs else 0 for stage in buffer.lives)
            ranges.append(LiveRange(int(buffer_bytes(buffer.type)), first, last, buffer.offset.value.data))
        shared = shared_bytes(ranges)
        if shared is None:
            return
        one, other = (buffers[index] for index in shared)
        begin = max(ranges[index].offset or 0 for index in shared)
        end = min((ranges[index].offset or 0) + ranges[index].size for index in shared)
        raise OperationError(
            f"{_name(other.result)} shares bytes {begin} to {end} of the arena with {_name(one.result)}, and "
            f"both live at stage {max(one.lives[0], other.lives[0])}",
            other,
        )

    def check_outputs(self) -> None:
        terminator = self.function.body.block.last_op
        assert isinstance(terminator, func.ReturnOp)
        returned = [memory_root(value) for value in terminator.operands]
        outputs = [op for op in self.function.body.block.ops if isinstance(op, BufferOp) and op.kind.data == "output"]
        for buffer in outputs:
            assert buffer.index is not None
            index = buffer.index.value.data
            if not 0 <= index < len(returned) or returned[index] is not buffer.result:
                raise OperationError(f"{_name(buffer.result)} is output {index}, and is not returned as that", buffer)
            if buffer.result not in self.uses:
                raise OperationError(f"no stage writes {_name(buffer.result)}", buffer)
        for root in returned:
            if root not in {buffer.result for buffer in outputs}:
                raise OperationError(f"{_name(root)} is returned, and is no output buffer", terminator)


def _name(value: SSAValue) -> str:
    return f"%{value.name_hint}" if value.name_hint else f"the buffer of {value.type}"
