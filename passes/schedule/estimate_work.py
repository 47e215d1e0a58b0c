"""Estimates how long each segment takes on one thread, by which the runtime chooses how many threads it begins with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from ...dialects import shape as dims
from ...dialects.batches import BatchesOp
from ...dialects.calling_convention import WORK_ATTRIBUTE
from ...dialects.dimension_attribute import DimensionAttr
from ...dialects.kernel import (
    AttentionOp,
    BlockGemmOp,
    ConvOp,
    GemmOp,
    KernelOp,
    PoolOp,
    RecurrenceOp,
    SoftmaxOp,
    TreeEnsembleOp,
)
from ...dialects.layout import TensorType
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from ...dialects.storage import element_bytes
from ...dialects.vector_extension import ByteTableOp
from ..kernel.conv_costs import estimate_seconds, pixels

if TYPE_CHECKING:
    from ...machines import Target

# Picoseconds for a byte that a stage reads or writes: most come from the caches.
_BYTE = 40.0
# Picoseconds to begin a stage.
_STAGE = 200_000.0
# Cycles for a vector: an operation of arithmetic; a function such as exp; an element's way through a softmax.
_CHEAP, _FUNCTION, _SOFTMAX = 0.5, 10.0, 20.0
# Cycles for a row's way down one level of a tree: three gathers.
_LEVEL = 2.5
# The share of the peak that products of matrices reach.
_GEMM_SHARE = 0.9

Part = tuple[float, Sequence[Dim]]
"""Picoseconds for one of something, and the extents of which there are so many."""


@dataclass(frozen=True)
class ScheduleEstimateWorkPass(ModulePass):
    """Says of each function of stages how many nanoseconds it takes on one thread, in terms of its symbols.

    The estimate may be off by a factor of two: it tells segments that are too small for a second thread from others.
    Of one with extents so involved that their products are no dimensions nothing is said.

    before::

        func.func @segment0(%x: !layout.tensor<N x 64 x f32>) -> ...

    after::

        func.func @segment0(%x: !layout.tensor<N x 64 x f32>) -> ... attributes {lamina.work = #graph.dim<...>}
    """

    name = "schedule-estimate-work"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target: Target = ctx.target  # pyright: ignore[reportAttributeAccessIssue]
        for function in op.ops:
            if not isinstance(function, func.FuncOp) or not function.body.blocks:
                continue
            parts = _parts_of_block(function.body.block, target)
            if parts and (work := _nanoseconds(parts)) is not None:
                function.attributes[WORK_ATTRIBUTE] = DimensionAttr(work)


def _nanoseconds(parts: Iterable[Part]) -> Dim | None:
    """The sum of all parts; None where a product of extents is no dimension."""
    by_symbols: dict[tuple[Dim, ...], float] = {}
    for picoseconds, extents in parts:
        free = tuple(size for size in extents if not isinstance(size, int))
        count = math.prod(size for size in extents if isinstance(size, int))
        by_symbols[free] = by_symbols.get(free, 0.0) + picoseconds * count
    whole: Dim = 0
    fraction: Dim = 0
    try:
        for free, picoseconds in by_symbols.items():
            # Nanoseconds are fine enough where there are some.
            if picoseconds >= 20_000 or not free:
                whole = dims.add(whole, dims.multiply(round(picoseconds / 1000), dims.product(free)))
            else:
                fraction = dims.add(fraction, dims.multiply(math.ceil(picoseconds), dims.product(free)))
        return dims.add(whole, dims.floordiv(fraction, 1000))
    except ValueError:
        return None


def _parts_of_block(block: Block, target: Target) -> list[Part]:
    parts: list[Part] = []
    for op in block.ops:
        if isinstance(op, StageOp):
            parts += _parts(op, target)
        elif isinstance(op, BatchesOp):
            images, step = op.images.data, op.images_at_once
            for picoseconds, extents in _parts_of_block(op.body.block, target):
                parts.append((picoseconds / step, [images, *map(op.of_whole_step, extents)]))
    return parts


def _parts(stage: StageOp, target: Target) -> list[Part]:
    kernel = stage.kernel
    types = [value.type for value in (*stage.ins, *stage.outs)]
    moved = [(_BYTE * element_bytes(t.element_type), t.dims) for t in types if isinstance(t, TensorType)]
    parts: list[Part] = [(_STAGE, ()), *moved]
    if isinstance(kernel, KernelOp):
        parts += _products(kernel, target)
        parts.append((_vector_picoseconds(_cycles(kernel), target), kernel.type.dims))
    return parts


def _products(kernel: KernelOp, target: Target) -> list[Part]:
    multiply_add = 1000.0 / (target.lanes * target.fma_per_cycle * target.costs.gigahertz * _GEMM_SHARE)
    match kernel:
        case ConvOp():
            a_pixel = estimate_seconds(kernel, kernel.get("algorithm"), target) / pixels(kernel)
            return [(a_pixel * 1e12, [kernel.type.dims[0], *kernel.type.dims[2:]])]
        case GemmOp():
            depth = kernel.in_type(0).dims[-2 if kernel.get("transpose_a") else -1]
            return [(multiply_add, [*kernel.type.dims, depth])]
        case BlockGemmOp():
            return [(multiply_add, [*kernel.type.dims, kernel.in_type(0).dims[-1]])]
        case TreeEnsembleOp():
            level = 1000.0 * _LEVEL / target.costs.gigahertz
            return [(level * kernel.get("depth"), [kernel.type.dims[0], *kernel.in_type(4).dims])]
        case AttentionOp():
            keys, depth = kernel.in_type(1).dims[-2:]
            scores = _vector_picoseconds(_SOFTMAX, target)
            return [
                (multiply_add, [*kernel.type.dims, keys]),
                (multiply_add, [*kernel.region_type.dims, depth]),
                (scores, kernel.region_type.dims),
            ]
        case RecurrenceOp():
            return [(multiply_add, [*kernel.in_type(0).dims, kernel.type.dims[-1]])]
    return []


def _cycles(kernel: KernelOp) -> float:
    """Of a vector of results, beside its sums of products."""
    region = list(kernel.epilogue.block.ops) if kernel.has_epilogue else []
    cycles = sum(_FUNCTION if _is_function(op) else _CHEAP for op in region)
    if isinstance(kernel, SoftmaxOp):
        cycles += _SOFTMAX
    if isinstance(kernel, PoolOp):
        cycles += _CHEAP * math.prod(kernel.get("window"))
    return cycles


def _is_function(op: Operation) -> bool:
    return op.name.startswith(("math.", "vectorx.")) and not isinstance(op, ByteTableOp)


def _vector_picoseconds(cycles: float, target: Target) -> float:
    """A lane's part of so many cycles."""
    return 1000.0 * cycles / (target.lanes * target.costs.gigahertz)
