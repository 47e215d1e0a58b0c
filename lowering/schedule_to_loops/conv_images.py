"""What convolutions that write channel blocks share, and when images are one long row of pixels."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...dialects.kernel import ConvOp
from ...dialects.shape import Dim
from .loop_nest import LoopNest, Tensor
from .register_tile import ResultTile

# Physical dimensions of y in NCHW16c order.
BATCH, CHANNEL_BLOCK, ROW, COLUMN, LANE = range(5)


def is_pointwise(kernel: ConvOp, tensors: Sequence[Tensor]) -> bool:
    """Whether output pixels are input pixels one to one, and the images of every tensor lie contiguous."""
    window = kernel.in_type(1).dims[2:]
    if any(size != 1 for size in (*window, *kernel.get("strides"))) or any(kernel.get("pads")):
        return False
    return all(images_are_contiguous(tensor, kernel.type.dims) for tensor in tensors)


def images_are_contiguous(tensor: Tensor, dims: Sequence[Dim]) -> bool:
    """Whether a tensor, broadcast to ``dims``, has an image's rows one after another, or one number for the image."""
    layout, rank, spatial = tensor.type.layout, tensor.type.rank, len(dims) - 2
    axes = range(max(0, rank - spatial), rank)
    if all(tensor.dims[axis] == 1 for axis in axes):
        return True
    if tuple(tensor.dims[axis] for axis in axes) != tuple(dims[2:]):
        return False
    return all(layout.margin(axis) == (0, 0) for axis in axes)


def bias_tile(nest: LoopNest, kernel: ConvOp, y: Tensor, tile: ResultTile) -> SSAValue:
    """The sums' first value: the bias of the tile's channels, or zero."""
    if len(kernel.ins) < 3:
        return nest.constant(0.0, nest.vector_type(kernel.sums_type, tile.shape))
    bias = nest.operands[2]
    lanes = tile.shape[-1]
    blocks = dict(tile.spans).get(CHANNEL_BLOCK, 1)
    memory = nest.view(bias.memory, nest.mul(tile.starts[CHANNEL_BLOCK], lanes), [1, blocks, lanes], [0, lanes, 1])
    return nest.broadcast(nest.load_vector(memory, [0, 0, 0], [1, blocks, lanes]), tile.shape)
