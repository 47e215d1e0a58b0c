"""log, log2, log10, log1p, asinh, acosh, atanh.

A positive number is `2^e m` with m between sqrt(1/2) and sqrt(2); the logarithm of m = 1 + f is a polynomial in f.
Zero gives -inf, negative numbers NaN, infinity infinity, NaN stays NaN. Denormals give -inf where a run flushes them;
where it keeps them, they are scaled to normal numbers first.
"""

from __future__ import annotations

from math import inf, nan

from xdsl.dialects.builtin import Float64Type, i32

from .lanes import Lane

_LOG2E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.42860682030941723212e-06
_LOG10E = 0.4342944819032518
_LOG10_2_HIGH, _LOG10_2_LOW = 0.30102920532226562, 7.9034151667657e-07
_SQRT_HALF_BITS = 0x3F3504F3
_SMALLEST_NORMAL = 2.0**-126
_SMALLEST_NORMAL_64 = 2.0**-1022

# (log(1 + f) - f + f^2 / 2) / f^3, relative error of log 5.8e-9
_LOG = (
    0.3333333134651184,
    -0.250008225440979,
    0.20001232624053955,
    -0.16623297333717346,
    0.14201557636260986,
    -0.13160595297813416,
    0.1276330053806305,
    -0.07635588198900223,
)
# (log((1 + s) / (1 - s)) / s - 2) / s^2 in z = s^2, relative error of log 1e-20
_LOG_64 = (
    0.6666666666666666,
    0.4000000000000673,
    0.28571428568931195,
    0.22222222670048006,
    0.1818177380776355,
    0.15387171892936652,
    0.13248290389603914,
    0.13267935507502024,
)
_LN2_HIGH_64, _LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def log(x: Lane) -> Lane:
    """log within 1.2 ulp (f32), 1.5 ulp (f64)."""
    if isinstance(x.element, Float64Type):
        return _log_64(x)
    exponent, fraction = split(x)
    return _special(x, _log_of_parts(exponent, fraction))


def log2(x: Lane) -> Lane:
    """log2 within 2 ulp; exact for powers of two."""
    exponent, fraction = split(x)
    return _special(x, _log_of_fraction(fraction).fma(_LOG2E, exponent))


def log10(x: Lane) -> Lane:
    """log10 within 2 ulp."""
    exponent, fraction = split(x)
    small = exponent.fma(_LOG10_2_LOW, _log_of_fraction(fraction) * _LOG10E)
    return _special(x, exponent.fma(_LOG10_2_HIGH, small))


def log1p(x: Lane) -> Lane:
    """log(1 + x) within 2.5 ulp, also near zero."""
    total = x + 1.0
    # What rounding the sum has lost: log(1 + f + lost) = log(1 + f) + lost / (1 + f), with 1 - f + f^2 for 1 / (1 + f).
    lost = x - (total - 1.0)
    exponent, mantissa = _powers(total)
    fraction = mantissa - 1.0
    # To the scale of f, where it matters: none is lost of a sum below one, nor beyond 2^24.
    lost = lost * exponent.like(127).minus(exponent).and_bits(0x7F).shift_left(23).as_float()
    correction = lost * fraction.polynomial([1.0, -1.0, 1.0])
    result = _special(total, _log_of_parts(exponent.to_float(), fraction) + correction)
    # Infinity loses infinity, zero keeps its sign.
    keeps = x.compare("oeq", inf).either(abs(x).compare("olt", 1e-7))
    return keeps.select(x, total.compare("oeq", 0.0).select(x.like(-inf), result))


def asinh(x: Lane) -> Lane:
    """asinh within 4 ulp: log1p(|x| + x^2 / (1 + sqrt(x^2 + 1)))."""
    magnitude = abs(x)
    # Beyond 2^12 the square only doubles the logarithm's argument; far beyond it would overflow.
    bounded = magnitude.compare("olt", 4096.0).select(magnitude, 4096.0)
    square = bounded * bounded
    near = log1p(bounded + square / ((square + 1.0).sqrt() + 1.0))
    far = log(magnitude) + 0.6931471805599453
    return magnitude.compare("olt", 4096.0).select(near, far).copysign(x)


