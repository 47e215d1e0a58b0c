"""powf and cbrt, by way of f64.

The exponent multiplies the relative error of the logarithm, and f32 has no digits to spare.
"""

from __future__ import annotations

from math import inf, nan

from xdsl.dialects.builtin import f64

from .lanes import Lane
from .logarithm import normalized

_SQRT_HALF_BITS = 0x3F3504F3
_SMALLEST_NORMAL = 2.0**-126
_ROUND_64 = 1.5 * 2.0**52

# log2((1 + s) / (1 - s)) / s in z = s^2, relative error 2.8e-14
_LOG2 = (
    2.885390081777845,
    0.961796694123343,
    0.5770779392121728,
    0.41220959320646944,
    0.31989089092506645,
    0.28312251309042813,
)
# 2^r on [-1/2, 1/2], relative error 4.0e-11
_EXP2 = (
    0.9999999999616215,
    0.6931471807287216,
    0.24022651198754028,
    0.055504103528149336,
    0.009618027172822124,
    0.0013333922869682127,
    0.000154693172938447,
    1.5201897830697266e-05,
)


def _log2_of_magnitude(magnitude: Lane) -> Lane:
    """log2 of a non-negative f32 as f64; zero and flushed denormals give -inf, infinity and NaN themselves."""
    normal, missing = normalized(magnitude)
    bits = normal.bits()
    exponent = bits.minus(_SQRT_HALF_BITS).shift_right(23)
    mantissa = bits.minus(exponent.shift_left(23)).as_float().extend(f64)
    if missing is not None:
        exponent = exponent.minus(missing)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    result = ratio.fma((ratio * ratio).polynomial(_LOG2), exponent.to_float(f64))
    result = magnitude.compare("olt", inf).select(result, magnitude.extend(f64))
    is_zero = magnitude.compare("oeq", 0.0) if missing is not None else magnitude.compare("olt", _SMALLEST_NORMAL)
    return is_zero.select(result.like(-inf), result)


def _exp2_to_f32(x: Lane) -> Lane:
    """2^x of an f64 as f32, from zero to infinity."""
    x = x.clamp(-160.0, 140.0)
    rounded = x + _ROUND_64
    rest = x - (rounded - _ROUND_64)
    scale = rounded.bits().shift_left(52).plus(1023 << 52).as_float()
    return (rest.polynomial(_EXP2) * scale).narrow()


def powf(x: Lane, y: Lane) -> Lane:
    """x^y within 1 ulp, with C's results for zeros, infinities, NaN and negative bases."""
    magnitude = abs(x)
    product = y.extend(f64) * _log2_of_magnitude(magnitude)
    # One to any power: 0 * inf.
    product = magnitude.compare("oeq", 1.0).select(product.like(0.0), product)
    result = _exp2_to_f32(product)
    # A negative base (also -0) with an odd exponent gives a negative result.
    half = y * 0.5
    is_integer = y.truncate().compare("oeq", y)
    is_odd = is_integer.both(half.truncate().compare("une", half))
    negative = x.bits().compare_integers("slt", 0)
    result = negative.both(is_odd).select(-result, result)
    has_no_power = x.compare("olt", 0.0).both(x.compare("ogt", -inf)).both(y.truncate().compare("une", y))
    result = has_no_power.select(x.like(nan), result)
    result = x.compare("uno", y).select(x + y, result)
    return y.compare("oeq", 0.0).either(x.compare("oeq", 1.0)).select(x.like(1.0), result)


def integer_power(x: Lane, exponent: int) -> Lane:
    """x^n for a small constant n by repeated multiplication; for a negative one of 1 / x, as x^-n may overflow."""
    if exponent < 0:
        return integer_power(1.0 / x, -exponent)
    if exponent == 1:
        return x
    half = integer_power(x, exponent // 2)
    square = half * half
    return square * x if exponent % 2 else square


def cbrt(x: Lane) -> Lane:
    """The cube root within 1 ulp, with the argument's sign."""
    magnitude = abs(x)
    root = _exp2_to_f32(_log2_of_magnitude(magnitude) * (1.0 / 3.0))
    return root.copysign(x)
