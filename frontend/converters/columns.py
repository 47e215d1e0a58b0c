"""Col2Im."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...dialects import graph
from ...dialects.graph.types import i1
from ...dialects.shape import add, floordiv, is_static, multiply, product, subtract
from ..node import Node
from ..registry import converter
from ..values import Value
from .conv_transpose import with_zeros_between

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@converter("Col2Im", several_steps=True)
def convert_col2im(node: Node) -> Value:
    """Each window element is added at its place: padded slices summed, one a kernel position."""
    x, b = node.input(0), node.b
    image = node.sizes_input(1, "the image's shape")
    kernel = node.sizes_input(2, "the block's shape")
    if not is_static(image) or not is_static(kernel):
        return _scattered(node, x, image, kernel)
    rank = len(image)
    strides = node.attribute("strides", [1] * rank)
    dilations = node.attribute("dilations", [1] * rank)
    pads = node.attribute("pads", [0] * 2 * rank)
    counts = [
        (image[i] + pads[i] + pads[rank + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i in range(rank)
    ]
    channels = floordiv(x.dims[1], product(kernel))
    columns = b.reshape(x, (x.dims[0], channels, *kernel, *counts))
    total: Value | None = None
    for position in itertools.product(*(range(int(size)) for size in kernel)):
        axes = list(range(2, 2 + rank))
        part = b.slice(columns, axes, list(position), [p + 1 for p in position])
        part = b.reshape(part, (x.dims[0], channels, *counts))
        part = with_zeros_between(node, part, strides)
        before = [p * d - pad for p, d, pad in zip(position, dilations, pads)]
        after = [size - lead - have for size, lead, have in zip(image, before, part.dims[2:])]
        part = b.pad(part, [0, 0, *before, 0, 0, *after])
        total = part if total is None else b.add(total, part)
    assert total is not None
    return total


def _scattered(node: Node, x: Value, image: Sequence[Dim], kernel: Sequence[Dim]) -> Value:
    """Of a block or an image whose size only a run gives: elements scattered into the padded image by their places.

    x [N, C * block, count] -> [N * C, block * count], added at places[block * count] -> [N, C, *image]
    """
    b, rank = node.b, len(image)
    strides, dilations = node.attribute("strides", [1] * rank), node.attribute("dilations", [1] * rank)
    pads = node.attribute("pads", [0] * 2 * rank)
    padded = [add(size, pads[axis] + pads[rank + axis]) for axis, size in enumerate(image)]
    reaches = [add(multiply(subtract(size, 1), apart), 1) for size, apart in zip(kernel, dilations)]
    counts = [add(floordiv(subtract(s, r), step), 1) for s, r, step in zip(padded, reaches, strides)]
    batch, rows, _ = x.dims
    channels, *counts = _named(node, [floordiv(rows, product(kernel)), *counts])
    node.relate(multiply(channels, product(kernel)), rows, "the number of rows")
    node.relate(product(counts), x.dims[2], "the number of blocks")
    places = b.dim_values([0], shape=())
    for axis in range(rank):
        element = _along(node, kernel[axis], dilations[axis], axis, 2 * rank)
        block = _along(node, counts[axis], strides[axis], rank + axis, 2 * rank)
        places = b.add(b.mul(places, b.dim_values([padded[axis]], shape=())), b.add(element, block))
    planes, moved = multiply(batch, channels), multiply(product(kernel), product(counts))
    indices = b.broadcast_to(b.reshape(places, (1, moved)), (planes, moved))
    zeros = b.broadcast_to(b.scalar_like(0, x), (planes, product(padded)))
    total = b.op(graph.ScatterElementsOp, zeros, indices, b.reshape(x, (planes, moved)), axis=1, reduction="add")
    total = b.reshape(total, (batch, channels, *padded))
    return b.slice(total, list(range(2, 2 + rank)), pads[:rank], [add(p, s) for p, s in zip(pads, image)])


def _named(node: Node, sizes: Sequence[Dim]) -> Sequence[Dim]:
    """The sizes as symbols of their own, which keeps what is made of them short."""
    symbols = node.fresh_type(i1, [None] * len(sizes))
    return node.b.emit(graph.BindSizesOp, [node.b.dim_values(sizes)], [symbols])[0].dims


def _along(node: Node, size: Dim, step: int, axis: int, rank: int) -> Value:
    """0, step, 2 step ... along an axis."""
    shape: list[Dim] = [1] * rank
    shape[axis] = size
    return node.b.reshape(node.b.mul_scalar(node.b.iota(size), step), shape)
