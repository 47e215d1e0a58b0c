"""Computes equal things once."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from ...dialects.graph import EntropyOp, GraphOperation

_Known = dict[Hashable, Operation]


@dataclass(frozen=True)
class GraphCommonSubexpressionsPass(ModulePass):
    """Replaces an operation by an earlier one with the same operands and fields.

    before::

        %0 = graph.sigmoid %x : !graph.tensor<8 x f32>
        %1 = graph.sigmoid %x : !graph.tensor<8 x f32>
        %2 = graph.add %0, %1 : !graph.tensor<8 x f32>

    after::

        %0 = graph.sigmoid %x : !graph.tensor<8 x f32>
        %2 = graph.add %0, %0 : !graph.tensor<8 x f32>
    """

    name = "graph-common-subexpressions"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, FuncOp) and function.body.blocks:
                merge_equal(function.body.block, {})


def merge_equal(block: Block, outer: _Known) -> None:
    """Merges within a block; what is computed around it is known inside."""
    known = dict(outer)
    for operation in list(block.ops):
        for region in operation.regions:
            for inner in region.blocks:
                merge_equal(inner, known)
        if not isinstance(operation, GraphOperation):
            continue
        key = (
            operation.name,
            tuple(operation.operands),
            tuple(sorted(operation.properties.items())),
            tuple(result.type for result in operation.results),
            # Each round of a loop asks anew.
            block if isinstance(operation, EntropyOp) else None,
        )
        earlier = known.setdefault(key, operation)
        if earlier is operation:
            continue
        for result, value in zip(operation.results, earlier.results):
            result.replace_all_uses_with(value)
        operation.detach()
        operation.erase()
