"""Kernels that move elements: layout.convert, concat, slice, pad, broadcast, dim_values, range.

All are walks over elements with operands that start, step or repeat somewhere else; an epilogue applies
to the elements on their way.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import AnyFloat
from xdsl.ir import SSAValue

from ...dialects import shape as dims
from ...dialects.decisions import Elements
from ...dialects.kernel import BroadcastOp, ConcatOp, DimValuesOp, KernelOp, PadOp, RangeOp, SliceOp
from ...dialects.schedule import StageOp
from ...dialects.shape import Dim
from .arithmetic import index_as
from .element_loops import Compute, walk_elements
from .elementwise import apply_epilogue, operand_positions
from .halo import fill_halo
from .loop_nest import Index, LoopNest, Tensor
from .operand_access import AxisMap, Operand


def lower_convert(stage: StageOp, nest: LoopNest) -> None:
    source, result = Operand(nest.operands[0]), Operand(nest.operands[-1])
    fill_halo(nest, result.tensor)
    decisions = stage.decided(Elements)
    operands = [source, result]
    walk_elements(
        nest, result.shape, result.layout, operands, lambda values: values[0], decisions.lanes, decisions.unroll
    )


class _Mover:
    """What the kernels of this file have in common: operands, epilogue, and walks over boxes of the result."""

    def __init__(self, stage: StageOp, nest: LoopNest):
        kernel = stage.kernel
        assert isinstance(kernel, KernelOp)
        self.stage, self.nest, self.kernel = stage, nest, kernel
        positions = operand_positions(stage)
        self.ins = [nest.operands[position] for position in positions[: len(kernel.ins)]]
        self.epilogue_ins = [nest.operands[position] for position in positions[len(kernel.ins) :]]
        self.result = nest.operands[-1]
        fill_halo(nest, self.result)

    def walk(
        self,
        sources: Sequence[Operand],
        starts: Sequence[Dim],
        box: Sequence[Dim],
        element: Compute = lambda values: values[0],
    ) -> None:
        """Computes the box of the result that begins at ``starts`` from sources that broadcast to the box."""
        extras = [self._epilogue_operand(tensor, starts) for tensor in self.epilogue_ins]
        count = len(sources)

        def compute(values: list[SSAValue]) -> SSAValue:
            return apply_epilogue(self.nest, self.kernel, element(values[:count]), values[count:])

        result = Operand(self.result, tuple(starts))
        decisions, operands = self.stage.decided(Elements), [*sources, *extras, result]
        walk_elements(self.nest, box, result.layout, operands, compute, decisions.lanes, decisions.unroll)

    def _epilogue_operand(self, tensor: Tensor, starts: Sequence[Dim]) -> Operand:
        missing = self.result.type.rank - tensor.type.rank
        own = tuple(
            0 if tensor.dims[axis] == 1 and self.result.dims[axis + missing] != 1 else starts[axis + missing]
            for axis in range(tensor.type.rank)
        )
        return Operand(tensor, own)


def lower_concat(stage: StageOp, nest: LoopNest) -> None:
    mover = _Mover(stage, nest)
    assert isinstance(mover.kernel, ConcatOp)
    axis = mover.kernel.get("axis")
    at: Dim = 0
    for number, part in enumerate(mover.ins):
        starts: list[Dim] = [0] * part.type.rank
        starts[axis] = at
        is_apart = _lie_apart(nest, part, mover.result) if number == 0 and mover.kernel.get("grows") else None
        with contextlib.nullcontext() if is_apart is None else nest.when(is_apart):
            mover.walk([Operand(part)], starts, part.dims)
        at = dims.add(at, part.dims[axis])


def _lie_apart(nest: LoopNest, part: Tensor, whole: Tensor) -> SSAValue:
    """Whether memory of a part and of the whole has another begin or another size."""
    here, there = (nest.insert(memref.ExtractAlignedPointerAsIndexOp.get(t.memory)) for t in (part, whole))
    sizes = [nest.value(nest.dim(tensor.type.layout.element_count(tensor.dims))) for tensor in (part, whole)]
    begins = nest.insert(arith.CmpiOp(here, there, "ne"))
    ends = nest.insert(arith.CmpiOp(sizes[0], sizes[1], "ne"))
    return nest.insert(arith.OrIOp(begins, ends))


def lower_slice(stage: StageOp, nest: LoopNest) -> None:
    mover = _Mover(stage, nest)
    assert isinstance(mover.kernel, SliceOp)
    starts, steps = (tuple(mover.kernel.get(name)) for name in ("starts", "steps"))
    # Nothing is repeated: where nothing is taken of an axis of one element, the start lies behind it.
    source = Operand(mover.ins[0], starts, steps, repeats=False)
    mover.walk([source], [0] * mover.result.type.rank, mover.result.dims)


def lower_broadcast(stage: StageOp, nest: LoopNest) -> None:
    mover = _Mover(stage, nest)
    assert isinstance(mover.kernel, BroadcastOp)
    x = Operand(mover.ins[0], undecided=mover.kernel.undecided_axes)
    mover.walk([x], [0] * mover.result.type.rank, mover.result.dims)


# --- pad ------------------------------------------------------------------------------------------------


def lower_pad(stage: StageOp, nest: LoopNest) -> None:
    """Copies the inside, then fills the border: one slab before and one after it along each axis that has any.

    The slabs of an axis are as long as the inside along the axes before it and as the result along those after it.
    """
    mover = _Mover(stage, nest)
    kernel = mover.kernel
    assert isinstance(kernel, PadOp)
    source, result = mover.ins[0], mover.result
    lower, upper = kernel.get("lower"), kernel.get("upper")
    parts = [_cut(size, low, high) for size, low, high in zip(result.dims, lower, upper, strict=True)]
    before, inside, after = ([part[number] for part in parts] for number in range(3))
    cropped = tuple(dims.maximum(dims.multiply(amount, -1), 0) for amount in lower)
    if 0 not in inside:
        mover.walk([Operand(source, cropped, repeats=False)], before, inside)
    element, border = _border(mover, source, kernel, lower)
    for axis in range(result.type.rank):
        for start, length in ((0, before[axis]), (dims.add(before[axis], inside[axis]), after[axis])):
            if length == 0:
                continue
            starts = [*before[:axis], start, *[0] * (result.type.rank - axis - 1)]
            box = [*inside[:axis], length, *result.dims[axis + 1 :]]
            mover.walk(border(starts, axis), starts, box, element)


def _cut(size: Dim, lower: Dim, upper: Dim) -> tuple[Dim, Dim, Dim]:
    """How much of an axis of the result is border before the inside, inside, and border after it.

    Where one end is cropped by more than the source has, nothing is left of the inside, and the border is the whole.
    """
    before, after = dims.maximum(lower, 0), dims.maximum(upper, 0)
    inside = dims.subtract(size, dims.add(before, after))
    if lower == before and upper == after:
        return before, inside, after
    inside = dims.maximum(inside, 0)
    before = dims.minimum(before, size)
    return before, inside, dims.subtract(size, dims.add(before, inside))


def _border(
    mover: _Mover, source: Tensor, kernel: PadOp, lower: Sequence[Dim]
) -> tuple[Compute, Callable[[Sequence[Dim], int], list[Operand]]]:
    """How the border's elements are made, and from which operand, given where a slab starts and its axis."""
    if kernel.get("mode") == "constant":
        value = mover.nest.constant(kernel.get("value"), source.element_type)
        return (lambda _: value), (lambda starts, axis: [])

    fold = _FOLDS[kernel.get("mode")]

    def operand(starts: Sequence[Dim], first: int) -> list[Operand]:
        maps: dict[int, AxisMap] = {}
        for axis in range(first, source.type.rank):
            if lower[axis] != 0 or source.dims[axis] != mover.result.dims[axis]:
                shift = dims.subtract(starts[axis], lower[axis])
                maps[axis] = lambda nest, index, shift=shift, size=source.dims[axis]: fold(
                    nest, nest.add(index, nest.dim(shift)), nest.dim(size)
                )
        own = tuple(dims.maximum(dims.multiply(lower[axis], -1), 0) for axis in range(source.type.rank))
        return [Operand(source, own, maps=maps)]

    return (lambda values: values[0]), operand


