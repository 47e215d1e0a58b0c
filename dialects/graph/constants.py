"""Tensors that don't come from operands: constants by handle, shapes as values, number sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .operation import GraphOperation, dimensions, graph_operation, symbol_name
from .types import GraphTensorType, is_integer

if TYPE_CHECKING:
    from ..shape import Dim


@graph_operation
class ConstantOp(GraphOperation):
    """``graph.constant @layer1.weight : !graph.tensor<...>``: the array of that name in the constant store.

    C1: the shape is known.
    """

    name = "graph.constant"
    result = result_def(GraphTensorType)
    handle: str = symbol_name()

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if not result_types[0].is_static:
            raise VerifyException(f"C1: a constant must have a known shape, got {result_types[0]}")


@graph_operation
class DimValuesOp(GraphOperation):
    """``graph.dim_values [N, 2 * H] : !graph.tensor<2 x i64>``: dimensions as the elements of an integer tensor.

    C1: the result is a vector with one element a dimension, or a scalar for one dimension;
    C2: it has integer elements.
    """

    name = "graph.dim_values"
    result = result_def(GraphTensorType)
    dimensions: tuple[Dim, ...] = dimensions(leading=True)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        count = len(values["dimensions"])
        if result_types[0].dims not in ((count,), () if count == 1 else (count,)):
            raise VerifyException(f"C1: the result must be a vector of {count} elements, got {result_types[0]}")
        if not is_integer(result_types[0].element_type):
            raise VerifyException(f"C2: the result must have integer elements, got {result_types[0]}")


@graph_operation
class RangeOp(GraphOperation):
    """start, start + step, ... before limit; the operands are scalars. C1: scalars of one type; C2: result a vector."""

    name = "graph.range"
    start = operand_def(GraphTensorType)
    limit = operand_def(GraphTensorType)
    step = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if any(t.rank != 0 or t.element_type != types[0].element_type for t in types):
            raise VerifyException("C1: start, limit and step must be scalars of one type")
        if result_types[0].rank != 1 or result_types[0].element_type != types[0].element_type:
            raise VerifyException(f"C2: the result must be a vector of {types[0].element_type}, got {result_types[0]}")


@graph_operation
class IotaOp(GraphOperation):
    """0, 1, 2 ... as many as the result has elements. C1: the result is a vector of numbers."""

    name = "graph.iota"
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if result_types[0].rank != 1:
            raise VerifyException(f"C1: the result must be a vector, got {result_types[0]}")
