"""Recognises softmax written out in smaller operations."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects import graph
from .rewriting import Rewriter, defined_by, graph_blocks


@dataclass(frozen=True)
class GraphFuseSoftmaxPass(ModulePass):
    """One operation for exp(x - max(x)) / sum(exp(x - max(x))) along one axis.

    before::

        %m = graph.reduce max %x axes [1] keepdims : (...) -> ...
        %c = graph.sub %x, %m : (...) -> ...
        %e = graph.exp %c : ...
        %s = graph.reduce sum %e axes [1] keepdims : (...) -> ...
        %r = graph.div %e, %s : (...) -> ...

    after::

        %r = graph.softmax %x axis 1 : ...
    """

    name = "graph-fuse-softmax"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.DivOp):
                    fuse_softmax(operation, rewriter)


def fuse_softmax(division: graph.DivOp, rewriter: Rewriter) -> None:
    power = defined_by(division.a, graph.ExpOp)
    total = defined_by(division.b, graph.ReduceOp)
    if power is None or total is None or total.x is not power.result:
        return
    if total.kind != "sum" or not total.keepdims or len(total.axes) != 1:
        return
    centred = defined_by(power.x, graph.SubOp)
    if centred is None:
        return
    largest = defined_by(centred.b, graph.ReduceOp)
    if largest is None or largest.kind != "max" or largest.x is not centred.a or largest.axes != total.axes:
        return
    if largest.keepdims:
        rewriter.replace_with(division, graph.SoftmaxOp([centred.a], division.result_types, axis=total.axes[0]))