def _fold_edge(nest: LoopNest, position: Index, size: Index) -> Index:
    return nest.maximum(nest.minimum(position, nest.sub(size, 1)), 0)


def _fold_reflect(nest: LoopNest, position: Index, size: Index) -> Index:
    """Mirrors at the first and last element, over and over where the border is longer than the tensor."""
    period = nest.maximum(nest.mul(nest.sub(size, 1), 2), 1)
    folded = _modulo(nest, position, period)
    return nest.minimum(folded, nest.sub(period, folded))


def _fold_wrap(nest: LoopNest, position: Index, size: Index) -> Index:
    return _modulo(nest, position, size)


def _modulo(nest: LoopNest, position: Index, size: Index) -> Index:
    """In [0, size) for negative positions too."""
    remainder = nest.signed_remainder(position, size)
    return nest.signed_remainder(nest.add(remainder, size), size)


_FOLDS: dict[str, Callable[[LoopNest, Index, Index], Index]] = {
    "edge": _fold_edge,
    "reflect": _fold_reflect,
    "wrap": _fold_wrap,
}


# --- values made from nothing -----------------------------------------------------------------------------


def lower_dim_values(stage: StageOp, nest: LoopNest) -> None:
    """Stores each dimension; the last thread does all of it."""
    kernel, result = stage.kernel, nest.operands[-1]
    assert isinstance(kernel, DimValuesOp)
    with nest.forall([1]):
        for position, size in enumerate(kernel.get("values")):
            value = index_as(nest, nest.dim(size), result.element_type)
            nest.store(value, nest.view(result.memory, nest.add(result.origin, position), [1], [1]), [0])


def lower_range(stage: StageOp, nest: LoopNest) -> None:
    """start + i * delta, element by element: ranges are short."""
    kernel, result = stage.kernel, nest.operands[-1]
    assert isinstance(kernel, RangeOp)
    start, delta = (nest.load(nest.view(tensor.memory, tensor.origin, [1], [1]), [0]) for tensor in nest.operands[:2])
    element = result.element_type
    memory = nest.view(result.memory, result.origin, [nest.dim(result.dims[0])], [1])
    with nest.forall([nest.dim(result.dims[0])]) as (place,):
        index = index_as(nest, place, element)
        if isinstance(element, AnyFloat):
            product = nest.insert(arith.MulfOp(index, delta))
            value = nest.insert(arith.AddfOp(start, product))
        else:
            product = nest.insert(arith.MuliOp(index, delta))
            value = nest.insert(arith.AddiOp(start, product))
        nest.store(value, memory, [place])
