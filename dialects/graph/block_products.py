"""Matrix products with weights of few bits, in blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from ..shape import ceildiv
from .linear import may_differ
from .operation import GraphOperation, flag, graph_operation, integer
from .types import GraphTensorType, f32, is_float, ui8

BITS = (2, 4, 8)
"""Of a number: as many fill a byte."""
LEAST_BLOCK = 16


@graph_operation
class BlockMatmulOp(GraphOperation):
    """a [..., K] by a matrix [K, N] of numbers of ``bits`` bits, in blocks of ``block`` along K.

    A number stands for (number - zero) * scale, with a scale for each block of a column, and a zero point or half of
    the numbers' range. ``b`` is [N, blocks, bytes of a block], the first number of a byte in its lowest bits;
    ``scales`` and ``zeros``, a number or f32, are [N, blocks]. ``int8``: a is rounded to integers of 8 bits, each of
    its blocks with a scale of its own, the largest number being 127; products of a block are then summed exactly.

    C1: bits and block; C2: b fits K; C3: scales and zeros fit b; C4: element types.
    """

    name = "graph.block_matmul"
    a = operand_def(GraphTensorType)
    b = operand_def(GraphTensorType)
    scales = operand_def(GraphTensorType)
    zeros = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    bits: int = integer(4)
    block: int = integer(32)
    int8: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        a, b, scales, *zeros = types
        bits, block = values["bits"], values["block"]
        if bits not in BITS or block < LEAST_BLOCK or block & (block - 1):
            raise VerifyException(f"C1: {bits} bits in blocks of {block}: expected 2, 4 or 8, in 16, 32, 64 ...")
        if a.rank < 1 or b.rank != 3 or may_differ(b.dims[2], block * bits // 8):
            raise VerifyException(f"C2: a is {a} and b {b}: expected [..., K] and [N, blocks, {block * bits // 8}]")
        if may_differ(b.dims[1], ceildiv(a.dims[-1], block)):
            raise VerifyException(f"C2: b has {b.dims[1]} blocks, and {a.dims[-1]} numbers are summed")
        for name, type_ in [("scales", scales), *(("zeros", type_) for type_ in zeros)]:
            if type_.rank != 2 or any(map(may_differ, type_.dims, b.dims)):
                raise VerifyException(f"C3: {name} is {type_}, expected [{b.dims[0]}, {b.dims[1]}]")
        if not is_float(a.element_type) or b.element_type != ui8 or not is_float(scales.element_type):
            raise VerifyException("C4: a and scales are floats, b has bytes without a sign")
        if any(type_.element_type not in (ui8, f32) for type_ in zeros):
            raise VerifyException("C4: zeros are bytes without a sign, or f32")
        return [a.with_dims((*a.dims[:-1], b.dims[0]))]
