"""Random numbers, and where those come from that differ from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import i64
from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, graph_operation, integer, word
from .types import GraphTensorType, is_float

DISTRIBUTIONS = ("uniform", "normal")


@graph_operation
class EntropyOp(GraphOperation):
    """A key that is another one whenever it is asked for. C1: the result is a vector of two i64, of 32 bits each."""

    name = "graph.entropy"
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        return [GraphTensorType.of([2], i64)]


@graph_operation
class RandomOp(GraphOperation):
    """Random numbers, from 0 to below 1 (``uniform``) or of mean 0 and deviation 1 (``normal``).

    They follow from the key and ``stream``, which tells those of one key apart, and from the place of each: see
    reference/random_numbers.py. C1: the result has floats; C2: the distribution is uniform or normal; C3: the key is a
    vector of two i64.
    """

    name = "graph.random"
    key = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    distribution: str = word("uniform")
    stream: int = integer(0)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if not is_float(result_types[0].element_type):
            raise VerifyException(f"C1: random numbers are floats, got {result_types[0]}")
        if values["distribution"] not in DISTRIBUTIONS:
            raise VerifyException(f"C2: expected one of {', '.join(DISTRIBUTIONS)}, got {values['distribution']}")
        if types[0] != GraphTensorType.of([2], i64):
            raise VerifyException(f"C3: expected a key of two i64, got {types[0]}")
