"""kernel.map: the region, on vectors of the result's elements.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import VectorType
from xdsl.ir import SSAValue

from ...dialects.decisions import Elements
from ...dialects.kernel import KernelOp, MapOp
from ...dialects.schedule import StageOp
from .element_loops import walk_elements
from .halo import fill_halo
from .loop_nest import LoopNest
from .operand_access import Operand


def lower_map(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, MapOp)
    fill_halo(nest, nest.operands[-1])
    operands = [Operand(nest.operands[index]) for index in operand_positions(stage)]
    result = Operand(nest.operands[-1])
    decisions = stage.decided(Elements)
    walk_elements(
        nest,
        result.shape,
        result.layout,
        [*operands, result],
        lambda values: nest.call_region(kernel.epilogue, values),
        decisions.lanes,
        decisions.unroll,
    )


def operand_positions(stage: StageOp) -> list[int]:
    """Position in ``LoopNest.operands`` of each of the kernel's operands."""
    position: dict[SSAValue, int] = {argument: index for index, argument in enumerate(stage.body.block.args)}
    return [position[operand] for operand in stage.kernel.operands]


def apply_epilogue(nest: LoopNest, kernel: KernelOp, value: SSAValue, extras: Sequence[SSAValue]) -> SSAValue:
    """The kernel's epilogue on a value (a scalar one is repeated to the operands' shape)."""
    if not kernel.has_epilogue:
        return value
    if extras and not isinstance(value.type, VectorType) and isinstance(extras[0].type, VectorType):
        value = nest.broadcast(value, extras[0].type.get_shape())
    return nest.call_region(kernel.epilogue, [value, *extras])
