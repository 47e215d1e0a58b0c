"""Operations whose result's shape is given by an integer tensor that is only known at run time.

Import uses them only where the contents of that tensor can't be written as dimensions; the result type
then has symbols of its own, which the runtime binds from the result. Otherwise the operations of
``movement`` with static fields stand in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .indexing import require_integer
from .operation import GraphOperation, flag, graph_operation, integers, number, numbers, word
from .types import GraphTensorType


class DynamicOp(GraphOperation):
    """Base. C1: the result has x's element type; C2: operands after the first are integers."""

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if result_types[0].element_type != types[0].element_type:
            raise VerifyException(f"C1: the result must have elements of {types[0].element_type}")
        for index, operand in enumerate(types[1:], 1):
            require_integer("C2", f"operand #{index}", operand)


@graph_operation
class DynamicReshapeOp(DynamicOp):
    """Reshape; in ``shape`` -1 stands for what remains, 0 for the same axis of x unless ``allow_zero``."""

    name = "graph.dynamic_reshape"
    x = operand_def(GraphTensorType)
    shape = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    allow_zero: bool = flag()


@graph_operation
class DynamicExpandOp(DynamicOp):
    """x broadcast together with ``shape``, as ONNX's Expand."""

    name = "graph.dynamic_expand"
    x = operand_def(GraphTensorType)
    shape = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


@graph_operation
class DynamicReduceOp(DynamicOp):
    """As reduce along the axes that ``axes`` says; along all where it says none, unless ``none_is_none``."""

    name = "graph.dynamic_reduce"
    x = operand_def(GraphTensorType)
    axes = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    kind: str = word(leading=True)
    keepdims: bool = flag()
    none_is_none: bool = flag()


@graph_operation
class DynamicSqueezeOp(DynamicOp):
    """x without the axes that ``axes`` says, which have one element each."""

    name = "graph.dynamic_squeeze"
    x = operand_def(GraphTensorType)
    axes = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


@graph_operation
class DynamicUnsqueezeOp(DynamicOp):
    """x with axes of one element, which are then where ``axes`` says."""

    name = "graph.dynamic_unsqueeze"
    x = operand_def(GraphTensorType)
    axes = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


@graph_operation
class DynamicSliceOp(DynamicOp):
    """Slice with ONNX's rules: bounds from the end where negative, clamped to the axis."""

    name = "graph.dynamic_slice"
    x = operand_def(GraphTensorType)
    starts = operand_def(GraphTensorType)
    ends = operand_def(GraphTensorType)
    axes = operand_def(GraphTensorType)
    steps = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)


@graph_operation
class DynamicPadOp(GraphOperation):
    """Pad by ``pads``: for every axis the elements before, then for every axis those after."""

    name = "graph.dynamic_pad"
    x = operand_def(GraphTensorType)
    value = operand_def(GraphTensorType)
    pads = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    mode: str = word("constant")

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if result_types[0].element_type != types[0].element_type or result_types[0].rank != types[0].rank:
            raise VerifyException(f"C1: the result must have rank and elements of x {types[0]}")
        require_integer("C2", "operand #2", types[2])


@graph_operation
class DynamicResizeOp(GraphOperation):
    """As resize, to ``sizes`` (integers) or by ``sizes`` as floating-point scales.

    There is one for each of ``axes`` (none: all). ``policy`` is ONNX's keep_aspect_ratio_policy.
    """

    name = "graph.dynamic_resize"
    x = operand_def(GraphTensorType)
    sizes = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)
    mode: str = word(leading=True)
    coordinates: str = word("half_pixel")
    nearest: str = word("round_prefer_floor")
    roi: tuple[float, ...] = numbers(())
    cubic_coefficient: float = number(-0.75)
    exclude_outside: bool = flag()
    extrapolation: float = number(0.0)
    antialias: bool = flag()
    axes: tuple[int, ...] = integers(())
    policy: str = word("stretch")

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if result_types[0].element_type != types[0].element_type or result_types[0].rank != types[0].rank:
            raise VerifyException(f"C1: the result must have rank and elements of x {types[0]}")
