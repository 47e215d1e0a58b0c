"""Computes what depends on constants alone."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from ...dialects.graph import ConstantOp, GraphOperation
from ...dialects.graph.attributes import reference_attributes
from ...dialects.graph.folding import distinct_bytes, folding_limit
from ...dialects.graph.types import GraphTensorType
from ...dialects.shape import is_static
from ...reference.operations import REFERENCE, evaluate
from .rewriting import Rewriter, graph_blocks


@dataclass(frozen=True)
class GraphFoldConstantsPass(ModulePass):
    """Replaces an operation whose operands are all constant by its result.

    before::

        %0 = graph.constant @a : !graph.tensor<8 x f32>
        %1 = graph.constant @b : !graph.tensor<8 x f32>
        %2 = graph.add %0, %1 : !graph.tensor<8 x f32>

    after::

        %2 = graph.constant @folded : !graph.tensor<8 x f32>

    A result that would be too large stays (see ``folding_limit``); ``limit`` sets another bound in bytes.
    """

    name = "graph-fold-constants"

    limit: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, GraphOperation) and not isinstance(operation, ConstantOp):
                    self.fold(operation, rewriter)

    def fold(self, operation: GraphOperation, rewriter: Rewriter) -> None:
        """Folds one operation, if it can be."""
        name = operation.name.removeprefix("graph.")
        arrays = [rewriter.array(operand) for operand in operation.operands]
        types = operation.result_types
        if name not in REFERENCE or not all(is_static(t.dims) for t in types):
            return
        known = [array for array in arrays if array is not None]
        if len(known) < len(arrays):
            return
        limit = folding_limit(name, distinct_bytes(known)) if self.limit is None else self.limit
        if sum(_nbytes(t) for t in types) > limit:
            return
        attributes = reference_attributes(name, operation.values, types)
        if attributes is None:
            return
        results = evaluate(name, known, attributes)
        folded = [
            rewriter.constant(operation, result.astype(t.dtype, copy=False), "folded")
            for result, t in zip(results, types)
        ]
        rewriter.replace(operation, folded)


def _nbytes(tensor: GraphTensorType) -> int:
    count = tensor.element_count
    assert isinstance(count, int)
    return count * tensor.dtype.itemsize
