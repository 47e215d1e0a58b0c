"""What sizes that depend on data are found by: graph-bind-sizes writes these in front of operations that have such.

The first half of an operation counts, or gathers in tensors of the largest size and counts; ``graph.bind_sizes`` gives
the counts to the symbols that stand for them; the second half then has sizes like any other operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def, traits_def
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, flag, graph_operation
from .types import GraphTensorType, i64, is_integer


@graph_operation
class BindSizesOp(GraphOperation):
    """Zeros in the shape that ``sizes`` says: nobody reads them, but a symbol that is new in the shape is bound.

    C1: sizes has one integer for each axis of the result.
    """

    name = "graph.bind_sizes"
    sizes = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    # What it binds is seen by all that comes after.
    traits = traits_def(MemoryWriteEffect())

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if types[0].dims != (result_types[0].rank,) or not is_integer(types[0].element_type):
            raise VerifyException(f"C1: expected {result_types[0].rank} integers, got {types[0]}")


@graph_operation
class CountNonzeroOp(GraphOperation):
    """How many elements of x are not zero, as one i64."""

    name = "graph.count_nonzero"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        return [GraphTensorType.of([1], i64)]


@graph_operation
class SuppressBoxesOp(GraphOperation):
    """The first half of non_max_suppression, of whose operands these are: boxes that are kept of each class.

    ``kept`` [batches, classes, most] lists them, the best first, then -1; ``counts`` [batches, classes] says how many.
    C1: boxes and scores have rank 3; C2: the results are i64 tensors of that shape.
    """

    name = "graph.suppress_boxes"
    boxes = operand_def(GraphTensorType)
    scores = operand_def(GraphTensorType)
    max_boxes = operand_def(GraphTensorType)
    iou_threshold = operand_def(GraphTensorType)
    score_threshold = opt_operand_def(GraphTensorType)
    kept = result_def(GraphTensorType)
    counts = result_def(GraphTensorType)
    center_point_box: bool = flag()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if types[0].rank != 3 or types[1].rank != 3:
            raise VerifyException(f"C1: boxes and scores must have rank 3, got {types[0]} and {types[1]}")
        kept, counts = result_types
        classes = types[1].dims[:2]
        if kept.rank != 3 or kept != GraphTensorType.of((*classes, kept.dims[2]), i64):
            raise VerifyException(f"C2: kept is {kept}, for scores {types[1]}")
        if counts != GraphTensorType.of(classes, i64):
            raise VerifyException(f"C2: counts is {counts}, for scores {types[1]}")


@graph_operation
class ListBoxesOp(GraphOperation):
    """The second half of non_max_suppression: rows [batch, class, box] of what ``suppress_boxes`` gives.

    C1: kept has an axis more than counts, and the result 3 columns.
    """

    name = "graph.list_boxes"
    kept = operand_def(GraphTensorType)
    counts = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        ranks = (types[0].rank, types[1].rank, result_types[0].rank)
        if ranks != (3, 2, 2) or result_types[0].dims[1] != 3:
            raise VerifyException(f"C1: kept is {types[0]}, counts {types[1]} and the result {result_types[0]}")


@graph_operation
class FindDistinctOp(GraphOperation):
    """The first half of unique, on rows of x [rows, columns], as i64 tensors.

    ``first`` [rows]: where each distinct row occurs first; ``inverse`` [rows]: which distinct row each one is;
    ``counts`` [rows]: how often each occurs; ``number`` [1]: how many there are. Of first and counts the rest is -1.
    Distinct rows are in ascending order, or with ``unsorted`` in that of their first occurrence. C1: x has rank 2.
    """

    name = "graph.find_distinct"
    x = operand_def(GraphTensorType)
    first = result_def(GraphTensorType)
    inverse = result_def(GraphTensorType)
    counts = result_def(GraphTensorType)
    number = result_def(GraphTensorType)
    unsorted: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        if types[0].rank != 2:
            raise VerifyException(f"C1: x must have rank 2, got {types[0]}")
        rows = GraphTensorType.of(types[0].dims[:1], i64)
        return [rows, rows, rows, GraphTensorType.of([1], i64)]


SELECTION_OPERATIONS = [BindSizesOp, CountNonzeroOp, SuppressBoxesOp, ListBoxesOp, FindDistinctOp]
