"""Arithmetic, comparison, logic, casts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from xdsl.ir import Attribute

from ...dialects import graph
from ...dialects.graph.types import element_type_of, f32, f64, is_float, is_integer, numpy_dtype, string, ui8
from ...dialects.shape import product
from ..element_types import element_of, is_held_otherwise, small_bits, width_of
from ..node import Node, type_name
from ..registry import converter
from ..small_floats import SMALL_FLOATS, decoded, encoded
from ..values import Value
from .random_numbers import random_numbers

MOST_MULTIPLIED = 16
"""Powers of integers up to this one are written as products."""

_UNARY = {
    "Abs": graph.AbsOp,
    "Neg": graph.NegOp,
    "Sign": graph.SignOp,
    "Relu": graph.ReluOp,
    "Exp": graph.ExpOp,
    "Log": graph.LogOp,
    "Sqrt": graph.SqrtOp,
    "Reciprocal": graph.ReciprocalOp,
    "Erf": graph.ErfOp,
    "Tanh": graph.TanhOp,
    "Sigmoid": graph.SigmoidOp,
    "Sin": graph.SinOp,
    "Cos": graph.CosOp,
    "Tan": graph.TanOp,
    "Asin": graph.AsinOp,
    "Acos": graph.AcosOp,
    "Atan": graph.AtanOp,
    "Sinh": graph.SinhOp,
    "Cosh": graph.CoshOp,
    "Asinh": graph.AsinhOp,
    "Acosh": graph.AcoshOp,
    "Atanh": graph.AtanhOp,
    "Floor": graph.FloorOp,
    "Ceil": graph.CeilOp,
    "Round": graph.RoundOp,
    "IsNaN": graph.IsNanOp,
    "Not": graph.NotOp,
    "BitwiseNot": graph.NotOp,
}

_BINARY = {
    "Add": graph.AddOp,
    "Sub": graph.SubOp,
    "Mul": graph.MulOp,
    "Div": graph.DivOp,
    "Equal": graph.EqualOp,
    "Less": graph.LessOp,
    "LessOrEqual": graph.LessEqualOp,
    "Greater": graph.GreaterOp,
    "GreaterOrEqual": graph.GreaterEqualOp,
    "And": graph.AndOp,
    "Or": graph.OrOp,
    "Xor": graph.XorOp,
    "BitwiseAnd": graph.AndOp,
    "BitwiseOr": graph.OrOp,
    "BitwiseXor": graph.XorOp,
}


@converter(*_UNARY)
def convert_unary(node: Node) -> Value:
    x = node.input(0)
    operation = _UNARY[node.operator]
    if is_integer(x.element_type) and operation in (graph.FloorOp, graph.CeilOp, graph.RoundOp):
        return x
    return node.b.op(operation, x)


@converter(*_BINARY)
def convert_binary(node: Node) -> Value:
    return node.b.op(_BINARY[node.operator], *aligned(node, node.input(0), node.input(1)))


def aligned(node: Node, a: Value, b: Value) -> tuple[Value, Value]:
    """Operands as opsets before 7 broadcast them: b's axes begin at the attribute ``axis`` of a."""
    if node.opset >= 7 or not node.attribute("broadcast", 0):
        return a, b
    axis = node.attribute("axis", a.rank - b.rank)
    trailing = a.rank - b.rank - axis
    return a, node.b.reshape(b, (*b.dims, *[1] * trailing))


@converter("Pow", several_steps=True)
def convert_pow(node: Node) -> Value:
    base, exponent = aligned(node, node.input(0), node.input(1))
    known = exponent.constant
    if known is not None and known.size == 1 and is_float(base.element_type):
        simple = _simple_power(node, base, float(known.reshape(())))
        # The result may have more axes than the base, where the exponent has them.
        if simple is not None and exponent.rank <= base.rank:
            return simple
    if known is not None and known.size == 1 and known.dtype.kind in "iu" and is_integer(base.element_type):
        whole = int(known.reshape(()))
        if 1 <= whole <= MOST_MULTIPLIED and exponent.rank <= base.rank:
            return _whole_power(node, base, whole)
    return node.b.op(graph.PowOp, base, exponent)


