"""Operators of com.microsoft on weights of few bits, in blocks. Source: onnxruntime's ContribOperators.md."""

from __future__ import annotations

import numpy as np

from ...dialects import graph
from ...dialects.graph.block_products import BITS, LEAST_BLOCK
from ...dialects.graph.types import f32, ui8
from ...reference.block_products import unpacked
from ..element_types import small_bits
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value
from .quantization import dequantised

INT8_LEVEL = 4
"""Of ``accuracy_level``: a may be rounded to 8 bits, block by block. Below it stays f32."""


@converter("MatMulNBits", domain=MICROSOFT)
def convert_matmul_nbits(node: Node) -> Value:
    """a [..., K] by the transpose of weights [N, K] of 2, 4 or 8 bits, in blocks along K, plus a bias."""
    b, a = node.b, node.input(0)
    bits, block = node.attribute("bits", 4), node.attribute("block_size")
    depth, columns = node.attribute("K"), node.attribute("N")
    if bits not in BITS or block < LEAST_BLOCK or block & (block - 1):
        node.invalid(f"{bits} bits in blocks of {block}: expected 2, 4 or 8, in blocks of 16, 32, 64 ...")
    node.relate(a.dims[-1], depth, "the last axis of A")
    blocks = -(-depth // block)
    numbers = _weights(node, (columns, blocks, block * bits // 8))
    scales = _of_blocks(node, 2, node.constant_input(2, "the scales"), columns, blocks).astype(np.float32)
    zeros = _zeros(node, columns, blocks, bits)
    if node.optional(4) is not None:
        product = b.matmul(a, b.cast(b.constant(_dequantised(node, numbers, scales, zeros), "weights"), a.element_type))
    else:
        operands = [a, *(b.constant(array, b.name) for array in (numbers, scales, zeros) if array is not None)]
        int8 = node.attribute("accuracy_level", 0) == INT8_LEVEL
        product = b.op(graph.BlockMatmulOp, *operands, bits=bits, block=block, int8=int8)
    bias = node.optional(5)
    return product if bias is None else b.add(product, bias)


def _weights(node: Node, shape: tuple[int, int, int]) -> np.ndarray:
    array = node.constant_input(1, "the weights")
    if array.size != shape[0] * shape[1] * shape[2]:
        node.invalid(f"B has shape {list(array.shape)}, expected {list(shape)}")
    return np.ascontiguousarray(array).view(np.uint8).reshape(shape)


def _of_blocks(node: Node, index: int, array: np.ndarray, columns: int, blocks: int) -> np.ndarray:
    if array.size != columns * blocks:
        node.invalid(
            f"input #{index} has shape {list(array.shape)}, expected [{columns}, {blocks}]: one for each block"
        )
    return array.reshape(columns, blocks)


def _zeros(node: Node, columns: int, blocks: int, bits: int) -> np.ndarray | None:
    """Zero points as they are, one of each block; None where all are half of the numbers' range."""
    if node.optional(3) is None:
        return None
    array = node.constant_input(3, "the zero points")
    if array.dtype != np.uint8:
        return _of_blocks(node, 3, array, columns, blocks).astype(np.float32)
    if array.size * 8 // bits < columns * blocks:
        node.invalid(
            f"the zero points have shape {list(array.shape)}, too few for {columns} columns of {blocks} blocks"
        )
    zeros = unpacked(array.reshape(columns, -1), bits)[:, :blocks]
    return None if (zeros == 1 << (bits - 1)).all() else np.ascontiguousarray(zeros)


def _dequantised(node: Node, numbers: np.ndarray, scales: np.ndarray, zeros: np.ndarray | None) -> np.ndarray:
    """[K, N], the block of each row of it given by input #4."""
    bits = node.attribute("bits", 4)
    group = node.constant_input(4, "the groups (g_idx)").reshape(-1)[: node.attribute("K")]
    if group.size != node.attribute("K") or not ((group >= 0) & (group < scales.shape[1])).all():
        node.invalid(f"g_idx names {group.size} blocks of {scales.shape[1]}, expected one for each of K rows")
    weights = unpacked(numbers, bits).reshape(len(numbers), -1)[:, : group.size].astype(np.float32)
    zero = np.float32(1 << (bits - 1)) if zeros is None else zeros[:, group].astype(np.float32)
    return np.ascontiguousarray(((weights - zero) * scales[:, group]).T)


@converter("GatherBlockQuantized", domain=MICROSOFT)
def convert_gather_block_quantized(node: Node) -> Value:
    """Rows of weights in blocks, taken as they are stored and then dequantised. Several numbers may lie in a byte."""
    b, indices, scales, zeros = node.b, node.input(1), node.input(2), node.optional(3)
    bits, block = node.attribute("bits", 4), node.attribute("block_size", 128)
    data = node.input(0)
    is_packed = data.element_type == ui8 and not small_bits(data.code)
    if is_packed:
        data = _unpacked_value(node, 0, bits)
        half = b.broadcast_to(b.scalar(1 << (bits - 1), ui8), scales.dims)
        zeros = half if zeros is None else _unpacked_value(node, 3, bits)
    at = node.axis(node.attribute("gather_axis", 0), data.rank)
    axis = node.axis(node.attribute("quantize_axis", 1), data.rank)
    size = data.dims[axis]
    if axis == at or not isinstance(size, int):
        node.invalid(f"blocks lie along axis {axis} of {data.type}: it must be known, and not the one that is gathered")
    if zeros is not None:
        zeros = b.slice(zeros, [axis], [0], [scales.dims[axis]])
    of_block = b.constant(np.arange(size, dtype=np.int64) // block)
    taken = axis + (indices.rank - 1 if axis > at else 0)

    def along(part: Value) -> Value:
        return b.gather(b.gather(part, indices, at), of_block, taken)

    scale = b.cast(along(scales), f32)
    real = dequantised(node, b.gather(data, indices, at), scale, None if zeros is None else along(zeros))
    return b.cast(real, scales.element_type)


def _unpacked_value(node: Node, index: int, bits: int) -> Value:
    """The numbers of a constant input, in a byte each."""
    return node.b.constant(unpacked(node.constant_input(index, "what is packed"), bits), f"{node.b.name}_{index}")
