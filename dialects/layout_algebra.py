"""Layouts: where the elements of a tensor lie in memory, as plain Python.

A layout orders the axes of a tensor from the outermost to the innermost; an axis can be split in
blocks, whose inside lies further in. The notation is oneDNN's: one letter an axis (``a`` is axis 0);
a capital letter is the block index of a split axis, and a number before the small letter is the
block's size::

    abcd      row-major (NCHW)
    acdb      NHWC
    aBcd16b   NCHW16c: blocks of 16 channels innermost
    ABcd16b32a  weights: [K/32][C/16][kh][kw][16 c][32 k]

Around the elements a layout can have margins: ``lower`` and ``upper`` elements before and after
each axis. A ``halo`` is a margin full of zeros, which a padded convolution reads; any other margin
makes the tensor a window into a larger one (a slice, or a part of a concatenation).

A block that the axis does not fill has padding lanes, whose contents are unspecified.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from . import shape as dims
from .shape import Dim

_PIECE = re.compile(r"(\d*)([A-Za-z])")


@dataclass(frozen=True)
class Piece:
    """One physical dimension: the block indices of ``axis`` (block 0: the whole axis), or the inside of its blocks."""

    axis: int
    block: int = 0
    is_outer: bool = False


@dataclass(frozen=True)
class Layout:
    """Physical order of a tensor's axes, with blocks and margins. ``lower``/``upper``: empty or one entry an axis."""

    order: str
    lower: tuple[Dim, ...] = field(default=())
    upper: tuple[Dim, ...] = field(default=())
    halo: bool = False

    def __post_init__(self) -> None:
        pieces = self.pieces
        axes = sorted({piece.axis for piece in pieces})
        if axes != list(range(len(axes))):
            raise ValueError(f"layout '{self.order}' does not name the axes a, b, c ... without gaps")
        for axis in axes:
            kinds = [(p.block > 0, p.is_outer) for p in pieces if p.axis == axis]
            if kinds not in ([(False, False)], [(True, True), (True, False)]):
                letter = chr(97 + axis)
                raise ValueError(
                    f"layout '{self.order}': axis '{letter}' must occur once, or as a block index and one block inside"
                )

    @functools.cached_property
    def pieces(self) -> tuple[Piece, ...]:
        blocks = {letter: int(size) for size, letter in _PIECE.findall(self.order) if size}
        return tuple(
            Piece(ord(letter.lower()) - 97, blocks.get(letter.lower(), 0), letter.isupper())
            for _, letter in _PIECE.findall(self.order)
        )

    @functools.cached_property
    def rank(self) -> int:
        return len({piece.axis for piece in self.pieces})

    @staticmethod
    def row_major(rank: int) -> Layout:
        return Layout("".join(chr(97 + axis) for axis in range(rank)))

    @staticmethod
    def channel_blocked(rank: int, block: int) -> Layout:
        """NCHW16c and its relatives: axis 1 in blocks, their inside innermost."""
        return Layout("aB" + "".join(chr(97 + axis) for axis in range(2, rank)) + f"{block}b")

    @property
    def is_row_major(self) -> bool:
        return self.order == Layout.row_major(self.rank).order and not self.has_margins

    @property
    def has_margins(self) -> bool:
        return any(margin != 0 for margin in (*self.lower, *self.upper))

    def block_of(self, axis: int) -> int:
        """Size of the blocks that split an axis; 0 where it is whole."""
        return next(piece.block for piece in self.pieces if piece.axis == axis)

    def margin(self, axis: int) -> tuple[Dim, Dim]:
        return (self.lower[axis], self.upper[axis]) if self.lower else (0, 0)

    def without_margins(self) -> Layout:
        return Layout(self.order)

    def with_margins(self, lower: Sequence[Dim], upper: Sequence[Dim], halo: bool = False) -> Layout:
        if not any(margin != 0 for margin in (*lower, *upper)):
            return self.without_margins()
        return replace(self, lower=tuple(lower), upper=tuple(upper), halo=halo)

    def permuted(self, permutation: Sequence[int]) -> Layout:
        """The same memory seen through a transpose: axis i of the result is axis permutation[i] of this."""
        position = {axis: index for index, axis in enumerate(permutation)}
        order = "".join(
            size + chr((65 if letter.isupper() else 97) + position[ord(letter.lower()) - 97])
            for size, letter in _PIECE.findall(self.order)
        )
        if not self.lower:
            return Layout(order)
        return Layout(
            order, tuple(self.lower[a] for a in permutation), tuple(self.upper[a] for a in permutation), self.halo
        )

    def reshaped(self, shape: Sequence[Dim], new_shape: Sequence[Dim]) -> Layout | None:
        """The same memory under another shape of as many elements in the same order; None if that is no layout.

        An axis can always be split. Axes merge where they are neighbours in memory, the inner ones without
        margins. An axis of length 1 comes and goes; its margins become margins of the axis right inside it.
        """
        if self.is_row_major:
            return Layout.row_major(len(new_shape))
        if self.halo or any(piece.block for piece in self.pieces):
            return None
        long_axes = self._without_unit_axes(shape)
        groups = _matching_groups(shape, new_shape)
        if long_axes is None or groups is None:
            return None
        placed = _regrouped(long_axes, groups, shape, new_shape)
        return None if placed is None else _with_unit_axes(placed, len(new_shape))

    def _without_unit_axes(self, shape: Sequence[Dim]) -> list[_Placed] | None:
        """The other axes in physical order; None where a margin of a unit axis has no axis inside it to go to."""
        placed: list[_Placed] = []
        outside: tuple[Dim, Dim] = (0, 0)
        for piece in self.pieces:
            extent = self.extent(shape, piece.axis)
            lower, upper = self.margin(piece.axis)
            lower = dims.add(dims.multiply(outside[0], extent), lower)
            upper = dims.add(dims.multiply(outside[1], extent), upper)
            if shape[piece.axis] == 1:
                outside = (lower, upper)
            else:
                placed.append(_Placed(piece.axis, lower, upper))
                outside = (0, 0)
        return placed if outside == (0, 0) else None

    # --- sizes and addresses -----------------------------------------------------------------

    def extent(self, shape: Sequence[Dim], axis: int) -> Dim:
        """Elements along an axis with its margins."""
        lower, upper = self.margin(axis)
        return dims.add(dims.add(shape[axis], lower), upper)

    def physical_shape(self, shape: Sequence[Dim]) -> tuple[Dim, ...]:
        """Length of each physical dimension, outermost first."""
        return tuple(
            self.extent(shape, p.axis)
            if not p.block
            else dims.ceildiv(self.extent(shape, p.axis), p.block)
            if p.is_outer
            else p.block
            for p in self.pieces
        )

    def physical_strides(self, shape: Sequence[Dim]) -> tuple[Dim, ...]:
        """Elements between neighbours along each physical dimension."""
        return dims.row_major_strides(self.physical_shape(shape))

    def origin(self, shape: Sequence[Dim]) -> Dim:
        """Elements from the start of the memory to the tensor's first. Raises ValueError if a margin cuts a block."""
        offset: Dim = 0
        for piece, stride in zip(self.pieces, self.physical_strides(shape), strict=True):
            lower, _ = self.margin(piece.axis)
            if not piece.block:
                offset = dims.add(offset, dims.multiply(lower, stride))
                continue
            if dims.modulo(lower, piece.block) != 0:
                raise ValueError(
                    f"layout '{self.order}': the margin {lower} of axis {piece.axis} cuts a block of {piece.block}"
                )
            if piece.is_outer:
                offset = dims.add(offset, dims.multiply(dims.floordiv(lower, piece.block), stride))
        return offset

    def element_count(self, shape: Sequence[Dim]) -> Dim:
        """Elements of memory that the tensor takes, with padding lanes and margins."""
        return dims.product(self.physical_shape(shape))

    def axis_strides(self, shape: Sequence[Dim]) -> tuple[Dim, ...] | None:
        """Elements between neighbours along each axis, or None if an axis is split in blocks."""
        if any(piece.block for piece in self.pieces):
            return None
        by_axis = {piece.axis: stride for piece, stride in zip(self.pieces, self.physical_strides(shape), strict=True)}
        return tuple(by_axis[axis] for axis in range(self.rank))

    # --- data -----------------------------------------------------------------------------------

    def pack(self, array: np.ndarray) -> np.ndarray:
        """The tensor's memory as an array of its physical shape; padding lanes and margins are zero."""
        widths = []
        for axis, size in enumerate(array.shape):
            lower, upper = self.margin(axis)
            block = self.block_of(axis) or 1
            widths.append((int(lower), int(upper) + -(size + int(lower) + int(upper)) % block))
        padded = np.pad(array, widths) if any(any(w) for w in widths) else array
        split_shape: list[int] = []
        position: dict[tuple[int, bool], int] = {}
        for axis, size in enumerate(padded.shape):
            block = self.block_of(axis)
            position[axis, bool(block)] = len(split_shape)
            split_shape += [size // block, block] if block else [size]
            if block:
                position[axis, False] = len(split_shape) - 1
        order = [position[piece.axis, piece.is_outer] for piece in self.pieces]
        return _contiguous(padded.reshape(split_shape).transpose(order))

    def unpack(self, memory: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The tensor back from its memory: the inverse of pack."""
        physical = memory.reshape([int(size) for size in self.physical_shape(shape)])
        by_piece = {(piece.axis, piece.is_outer): index for index, piece in enumerate(self.pieces)}
        order: list[int] = []
        merged: list[int] = []
        window: list[slice] = []
        for axis in range(self.rank):
            block = self.block_of(axis)
            order += [by_piece[axis, True], by_piece[axis, False]] if block else [by_piece[axis, False]]
            size = (
                int(dims.ceildiv(self.extent(shape, axis), block) * block) if block else int(self.extent(shape, axis))
            )
            merged.append(size)
            lower = int(self.margin(axis)[0])
            window.append(slice(lower, lower + int(shape[axis])))
        return _contiguous(physical.transpose(order).reshape(merged)[tuple(window)])


@dataclass(frozen=True)
class _Placed:
    """An axis at its place in physical order, with its margins."""

    axis: int
    lower: Dim
    upper: Dim


def _matching_groups(shape: Sequence[Dim], new_shape: Sequence[Dim]) -> list[tuple[list[int], list[int]]] | None:
    """Runs of axes longer than 1 of either shape that hold as many elements, in order; None where none pair up."""
    old = [axis for axis, size in enumerate(shape) if size != 1]
    new = [axis for axis, size in enumerate(new_shape) if size != 1]
    groups: list[tuple[list[int], list[int]]] = []
    while old and new:
        left, right = [old.pop(0)], [new.pop(0)]
        while True:
            left_size = dims.product(shape[axis] for axis in left)
            right_size = dims.product(new_shape[axis] for axis in right)
            if dims.same_dimension(left_size, right_size):
                break
            grows, axes = (left, old) if _is_part(left_size, right_size) else (right, new)
            if not axes:
                return None
            grows.append(axes.pop(0))
        groups.append((left, right))
    return None if old or new else groups


def _is_part(size: Dim, whole: Dim) -> bool:
    """Whether more axes must come to ``size`` to make ``whole``: it is less, or divides it."""
    if isinstance(size, int) and isinstance(whole, int):
        return size < whole
    return dims.modulo(whole, size) == 0


def _regrouped(
    placed: Sequence[_Placed],
    groups: Sequence[tuple[list[int], list[int]]],
    shape: Sequence[Dim],
    new_shape: Sequence[Dim],
) -> list[_Placed] | None:
    """The new shape's axes in physical order; None where a group's axes are apart or its margins cut a new axis."""
    by_first = {old[0]: (old, new) for old, new in groups}
    result: list[_Placed] = []
    index = 0
    while index < len(placed):
        if placed[index].axis not in by_first:
            return None
        old, new = by_first[placed[index].axis]
        run = placed[index : index + len(old)]
        index += len(old)
        if [entry.axis for entry in run] != old or any(entry.lower != 0 or entry.upper != 0 for entry in run[1:]):
            return None
        inside_old = dims.product(shape[axis] for axis in old[1:])
        inside_new = dims.product(new_shape[axis] for axis in new[1:])
        margins = [dims.multiply(margin, inside_old) for margin in (run[0].lower, run[0].upper)]
        if any(dims.modulo(margin, inside_new) != 0 for margin in margins):
            return None
        lower, upper = (dims.floordiv(margin, inside_new) for margin in margins)
        result.append(_Placed(new[0], lower, upper))
        result += [_Placed(axis, 0, 0) for axis in new[1:]]
    return result


def _with_unit_axes(placed: Sequence[_Placed], rank: int) -> Layout:
    """Adds the axes that are missing, each right outside the axis that follows it."""
    order = [entry.axis for entry in placed]
    for axis in reversed(range(rank)):
        if axis not in order:
            order.insert(order.index(axis + 1) if axis + 1 < rank else len(order), axis)
    lower: list[Dim] = [0] * rank
    upper: list[Dim] = [0] * rank
    for entry in placed:
        lower[entry.axis], upper[entry.axis] = entry.lower, entry.upper
    return Layout("".join(chr(97 + axis) for axis in order)).with_margins(lower, upper)


def _contiguous(array: np.ndarray) -> np.ndarray:
    """The array in row-major memory; NumPy's ascontiguousarray would give a scalar an axis."""
    return np.ascontiguousarray(array).reshape(array.shape)


_NAMES = {"abcd": "NCHW", "acdb": "NHWC"}
_CHANNEL_BLOCKED = re.compile(r"aBcd(\d+)b\Z")


def storage_name(layout: Layout) -> str:
    """What an array is called in this layout, beside the same in another: how wide blocks are is no part of a name."""
    return "blocked" if any(piece.block for piece in layout.pieces) else print_order(layout.order)


def print_order(order: str) -> str:
    """The name people use, where there is one: NCHW, NHWC, NCHW16c; the letters otherwise."""
    blocked = _CHANNEL_BLOCKED.match(order)
    return f"NCHW{blocked.group(1)}c" if blocked else _NAMES.get(order, order)


def parse_order(text: str) -> str:
    blocked = re.match(r"NCHW(\d+)c\Z", text)
    if blocked:
        return f"aBcd{blocked.group(1)}b"
    return {name: order for order, name in _NAMES.items()}.get(text, text)
