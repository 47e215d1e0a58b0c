"""Elementwise operations. Operands broadcast as in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .spelling import read, spelled

Arrays = list[np.ndarray]
Attributes = dict[str, Any]
Operation = Callable[[Arrays, Attributes], Arrays]


def is_float(dtype: np.dtype) -> bool:
    """Whether a dtype is floating point; NumPy counts bfloat16, which ml_dtypes adds, as no number kind of its own."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def in_single(function: Callable[[np.ndarray], np.ndarray]) -> Operation:
    """``function`` computed at least in float32, result in the operand's type."""

    def operation(inputs: Arrays, attributes: Attributes) -> Arrays:
        (x,) = inputs
        return [function(widened(x)).astype(x.dtype, copy=False)]

    return operation


def widened(x: np.ndarray) -> np.ndarray:
    """The array in float32 where it has a narrower floating-point type."""
    return x.astype(np.float32) if is_float(x.dtype) and x.dtype.itemsize < 4 else x


def _unary(function: Callable[..., Any]) -> Operation:
    return lambda inputs, attributes: [np.asarray(function(inputs[0]))]


def _binary(function: Callable[..., Any]) -> Operation:
    return lambda inputs, attributes: [np.asarray(function(inputs[0], inputs[1]))]


# Cody's rational approximations (1969), relative error below 1e-16 in float64.
_ERF_SMALL = (
    (3.16112374387056560e00, 1.13864154151050156e02, 3.77485237685302021e02, 3.20937758913846947e03,
     1.85777706184603153e-1),
    (2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03, 2.84423683343917062e03),
)  # fmt: skip
_ERFC_MIDDLE = (
    (5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e01, 2.98635138197400131e02,
     8.81952221241769090e02, 1.71204761263407058e03, 2.05107837782607147e03, 1.23033935479799725e03,
     2.15311535474403846e-8),
    (1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02, 1.62138957456669019e03,
     3.29079923573345963e03, 4.36261909014324716e03, 3.43936767414372164e03, 1.23033935480374942e03),
)  # fmt: skip
_ERFC_LARGE = (
    (3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1, 1.60837851487422766e-2,
     6.58749161529837803e-4, 1.63153871373020978e-2),
    (2.56852019228982242e00, 1.87295284992346047e00, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def _rational(coefficients: tuple[tuple[float, ...], tuple[float, ...]], z: np.ndarray) -> np.ndarray:
    numerators, denominators = coefficients
    numerator = numerators[-1] * z
    denominator = z
    for over, under in zip(numerators[: len(denominators) - 1], denominators[:-1]):
        numerator = (numerator + over) * z
        denominator = (denominator + under) * z
    return (numerator + numerators[len(denominators) - 1]) / (denominator + denominators[-1])


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, computed in float64, in the type of x."""
    wide = np.asarray(x, np.float64)
    magnitude = np.minimum(np.abs(wide), 30.0)
    small = wide * _rational(_ERF_SMALL, np.where(magnitude <= 0.5, magnitude, 0.0) ** 2)
    outside = np.copysign(1.0 - np.exp(-magnitude * magnitude) * _scaled_erfc(magnitude), wide)
    result = np.where(magnitude <= 0.5, small, outside)
    return np.where(np.isnan(wide), wide, result).astype(x.dtype)


def _scaled_erfc(x: np.ndarray) -> np.ndarray:
    """erfc(x) exp(x^2) of float64 numbers of at least 0.4."""
    middle = _rational(_ERFC_MIDDLE, np.clip(x, 0.4, 4.0))
    bounded = np.maximum(x, 4.0)
    inverse_square = 1.0 / (bounded * bounded)
    large = (5.6418958354775628695e-1 - inverse_square * _rational(_ERFC_LARGE, inverse_square)) / bounded
    return np.where(x <= 4.0, middle, large)


def gelu(x: np.ndarray) -> np.ndarray:
    """x / 2 (1 + erf(x / sqrt 2)), computed in float64, in the type of x."""
    wide = np.asarray(x, np.float64)
    magnitude = np.minimum(np.abs(wide), 40.0)
    argument = magnitude * np.sqrt(0.5)
    # The square of what float32 holds of x is exact, so that no digit of the exponential is lost.
    head = magnitude.astype(np.float32).astype(np.float64)
    decay = np.exp(head * head * -0.5) * np.exp((magnitude - head) * (magnitude + head) * -0.5)
    near = 1.0 - argument * _rational(_ERF_SMALL, np.where(argument <= 0.5, argument, 0.0) ** 2)
    tail = 0.5 * np.where(argument <= 0.5, near, decay * _scaled_erfc(np.maximum(argument, 0.4)))
    return (wide * np.where(wide > 0, 1.0 - tail, tail)).astype(x.dtype)


def tanh_gelu(x: np.ndarray) -> np.ndarray:
    """x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), computed in float64, in the type of x."""
    wide = np.asarray(x, np.float64)
    doubled = 2 * np.sqrt(2 / np.pi) * (wide + 0.044715 * wide * wide * wide)
    return (wide / (1.0 + np.exp(-doubled))).astype(x.dtype)


def _gelu(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [(tanh_gelu if attributes.get("tanh") else gelu)(inputs[0])]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay)).astype(x.dtype, copy=False)


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if is_float(a.dtype):
        return np.divide(a, b)
    if a.dtype.kind == "u":
        return np.floor_divide(a, b)
    quotient = np.floor_divide(a, b)
    inexact = quotient * b != a
    return quotient + (inexact & ((a < 0) != (b < 0))).astype(a.dtype)


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if is_float(a.dtype):
        return np.power(widened(a), b.astype(widened(a).dtype)).astype(a.dtype)
    if is_float(b.dtype):
        return np.power(a.astype(np.float64), b.astype(np.float64)).astype(a.dtype)
    if b.dtype.kind != "u" and np.any(b < 0):
        return np.trunc(np.power(a.astype(np.float64), b.astype(np.float64))).astype(a.dtype)
    return np.power(a, b.astype(a.dtype))


def _modulo(inputs: Arrays, attributes: Attributes) -> Arrays:
    a, b = inputs
    return [np.fmod(a, b) if attributes.get("fmod") else np.mod(a, b)]


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, np.zeros((), x.dtype))


def _where(inputs: Arrays, attributes: Attributes) -> Arrays:
    condition, a, b = inputs
    return [np.where(condition, a, b)]


def cast(x: np.ndarray, dtype: np.dtype, saturate: bool = False) -> np.ndarray:
    """Converted element by element; ``saturate`` clamps to an integer type's range, and NaN to its largest number."""
    if dtype.kind == "O":
        return x if x.dtype == object else spelled(x)
    if x.dtype == object:
        return read(x, dtype)
    if dtype == np.bool_:
        return x != 0
    if is_float(dtype) or not is_float(x.dtype):
        limits = np.iinfo(dtype) if saturate and not is_float(dtype) else None
        return (x if limits is None else np.clip(x, limits.min, limits.max)).astype(dtype)
    if not saturate:
        return float_to_integer(x, dtype)
    limits, wide = np.iinfo(dtype), widened(x)
    largest = wide.dtype.type(limits.max)
    if int(largest) > limits.max:  # The limit is no float of this size.
        largest = np.nextafter(largest, wide.dtype.type(0))
    return np.fmax(np.fmin(wide, largest), wide.dtype.type(limits.min)).astype(dtype)


def float_to_integer(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rounded towards zero; where that is out of range, which ONNX leaves undefined, as C programs do on x86.

    The number is cut to size from i32, or i64 for u32 and 64 bits; what that does not hold, NaN and infinities
    included, is its least number. Of u64 the upper half goes through the lower one.
    """
    through = np.iinfo(np.int64 if dtype.itemsize == 8 or dtype == np.uint32 else np.int32)
    half = -float(through.min)
    wide = widened(x)
    is_upper = (wide >= half) & (dtype == np.uint64)
    lowered = np.where(is_upper, wide - wide.dtype.type(half), wide)
    fits = np.abs(lowered) < half
    number = np.where(fits, np.where(fits, lowered, 0).astype(through.dtype), through.min)
    return np.where(is_upper, number ^ through.min, number).astype(dtype)


def _cast(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [cast(inputs[0], np.dtype(attributes["dtype"]), attributes.get("saturate", False))]


def _shift(a: np.ndarray, b: np.ndarray, function: np.ufunc) -> np.ndarray:
    """Amounts count as unsigned; one of all bits or more leaves zeros or, to the right, copies of the sign."""
    width = a.dtype.itemsize * 8
    amounts = b.astype(a.dtype).view(f"u{a.dtype.itemsize}")
    shifted = function(a, np.minimum(amounts, width - 1).astype(a.dtype))
    beyond = np.where(a < 0, -1, 0) if function is np.right_shift and a.dtype.kind == "i" else 0
    return np.where(amounts >= width, np.array(beyond).astype(a.dtype), shifted)


def _not(x: np.ndarray) -> np.ndarray:
    return np.logical_not(x) if x.dtype == np.bool_ else np.invert(x)


def _reciprocal(x: np.ndarray) -> np.ndarray:
    return np.ones((), x.dtype) / x


ELEMENTWISE: dict[str, Operation] = {
    "abs": _unary(np.abs),
    "neg": _unary(np.negative),
    "sign": _unary(np.sign),
    "relu": _unary(_relu),
    "exp": in_single(np.exp),
    "expm1": in_single(np.expm1),
    "log": in_single(np.log),
    "log1p": in_single(np.log1p),
    "sqrt": in_single(np.sqrt),
    "reciprocal": in_single(_reciprocal),
    "erf": in_single(erf),
    "gelu": _gelu,
    "tanh": in_single(np.tanh),
    "sigmoid": in_single(sigmoid),
    "sin": in_single(np.sin),
    "cos": in_single(np.cos),
    "tan": in_single(np.tan),
    "asin": in_single(np.arcsin),
    "acos": in_single(np.arccos),
    "atan": in_single(np.arctan),
    "sinh": in_single(np.sinh),
    "cosh": in_single(np.cosh),
    "asinh": in_single(np.arcsinh),
    "acosh": in_single(np.arccosh),
    "atanh": in_single(np.arctanh),
    "floor": _unary(np.floor),
    "ceil": _unary(np.ceil),
    "round": _unary(np.rint),
    "is_nan": _unary(np.isnan),
    "not": _unary(_not),
    "add": _binary(np.add),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "div": _binary(_divide),
    "pow": _binary(_power),
    "maximum": _binary(np.maximum),
    "minimum": _binary(np.minimum),
    "mod": _modulo,
    "equal": _binary(np.equal),
    "less": _binary(np.less),
    "less_equal": _binary(np.less_equal),
    "greater": _binary(np.greater),
    "greater_equal": _binary(np.greater_equal),
    "and": _binary(np.bitwise_and),
    "or": _binary(np.bitwise_or),
    "xor": _binary(np.bitwise_xor),
    "shift_left": _binary(lambda a, b: _shift(a, b, np.left_shift)),
    "shift_right": _binary(lambda a, b: _shift(a, b, np.right_shift)),
    "where": _where,
    "cast": _cast,
    "bitcast": lambda inputs, attributes: [np.asarray(inputs[0], order="C").view(np.dtype(attributes["dtype"]))],
}
