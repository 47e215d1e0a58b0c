"""Folds padding with zeros into the padding of convolutions and pools."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects import graph
from .rewriting import Rewriter, defined_by, fields_of, graph_blocks


@dataclass(frozen=True)
class GraphFoldPaddingPass(ModulePass):
    """Lets a convolution or pool do the padding before it.

    before::

        %1 = graph.pad %x, %zero pads [0, 0, 1, 1, 0, 0, 1, 1] : (...) -> !graph.tensor<1 x 8 x 18 x 18 x f32>
        %2 = graph.conv %1, %w : (...) -> !graph.tensor<1 x 8 x 16 x 16 x f32>

    after::

        %2 = graph.conv %x, %w pads [1, 1, 1, 1] : (...) -> !graph.tensor<1 x 8 x 16 x 16 x f32>

    A max pool takes padding with -inf, an average pool padding with zeros if it counts its own padding or has none.
    """

    name = "graph-fold-padding"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.ConvOp | graph.MaxPoolOp | graph.AvgPoolOp):
                    fold_padding(operation, rewriter)


def fold_padding(operation: graph.ConvOp | graph.MaxPoolOp | graph.AvgPoolOp, rewriter: Rewriter) -> None:
    padding = defined_by(operation.x, graph.PadOp)
    if padding is None or padding.mode != "constant" or rewriter.number(padding.value) != _neutral(operation):
        return
    if not all(isinstance(pad, int) and pad >= 0 for pad in padding.pads):
        return
    pads: list[int] = [int(pad) for pad in padding.pads]  # pyright: ignore[reportArgumentType]
    rank = len(pads) // 2
    if any(pads[:2]) or any(pads[rank : rank + 2]):
        return
    fields = fields_of(operation)
    if isinstance(operation, graph.AvgPoolOp):
        if any(operation.pads) and not operation.count_include_pad:
            return
        fields["count_include_pad"] = True
    added = pads[2:rank] + pads[rank + 2 :]
    fields["pads"] = [old + new for old, new in zip(operation.pads, added)]
    operands = [padding.x, *operation.operands[1:]]
    rewriter.replace_with(operation, type(operation)(operands, operation.result_types, **fields))
    if padding.result.first_use is None:
        padding.detach()
        padding.erase()


def _neutral(operation: graph.GraphOperation) -> float:
    return -math.inf if isinstance(operation, graph.MaxPoolOp) else 0.0
