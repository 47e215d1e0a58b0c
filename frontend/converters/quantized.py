"""Operators of com.microsoft on quantised tensors: each computes on the real numbers that they stand for.

An operator's inputs come as a tensor, its scale and its zero point, the last pair being the result's; a zero point that
is left out is 0. What is written out is ``quantise(f(dequantise(x), ...))``. Source: onnxruntime's ContribOperators.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...dialects import graph
from ...dialects.graph.types import f32
from ...dialects.shape import product
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..values import Value
from .activations import leaky_relu
from .linear import matmul
from .pooling import average_pool
from .quantization import dequantised, quantised, quantised_by_range, shifted


@dataclass(frozen=True)
class _Quantisation:
    """How real numbers stand as integers: (x - zero) * scale."""

    scale: Value
    zero: Value | None

    @classmethod
    def of(cls, node: Node, first: int) -> _Quantisation:
        """From the inputs ``first`` and the next."""
        return cls(node.input(first), node.optional(first + 1))

    def real(self, node: Node, x: Value) -> Value:
        return dequantised(node, x, _along_columns(node, self.scale), self._number(node))

    def quantised(self, node: Node, x: Value, like: Value) -> Value:
        """In the type of the zero point, or that of ``like``."""
        element = like.element_type if self.zero is None else self.zero.element_type
        return quantised(node, x, _along_columns(node, self.scale), self._number(node), element)

    def _number(self, node: Node) -> Value | None:
        return None if self.zero is None else _along_columns(node, self.zero)


def _along_columns(node: Node, value: Value) -> Value:
    """One number as such; one a column broadcasts by itself."""
    return node.b.reshape(value, ()) if value.dims == (1,) else value


def _real(node: Node, tensor: int) -> Value:
    """The tensor that is input ``tensor``, whose scale and zero point are the next ones."""
    return _Quantisation.of(node, tensor + 1).real(node, node.input(tensor))


@converter("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def convert_qlinear_binary(node: Node) -> Value:
    compute = node.b.add if node.operator == "QLinearAdd" else node.b.mul
    result = compute(_real(node, 0), _real(node, 3))
    return _Quantisation.of(node, 6).quantised(node, result, node.input(0))


@converter("QLinearLeakyRelu", "QLinearSigmoid", domain=MICROSOFT)
def convert_qlinear_activation(node: Node) -> Value:
    x = _real(node, 0)
    is_sigmoid = node.operator == "QLinearSigmoid"
    result = node.b.op(graph.SigmoidOp, x) if is_sigmoid else leaky_relu(node, x, node.attribute("alpha", 0.01))
    return _Quantisation.of(node, 3).quantised(node, result, node.input(0))


@converter("QLinearSoftmax", domain=MICROSOFT)
def convert_qlinear_softmax(node: Node) -> Value:
    """Before opset 13 over all axes from ``axis`` on, as if they were one."""
    x = _real(node, 0)
    axis = node.axis(node.attribute("axis", -1), x.rank)
    if node.attribute("opset", 13) >= 13 or axis == x.rank - 1:
        result = node.b.softmax(x, axis)
    else:
        rows = node.b.reshape(x, (*x.dims[:axis], product(x.dims[axis:])))
        result = node.b.reshape(node.b.softmax(rows, axis), x.dims)
    return _Quantisation.of(node, 3).quantised(node, result, node.input(0))


@converter("QLinearAveragePool", "QLinearGlobalAveragePool", domain=MICROSOFT)
def convert_qlinear_pool(node: Node) -> Value:
    """``channels_last``: channels are the last axis of x and y."""
    x, b = _real(node, 0), node.b
    is_last = bool(node.attribute("channels_last", 0))
    if is_last:
        x = b.transpose(x, [0, x.rank - 1, *range(1, x.rank - 1)])
    if node.operator == "QLinearAveragePool":
        result = average_pool(node, x)
    else:
        result = b.reduce("mean", x, list(range(2, x.rank)))
    if is_last:
        result = b.transpose(result, [0, *range(2, x.rank), 1])
    return _Quantisation.of(node, 3).quantised(node, result, node.input(0))


@converter("QLinearConcat", domain=MICROSOFT)
def convert_qlinear_concat(node: Node) -> Value:
    """The result's scale and zero point come first."""
    tensors = range(2, len(node.inputs), 3)
    parts = [_real(node, tensor) for tensor in tensors]
    result = node.b.concat(parts, node.axis(node.attribute("axis"), parts[0].rank))
    return _Quantisation.of(node, 0).quantised(node, result, node.input(2))


@converter("QLinearWhere", domain=MICROSOFT)
def convert_qlinear_where(node: Node) -> Value:
    result = node.b.where(node.input(0), _real(node, 1), _real(node, 4))
    return _Quantisation.of(node, 7).quantised(node, result, node.input(1))


@converter("QGemm", domain=MICROSOFT)
def convert_qgemm(node: Node) -> Value:
    """alpha * a b + c, sums in i32; c is one of i32, of the scale a's times b's. Without a scale of y in f32."""
    b = node.b
    left, right = _difference(node, 0, "transA"), _difference(node, 3, "transB")
    total = matmul(node, left, right)
    c = node.optional(6)
    if c is not None:
        total = b.add(total, c)
    factor = b.mul(_along_columns(node, node.input(1)), _along_columns(node, node.input(4)))
    factor = b.mul_scalar(factor, node.attribute("alpha", 1.0))
    result = b.mul(b.cast(total, f32), factor)
    if node.optional(7) is None:
        return result
    return _Quantisation.of(node, 7).quantised(node, result, node.input(0))


def _difference(node: Node, tensor: int, transposed: str) -> Value:
    """The integers less their zero point, in i32; a matrix transposed where the attribute says so."""
    x = node.input(tensor)
    if node.attribute(transposed, 0):
        x = node.b.transpose(x, [1, 0])
    return shifted(node, x, node.optional(tensor + 2))


@converter("MatMulIntegerToFloat", domain=MICROSOFT)
def convert_matmul_integer_to_float(node: Node) -> Value:
    a, c, scale_a, scale_b = (node.input(i) for i in range(4))
    return _product_of_reals(node, a, c, scale_a, scale_b, *(node.optional(i) for i in (4, 5, 6)))


def _product_of_reals(
    node: Node,
    a: Value,
    c: Value,
    scale_a: Value,
    scale_b: Value,
    zero_a: Value | None,
    zero_b: Value | None,
    bias: Value | None,
) -> Value:
    """(a - zero a) (b - zero b) * scale a * scale b + bias, sums in i32."""
    total = matmul(node, shifted(node, a, zero_a), shifted(node, c, zero_b))
    factor = node.b.mul(_along_columns(node, scale_a), _along_columns(node, scale_b))
    result = node.b.mul(node.b.cast(total, f32), factor)
    return result if bias is None else node.b.add(result, bias)


@converter("DynamicQuantizeMatMul", domain=MICROSOFT)
def convert_dynamic_quantize_matmul(node: Node) -> Value:
    """As MatMulIntegerToFloat, of a that is quantised by its own range first."""
    a, c, scale_b = (node.input(i) for i in range(3))
    quantised, scale, zero = quantised_by_range(node, a)
    return _product_of_reals(node, quantised, c, scale, scale_b, zero, node.optional(3), node.optional(4))
