"""Transposed convolutions, as convolutions of stride 1: one for all results that lie at the same place of a stride.

Along an axis of stride s, x[i] times w[j] is added to result s i + d j, before padding is cut off. Results s m + r, of
phase r, take the taps whose d j has that rest, each from x[m - (d j - r) / s]: a convolution of x, of about
kernel / stride taps. The phases of an axis with as many taps, from the same place on, are channels of one convolution::

    y[s m + r] = sum over u of  w[j + u s] x[m - u]          (d = 1, r = j < s)

What they give is put together by a transpose: [N, C, phases, m] becomes [N, C, m, phases].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dialects.shape import add, maximum, minimum, multiply, product, subtract
from ..node import Node
from ..registry import converter
from ..values import Value
from .linear import convolve, shared_out, with_known_kernel

if TYPE_CHECKING:
    from ...dialects.shape import Dim

# Multiplications with taps that are zero, over those with others, from which convolutions of fewer phases are as fast.
_WORTH_APART = 1.4


@dataclass(frozen=True)
class _Phases:
    """Neighbouring phases of an axis: the taps of each (the kernel's length stands for none), and where they reach.

    Tap u of any of them takes x from ``first + u * step`` elements before.
    """

    taps: tuple[tuple[int, ...], ...]
    first: int
    step: int

    @property
    def length(self) -> int:
        return len(self.taps[0])


@dataclass(frozen=True)
class _Axis:
    """One axis of a transposed convolution."""

    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int
    output_padding: int

    @property
    def first_turn(self) -> int:
        """The m of the first result that is kept."""
        return self.begin // self.stride

    @property
    def more_turns(self) -> int:
        """How many more m there are than elements of x, beside the first."""
        reach = (self.kernel - 1) * self.dilation - self.end + self.output_padding
        return reach // self.stride

    def length(self, size: Dim) -> Dim:
        reach = (self.kernel - 1) * self.dilation + 1 - self.begin - self.end + self.output_padding
        return add(multiply(subtract(size, 1), self.stride), reach)

    def phases(self, together: bool) -> list[_Phases]:
        """All phases in order, those of as many taps as one; of dilation 1 all ``together``."""
        common = math.gcd(self.dilation, self.stride)
        every, step = self.stride // common, self.dilation // common
        taps = [
            [tap for tap in range(self.kernel) if tap * self.dilation % self.stride == phase]
            for phase in range(self.stride)
        ]
        first = [(own[0] * self.dilation - phase) // self.stride if own else 0 for phase, own in enumerate(taps)]
        longest = max(map(len, taps))
        found = []
        for (start, length), group in itertools.groupby(
            range(self.stride), lambda phase: (first[phase], longest if together else len(taps[phase]))
        ):
            rows = (taps[phase] + [self.kernel] * (length - len(taps[phase])) for phase in group)
            found.append(_Phases(tuple(map(tuple, rows)), start, step))
        assert all(len(own) < 2 or own[1] - own[0] == every for own in taps)
        return found


@converter("ConvTranspose", several_steps=True)
def convert_conv_transpose(node: Node) -> Value:
    x, w, bias = node.input(0), node.input(1), node.optional(2)
    rank, group = x.rank - 2, node.attribute("group", 1)
    w, kernel = with_known_kernel(node, w)
    strides = node.attribute("strides", [1] * rank)
    dilations = node.attribute("dilations", [1] * rank)
    output_padding = node.attribute("output_padding", [0] * rank)
    wanted_pads = _transposed_pads(node, x, kernel, strides, dilations, output_padding)
    pads = [pad for pad in wanted_pads if isinstance(pad, int)]
    cut: Sequence[Dim] = []
    if len(pads) < len(wanted_pads):
        pads, cut = [0] * 2 * rank, wanted_pads
    plain = kernel == strides and not any(pads) and not any(output_padding) and set(dilations) <= {1}
    if plain and group == 1:
        result = _patches(node, x, w, kernel)
    else:
        axes = map(_Axis, kernel, strides, dilations, pads[:rank], pads[rank:], output_padding)
        result = _by_phases(node, x, w, group, list(axes))
    if cut:
        begin, end = ([multiply(-1, pad) for pad in part] for part in (cut[:rank], cut[rank:]))
        result = node.b.pad(result, [0, 0, *begin, 0, 0, *end])
    if bias is None:
        return result
    return node.b.add(result, node.b.reshape(bias, (*bias.dims, *[1] * rank)))


def _transposed_pads(
    node: Node, x: Value, kernel: list[int], strides: list[int], dilations: list[int], output_padding: list[int]
) -> Sequence[Dim]:
    """What is cut from the full result, resolved from pads, auto_pad or output_shape."""
    mode, rank = node.attribute("auto_pad", "NOTSET"), len(kernel)
    wanted: Sequence[Dim] | None = node.attribute("output_shape", None)
    if wanted is None and mode in ("NOTSET", "VALID"):
        return node.attribute("pads", [0] * 2 * rank) if mode == "NOTSET" else [0] * 2 * rank
    pairs = []
    for axis in range(rank):
        size, reach = x.dims[2 + axis], (kernel[axis] - 1) * dilations[axis] + 1
        if wanted is None:
            total: Dim = output_padding[axis] + reach - strides[axis]
        else:
            full = add(multiply(subtract(size, 1), strides[axis]), output_padding[axis] + reach)
            total = subtract(full, wanted[len(wanted) - rank + axis])
        # What is missing are zeros after the result, as onnxruntime has it, which negative pads give.
        missing = minimum(total, 0)
        begin, end = shared_out(maximum(total, 0), mode == "SAME_UPPER")
        pairs.append((begin, add(end, missing)))
    return [begin for begin, _ in pairs] + [end for _, end in pairs]


def _patches(node: Node, x: Value, w: Value, kernel: list[int]) -> Value:
    """Kernel == stride: every input pixel gives its own patch, so a matrix product and a shuffle do it."""
    b, rank = node.b, len(kernel)
    batch, channels, spatial = x.dims[0], x.dims[1], x.dims[2:]
    out_channels = w.dims[1]
    rows = b.reshape(w, (channels, product(w.dims[1:])))
    columns = b.reshape(x, (batch, channels, product(spatial)))
    patches = b.matmul(rows, columns, transpose_a=True)
    split = b.reshape(patches, (batch, out_channels, *kernel, *spatial))
    order = [0, 1]
    for axis in range(rank):
        order += [2 + rank + axis, 2 + axis]
    mixed = b.transpose(split, order)
    return b.reshape(mixed, (batch, out_channels, *(product((s, k)) for s, k in zip(spatial, kernel))))


def _by_phases(node: Node, x: Value, w: Value, group: int, axes: Sequence[_Axis]) -> Value:
    b, rank = node.b, len(axes)
    channels, per_group = node.divided(w.dims[0], group), w.dims[1]
    grouped = b.reshape(w, (group, channels, *w.dims[1:]))
    waste = math.prod(axis.phases(True)[0].length * axis.stride / axis.kernel for axis in axes)
    parts = [axis.phases(together=axis.dilation == 1 and waste < _WORTH_APART) for axis in axes]
    outputs = product((group, per_group))

    def of(chosen: tuple[_Phases, ...]) -> Value:
        """The results [N, C, phases..., places...] of some phases of each axis."""
        if len(chosen) < rank:
            return b.concat([of((*chosen, phases)) for phases in parts[len(chosen)]], 2 + len(chosen))
        counts = [len(phases.taps) for phases in chosen]
        places = [add(size, axis.more_turns - axis.first_turn) for size, axis in zip(x.dims[2:], axes)]
        if not all(phases.length for phases in chosen):
            return b.broadcast_to(b.scalar_like(0, x), (x.dims[0], outputs, *counts, *places))
        reaches = [phases.first + (phases.length - 1) * phases.step for phases in chosen]
        result = convolve(
            node,
            [x, _weights_of(node, grouped, chosen)],
            strides=[1] * rank,
            pads=[
                *(reach - axis.first_turn for reach, axis in zip(reaches, axes)),
                *(axis.more_turns - phases.first for phases, axis in zip(chosen, axes)),
            ],
            dilations=[phases.step for phases in chosen],
            group=group,
        )
        return b.reshape(result, (x.dims[0], outputs, *counts, *places))

    result = of(())
    order = [place for axis in range(rank) for place in (2 + rank + axis, 2 + axis)]
    mixed = b.transpose(result, [0, 1, *order])
    sizes = [multiply(mixed.dims[2 + 2 * index], axis.stride) for index, axis in enumerate(axes)]
    starts = [axis.begin - axis.first_turn * axis.stride for axis in axes]
    ends = [add(start, axis.length(size)) for start, axis, size in zip(starts, axes, x.dims[2:])]
    return b.slice(b.reshape(mixed, (x.dims[0], outputs, *sizes)), range(2, 2 + rank), starts, ends)


def _weights_of(node: Node, grouped: Value, chosen: Sequence[_Phases]) -> Value:
    """[groups, channels, results, taps...] as weights [groups * results * phases, channels, taps of a phase...]."""
    if grouped.constant is not None:
        # At once, however large they are: what is in no tap is zero.
        return node.b.constant(_arranged(_Arrays, grouped.constant, grouped.dims, chosen), "weights")
    return _arranged(node.b, grouped, grouped.dims, chosen)


def _arranged(b: Any, w: Any, dims: Sequence[Dim], chosen: Sequence[_Phases]) -> Any:
    """``b`` moves the elements of w: a builder, or on arrays ``_Arrays``."""
    groups, channels, results, *kernel = dims
    rank = len(chosen)
    shape = [groups, channels, results, *kernel]
    for index, (phases, length) in enumerate(zip(chosen, kernel)):
        axis, taps = 3 + 2 * index, np.array(phases.taps)[:, ::-1]
        if np.any(taps == length):
            w = b.pad(w, [*[0] * len(shape), *[int(other == axis) for other in range(len(shape))]])
        w = b.gather(w, b.constant(np.ascontiguousarray(taps.reshape(-1), np.int64)), axis)
        shape[axis : axis + 1] = taps.shape
        w = b.reshape(w, tuple(shape))
    phases_first = [3 + 2 * index for index in range(rank)]
    w = b.transpose(w, [0, 2, *phases_first, 1, *(axis + 1 for axis in phases_first)])
    counts = [len(phases.taps) for phases in chosen]
    return b.reshape(w, (product((groups, results, *counts)), channels, *(phases.length for phases in chosen)))


class _Arrays:
    """What a builder does to values, done to arrays."""

    constant = staticmethod(np.asarray)
    gather = staticmethod(np.take)
    reshape = staticmethod(np.reshape)
    transpose = staticmethod(np.transpose)

    @staticmethod
    def pad(x: np.ndarray, pads: Sequence[int]) -> np.ndarray:
        return np.pad(x, list(zip(pads[: x.ndim], pads[x.ndim :])))


def with_zeros_between(node: Node, x: Value, strides: list[int]) -> Value:
    """strides - 1 zeros between neighbours along each spatial axis."""
    b = node.b
    for index, stride in enumerate(strides):
        if stride == 1:
            continue
        axis, size = 2 + index, x.dims[2 + index]
        spread = b.unsqueeze(x, [axis + 1])
        pads = [0] * 2 * spread.rank
        pads[spread.rank + axis + 1] = stride - 1
        padded = b.pad(spread, pads)
        merged = b.reshape(padded, (*x.dims[:axis], product((size, stride)), *x.dims[axis + 1 :]))
        # The zeros after the last pixel lie outside.
        x = b.slice(merged, [axis], [0], [subtract(merged.dims[axis], stride - 1)])
    return x
