"""Decides for which stages threads share the rows of images rather than their channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.conv_decisions import Depthwise, Direct, Winograd
from ...dialects.decision_fields import Decisions
from ...dialects.decisions import Pool, kind_of
from ...dialects.image_rows import long_row_pieces
from ...dialects.kernel import ConvOp, ReduceOp
from ...dialects.layout import TensorType
from ...dialects.operand_layouts import is_long_row
from ...dialects.schedule import BufferOp, StageOp
from ...dialects.storage import buffer_bytes
from .place_barriers import memory_root

ROWS = ("n", "oh")
FEWEST_ROWS = 14
"""Of images with fewer one thread would have too much more than another."""


@dataclass(frozen=True)
class ScheduleShareRowsPass(ModulePass):
    """Lets threads share rows where images outweigh weights, so that each goes on with what lies in its own cache.

    A thread that takes some output channels reads all of the image, half of which another one has written; one that
    takes some rows reads all weights, and of the image what it wrote itself. What costs less is taken, and kernels
    with few weights or none go on as what they read was written. What is summed over all pixels is best written by
    channels, as it is read. Images of few rows are left as they are.

    before::

        schedule.stage @conv0 %b0 = kernel.conv direct(%x, %w) plan {ow tile 14}
        schedule.stage @conv1 %y = kernel.conv depthwise(%b0, %v) plan {oh tile 2, ow tile 7}

    after::

        schedule.stage @conv0 %b0 = kernel.conv direct(%x, %w) plan {ow tile 14, threads [n, oh]}
        schedule.stage @conv1 %y = kernel.conv depthwise(%b0, %v) plan {oh tile 2, ow tile 7, threads [n, oh]}
    """

    name = "schedule-share-rows"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp):
                _share([stage for stage in function.walk() if isinstance(stage, StageOp)])


def _share(stages: Sequence[StageOp]) -> None:
    by_channels = _read_by_channels(stages)
    by_rows: set[SSAValue] = set()
    for stage in stages:
        results = {memory_root(value) for value in stage.outs}
        kind = kind_of(stage.kernel)
        if stage.left_open or not issubclass(kind, Direct | Depthwise | Pool | Winograd):
            by_rows -= results
            continue
        decided = stage.decided(kind)
        shared = None if results & by_channels else _by_rows(decided, stage)
        if shared is not None and _pays(stage, by_rows):
            stage.decide(shared)
            decided = shared
        (by_rows.update if _is_by_rows(decided) else by_rows.difference_update)(results)


def _read_by_channels(stages: Sequence[StageOp]) -> set[SSAValue]:
    """What is summed over pixels, at once or by way of kernels that have no need of other channels."""
    found: set[SSAValue] = set()
    for stage in reversed(stages):
        mixes = issubclass(kind_of(stage.kernel), Direct | Winograd)
        passes_on = not mixes and any(memory_root(value) in found for value in stage.outs)
        if passes_on or isinstance(stage.kernel, ReduceOp):
            found |= {memory_root(value) for value in stage.ins}
    return found


def _is_by_rows(decided: Decisions) -> bool:
    """Tiles of Winograd's and strips lie along rows, too."""
    if isinstance(decided, Winograd):
        return decided.threads != ("oc",)
    if isinstance(decided, Pool):
        return decided.share == "rows"
    assert isinstance(decided, Direct | Depthwise)
    return decided.threads == ROWS or (isinstance(decided, Direct) and decided.strip > 0)


def _by_rows(decided: Decisions, stage: StageOp) -> Decisions | None:
    """The decisions with rows shared; None where a person has decided, rows are few, or the loops have none outside."""
    result = stage.outs[0].type
    if not isinstance(result, TensorType) or result.rank != 4 or not isinstance(result.dims[2], int):
        return None
    if result.dims[2] < FEWEST_ROWS:
        return None
    if isinstance(decided, Pool):
        return replace(decided, share="rows") if result.layout.block_of(1) else None
    if not isinstance(decided, Direct | Depthwise) or decided.order or decided.threads:
        return None
    if isinstance(decided, Direct):
        kernel = stage.kernel
        assert isinstance(kernel, ConvOp)
        if decided.has_tiles or decided.strip or decided.prefetch or decided.along == "height":
            return None
        if is_long_row(kernel) and not long_row_pieces(dims.product(result.dims[2:]), decided.columns):
            return None
    return replace(decided, threads=ROWS)


def _pays(stage: StageOp, by_rows: set[SSAValue]) -> bool:
    """Half of what is read comes from another thread, or all weights are read by one more."""
    image = memory_root(stage.ins[0])
    if kind_of(stage.kernel) is Direct:
        return _bytes(stage.ins[0]) + _bytes(stage.outs[0]) >= _bytes(stage.ins[1])
    return image in by_rows or not isinstance(image.owner, BufferOp)


def _bytes(value: SSAValue) -> int:
    """Of one image, where it is not known how many there are."""
    assert isinstance(value.type, TensorType)
    size = buffer_bytes(value.type)
    return int(dims.substitute(size, dict.fromkeys(dims.symbols_of(size), 1)))
