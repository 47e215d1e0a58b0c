"""Lets matrix products read their operands transposed, and moves transposes to where they cancel."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ...dialects import graph
from ...dialects.graph import ElementwiseOp
from .rewriting import Rewriter, defined_by, fields_of, graph_blocks


@dataclass(frozen=True)
class GraphMergeTransposesPass(ModulePass):
    """Transposes of the last two axes become flags of a matrix product; others move down past elementwise work.

    before::

        %1 = graph.transpose %k permutation [0, 2, 1] : (!graph.tensor<B x S x 64 x f32>) -> ...
        %2 = graph.matmul %q, %1 : (...) -> !graph.tensor<B x S x S x f32>

    after::

        %2 = graph.matmul %q, %k transpose_b : (...) -> !graph.tensor<B x S x S x f32>

    and relu(transpose(x)) becomes transpose(relu(x)) where the result is transposed back or where all
    operands are transposed alike, so that models written for channels-last lose their transposes.
    """

    name = "graph-merge-transposes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewriter = Rewriter(ctx)
        for block in graph_blocks(op):
            for operation in list(block.ops):
                if isinstance(operation, graph.MatmulOp):
                    _read_transposed(operation, rewriter)
                elif isinstance(operation, ElementwiseOp):
                    _move_down(operation, rewriter)
                elif isinstance(operation, graph.TransposeOp):
                    _cancel(operation, rewriter)


def _swaps_last_two(permutation: tuple[int, ...]) -> bool:
    rank = len(permutation)
    return rank >= 2 and list(permutation) == [*range(rank - 2), rank - 1, rank - 2]


def _read_transposed(matmul: graph.MatmulOp, rewriter: Rewriter) -> None:
    operands: list[SSAValue] = []
    flags: list[bool] = []
    for operand, flag in ((matmul.a, matmul.transpose_a), (matmul.b, matmul.transpose_b)):
        transpose = defined_by(operand, graph.TransposeOp)
        if transpose is not None and _swaps_last_two(transpose.permutation):
            operand, flag = transpose.x, not flag
        operands.append(operand)
        flags.append(flag)
    if operands == [matmul.a, matmul.b]:
        return
    new = graph.MatmulOp(operands, matmul.result_types, transpose_a=flags[0], transpose_b=flags[1])
    rewriter.replace_with(matmul, new)


def _move_down(operation: ElementwiseOp, rewriter: Rewriter) -> None:
    """f(transpose(a), transpose(b)) -> transpose(f(a, b)); constants and scalars are transposed back."""
    sources = [defined_by(operand, graph.TransposeOp) for operand in operation.operands]
    permutations = {source.permutation for source in sources if source is not None}
    if len(permutations) != 1:
        return
    (permutation,) = permutations
    rank = len(permutation)
    if operation.result_types[0].rank != rank or not _pays(operation, sources):
        return
    inverse = [permutation.index(axis) for axis in range(rank)]
    operands: list[SSAValue] = []
    for operand, source in zip(operation.operands, sources):
        if source is not None:
            operands.append(source.x)
            continue
        array = rewriter.array(operand)
        if array is None:
            return
        if array.size > 1:
            spread = array.reshape((1,) * (rank - array.ndim) + array.shape).transpose(inverse)
            operand = rewriter.constant(operation, spread, rewriter.handle(operand))
        operands.append(operand)
    dims = [operation.result_types[0].dims[axis] for axis in inverse]
    moved = type(operation)(operands, [operation.result_types[0].with_dims(dims)], **fields_of(operation))
    before = rewriter.insert(operation, moved)
    rewriter.replace_with(operation, graph.TransposeOp([before], permutation=permutation))


def _pays(operation: ElementwiseOp, sources: list[graph.TransposeOp | None]) -> bool:
    """Only where no transpose is read by others too, so that their number never grows."""
    return all(source is None or source.result.has_one_use() or _only_here(source, operation) for source in sources)


def _only_here(source: graph.TransposeOp, operation: ElementwiseOp) -> bool:
    return all(use.operation is operation for use in source.result.uses)


def _cancel(operation: graph.TransposeOp, rewriter: Rewriter) -> None:
    before = defined_by(operation.x, graph.TransposeOp)
    if before is None:
        return
    permutation = tuple(before.permutation[axis] for axis in operation.permutation)
    if list(permutation) == list(range(len(permutation))):
        rewriter.replace(operation, [before.x])
    else:
        new = graph.TransposeOp([before.x], operation.result_types, permutation=permutation)
        rewriter.replace_with(operation, new)
    if before.result.first_use is None:
        before.detach()
        before.erase()
