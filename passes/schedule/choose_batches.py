"""Decides which stages take a batch a few images at a time, and how many at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.batches import part_type
from ...dialects.layout import VIEWS, ReshapeOp, TensorType, reshaped_type
from ...dialects.schedule import BufferOp, StageOp
from ...dialects.shape import Dim
from .batch_costs import BYTES_OF_A_CHANGE, StageBytes, batches_to_judge, bytes_of_an_image, possible_steps
from .images import image_operands, is_told_by_sizes
from .place_barriers import memory_root
from .take_batches import erase_unused, take_in_steps

if TYPE_CHECKING:
    from ...machines import Target

_WHOLE = 0
"""Stands for the step that takes all images."""
_NEVER = float("inf")


@dataclass(frozen=True)
class ScheduleChooseBatchesPass(ModulePass):
    """Takes runs of stages in steps of a few images where that keeps what they compute in the cache.

    before::

        schedule.stage @conv0 %b0 = kernel.conv direct(%x, %w)
        schedule.stage @conv1 %y = kernel.conv direct(%b0, %v)

    after::

        schedule.batches @batches0 reads(%x1 = %x) writes(%y1 = %y) of 16 {
          %b1 = schedule.buffer arena lives 0 to 0 : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
          schedule.stage @conv0 %b1 = kernel.conv direct(%x1, %w)
          schedule.stage @conv1 %y1 = kernel.conv direct(%b1, %v)
        }

    The whole batch goes through stages whose weights weigh more than what they compute. ``images`` takes so many at
    once wherever that is possible, whatever it costs.
    """

    name = "schedule-choose-batches"

    images: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                stages = [inner for inner in function.body.block.ops if isinstance(inner, StageOp)]
                images = _images(function) if stages else None
                if images is not None:
                    plan = _Plan(stages, images, target)
                    for count, (first, last, step) in enumerate(plan.runs(self.images)):
                        take_in_steps(stages[first : last + 1], plan.apart[first : last + 1], images, step, count)
                    erase_unused(function.body.block)


def _images(function: func.FuncOp) -> Dim | None:
    """The size of the batch: of the first axis of an input; None where nothing has one."""
    for argument in function.body.block.args:
        type_ = argument.type
        if isinstance(type_, TensorType) and type_.rank and type_.dims[0] not in (0, 1):
            return type_.dims[0]
    return None


class _Plan:
    """Which stages can be taken apart, where runs of them may begin and end, and what is cheapest."""

    def __init__(self, stages: Sequence[StageOp], images: Dim, target: Target):
        self.stages, self.images, self.target = stages, images, target
        self.symbols = dims.symbols_of(images)
        self.apart = [self._apart(stage) or [] for stage in stages]
        self.cuts = self._cuts()

    def _apart(self, stage: StageOp) -> list[bool] | None:
        """Which inputs are taken by image; None where the stage must see the whole batch."""
        apart = image_operands(stage)
        if apart is None or is_told_by_sizes(stage.kernel, self.symbols):
            return None
        rows = [value.type.dims[0] for value, own in zip(stage.ins, apart, strict=True) if own]  # pyright: ignore[reportAttributeAccessIssue]
        result = stage.outs[0].type
        assert isinstance(result, TensorType)
        if not rows or not all(dims.same_dimension(size, result.dims[0]) for size in rows):
            return None
        for value, own in zip((*stage.ins, *stage.outs), (*apart, True), strict=True):
            if not (self._has_parts(value) if own else self._is_constant(value)):
                return None
        return apart

    def _has_parts(self, value: SSAValue) -> bool:
        """Whether the value, and all that it is a view of, lies image after image, and can be seen so again in part."""
        while True:
            assert isinstance(value.type, TensorType)
            part = part_type(value.type, self.images, 1)
            view = value.owner
            if part is None:
                return False
            if not isinstance(view, VIEWS):
                return not (isinstance(view, BufferOp) and view.constant is not None)
            assert isinstance(view.source.type, TensorType)
            source = part_type(view.source.type, self.images, 1)
            if isinstance(view, ReshapeOp) and (source is None or reshaped_type(source, part.dims) != part):
                return False
            value = view.source

    def _is_constant(self, value: SSAValue) -> bool:
        root = memory_root(value)
        return isinstance(root.owner, BufferOp) and root.owner.constant is not None

    def _cuts(self) -> list[bool]:
        """For each stage whether a run may begin at it: no buffer is written on both sides."""
        last_write: dict[SSAValue, int] = {}
        for index, stage in enumerate(self.stages):
            last_write |= {memory_root(value): index for value in stage.outs}
        cuts, open_until = [], -1
        for index, stage in enumerate(self.stages):
            cuts.append(open_until < index)
            open_until = max([open_until, *(last_write[memory_root(value)] for value in stage.outs)])
        return [*cuts, True]

    # --- what is cheapest ---------------------------------------------------------------------------

    def runs(self, forced: int | None) -> Iterator[tuple[int, int, int]]:
        """First and last stage of each run that is taken in steps, and the images of a step."""
        if forced is None:
            steps = self._cheapest(possible_steps(self.images))
        else:
            steps = self._cheapest([forced], whole=1e30)
        begin = 0
        for index in range(1, len(steps) + 1):
            if index == len(steps) or steps[index] != steps[begin]:
                if steps[begin] != _WHOLE:
                    yield begin, index - 1, steps[begin]
                begin = index

    def _cheapest(self, possible: Sequence[int], whole: float = 0.0) -> list[int]:
        """For each stage how many images are taken at once. ``whole`` is what taking all costs beside."""
        choices = [_WHOLE, *possible]
        crossing = self._crossing()
        costs = dict.fromkeys(choices, 0.0)
        came_from: list[dict[int, int]] = []
        for index, stage in enumerate(self.stages):
            best = min(costs, key=costs.__getitem__)
            change = costs[best] + BYTES_OF_A_CHANGE + crossing[index] if self.cuts[index] else _NEVER
            own = self._costs(stage, self.apart[index], choices, whole)
            # At the beginning nothing has to change.
            origin = {c: c if costs[c] <= change or index == 0 else best for c in choices}
            costs = {c: own[c] + (costs[c] if origin[c] == c else change) for c in choices}
            came_from.append(origin)
        chosen = [min(costs, key=costs.__getitem__)]
        for origin in reversed(came_from[1:]):
            chosen.append(origin[chosen[-1]])
        return chosen[::-1]

    def _costs(self, stage: StageOp, apart: list[bool], choices: Sequence[int], whole: float) -> dict[int, float]:
        if not apart:
            return {choice: _NEVER if choice != _WHOLE else 0.0 for choice in choices}
        cases = list(itertools.product(StageBytes.of(stage, apart, self.images), batches_to_judge(self.images)))

        def cost(choice: int) -> float:
            total = sum(touched.cost(min(choice or batch, batch), self.target) for touched, batch in cases)
            return total / len(cases) + (whole if choice == _WHOLE else 0.0)

        return {choice: cost(choice) for choice in choices}

    def _crossing(self) -> list[float]:
        """For each stage the bytes of an image that are written before it and read from there on, both ways."""
        written: dict[SSAValue, int] = {}
        change = [0.0] * (len(self.stages) + 1)
        last_read: dict[SSAValue, int] = {}
        for index, stage in enumerate(self.stages):
            written |= {memory_root(value): index for value in stage.outs}
            last_read |= {root: index for root in map(memory_root, stage.ins) if root in written}
        for root, end in last_read.items():
            assert isinstance(root.type, TensorType)
            if part_type(root.type, self.images, 1) is not None:
                sizes = bytes_of_an_image(root.type, self.images)
                size = 2 * sum(sizes) / len(sizes)
                change[written[root] + 1] += size
                change[end + 1] -= size
        live, crossing = 0.0, []
        for entry in change:
            live += entry
            crossing.append(live)
        return crossing
