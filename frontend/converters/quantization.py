"""Quantisation. Products of integers are written out in casts and arithmetic, and exact."""

from __future__ import annotations

from typing import Any

from xdsl.ir import Attribute

from ...dialects import graph
from ...dialects.graph.types import GraphTensorType, f32, i32, is_float, ui8
from ...dialects.shape import ceildiv
from ..element_types import element_of, small_bits
from ..node import Node
from ..operator_sets import MICROSOFT
from ..registry import converter
from ..small_floats import SMALL_FLOATS, decoded, encoded
from ..values import Value
from .linear import convolve, explicit_pads, matmul, with_known_kernel


def _aligned(node: Node, x: Value, scale: Value, zero: Value | None) -> tuple[Value, Value, Value | None]:
    """x, scale and zero point so that they broadcast: an axis of whole blocks becomes two, of blocks and in a block."""
    block, b = node.attribute("block_size", 0), node.b
    axis = node.axis(node.attribute("axis", 1), x.rank) if block and scale.rank == x.rank else -1
    size = x.dims[axis] if axis >= 0 else 0
    if not isinstance(size, int) or size == 0 or size % block or scale.dims[axis] != size // block:
        return x, _along(node, scale, x), None if zero is None else _along(node, zero, x)
    in_blocks = b.reshape(x, [*x.dims[:axis], size // block, block, *x.dims[axis + 1 :]])
    return in_blocks, b.unsqueeze(scale, [axis + 1]), None if zero is None else b.unsqueeze(zero, [axis + 1])


def clamped(node: Node, x: Value, code: int) -> Value:
    """Integers of 8 bits cut to the range of ONNX's type, where that has fewer."""
    bits = small_bits(code)
    if not bits:
        return x
    low = 0 if x.element_type == ui8 else -(1 << (bits - 1))
    b = node.b
    return b.minimum(b.maximum(x, b.scalar_like(low, x)), b.scalar_like(low + (1 << bits) - 1, x))


def _along(node: Node, value: Value, x: Value) -> Value:
    """A scale or zero point of one axis, shaped to broadcast with x; blocks are repeated."""
    block = node.attribute("block_size", 0)
    if value.rank == 0 or (value.dims == (1,) and not block):
        return node.b.reshape(value, ())
    axis = node.axis(node.attribute("axis", 1), x.rank)
    if value.rank == x.rank and block:
        return _blocks(node, value, x, axis, block)
    shape: list[Any] = [1] * x.rank
    shape[axis] = value.dims[0]
    return node.b.reshape(value, shape)


def _blocks(node: Node, value: Value, x: Value, axis: int, block: int) -> Value:
    b = node.b
    blocks = ceildiv(x.dims[axis], block)
    complaint = f"there are {value.dims[axis]} scales, but {blocks} blocks of {block}"
    node.relate(value.dims[axis], blocks, "there is a scale for each block", complaint)
    spread = b.unsqueeze(value, [axis + 1])
    dims = list(spread.dims)
    dims[axis + 1] = block
    wide = b.broadcast_to(spread, dims)
    merged = list(value.dims)
    merged[axis] = value.dims[axis] * block  # pyright: ignore[reportOperatorIssue]
    return b.slice(b.reshape(wide, merged), [axis], [0], [x.dims[axis]])


@converter("QuantizeLinear")
@converter("QuantizeLinear", domain=MICROSOFT)
def convert_quantize(node: Node) -> Value:
    """saturate(round(x / scale) + zero point)."""
    x, scale, zero = node.input(0), node.input(1), node.optional(2)
    element, code = ui8 if zero is None else zero.element_type, node.attribute("output_dtype", 0)
    if zero is None and code:
        element = element_of(code)
    code = code or (0 if zero is None else zero.code)
    b = node.b
    shape, x, scale, zero = x.dims, *_aligned(node, x, scale, zero)
    x, scale = b.cast(x, f32), b.cast(scale, f32)
    if code in SMALL_FLOATS:
        rounded = encoded(b, b.div(x, scale), code, saturate=bool(node.attribute("saturate", 1)))
        return b.reshape(rounded, shape)
    return clamped(node, b.reshape(quantised(node, x, scale, zero, element), shape), code)


def quantised(node: Node, x: Value, scale: Value, zero: Value | None, element: Attribute) -> Value:
    """saturate(round(x / scale) + zero point) of f32, in that type; both broadcast to x."""
    operands = [x, scale] if zero is None else [x, scale, zero]
    # A size that is not known may be told by how many scales there are.
    dims = node.b.common_shape([operand.dims for operand in operands], node.describe())
    return node.b.emit(graph.QuantizeOp, operands, [GraphTensorType.of(dims, element)])[0]


@converter("DequantizeLinear")
@converter("DequantizeLinear", domain=MICROSOFT)
def convert_dequantize(node: Node) -> Value:
    """(x - zero point) * scale, in f32 also where the scale is narrower: a number of 32 bits is too large for f16.

    Of floats of 8 and 4 bits the zero point is 0.
    """
    x, scale, zero = node.input(0), node.input(1), node.optional(2)
    b, code = node.b, node.attribute("output_dtype", 0)
    element = element_of(code) if code else scale.element_type
    if x.code in SMALL_FLOATS:
        x, zero = decoded(b, x, x.code), None
    shape, x, scale, zero = x.dims, *_aligned(node, x, scale, zero)
    if is_float(x.element_type):
        return b.reshape(b.cast(b.mul(x, b.cast(scale, f32)), element), shape)
    return b.reshape(b.cast(dequantised(node, x, b.cast(scale, f32), zero), element), shape)


def dequantised(node: Node, x: Value, scale: Value, zero: Value | None) -> Value:
    """(x - zero point) * scale in f32; both broadcast to x."""
    operands = [x, scale] if zero is None else [x, scale, zero]
    return node.b.op(graph.DequantizeOp, *operands)


@converter("DynamicQuantizeLinear")
def convert_dynamic_quantize(node: Node) -> list[Value]:
    return quantised_by_range(node, node.input(0))


def quantised_by_range(node: Node, x: Value) -> list[Value]:
    """The range of x, zero included, mapped to 0 ... 255; by 1 where it is 0 alone, as onnxruntime does.

    The integers, their scale and their zero point.
    """
    b = node.b
    axes = list(range(x.rank))
    zero = b.scalar_like(0, x)
    high = b.maximum(b.reduce("max", x, axes, keepdims=False), zero)
    low = b.minimum(b.reduce("min", x, axes, keepdims=False), zero)
    is_empty = b.op(graph.EqualOp, high, low)
    scale = b.where(is_empty, b.scalar_like(1, x), b.div(b.sub(high, low), b.scalar_like(255, x)))
    limit = b.scalar_like(255, x)
    point = b.op(graph.RoundOp, b.minimum(b.maximum(b.div(b.op(graph.NegOp, low), scale), zero), limit))
    integers = b.add(b.op(graph.RoundOp, b.div(x, scale)), point)
    return [b.cast(integers, ui8, saturate=True), scale, b.cast(point, ui8)]


def shifted(node: Node, x: Value, zero: Value | None, shape: list[Any] | None = None) -> Value:
    """x - zero point in i32."""
    b = node.b
    wide = b.cast(x, i32)
    if zero is None:
        return wide
    zero = b.cast(zero, i32)
    if zero.rank and zero.dims != (1,) and shape is not None:
        zero = b.reshape(zero, shape)
    return b.sub(wide, zero)


@converter("MatMulInteger")
def convert_matmul_integer(node: Node) -> Value:
    a, c = node.input(0), node.input(1)
    zero_a = node.optional(2)
    rows = [*zero_a.dims, 1] if zero_a is not None and zero_a.rank == 1 else None
    return matmul(node, shifted(node, a, zero_a, rows), shifted(node, c, node.optional(3)))


@converter("ConvInteger")
def convert_conv_integer(node: Node) -> Value:
    x, w = node.input(0), node.input(1)
    rank = x.rank - 2
    strides, dilations = node.attribute("strides", [1] * rank), node.attribute("dilations", [1] * rank)
    zero_w = node.optional(3)
    channels = [w.dims[0], *[1] * (w.rank - 1)]
    w, kernel = with_known_kernel(node, w)
    pads = explicit_pads(node, x.dims[2:], kernel, strides, dilations)
    operands = [shifted(node, x, node.optional(2)), shifted(node, w, zero_w, channels)]
    return convolve(node, operands, strides=strides, pads=pads, dilations=dilations, group=node.attribute("group", 1))


def _requantised(node: Node, total: Value, factor: Value, zero: Value) -> Value:
    """saturate(round(total * factor) + zero point)."""
    b = node.b
    scaled = b.op(graph.RoundOp, b.mul(b.cast(total, f32), b.cast(factor, f32)))
    return b.cast(b.add(scaled, b.cast(zero, f32)), zero.element_type, saturate=True)


def _per_output_channel(node: Node, value: Value, rank: int) -> Value:
    """A per-channel scale or zero point, shaped to broadcast over the channels of a convolution."""
    if value.rank == 0 or value.dims == (1,):
        return node.b.reshape(value, ())
    return node.b.reshape(value, [*value.dims, *[1] * (rank - 2)])


@converter("QLinearMatMul")
def convert_qlinear_matmul(node: Node) -> Value:
    a, scale_a, zero_a, c, scale_c, zero_c, scale_y, zero_y = (node.input(i) for i in range(8))
    rows = [*zero_a.dims, 1] if zero_a.rank == 1 else None
    total = matmul(node, shifted(node, a, zero_a, rows), shifted(node, c, zero_c))
    if scale_a.rank == 1 and scale_a.dims != (1,):
        scale_a = node.b.unsqueeze(scale_a, [1])
    factor = node.b.div(node.b.mul(scale_a, scale_c), scale_y)
    return _requantised(node, total, factor, zero_y)


@converter("QLinearConv")
def convert_qlinear_conv(node: Node) -> Value:
    x, scale_x, zero_x, w, scale_w, zero_w, scale_y, zero_y = (node.input(i) for i in range(8))
    rank = x.rank - 2
    strides, dilations = node.attribute("strides", [1] * rank), node.attribute("dilations", [1] * rank)
    w, kernel = with_known_kernel(node, w)
    pads = explicit_pads(node, x.dims[2:], kernel, strides, dilations)
    channels = [w.dims[0], *[1] * (w.rank - 1)]
    operands = [shifted(node, x, zero_x), shifted(node, w, zero_w, channels)]
    bias = node.optional(8)
    if bias is not None:
        operands.append(bias)
    group = node.attribute("group", 1)
    total = convolve(node, operands, strides=strides, pads=pads, dilations=dilations, group=group)
    factor = node.b.div(node.b.mul(scale_x, _per_output_channel(node, scale_w, x.rank)), scale_y)
    return _requantised(node, total, factor, zero_y)
