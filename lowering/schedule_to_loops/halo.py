"""Halos: the margin of zeros around a tensor that a padded convolution reads instead of checking addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ...dialects import shape as dims
from ...dialects.image_rows import ROWS_AXIS
from ...dialects.kernel import ConvOp
from ...errors import OperationError
from .loop_nest import Index, LoopNest, Tensor


def require_halo(kernel: ConvOp) -> None:
    """Raises OperationError where x has fewer zeros around it than the convolution reads."""
    layout = kernel.in_type(0).layout
    for axis, needed in enumerate(zip(*kernel.halo(), strict=True)):
        margin = layout.margin(axis) if layout.halo else (0, 0)
        for has, need in zip(margin, needed, strict=True):
            missing = dims.subtract(need, has)
            if isinstance(missing, int) and missing > 0:
                raise OperationError(f"x has a halo of {has} along axis {axis}, the convolution reads {need}", kernel)


def fill_halo(nest: LoopNest, tensor: Tensor, by_rows: bool = False) -> None:
    """Writes zeros to the tensor's halo, if its layout has one, each thread its share of it.

    Every axis with a margin gives two slabs (before and after), as long as the whole memory along the other axes.
    ``by_rows``: threads share images and rows rather than what lies outside of these.
    """
    layout = tensor.type.layout
    if not layout.halo:
        return
    sizes = [nest.dim(size) for size in layout.physical_shape(tensor.dims)]
    for dimension, piece in enumerate(layout.pieces):
        lower, upper = (nest.dim(margin) for margin in layout.margin(piece.axis))
        if piece.block and (lower, upper) != (0, 0):
            raise ValueError(f"layout {layout.order} has a halo along axis {piece.axis}, which is split in blocks")
        for start, length in ((0, lower), (nest.sub(sizes[dimension], upper), upper)):
            if length != 0:
                _fill_slab(nest, tensor, sizes, dimension, start, length, by_rows)


@contextlib.contextmanager
def _outside(nest: LoopNest, sizes: Sequence[Index], axes: Sequence[int], by_rows: bool) -> Iterator[Index]:
    """Loops over all indices of some dimensions, which threads share; gives the number of the turn."""
    shared = [number for number, axis in enumerate(axes) if axis in (0, ROWS_AXIS)]
    if not by_rows or ROWS_AXIS not in axes:
        outer: Index = 1
        for size in sizes:
            outer = nest.mul(outer, size)
        with nest.forall([outer]) as (block,):
            yield block
        return
    others = [number for number in range(len(sizes)) if number not in shared]
    with nest.loops([sizes[n] for n in others]) as alone, nest.forall([sizes[n] for n in shared]) as together:
        indices = dict(zip([*others, *shared], [*alone, *together], strict=True))
        block = 0
        for number, size in enumerate(sizes):
            block = nest.add(nest.mul(block, size), indices[number])
        yield block


def _fill_slab(
    nest: LoopNest, tensor: Tensor, sizes: list[Index], dimension: int, start: Index, length: Index, by_rows: bool
) -> None:
    """Zeros in [start, start + length) of one physical dimension; what lies further in is contiguous."""
    axes = [piece.axis for piece in tensor.type.layout.pieces[:dimension]]
    stride = tensor.strides[dimension]
    run = nest.mul(length, stride)
    step = nest.mul(sizes[dimension], stride)
    first = nest.mul(start, stride)
    lanes = 16
    zeros = nest.constant(0, nest.vector_type(tensor.element_type, [lanes]))
    zero = nest.constant(0, tensor.element_type)
    with _outside(nest, sizes[:dimension], axes, by_rows) as block:
        memory = nest.view(tensor.memory, nest.add(first, nest.mul(block, step)), [run], [1])
        whole = nest.mul(nest.floordiv(run, lanes), lanes)
        with nest.loop(0, whole, lanes) as vector:
            nest.store_vector(zeros, memory, [vector.index])
        if not (isinstance(run, int) and run % lanes == 0):
            with nest.loop(whole, run) as single:
                nest.store(zero, memory, [single.index])
