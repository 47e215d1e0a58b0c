"""What each convolution algorithm can do and what it costs, from the numbers of the target and its class.

The estimate is ``max(operations / peak, bytes / bandwidth)`` with the share of the peak that each algorithm
reaches; it ranks algorithms, and is not a promise of time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import AnyFloat

from ...dialects.kernel import ConvOp
from ...dialects.shape import Dim
from ...dialects.storage import element_bytes
from ...machines.atoms import TILE_ROWS
from ..tiling import im2col_tile, indirect_columns, product_atom, rows_atom
from ..typical_sizes import known_size

if TYPE_CHECKING:
    from ...machines import Target

TYPICAL_BATCH = 1

# Winograd F(m, 3): the side of an output tile.
WINOGRAD_TILES = {"winograd2": 2, "winograd4": 4}


def channel_block(target: Target) -> int:
    """Channels in a block of the blocked layout: one vector, at least 8."""
    return max(target.lanes, 8)


def applicable_algorithms(kernel: ConvOp, target: Target) -> list[str]:
    """Algorithms that can compute this convolution. im2col can always."""
    x, w = kernel.in_type(0), kernel.in_type(1)
    groups = kernel.get("groups")
    known = isinstance(x.dims[1], int) and all(isinstance(size, int) for size in w.dims)
    algorithms = ["im2col"]
    if not known or x.rank != 4:
        return algorithms
    block = channel_block(target)
    in_group, out_group = int(w.dims[1]), int(w.dims[0]) // groups
    if in_group == 1 and out_group == 1 and groups > 1:
        return [*algorithms, "depthwise"]
    if groups == 1 or (in_group % block == 0 and out_group % block == 0):
        algorithms.append("direct")
    if indirect_columns(kernel, target):
        algorithms.append("indirect")
    if _suits_winograd(kernel):
        algorithms += list(WINOGRAD_TILES)
    return algorithms


def _suits_winograd(kernel: ConvOp) -> bool:
    """3x3 of floats with stride and dilation 1 in one group, with enough channels to make matrix products of.

    Not of floats narrower than their sums: the transforms would round them, and what multiplies them needs none.
    """
    w = kernel.in_type(1)
    if not isinstance(w.element_type, AnyFloat) or w.element_type != kernel.sums_type:
        return False
    plain = all(value == 1 for value in (*kernel.get("strides"), *kernel.get("dilations"), kernel.get("groups")))
    return plain and w.dims[2:] == (3, 3) and int(w.dims[0]) >= 16 and int(w.dims[1]) >= 16


def estimate_seconds(kernel: ConvOp, algorithm: str, target: Target) -> float:
    """Time of one run on one core."""
    costs = target.costs
    peak = target.peak
    atom = product_atom(kernel, target)
    depth = atom.depth if atom else 1
    match algorithm:
        case "direct":
            block = channel_block(target)
            channels = known_size(kernel.type.dims[1])
            padded = -(-channels // block) * block
            # Lanes without a channel are computed and stored like the others.
            size = element_bytes(kernel.type.element_type)
            copied = size * (padded - channels) * pixels(kernel) / costs.layout_change_bandwidth
            tiles = rows_atom(kernel, target)
            if tiles is not None and tiles.is_tile and known_size(kernel.in_type(1).dims[1]) >= TILE_ROWS:
                return _operations(kernel, tiles.depth, target) / (costs.tile_speed * peak) + copied
            # Channels that fill no block lie apart.
            in_words = depth if known_size(kernel.in_type(1).dims[1]) >= block else 1
            return _operations(kernel, in_words, target) / peak * padded / max(channels, 1) + copied
        case "depthwise":
            return _operations(kernel, 1, target) / (costs.depthwise_share * peak)
        case "im2col":
            cycles = im2col_tile(kernel, target, depth).cycles
            seconds = _operations(kernel, depth, target) / 2 * cycles / (costs.im2col_share * costs.gigahertz * 1e9)
            return seconds + conversion_seconds(kernel, target)
        case "indirect":
            columns = indirect_columns(kernel, target)
            channels = known_size(kernel.type.dims[1]) // kernel.get("groups")
            padded = -(-channels // columns) * columns
            overhead = 1 + costs.indirect_row_channels / max(known_size(kernel.in_type(1).dims[1]), 1)
            operations = _operations(kernel, depth, target)
            tiles = rows_atom(kernel, target)
            if tiles is not None and tiles.is_tile:
                operations = _operations(kernel, tiles.depth, target) / costs.tile_speed
            products = operations / (costs.indirect_share * peak) * padded / max(channels, 1) * overhead
            return products + conversion_seconds(kernel, target)
    return _winograd_seconds(kernel, WINOGRAD_TILES[algorithm], peak, target)


def conversion_seconds(kernel: ConvOp, target: Target) -> float:
    """Time to read and write again what neighbours most likely keep in channel blocks."""
    block = channel_block(target)
    tensors = [type_ for type_ in (kernel.in_type(0), kernel.type) if known_size(type_.dims[1]) >= block]
    sizes = [element_bytes(type_.element_type) * math.prod(_extents(type_.dims)) for type_ in tensors]
    return 2.0 * sum(sizes) / target.costs.layout_change_bandwidth


def _operations(kernel: ConvOp, depth: int, target: Target) -> float:
    """What there is to multiply and add: words of ``depth`` channels, or integers that are widened first."""
    channels = max(1, known_size(kernel.in_type(1).dims[1]))
    is_widened = depth == 1 and not isinstance(kernel.in_type(0).element_type, AnyFloat)
    share = target.costs.widened_share if is_widened else 1.0
    return direct_operations(kernel) * -(-channels // depth) / channels / share


def direct_operations(kernel: ConvOp) -> float:
    """Floating-point operations of the definition."""
    return 2.0 * pixels(kernel) * math.prod(known_size(size) for size in kernel.in_type(1).dims)


def _winograd_seconds(kernel: ConvOp, tile: int, peak: float, target: Target) -> float:
    """Products of (tile + 2)^2 points a tile, transforms at the speed of L2, and U from where it fits."""
    batch, out_channels, height, width = _extents(kernel.type.dims)
    in_channels = known_size(kernel.in_type(1).dims[1])
    points, costs = (tile + 2) ** 2, target.costs
    tiles = batch * math.ceil(height / tile) * math.ceil(width / tile)
    products = 2.0 * points * tiles * in_channels * out_channels / (costs.winograd_share * peak)
    transforms = 8.0 * points * tiles * (in_channels + out_channels) / costs.transform_bandwidth
    weight_bytes = 4.0 * points * in_channels * out_channels
    is_near = weight_bytes < target.l3_bytes / 4
    bandwidth = costs.near_weight_bandwidth if is_near else costs.far_weight_bandwidth
    # Too few tiles leave the products waiting for U: each of its elements is used once a tile.
    return max(products, weight_bytes / bandwidth) + transforms


def pixels(kernel: ConvOp) -> float:
    batch, _, *spatial = _extents(kernel.type.dims)
    return math.prod([batch, *spatial])


def _extents(dims: Sequence[Dim]) -> list[int]:
    """Dimensions of a tensor, unknown ones guessed."""
    return [known_size(size, TYPICAL_BATCH if axis == 0 else None) for axis, size in enumerate(dims)]
