"""Refuses a schedule, edited by hand, whose stages would read or write memory that is another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.batches import BatchesOp
from ...dialects.growth import growths_of
from ...dialects.kernel_call import CallOp
from ...dialects.layout import ReshapeOp, TensorType
from ...dialects.schedule import BarrierOp, BufferOp, StageOp
from ...dialects.shape import Dim
from ...dialects.storage import buffer_bytes
from ...errors import OperationError
from ...runtime.arena import LiveRange, shared_bytes
from ...runtime.memory import ALIGNMENT, align_up
from .place_barriers import memory_root
from .written_parts import Part, are_whole, written_part

Stage = StageOp | CallOp | BatchesOp
"""What is numbered; from outside a schedule.batches is one stage."""


@dataclass(frozen=True)
class ScheduleCheckMemoryPass(ModulePass):
    """Changes nothing. Raises OperationError at the first buffer or stage that breaks one of these rules.

    Stages: what is read was written before, all of it, with a barrier in between; every element is written by one
    stage; only buffers of the arena and outputs are written. Buffers: one of the arena lives as long as stages touch
    it; its offset is aligned, and shares no bytes with another that lives at the same time; outputs are numbered as
    they are returned, and all are written. Inputs and outputs are row-major, as the caller takes them to be, but for
    room behind what grows. Inside of a schedule.batches the same holds for the images of a step: it writes all of
    those that it says it does.

    ``whole``: every function is a schedule that is done. Otherwise one may be in the making, while its arena is not
    planned: its barriers may be missing. And one that returns nothing may be a piece, which returns no outputs and
    writes what it is given. ``barriers`` and ``arena`` say whether those rules hold that schedule-place-barriers and
    schedule-plan-arena see to.
    """

    name = "schedule-check-memory"
    whole: bool = True
    barriers: bool = True
    arena: bool = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                block = function.body.block
                if any(isinstance(inner, Stage | BufferOp) for inner in block.ops):
                    _FunctionCheck(function, self).run()


@dataclass
class _Uses:
    """What happens to a buffer: the parts that stages write, and between which barriers it is touched and read."""

    first: int
    last: int
    parts: list[tuple[Part, Stage, int]] = field(default_factory=list)
    """With the stage that writes the part, and its epoch."""
    read: int | None = None


class _Check:
    """Of a block: a function's, or the inside of a schedule.batches."""

    def __init__(self, block: Block, needs_arena: bool, needs_barriers: bool):
        self.block, self.needs_arena, self.needs_barriers = block, needs_arena, needs_barriers
        arena = [op for op in block.ops if isinstance(op, BufferOp) and op.kind.data == "arena"]
        self.arena = arena if needs_arena else []
        self.uses: dict[SSAValue, _Uses] = {}
        self.inputs_read: set[SSAValue] = set()
        self.epochs: list[int] = []
        """For each stage the number of barriers before it."""

    def run(self) -> None:
        epoch = 0
        for op in self.block.ops:
            if isinstance(op, BarrierOp):
                epoch += 1
            elif isinstance(op, Stage):
                self.epochs.append(epoch)
                self.check_stage(op, epoch)
                if isinstance(op, BatchesOp):
                    _BatchesCheck(op, self.needs_arena, self.needs_barriers).run()
        self.check_results()
        known = [size for buffer in self.arena if isinstance(size := self.bytes_of(buffer), int)]
        most = sum(align_up(size, ALIGNMENT) for size in known)
        for buffer in self.arena:
            self.check_buffer(buffer, most)
        self.check_apart([buffer for buffer in self.arena if buffer.offset is not None])

    def check_results(self) -> None:
        """That all is written that whoever runs the block takes from it."""
        raise NotImplementedError

    def may_be_written(self, root: SSAValue) -> bool:
        return isinstance(root.owner, BufferOp) and root.owner.constant is None

    def must_be_written(self, root: SSAValue) -> bool:
        """Whether it holds nothing before a stage of the block has written it."""
        return isinstance(root.owner, BufferOp) and root.owner.constant is None

    def bytes_of(self, buffer: BufferOp) -> Dim:
        return buffer_bytes(buffer.type)

    def check_stage(self, stage: Stage, epoch: int) -> None:
        for value in stage.ins:
            root = memory_root(value)
            uses = self.uses.get(root)
            if uses is None:
                if self.must_be_written(root):
                    raise OperationError(f"{_name(root)} is read before a stage has written it", stage)
                self.inputs_read.add(root)
                continue
            if self.needs_barriers and uses.parts[-1][2] == epoch:
                raise OperationError(
                    f"{_name(root)} is read with no schedule.barrier since the stage that writes it", stage
                )
            if uses.read is None and self.must_be_written(root):
                _require_whole(root, uses, f"{_name(root)} is read", stage)
            uses.read = uses.last = epoch
        for value in stage.outs:
            self.check_written(stage, value, epoch)

    def check_written(self, stage: Stage, value: SSAValue, epoch: int) -> None:
        root = memory_root(value)
        if not self.may_be_written(root):
            raise OperationError(f"{_name(root)} is written, and only arena and output buffers can be", stage)
        uses = self.uses.setdefault(root, _Uses(epoch, epoch))
        if uses.read is not None or root in self.inputs_read:
            raise OperationError(
                f"{_name(root)} is written after it was read: every value has a buffer of its own", stage
            )
        try:
            part = written_part(value)
        except ValueError as error:
            raise OperationError(f"{_name(root)}: {error}", stage) from error
        for other, writer, _ in uses.parts:
            if not part.is_apart_from(other):
                name = writer.stage_name.data
                raise OperationError(f"{_name(root)} is written twice: @{name} writes it or a part of it, too", stage)
        uses.parts.append((part, stage, epoch))
        uses.last = epoch

    def check_buffer(self, buffer: BufferOp, most: int) -> None:
        """``most`` is the largest offset that a plan could need."""
        if not buffer.is_planned:
            name = _name(buffer.result)
            raise OperationError(f"{name} does not say how long it lives: schedule-plan-arena finds out", buffer)
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
        if not dims.is_static([self.bytes_of(buffer)]):
            raise OperationError(f"offset {offset} is given for a buffer whose size is not known", buffer)
        if offset > most:
            raise OperationError(f"offset {offset}: all buffers one after another take {most} bytes", buffer)

    def check_apart(self, buffers: Sequence[BufferOp]) -> None:
        ranges = []
        for buffer in buffers:
            assert buffer.offset is not None
            first, last = (self.epochs[stage] if self.epochs else 0 for stage in buffer.lives)
            ranges.append(LiveRange(int(self.bytes_of(buffer)), first, last, buffer.offset.value.data))
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