def _whole_power(node: Node, base: Value, exponent: int) -> Value:
    """By squaring; what does not fit the type is cut off in each product, as it is in the power."""
    if exponent == 1:
        return base
    half = _whole_power(node, base, exponent // 2)
    square = node.b.mul(half, half)
    return node.b.mul(square, base) if exponent % 2 else square


def _simple_power(node: Node, base: Value, exponent: float) -> Value | None:
    """Powers that multiplication computes, exactly as well."""
    b = node.b
    if exponent == 1:
        return base
    if exponent == 2:
        return b.mul(base, base)
    if exponent == 3:
        return b.mul(b.mul(base, base), base)
    if exponent == -1:
        return b.op(graph.ReciprocalOp, base)
    return None


@converter("Mod")
def convert_mod(node: Node) -> Value:
    a, b = node.input(0), node.input(1)
    return node.b.op(graph.ModOp, a, b, fmod=bool(node.attribute("fmod", 0)))


@converter("BitShift")
def convert_bit_shift(node: Node) -> Value:
    operation = graph.ShiftLeftOp if node.attribute("direction") == "LEFT" else graph.ShiftRightOp
    return node.b.op(operation, node.input(0), node.input(1))


@converter("Max", "Min")
@converter("Sum", "Mean", several_steps=True)
def convert_variadic(node: Node) -> Value:
    """Any number of operands, combined from the left."""
    operation = {"Max": graph.MaximumOp, "Min": graph.MinimumOp}.get(node.operator, graph.AddOp)
    result, *rest = node.present
    for operand in rest:
        result = node.b.op(operation, result, operand)
    if node.operator == "Mean":
        result = node.b.div(result, node.b.scalar_like(len(rest) + 1, result))
    return result


@converter("Where")
def convert_where(node: Node) -> Value:
    return node.b.where(node.input(0), node.input(1), node.input(2))


@converter("IsInf")
def convert_is_inf(node: Node) -> Value:
    x = node.input(0)
    positive, negative = node.attribute("detect_positive", 1), node.attribute("detect_negative", 1)
    if positive and negative:
        return node.b.op(graph.EqualOp, node.b.op(graph.AbsOp, x), node.b.scalar_like(math.inf, x))
    if positive or negative:
        return node.b.op(graph.EqualOp, x, node.b.scalar_like(math.inf if positive else -math.inf, x))
    return node.b.op(graph.LessOp, x, x)


@converter("Cast", "CastLike")
def convert_cast(node: Node) -> Value:
    x, b = node.input(0), node.b
    if node.operator == "CastLike":
        code, element = node.input(1).code, node.input(1).element_type
    else:
        code, element = node.attribute("to"), _element_of(node, node.attribute("to"))
    if x.code == code and is_held_otherwise(code):
        return x
    x = decoded(b, x, x.code) if x.code in SMALL_FLOATS else x
    if code not in SMALL_FLOATS:
        return wrapped(node, b.cast(x, element), code)
    wide = x if x.element_type == f64 and code != onnx.TensorProto.FLOAT8E8M0 else b.cast(x, f32)
    saturate, round_mode = bool(node.attribute("saturate", 1)), node.attribute("round_mode", "up")
    return encoded(b, wide, code, saturate=saturate, round_mode=round_mode)


def _element_of(node: Node, code: int) -> Attribute:
    try:
        return element_of(code)
    except KeyError:
        node.unsupported(f"cannot cast to {type_name(code)}", "export the model with another element type")


@converter("BitCast")
def convert_bit_cast(node: Node) -> Value:
    """What has fewer than 8 bits fills up its byte with zeros, or with its sign."""
    x, b, target = node.input(0), node.b, node.attribute("to")
    bits = width_of(x.code) if is_held_otherwise(x.code) else 8 * x.type.dtype.itemsize
    element = _element_of(node, target)
    wanted = width_of(target) if is_held_otherwise(target) else 8 * numpy_dtype(element).itemsize
    if bits != wanted or string in (element, x.element_type):
        node.invalid(f"the bits of {x.type} cannot be read as {type_name(target)}")
    return wrapped(node, b.bitcast(x, element), target)


def wrapped(node: Node, x: Value, code: int) -> Value:
    """The lowest bits of integers of 8, where ONNX's type has fewer: as a number with a sign, or without."""
    bits = small_bits(code)
    if not bits:
        return x
    b = node.b
    low = b.op(graph.AndOp, x, b.scalar_like((1 << bits) - 1, x))
    if x.element_type == ui8:
        return low
    half = b.scalar_like(1 << (bits - 1), x)
    return b.sub(b.op(graph.XorOp, low, half), half)


@converter("Clip", since=6)
def convert_clip_attributes(node: Node) -> Value:
    low, high = node.attribute("min", None), node.attribute("max", None)
    x = node.input(0)
    bounds = [None if bound is None else node.b.scalar_like(bound, x) for bound in (low, high)]
    return clip(node, x, *bounds)


@converter("Clip", since=11)
def convert_clip(node: Node) -> Value:
    return clip(node, node.input(0), node.optional(1), node.optional(2))


def clip(node: Node, x: Value, low: Value | None, high: Value | None) -> Value:
    """minimum(maximum(x, low), high), leaving out bounds that every value satisfies."""
    if low is not None and not _is_limit(low, upper=False):
        zero = low.constant is not None and low.constant.size == 1 and float(low.constant.reshape(())) == 0.0
        x = node.b.op(graph.ReluOp, x) if zero and low.rank <= x.rank else node.b.maximum(x, low)
    if high is not None and not _is_limit(high, upper=True):
        x = node.b.minimum(x, high)
    return x


def _is_limit(bound: Value, *, upper: bool) -> bool:
    if bound.constant is None or bound.constant.size != 1:
        return False
    value = bound.constant.reshape(())
    if is_float(bound.element_type):
        return bool(np.isinf(value)) and (value > 0) == upper
    limits = np.iinfo(bound.constant.dtype)
    return int(value) == (limits.max if upper else limits.min)


@converter("Identity", "StopGradient")
def convert_identity(node: Node) -> Value:
    return node.input(0)


@converter("Dropout")
def convert_dropout(node: Node) -> list[Value | None]:
    """At inference the identity; the mask is all true, before opset 12 false, as onnxruntime has it."""
    x = node.input(0)
    training = node.optional(2)
    if training is not None and (training.constant is None or bool(training.constant)):
        return _dropped(node, x, training)
    mask = None
    if node.wants(1):
        element = x.element_type if node.opset < 10 else element_type_of(np.bool_)
        mask = node.b.broadcast_to(node.b.scalar(int(node.opset >= 12), element), x.dims)
    return [x, mask]


def _dropped(node: Node, x: Value, training: Value) -> list[Value | None]:
    """Where the mask is false, 0; the rest is scaled up to make up for it. Without training nothing is dropped."""
    b = node.b
    given = node.optional(1)
    ratio = b.scalar(0.5, f32) if given is None else b.cast(b.reshape(given, ()), f32)
    ratio = b.where(b.reshape(training, ()), ratio, b.scalar(0.0, f32))
    mask = b.op(graph.GreaterEqualOp, random_numbers(node, x.dims), ratio)
    scale = b.cast(b.div(b.scalar(1.0, f32), b.sub(b.scalar(1.0, f32), ratio)), x.element_type)
    return [b.where(mask, b.mul(x, scale), b.scalar_like(0, x)), mask]


@converter("Softmax", "LogSoftmax", since=13, several_steps=True)
def convert_softmax(node: Node) -> Value:
    x = node.input(0)
    return _softmax(node, x, node.axis(node.attribute("axis", -1), x.rank))


@converter("Softmax", "LogSoftmax", since=1, several_steps=True)
def convert_softmax_flattening(node: Node) -> Value:
    """Before opset 13: over all axes from ``axis`` on, as if they were one."""
    return _over_last_axes(node, _softmax)


def _over_last_axes(node: Node, function: Callable[[Node, Value, int], Value]) -> Value:
    x = node.input(0)
    axis = node.axis(node.attribute("axis", 1), x.rank)
    if axis == x.rank - 1:
        return function(node, x, axis)
    flat = node.b.reshape(x, (*x.dims[:axis], product(x.dims[axis:])))
    return node.b.reshape(function(node, flat, axis), x.dims)


def _softmax(node: Node, x: Value, axis: int) -> Value:
    return node.b.softmax(x, axis) if node.operator == "Softmax" else _log_softmax(node, x, axis)


def _log_softmax(node: Node, x: Value, axis: int) -> Value:
    """c - log(sum(exp(c))) with c = x - max(x).

    The largest elements' powers are 1, and are counted apart: log(1 + rest) is the result of a likely one, and vanishes
    where the rest is rounded off.
    """
    b = node.b
    centred = b.sub(x, b.reduce("max", x, [axis]))
    zero, one = b.scalar_like(0, x), b.scalar_like(1, x)
    is_largest = b.op(graph.EqualOp, centred, zero)
    largest = b.reduce("sum", b.where(is_largest, one, zero), [axis])
    rest = b.reduce("sum", b.where(is_largest, zero, b.op(graph.ExpOp, centred)), [axis])
    return b.sub(centred, b.op(graph.Log1pOp, b.add(b.sub(largest, one), rest)))


@converter("Hardmax", since=13)
def convert_hardmax(node: Node) -> Value:
    x = node.input(0)
    return _hardmax(node, x, node.axis(node.attribute("axis", -1), x.rank))


@converter("Hardmax", since=1)
def convert_hardmax_flattening(node: Node) -> Value:
    """Before opset 13: over all axes from ``axis`` on, as if they were one."""
    return _over_last_axes(node, _hardmax)


def _hardmax(node: Node, x: Value, axis: int) -> Value:
    best = node.b.op(graph.ArgMaxOp, x, axis=axis)
    values = node.b.constant(np.array([0, 1], x.type.dtype))
    (hot,) = node.b.emit(graph.OneHotOp, [best, values], [x.type], axis=axis)
    return hot
