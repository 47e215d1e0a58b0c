"""Operations that reduce along axes, and those that normalise along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .linear import may_differ
from .operation import GraphOperation, flag, graph_operation, integer, integers, number, word
from .types import GraphTensorType, i64, is_float

REDUCE_KINDS = ("sum", "mean", "max", "min", "prod")


def check_axes(constraint: str, axes: Sequence[int], rank: int) -> None:
    """Raises unless the axes are different ones of 0 ... rank - 1."""
    if len(set(axes)) != len(axes) or any(not 0 <= axis < rank for axis in axes):
        raise VerifyException(f"{constraint}: axes must be different ones of 0 ... {rank - 1}, got {list(axes)}")


def reduced_shape(x: GraphTensorType, axes: Sequence[int], keepdims: bool) -> GraphTensorType:
    if keepdims:
        return x.with_dims([1 if axis in axes else dimension for axis, dimension in enumerate(x.dims)])
    return x.with_dims([dimension for axis, dimension in enumerate(x.dims) if axis not in axes])


@graph_operation
class ReduceOp(GraphOperation):
    """``graph.reduce sum %x axes [2, 3] keepdims``: sum, mean, max, min or prod over the axes.

    C1: the kind is known; C2: axes are different ones of x, counted from 0.
    """

    name = "graph.reduce"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    kind: str = word(leading=True)
    axes: tuple[int, ...] = integers()
    keepdims: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        if values["kind"] not in REDUCE_KINDS:
            raise VerifyException(f"C1: expected one of {', '.join(REDUCE_KINDS)}, got '{values['kind']}'")
        check_axes("C2", values["axes"], types[0].rank)
        return [reduced_shape(types[0], values["axes"], values["keepdims"])]


class ArgReduceOp(GraphOperation):
    """Index, as i64, of the largest or smallest element along ``axis``; of several the first, or the last
    with ``select_last``. C1: the axis is one of x's."""

    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        check_axes("C1", [values["axis"]], types[0].rank)
        return [reduced_shape(types[0], [values["axis"]], values["keepdims"]).with_element(i64)]


@graph_operation
class ArgMaxOp(ArgReduceOp):
    """Index of the largest element along ``axis``."""

    name = "graph.arg_max"
    axis: int = integer()
    keepdims: bool = flag()
    select_last: bool = flag()


@graph_operation
class ArgMinOp(ArgReduceOp):
    """Index of the smallest element along ``axis``."""

    name = "graph.arg_min"
    axis: int = integer()
    keepdims: bool = flag()
    select_last: bool = flag()


@graph_operation
class SoftmaxOp(GraphOperation):
    """exp(x - max(x)) / sum of those, along ``axis``. C1: floating point; C2: the axis is one of x's."""

    name = "graph.softmax"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        if not is_float(types[0].element_type):
            raise VerifyException(f"C1: x must have floating-point elements, got {types[0]}")
        check_axes("C2", [values["axis"]], types[0].rank)
        return [types[0]]


@graph_operation
class LayerNormOp(GraphOperation):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, over all axes from ``axis`` on.

    ``scale`` and ``bias`` have the shape of those axes. C1: floating point, one element type;
    C2: the axis is one of x's; C3: scale and bias have the shape of x from ``axis`` on.
    """

    name = "graph.layer_norm"
    x = operand_def(GraphTensorType)
    scale = operand_def(GraphTensorType)
    bias = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer()
    epsilon: float = number(1e-5)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x = types[0]
        if not is_float(x.element_type):
            raise VerifyException(f"C1: x must have floating-point elements, got {x}")
        check_axes("C2", [values["axis"]], x.rank)
        normalised = x.dims[values["axis"] :]
        for name, operand in zip(("scale", "bias"), types[1:]):
            if operand.element_type != x.element_type:
                raise VerifyException(f"C1: {name} has elements of {operand.element_type}, x of {x.element_type}")
            if operand.rank != len(normalised) or any(map(may_differ, operand.dims, normalised)):
                raise VerifyException(f"C3: {name} must have shape {list(normalised)}, got {operand}")
        return [x]


@graph_operation
class CumsumOp(GraphOperation):
    """Running sum along ``axis``; ``exclusive`` leaves the element itself out, ``reverse`` runs from the end.

    C1: the axis is one of x's.
    """

    name = "graph.cumsum"
    x = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    axis: int = integer()
    exclusive: bool = flag()
    reverse: bool = flag()

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        check_axes("C1", [values["axis"]], types[0].rank)
        return [types[0]]
