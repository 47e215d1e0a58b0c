"""Convolutions whose windows read where an input says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ...dialects.shape import multiply, product
from ..node import Node
from ..registry import converter
from ..values import Value
from .linear import with_known_kernel

if TYPE_CHECKING:
    from ...dialects.shape import Dim


@converter("DeformConv", since=19, several_steps=True)
def convert_deform_conv(node: Node) -> Value:
    """x sampled at each place of each window, moved by its offset, and a product with the weights.

    The samples of a group of channels with offsets of their own are those of an image.
    """
    x, b, mask = node.input(0), node.b, node.optional(4)
    w, kernel = with_known_kernel(node, node.input(1))
    taps, group, offset_group = product(kernel), node.attribute("group", 1), node.attribute("offset_group", 1)
    channels = node.divided(x.dims[1], offset_group)
    grid, outputs = _positions(node, kernel, offset_group)
    batch = x.dims[0]
    images = b.reshape(x, (multiply(batch, offset_group), channels, *x.dims[2:]))
    samples = b.op(graph.GridSampleOp, images, grid, mode="linear", padding="zeros", in_elements=True)
    samples = b.reshape(samples, (batch, offset_group, channels, taps, *outputs))
    if mask is not None:
        samples = b.mul(samples, b.reshape(mask, (batch, offset_group, 1, taps, *outputs)))
    depth = multiply(node.divided(x.dims[1], group), taps)
    rows = node.divided(w.dims[0], group)
    columns = b.reshape(samples, (batch, group, depth, product(outputs)))
    result = b.matmul(b.reshape(w, (group, rows, depth)), columns)
    result = b.reshape(result, (batch, w.dims[0], *outputs))
    bias = node.optional(3)
    if bias is None:
        return result
    return b.add(result, b.reshape(bias, (*bias.dims, *[1] * len(kernel))))


def _positions(node: Node, kernel: list[int], offset_group: int) -> tuple[Value, list[Dim]]:
    """Where each window reads, as a grid [images, taps * outputs, outputs..., axes], and the outputs' sizes."""
    b, offsets, rank = node.b, node.input(2), len(kernel)
    strides, dilations = (node.attribute(name, [1] * rank) for name in ("strides", "dilations"))
    pads = node.attribute("pads", [0] * 2 * rank)
    outputs, taps = list(offsets.dims[2:]), product(kernel)
    batch = offsets.dims[0]
    moved = b.reshape(offsets, (batch, offset_group, taps, rank, *outputs))
    tap_places = np.indices(kernel).reshape(rank, -1)
    parts = []
    # A grid names the last axis first.
    for axis in reversed(range(rank)):
        column = [1] * rank
        column[axis] = -1
        windows = b.mul_scalar(b.cast(b.iota(outputs[axis]), offsets.element_type), strides[axis])
        shape: list[Dim] = [outputs[axis] if size == -1 else 1 for size in column]
        within = tap_places[axis] * dilations[axis] - pads[axis]
        own = b.constant(within.reshape(-1, *[1] * rank).astype(offsets.type.dtype))
        starts = b.add(b.reshape(windows, shape), own)
        offset = b.squeeze(b.slice(moved, [3], [axis], [axis + 1]), [3])
        parts.append(b.unsqueeze(b.add(offset, starts), [offset.rank]))
    places = b.concat(parts, parts[0].rank - 1)
    images = multiply(batch, offset_group)
    return b.reshape(places, (images, multiply(taps, outputs[0]), *outputs[1:], rank)), outputs