def acosh(x: Lane) -> Lane:
    """acosh within 4 ulp; NaN below one."""
    above = x - 1.0
    bounded = x.compare("olt", 4096.0).select(above, 4096.0)
    near = log1p(bounded + (bounded * (bounded + 2.0)).sqrt())
    far = log(x) + 0.6931471805599453
    result = x.compare("olt", 4096.0).select(near, far)
    return above.compare("olt", 0.0).select(x.like(nan), result)


def atanh(x: Lane) -> Lane:
    """atanh within 4 ulp; infinite at plus and minus one, NaN beyond."""
    magnitude = abs(x)
    return (log1p((magnitude * 2.0) / (1.0 - magnitude)) * 0.5).copysign(x)


def split(x: Lane) -> tuple[Lane, Lane]:
    """The exponent e as a float and f = m - 1 of a positive number."""
    normal, missing = normalized(x)
    exponent, mantissa = _powers(normal)
    return (exponent if missing is None else exponent.minus(missing)).to_float(), mantissa - 1.0


def normalized(x: Lane) -> tuple[Lane, Lane | None]:
    """The number, times 2^k if it is a denormal that is kept, and the integer k; None where all are flushed."""
    if not x.lanes.keeps_denormals:
        return x, None
    is_wide = isinstance(x.element, Float64Type)
    digits = 52 if is_wide else 23
    is_small = x.compare("olt", _SMALLEST_NORMAL_64 if is_wide else _SMALLEST_NORMAL)
    normal = is_small.select(x * 2.0**digits, x)
    return normal, is_small.select(normal.bits().like(digits), 0)


def _powers(x: Lane) -> tuple[Lane, Lane]:
    """The exponent e as an integer and the m of a positive normal number."""
    bits = x.bits()
    shifted = bits.minus(_SQRT_HALF_BITS)
    exponent = shifted.shift_right(23)
    return exponent, bits.minus(exponent.shift_left(23)).as_float()


def _log_of_fraction(fraction: Lane) -> Lane:
    square = fraction * fraction
    tail = (square * fraction) * fraction.polynomial(_LOG)
    return fraction - square.fma(0.5, -tail)


def _log_of_parts(exponent: Lane, fraction: Lane) -> Lane:
    square = fraction * fraction
    tail = (square * fraction).fma(fraction.polynomial(_LOG), exponent * _LN2_LOW)
    return exponent.fma(_LN2_HIGH, fraction - square.fma(0.5, -tail))


def _special(x: Lane, result: Lane) -> Lane:
    """The result for positive numbers, and what it is for all others."""
    # Infinity and NaN are their own logarithms.
    result = x.compare("olt", inf).select(result, x)
    outside = x.compare("olt", 0.0).select(x.like(nan), -inf)
    if x.lanes.keeps_denormals:
        return x.compare("ole", 0.0).select(outside, result)
    smallest = _SMALLEST_NORMAL_64 if isinstance(x.element, Float64Type) else _SMALLEST_NORMAL
    return x.compare("olt", smallest).select(outside, result)


def _log_64(x: Lane) -> Lane:
    # log m = log((1 + s) / (1 - s)) with s = f / (2 + f), which converges faster than a series in f.
    normal, missing = normalized(x)
    bits = normal.bits()
    exponent = bits.minus(0x3FE6A09E667F3BCD).shift_right(52)
    fraction = bits.minus(exponent.shift_left(52)).as_float() - 1.0
    if missing is not None:
        exponent = exponent.minus(missing)
    count = exponent.truncate_integer(i32).to_float(x.element)
    ratio = fraction / (fraction + 2.0)
    square = ratio * ratio
    # log(1 + f) = f - s (f - z R(z)): f is exact, the rest is small.
    correction = ratio * (fraction - square * square.polynomial(_LOG_64))
    return _special(x, count.fma(_LN2_HIGH_64, fraction - (correction - count * _LN2_LOW_64)))
