"""Products with matrices of few bits: numbers in blocks along the depth, each with a scale, and a zero point or none.

A matrix of [K, N] is held as ``numbers`` [N, blocks, bytes], of 2, 4 or 8 bits, the first in the lowest bits of a byte;
``scales`` [N, blocks]; ``zeros`` [N, blocks], or half of the numbers' range for all.
"""

from __future__ import annotations

import numpy as np

from .elementwise import Arrays, Attributes, Operation, widened

LARGEST_INT8 = 127


def unpacked(array: np.ndarray, bits: int) -> np.ndarray:
    """The numbers in bytes along the last axis, the first in the lowest bits, as uint8."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    numbers = (array[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return numbers.reshape(*array.shape[:-1], -1)


def packed(numbers: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of ``unpacked``: the last axis must fill whole bytes."""
    places = numbers.astype(np.uint8).reshape(*numbers.shape[:-1], -1, 8 // bits)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.bitwise_or.reduce(places << shifts, axis=-1).astype(np.uint8)


def quantised_by_blocks(a: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [..., blocks * block] as integers from -127 to 127 [..., blocks, block], and a scale [..., blocks, 1]."""
    blocks = a.reshape(*a.shape[:-1], -1, block)
    scale = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(LARGEST_INT8)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    return np.rint(blocks * inverse), scale


def multiplied(a: np.ndarray, weights: np.ndarray, scales: np.ndarray, block: int, *, int8: bool) -> np.ndarray:
    """a [..., K] times the transpose of ``weights`` [N, blocks, block], whose zero points are taken off already.

    ``int8``: a is rounded to 8 bits, block by block, and products of a block are summed exactly.
    """
    missing = weights.shape[1] * block - a.shape[-1]
    a = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, missing)])
    if not int8:
        return np.matmul(a, (weights * scales[..., None]).reshape(len(weights), -1).T)
    integers, a_scales = quantised_by_blocks(a, block)
    sums = np.einsum("...bk,nbk->...nb", integers, weights, optimize=True)
    return (sums * scales * np.swapaxes(a_scales, -1, -2)).sum(axis=-1, dtype=np.float32)


def _block_matmul(inputs: Arrays, attributes: Attributes) -> Arrays:
    a, b, scales, *zeros = inputs
    bits, block = attributes["bits"], attributes["block"]
    zero = zeros[0].astype(np.float32)[..., None] if zeros else np.float32(1 << (bits - 1))
    weights = unpacked(b, bits).astype(np.float32) - zero
    result = multiplied(widened(a), weights, widened(scales), block, int8=bool(attributes.get("int8")))
    return [result.astype(a.dtype, copy=False)]


# --- as kernels read them ---------------------------------------------------------------------------------


def panel_rows(b: np.ndarray, scales: np.ndarray, zeros: np.ndarray | None, bits: int) -> np.ndarray:
    """One matrix of 32-bit words, a column of it for each of the product's.

    For each block a row of scales, one of zero points where there are any, both f32 by their bits, then rows of words.
    Byte j of a word holds the numbers j, 4 + j, 8 + j ... of those in it, the first in the lowest bits.
    """
    columns, blocks, _ = b.shape
    words = _in_byte_order(np.ascontiguousarray(b).view(np.uint16), bits)
    parts = [part.astype(np.float32).view(np.uint32)[..., None] for part in (scales, zeros) if part is not None]
    rows = np.concatenate([*parts, words.reshape(columns, blocks, -1)], axis=-1)
    return np.ascontiguousarray(rows.reshape(columns, -1).T).view(np.int32)


def _in_byte_order(halves: np.ndarray, bits: int) -> np.ndarray:
    """Words whose byte j has the numbers j, 4 + j, 8 + j ... of two halves, in which numbers follow each other."""
    if bits == 8:
        return halves.view(np.uint32).copy()
    half = np.arange(1 << 16, dtype=np.uint32)
    table = np.zeros_like(half)
    for number in range(16 // bits):
        value = (half >> np.uint32(bits * number)) & np.uint32((1 << bits) - 1)
        table |= value << np.uint32(8 * (number % 4) + bits * (number // 4))
    return table[halves[..., 0::2]] | table[halves[..., 1::2]] << np.uint32(4)


def of_panel_rows(rows: np.ndarray, bits: int, block: int, *, has_zeros: bool) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of ``panel_rows``: numbers less their zero points [N, blocks, block], and scales [N, blocks]."""
    columns, a_block = rows.shape[1], 1 + has_zeros + block * bits // 32
    by_block = np.ascontiguousarray(rows.T).reshape(columns, -1, a_block)
    scales = np.ascontiguousarray(by_block[..., 0]).view(np.float32)
    words = np.ascontiguousarray(by_block[..., 1 + has_zeros :])
    numbers = unpacked(words.view(np.uint8).reshape(*words.shape, 4, 1), bits)
    numbers = np.swapaxes(numbers, -1, -2).reshape(columns, -1, block)
    half = np.float32(1 << (bits - 1))
    zeros = np.ascontiguousarray(by_block[..., 1]).view(np.float32)[..., None] if has_zeros else half
    return numbers.astype(np.float32) - zeros, scales


BLOCK_PRODUCTS: dict[str, Operation] = {"block_matmul": _block_matmul}