class _BatchesCheck(_Check):
    """Of the inside of a schedule.batches, for one step."""

    def __init__(self, batches: BatchesOp, needs_arena: bool, needs_barriers: bool):
        super().__init__(batches.body.block, needs_arena, needs_barriers)
        self.batches = batches

    def may_be_written(self, root: SSAValue) -> bool:
        return root in self.batches.written_parts or super().may_be_written(root)

    def must_be_written(self, root: SSAValue) -> bool:
        return root in self.batches.written_parts or super().must_be_written(root)

    def bytes_of(self, buffer: BufferOp) -> Dim:
        return self.batches.of_whole_step(buffer_bytes(buffer.type))

    def check_results(self) -> None:
        for value, part in zip(self.batches.outs, self.batches.written_parts, strict=True):
            if part not in self.uses:
                raise OperationError(f"no stage inside writes the images of {_name(value)}", self.batches)
            _require_whole(part, self.uses[part], f"{_name(value)} is written by this", self.batches)


class _FunctionCheck(_Check):
    """Of a function, whose inputs and outputs are the caller's."""

    def __init__(self, function: func.FuncOp, rules: ScheduleCheckMemoryPass):
        arena = (op for op in function.walk() if isinstance(op, BufferOp) and op.kind.data == "arena")
        is_done = rules.whole or all(buffer.is_planned for buffer in arena)
        super().__init__(function.body.block, is_done and rules.arena, is_done and rules.barriers)
        self.function = function
        terminator = function.body.block.last_op
        assert isinstance(terminator, func.ReturnOp)
        self.terminator = terminator
        self.is_piece = not rules.whole and not terminator.operands

    def may_be_written(self, root: SSAValue) -> bool:
        if isinstance(root.owner, Block):
            return self.is_piece
        return super().may_be_written(root)

    def check_results(self) -> None:
        if self.is_piece:
            return
        terminator = self.terminator
        returned = [memory_root(value) for value in terminator.operands]
        outputs = [op for op in self.block.ops if isinstance(op, BufferOp) and op.kind.data == "output"]
        for buffer in outputs:
            assert buffer.index is not None
            index = buffer.index.value.data
            if not 0 <= index < len(returned) or returned[index] is not buffer.result:
                raise OperationError(f"{_name(buffer.result)} is output {index}, and is not returned as that", buffer)
            if buffer.result not in self.uses:
                raise OperationError(f"no stage writes {_name(buffer.result)}", buffer)
            _require_whole(buffer.result, self.uses[buffer.result], f"{_name(buffer.result)} is returned", buffer)
        numbered = {buffer.index.value.data: buffer.result for buffer in outputs if buffer.index is not None}
        for index, root in enumerate(returned):
            if numbered.get(index) is not root:
                raise OperationError(f"{_name(root)} is returned as {index}, and is no output {index}", terminator)
        self.check_ends(terminator)

    def check_ends(self, terminator: func.ReturnOp) -> None:
        """Whoever calls the function knows of no layouts, but for the room behind what grows."""
        growths = growths_of(self.function)
        grow = {self.block.args[growth.input]: growth for growth in growths}
        grow |= {terminator.operands[growth.output]: growth for growth in growths}
        for value in (*self.block.args, *terminator.operands):
            if value in grow and _has_room_only(value.type, grow[value].axis):
                continue
            whole = value
            while isinstance(whole.owner, ReshapeOp):
                whole = whole.owner.source
            assert isinstance(whole.type, TensorType)
            if not whole.type.layout.is_row_major:
                op = self.function if isinstance(value.owner, Block) else terminator
                raise OperationError(f"{_name(value)} is not row-major, which inputs and outputs are", op)


def _has_room_only(type_: Attribute, axis: int) -> bool:
    """Whether a tensor is row-major but for elements behind it along an axis."""
    assert isinstance(type_, TensorType)
    layout = type_.layout
    margins = [margin for other in range(type_.rank) if other != axis for margin in layout.margin(other)]
    is_plain = layout.order == layout.row_major(type_.rank).order and not layout.halo
    return is_plain and not any(margin != 0 for margin in (*margins, layout.margin(axis)[0]))


def _require_whole(root: SSAValue, uses: _Uses, what: str, op: Operation) -> None:
    assert isinstance(root.type, TensorType)
    if not are_whole([part for part, _, _ in uses.parts], root.type):
        raise OperationError(f"{what}, and stages have written a part of it only", op)


def _name(value: SSAValue) -> str:
    return f"%{value.name_hint}" if value.name_hint else f"the buffer of {value.type}"
