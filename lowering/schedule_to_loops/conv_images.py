"""What convolutions that write channel blocks share."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ...dialects.kernel import ConvOp
from .loop_nest import LoopNest, Tensor
from .register_tile import ResultTile

# Physical dimensions of y in NCHW16c order.
BATCH, CHANNEL_BLOCK, ROW, COLUMN, LANE = range(5)


def bias_tile(nest: LoopNest, kernel: ConvOp, y: Tensor, tile: ResultTile) -> SSAValue:
    """The sums' first value: the bias of the tile's channels, or zero."""
    if len(kernel.ins) < 3:
        return nest.constant(0.0, nest.vector_type(kernel.sums_type, tile.shape))
    bias = nest.operands[2]
    lanes = tile.shape[-1]
    blocks = dict(tile.spans).get(CHANNEL_BLOCK, 1)
    memory = nest.view(bias.memory, nest.mul(tile.starts[CHANNEL_BLOCK], lanes), [1, blocks, lanes], [0, lanes, 1])
    return nest.broadcast(nest.load_vector(memory, [0, 0, 0], [1, blocks, lanes]), tile.shape)
