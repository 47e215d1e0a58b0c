"""What sizes that depend on data are found by: graph-bind-sizes writes these in front of operations that have such.

The first half of an operation counts, or gathers in tensors of the largest size and counts; ``graph.bind_sizes`` gives
the counts to the symbols that stand for them; the second half then has sizes like any other operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, result_def, traits_def
from xdsl.traits import MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, graph_operation
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


SELECTION_OPERATIONS = [BindSizesOp, CountNonzeroOp]
