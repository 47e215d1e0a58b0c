"""Scales products by dequantised weights after they are summed, so that the weights stay integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph.types import BYTES
from .rewriting import Rewriter, defined_by, erase_unused, graph_blocks, type_of


@dataclass(frozen=True)
class GraphMoveWeightScalesPass(ModulePass):
    """``x (w s)`` -> ``(x w) s``, of dequantised constants with a scale for each column or one for all.

    before, %w being a constant::

        %0 = graph.dequantize %w, %s : (!graph.tensor<64 x 32 x i8>, !graph.tensor<1 x 32 x f32>) -> ...
        %1 = graph.matmul %x, %0 : (!graph.tensor<M x 64 x f32>, !graph.tensor<64 x 32 x f32>) -> ...

    after::

        %whole = graph.constant @w.whole : !graph.tensor<64 x 32 x f32>
        %0 = graph.matmul %x, %whole : (!graph.tensor<M x 64 x f32>, !graph.tensor<64 x 32 x f32>) -> ...
        %1 = graph.mul %0, %s : (!graph.tensor<M x 32 x f32>, !graph.tensor<1 x 32 x f32>) -> ...

    The weights are whole numbers, less their zero points. Where reading them is what takes the time,
    ``kernel-narrow-weights`` stores them in as few bits as hold them. Products of two dequantised factors are
    integers by now (``graph-narrow-dequantized``).
    """

    name = "graph-move-weight-scales"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.MatmulOp):
                    move_scale(operation, rewriter)


def move_scale(matmul: graph.MatmulOp, rewriter: Rewriter) -> None:
    weights = defined_by(matmul.b, graph.DequantizeOp)
    if weights is None or type_of(weights.x).element_type not in BYTES or type_of(weights.x).rank != 2:
        return
    numbers, scale = rewriter.array(weights.x), rewriter.array(weights.scale)
    zero = np.zeros((), np.int32) if weights.zero is None else rewriter.array(weights.zero)
    if numbers is None or scale is None or zero is None:
        return
    scale = np.broadcast_to(scale, (*(1,) * (2 - scale.ndim), *scale.shape))
    if scale.shape[1 if matmul.transpose_b else 0] != 1:
        return
    whole = (numbers.astype(np.int32) - zero.astype(np.int32)).astype(np.float32)
    constant = rewriter.constant(matmul, whole, f"{rewriter.handle(weights.x)}.whole")
    total = rewriter.insert(matmul, matmul.with_values([matmul.a, constant]))
    factor = rewriter.constant(matmul, np.ascontiguousarray(scale.reshape(-1)), rewriter.handle(weights.scale))
    rewriter.replace_with(matmul, graph.MulOp([total, factor]))
    erase_unused(weights)
