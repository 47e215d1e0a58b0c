"""Real numbers that stand as narrow integers: ``(x - zero) * scale``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.irdl import operand_def, opt_operand_def, result_def
from xdsl.utils.exceptions import VerifyException

from .broadcasting import broadcasts_to
from .elementwise import ElementwiseOp
from .operation import graph_operation
from .types import BYTES, GraphTensorType, f32, is_integer


class QuantizationOp(ElementwiseOp):
    """Base of both ways between real numbers and integers.

    C1: real numbers are of f32; C2: integers and their zero point have one integer type; C3: scale and zero point
    broadcast to x.
    """

    @classmethod
    def check_parameters(cls, types: Sequence[GraphTensorType], element: Any) -> None:
        """Raises where the scale, or the zero point of integers of type ``element``, is none."""
        x, scale = types[:2]
        if scale.element_type != f32:
            raise VerifyException(f"C1: the scale must have elements of f32, got {scale}")
        if not is_integer(element):
            raise VerifyException(f"C2: {cls.name} needs integers, got {element}")
        if len(types) > 2 and types[2].element_type != element:
            raise VerifyException(f"C2: the zero point has elements of {types[2].element_type}, integers are {element}")
        for name, parameter in zip(("scale", "zero point"), types[1:]):
            if not broadcasts_to(parameter.dims, x.dims):
                raise VerifyException(f"C3: the {name} {parameter} doesn't broadcast to {x}")


@graph_operation
class DequantizeOp(QuantizationOp):
    """``(x - zero) * scale``: the difference in i32, the product in f32; without a zero point it is 0."""

    name = "graph.dequantize"
    x = operand_def(GraphTensorType)
    scale = operand_def(GraphTensorType)
    zero = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        cls.check_parameters(types, types[0].element_type)
        return [types[0].with_element(f32)]


@graph_operation
class QuantizeOp(QuantizationOp):
    """``round(x / scale) + zero``, clamped to the range of the result's integers; halves round to even.

    C4: the result has the shape of x.
    """

    name = "graph.quantize"
    x = operand_def(GraphTensorType)
    scale = operand_def(GraphTensorType)
    zero = opt_operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def check(
        cls, types: Sequence[GraphTensorType], values: Mapping[str, Any], result_types: Sequence[GraphTensorType]
    ) -> None:
        if types[0].element_type != f32:
            raise VerifyException(f"C1: operand #0 must have elements of f32, got {types[0]}")
        cls.check_parameters(types, result_types[0].element_type)
        if not types[0].same_shape(result_types[0]):
            raise VerifyException(f"C4: the result must have the shape of operand #0 {types[0]}, got {result_types[0]}")


@graph_operation
class ByteTableOp(ElementwiseOp):
    """``table[x]``: the byte that a table of 256 has for the bits of each byte.

    C1: x and table have elements of 8 bits; C2: the table has 256 in one dimension. It is a constant where the
    operation is compiled.
    """

    name = "graph.byte_table"
    x = operand_def(GraphTensorType)
    table = operand_def(GraphTensorType)
    result = result_def(GraphTensorType)

    @classmethod
    def infer(cls, types: Sequence[GraphTensorType], values: Mapping[str, Any]) -> Sequence[GraphTensorType]:
        x, table = types
        if x.element_type not in BYTES or table.element_type not in BYTES:
            raise VerifyException(f"C1: expected elements of 8 bits, got {x} and {table}")
        if table.dims != (256,):
            raise VerifyException(f"C2: a table of bytes has 256 elements, got {table}")
        return [x.with_element(table.element_type)]
