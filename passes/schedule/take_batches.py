"""Moves consecutive stages into a loop over the batch: their tensors become parts of a few images."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, Operation, Region, SSAValue

from ...dialects import shape as dims
from ...dialects.batches import BatchesOp, part_type, taken_images
from ...dialects.layout import VIEWS, ReshapeOp, TensorType, TransposeOp, WindowOp
from ...dialects.schedule import BufferOp, StageOp
from ...dialects.shape import Dim
from .place_barriers import memory_root


def take_in_steps(
    stages: Sequence[StageOp], apart: Sequence[Sequence[bool]], images: Dim, step: int, number: int
) -> BatchesOp:
    """Puts stages that treat images apart into one ``schedule.batches``; ``apart`` says which inputs are by image."""
    return _Run(stages, images, step).build(apart, number)


class _Run:
    def __init__(self, stages: Sequence[StageOp], images: Dim, step: int):
        self.stages, self.images, self.step = stages, images, step
        self.symbol = None if step == 1 or (isinstance(images, int) and images % step == 0) else _new_symbol(stages)
        self.taken = taken_images(step, self.symbol)
        self.body = Block()
        self.parts: dict[SSAValue, SSAValue] = {}
        """What stands inside for a value outside."""

    def build(self, apart: Sequence[Sequence[bool]], number: int) -> BatchesOp:
        members = set(self.stages)
        written = dict.fromkeys(memory_root(value) for stage in self.stages for value in stage.outs)
        outs = [root for root in written if _is_used_elsewhere(root, members)]
        own = (
            value
            for stage, flags in zip(self.stages, apart, strict=True)
            for value, is_own in zip(stage.ins, flags, strict=True)
            if is_own and memory_root(value) not in written
        )
        ins = list(dict.fromkeys(own))
        for value in (*ins, *outs):
            self.parts[value] = part = self.body.insert_arg(self.part_of(value), len(self.body.args))
            part.name_hint = value.name_hint
        last = self.stages[-1]
        block = last.parent
        assert block is not None
        op = BatchesOp(f"batches{number}", ins, outs, self.step, self.images, self.symbol, Region(self.body))
        block.insert_op_after(op, last)
        for root in written:
            if root not in self.parts:
                self.move_buffer(root)
        for stage, flags in zip(self.stages, apart, strict=True):
            self.move_stage(stage, flags)
        return op

    def part_of(self, value: SSAValue) -> TensorType:
        assert isinstance(value.type, TensorType)
        part = part_type(value.type, self.images, self.taken)
        assert part is not None
        return part

    def move_buffer(self, root: SSAValue) -> None:
        """A buffer that lives inside only is as large as the images of a step."""
        inner = BufferOp.arena(self.part_of(root))
        inner.result.name_hint = root.name_hint
        self.body.add_op(inner)
        self.parts[root] = inner.result

    def move_stage(self, stage: StageOp, flags: Sequence[bool]) -> None:
        """The same stage on parts: of its buffers, in its body, of its results."""
        ins = [self.inside(value) if own else value for value, own in zip(stage.ins, flags, strict=True)]
        outs = [self.inside(value) for value in stage.outs]
        stage.detach()
        self.body.add_op(stage)
        stage.operands = [*ins, *outs]
        for argument, value in zip(stage.body.block.args, ins, strict=True):
            argument._type = value.type  # pyright: ignore[reportPrivateUsage]
        for result, value in zip(stage.kernel.results, outs, strict=True):
            result._type = value.type  # pyright: ignore[reportPrivateUsage]

    def inside(self, value: SSAValue) -> SSAValue:
        """What stands inside for a value, made where it is a view of something inside."""
        if value not in self.parts:
            view = value.owner
            assert isinstance(view, VIEWS)
            seen = self.view(view, self.inside(view.source), self.part_of(value))
            self.body.add_op(seen)
            seen.results[0].name_hint = value.name_hint
            self.parts[value] = seen.results[0]
        return self.parts[value]

    def view(self, view: Operation, source: SSAValue, part: TensorType) -> Operation:
        if isinstance(view, ReshapeOp):
            return ReshapeOp(source, part.dims)
        if isinstance(view, TransposeOp):
            return TransposeOp(source, [int(axis) for axis in view.permutation.get_values()])
        assert isinstance(view, WindowOp)
        return WindowOp(source, [start.data for start in view.starts], part.dims)


def _new_symbol(stages: Sequence[StageOp]) -> str:
    """A name that no size of these stages has."""
    types = [value.type for stage in stages for value in (*stage.ins, *stage.outs)]
    used = dims.symbols_of(*(size for type_ in types if isinstance(type_, TensorType) for size in type_.dims))
    return next(name for name in ("n", *(f"n{number}" for number in range(1, len(used) + 2))) if name not in used)


def _is_used_elsewhere(root: SSAValue, members: set[StageOp]) -> bool:
    """Whether anything but these stages, and views that only they see, has to do with a buffer."""
    if isinstance(root.owner, BufferOp) and root.owner.kind.data == "output":
        return True
    pending = [root]
    while pending:
        for use in pending.pop().uses:
            user = use.operation
            if isinstance(user, VIEWS):
                pending.append(user.result)
            elif user not in members:
                return True
    return False


def erase_unused(block: Block) -> None:
    """Drops buffers and views that nothing uses since their stages are inside."""
    for op in reversed(list(block.ops)):
        unused = isinstance(op, (*VIEWS, BufferOp)) and not any(result.uses for result in op.results)
        if unused and not (isinstance(op, BufferOp) and op.kind.data == "output"):
            op.detach()
            op.erase()
