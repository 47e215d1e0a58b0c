"""What both walks of attention share: where its operands lie, and what becomes of scores and of sums of values."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects import math as functions
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from ...dialects.attention_decisions import Attention
from ...dialects.kernel import AttentionOp
from .arithmetic import compare, select
from .contraction import Reach
from .gemm_product import Matrix, matrix_of
from .loop_nest import Index, LoopNest, Tensor

F32_BYTES = 4


class AttentionOperands:
    """The operands of attention as batches of matrices, its sizes and decisions."""

    def __init__(self, decisions: Attention, nest: LoopNest, kernel: AttentionOp):
        self.decisions, self.nest, self.kernel = decisions, nest, kernel
        q, k, v, *self.extras, self.y = nest.operands
        self.empty = self.extras.pop(0) if len(kernel.ins) > 3 else None
        self.batch = [nest.dim(size) for size in self.y.dims[:-2]]
        self.rows, self.columns = nest.dim(self.y.dims[-2]), nest.dim(self.y.dims[-1])
        self.keys, self.depth = nest.dim(k.dims[-2]), nest.dim(k.dims[-1])
        self.q, self.k, self.v, self.result = (matrix_of(nest, tensor, False, self.y) for tensor in (q, k, v, self.y))
        self.panels = nest.ceildiv(self.columns, decisions.columns)
        self.places = [nest.dim(place) for place in decisions.places(kernel)]

    def of_keys(self, matrix: Matrix, batch: Sequence[Index], key: Index) -> Index:
        """Where a row of keys or values lies, which several heads of the batch may share."""
        nest, group, shared = self.nest, self.kernel.group, list(batch)
        if group > 1:
            shared[-1] = nest.floordiv(batch[-1], group)
        return nest.add(matrix.offset(nest, shared), nest.mul(key, matrix.row_stride))

    def of_queries(self, matrix: Matrix, batch: Sequence[Index], query: Index) -> Index:
        """Where a row of queries or of the result lies."""
        return self.nest.add(matrix.offset(self.nest, batch), self.nest.mul(query, matrix.row_stride))

    def extra(self, extra: Tensor, batch: Sequence[Index], query: Index, key: Index) -> tuple[Index, list[Index]]:
        """Where what the code reads beside a score lies, and its stride along each axis of the scores."""
        nest, rank = self.nest, self.y.type.rank
        strides: list[Index] = [0] * rank
        for piece, stride in zip(extra.type.layout.pieces, extra.strides, strict=True):
            if extra.dims[piece.axis] != 1:
                strides[rank - extra.type.rank + piece.axis] = stride
        offset = extra.origin
        for index, stride in zip((*batch, query, key), strides, strict=True):
            offset = nest.add(offset, nest.mul(index, stride))
        return offset, strides

    def lanes(self, column: Index) -> Index | None:
        """Columns of a panel of values that exist, where not all do."""
        if isinstance(self.columns, int) and self.columns % self.decisions.columns == 0:
            return None
        return self.nest.minimum(self.nest.sub(self.columns, column), self.decisions.columns)

    def values(self, begin: Index, panel: Index) -> tuple[Index, Index | None, Reach]:
        """A panel's first column, which of its columns exist, and rows of it from the element ``begin`` of v on."""
        nest, columns = self.nest, self.decisions.columns
        column = nest.mul(panel, columns)
        lanes = self.lanes(column)
        mask = None if lanes is None else nest.mask([1, columns], [1, lanes])
        rows = Reach(self.v.tensor.memory, nest.add(begin, column), [self.v.row_stride], [1, columns], [0, 1], mask)
        return column, lanes, rows

    def store(self, value: SSAValue, place: Index, lanes: Index | None) -> None:
        """Writes columns of a row of the result from a place on, those that exist."""
        nest, columns = self.nest, self.decisions.columns
        mask = None if lanes is None else nest.mask([columns], [lanes])
        nest.store_vector(value, nest.view(self.y.memory, place, [columns], [1]), [0], mask)

    def splat(self, number: float, shape: Sequence[int]) -> SSAValue:
        return self.nest.constant(number, self.nest.vector_type(f32, shape))

    def exp(self, value: SSAValue, reference: SSAValue) -> SSAValue:
        return self.nest.insert(functions.ExpOp(self.nest.insert(arith.SubfOp(value, reference))))

    def reference(self, largest: SSAValue) -> SSAValue:
        """What is taken from scores before their exponentials: the largest, or 0 where all are -inf."""
        nest = self.nest
        lowest, zero = nest.constant(float("-inf"), largest.type), nest.constant(0.0, largest.type)
        return select(nest, compare(nest, "oeq", largest, lowest), zero, largest)

    def divided(self, sums: SSAValue, total: SSAValue, batch: Sequence[Index], query: Index) -> SSAValue:
        """A query's sums of values by the sum of their weights, a scalar."""
        nest = self.nest
        shape: Sequence[int] = sums.type.get_shape()  # pyright: ignore[reportAttributeAccessIssue]
        factor = nest.insert(arith.DivfOp(nest.constant(1.0, f32), total))
        value = nest.insert(arith.MulfOp(sums, nest.broadcast(factor, shape)))
        if self.kernel.get("zero_empty"):
            is_number = compare(nest, "ogt", nest.broadcast(total, shape), self.splat(0.0, shape))
            value = select(nest, is_number, value, self.splat(0.0, shape))
        if self.empty is not None:
            quotient, (offset, _) = value, self.extra(self.empty, batch, query, 0)
            is_empty = nest.load(nest.view(self.empty.memory, offset, [1], [1]), [0])
            value = nest.choose(is_empty, lambda: self.splat(0.0, shape), lambda: quotient)
        if isinstance(self.keys, int):
            return value
        # A sum of no products is 0.
        return nest.choose(nest.compare("eq", self.keys, 0), lambda: self.splat(0.0, shape), lambda: value)
