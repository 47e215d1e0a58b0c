"""The register tile that every contraction shares: products summed in registers, then an epilogue, then one store.

A tile is one n-D vector of partial sums, e.g. ``vector<2x14x16xf32>``: 2 blocks of 16 output channels by 14
pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dialects.kernel import KernelOp
from .loop_nest import Index, LoopNest, Tensor


@dataclass(frozen=True)
class TileSplit:
    """``count`` neighbouring tiles of ``size`` elements, the first at ``start``."""

    size: int
    count: int
    start: int


def split_evenly(extent: int, largest: int) -> list[TileSplit]:
    """Cuts a known extent in the fewest tiles of at most two neighbouring sizes: 49 by 14 is 13 + 12 + 12 + 12."""
    count = -(-extent // largest)
    size = -(-extent // count)
    large = extent - count * (size - 1)
    splits = [TileSplit(size, large, 0)]
    if count > large:
        splits.append(TileSplit(size - 1, count - large, large * size))
    return splits


def for_each_tile(
    nest: LoopNest,
    extent: Index,
    largest: int,
    body: Callable[[Index, int], None],
    begin: Index = 0,
    overlaps: bool = True,
) -> None:
    """Calls ``body(start, size)`` for tiles that cover ``[begin, begin + extent)``.

    An extent that is not known goes in tiles of falling sizes. What is left of it after whole tiles takes one more of
    the smallest size that holds it, moved back over its neighbour, so that an element can be computed twice:
    20 by 13 is 13 + 7, and 9 is 7 + 4 of which two were there already. Without ``overlaps`` none is: 9 is 7 + 1 + 1.
    """
    if isinstance(extent, int):
        for split in split_evenly(extent, largest) if extent else []:
            with nest.loop(0, split.count) as loop:
                body(nest.add(begin, nest.add(split.start, nest.mul(loop.index, split.size))), split.size)
        return
    sizes = falling_sizes(largest)
    position: Index = 0
    rest = extent
    for size, smaller in zip(sizes, [*sizes[1:], 0], strict=True):
        # One more than whole tiles where the smaller size does not hold the rest, but none beyond the extent.
        count = nest.floordiv(nest.add(rest, size - 1 - smaller if overlaps else 0), size)
        if size > 1 and overlaps:
            count = nest.minimum(count, nest.mul(nest.floordiv(extent, size), 2))
        last = nest.sub(extent, size)
        with nest.loop(0, count) as loop:
            start = nest.minimum(nest.add(position, nest.mul(loop.index, size)), last)
            body(nest.add(begin, start), size)
        if smaller:
            done = nest.minimum(nest.mul(count, size), rest)
            position, rest = nest.add(position, done), nest.sub(rest, done)


def falling_sizes(largest: int) -> list[int]:
    """Tile sizes for an extent that is not known, each about half of the one before: 13, 7, 4, 1."""
    sizes = [largest]
    while sizes[-1] > 4:
        sizes.append(-(-sizes[-1] // 2))
    return sizes if sizes[-1] == 1 else [*sizes, 1]


def strides_by_axis(tensor: Tensor) -> dict[tuple[int, bool], Index]:
    """Stride of each (axis, is it the block index)."""
    pieces = tensor.type.layout.pieces
    return {(piece.axis, piece.is_outer): stride for piece, stride in zip(pieces, tensor.strides, strict=True)}


def piece_strides(nest: LoopNest, operand: Tensor, result: Tensor) -> list[Index | None]:
    """Elements of the operand between neighbours along each physical dimension of the result; None where broadcast.

    Raises ValueError where the operand is split in blocks and the result is not.
    """
    missing = result.type.rank - operand.type.rank
    by_piece = strides_by_axis(operand)
    strides: list[Index | None] = []
    for piece in result.type.layout.pieces:
        axis = piece.axis - missing
        if axis < 0 or _is_repeated(operand, result, axis):
            strides.append(None)
            continue
        block = operand.type.layout.block_of(axis)
        if block == piece.block:
            strides.append(by_piece[axis, piece.is_outer])
        elif not block:
            strides.append(nest.mul(by_piece[axis, False], piece.block if piece.is_outer else 1))
        else:
            raise ValueError(
                f"an operand in layout {operand.type.layout.order} of a result in {result.type.layout.order}"
            )
    return strides


def _is_repeated(operand: Tensor, result: Tensor, axis: int) -> bool:
    """Whether one element of the operand serves all along an axis.

    A tile may run on from row to row: one number for an image stays that where the rows have one pixel each.
    """
    missing = result.type.rank - operand.type.rank
    for own in range(axis, -1, -1):
        if operand.dims[own] != 1:
            return False
        if result.dims[own + missing] != 1:
            return True
    return missing > 0


@dataclass(frozen=True)
class ResultTile:
    """A box of the result: where it starts along each physical dimension, and which of them the tile's vector spans.

    ``spans`` gives the physical dimensions of the vector, outermost first, with their lengths.
    """

    starts: Sequence[Index]
    spans: Sequence[tuple[int, int]]
    lanes: Index | None = None
    """How many lanes of the innermost dimension exist, where not all do."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(length for _, length in self.spans)

    def mask(self, nest: LoopNest, shape: Sequence[int]) -> SSAValue | None:
        """The lanes to touch of a vector of that shape; None for all."""
        if self.lanes is None or shape[-1] == 1:
            return None
        return nest.mask(shape, [*shape[:-1], self.lanes])


def load_operand_tile(nest: LoopNest, operand: Tensor, result: Tensor, tile: ResultTile) -> SSAValue:
    """The operand's elements for a tile of the result, broadcast to the tile's shape."""
    strides = piece_strides(nest, operand, result)
    offset = operand.origin
    for start, stride in zip(tile.starts, strides, strict=True):
        if stride is not None:
            offset = nest.add(offset, nest.mul(start, stride))
    kept = [(length, strides[dimension]) for dimension, length in tile.spans]
    sizes = [1 if stride is None else length for length, stride in kept]
    if all(size == 1 for size in sizes):
        memory = nest.view(operand.memory, offset, [1], [1])
        return nest.broadcast(nest.load(memory, [0]), tile.shape)
    memory = nest.view(operand.memory, offset, sizes, [1 if stride is None else stride for _, stride in kept])
    zeros = [0] * len(sizes)
    return nest.broadcast(nest.load_vector(memory, zeros, sizes, tile.mask(nest, sizes)), tile.shape)


def store_result_tile(nest: LoopNest, kernel: KernelOp, sums: SSAValue, result: Tensor, tile: ResultTile) -> None:
    """Applies the kernel's epilogue to the sums and stores them."""
    value = sums
    if kernel.has_epilogue:
        first = len(kernel.ins)
        extra = nest.operands[first : first + len(kernel.epilogue_ins)]
        arguments = [load_operand_tile(nest, operand, result, tile) for operand in extra]
        value = nest.call_region(kernel.epilogue, [sums, *arguments])
    offset = result.origin
    for start, stride in zip(tile.starts, result.strides, strict=True):
        offset = nest.add(offset, nest.mul(start, stride))
    memory = nest.view(result.memory, offset, tile.shape, [result.strides[dimension] for dimension, _ in tile.spans])
    nest.store_vector(value, memory, [0] * len(tile.spans), tile.mask(nest, tile.shape))
