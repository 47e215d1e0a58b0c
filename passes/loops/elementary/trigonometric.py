"""sin, cos, tan, asin, acos, atan, atan2.

The argument of sin, cos and tan is reduced modulo pi / 2: in f64, which is exact enough up to 2^25, and by the digits
of 2 / pi from there on, behind a branch that few programs take. Infinity gives NaN.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi

from xdsl.dialects.builtin import f64, i32

from .lanes import Lane, LaneBuilder

_ROUND_64 = 1.5 * 2.0**52
# pi / 2 in three parts: the products of the first two with 26 bits are exact, also without fused multiply-add.
_HALF_PI_PARTS = (1.5707963109016418, 1.5893254712295857e-08, 6.123233995736766e-17)
_HALF_PI = pi / 2
# Eight zeros and the first 248 binary digits of 2 / pi.
_TWO_OVER_PI = (0x00A2F9836E4E4415, 0x29FC2757D1F534DD, 0xC0DB6295993C4390, 0x41FE5163ABDEBBC5)
_LARGE = 2.0**25

# (sin(sqrt z) / sqrt z - 1) / z, relative error of sin 4.9e-12
_SIN = (-0.1666666716337204, 0.008333329111337662, -0.00019839327433146536, 2.71823728326126e-06)
# (cos(sqrt z) - 1 + z / 2) / z^2, error of cos 1.0e-13
_COS = (0.0416666679084301, -0.0013888883404433727, 2.479951217537746e-05, -2.720954626056482e-07)
# (atan(sqrt z) / sqrt z - 1) / z on [0, 1], relative error of atan 2.6e-9
_ATAN = (
    -0.33333298563957214,
    0.19998548924922943,
    -0.14264240860939026,
    0.10952181369066238,
    -0.08403436839580536,
    0.05795735865831375,
    -0.031177613884210587,
    0.010914481244981289,
    -0.001793593866750598,
)
# (asin(sqrt z) / sqrt z - 1) / z on [0, 1/4], relative error of asin 2.8e-10
_ASIN = (
    0.16666659712791443,
    0.07500510662794113,
    0.04451572149991989,
    0.03181760758161545,
    0.014402614906430244,
    0.037565186619758606,
)


def _reduce(magnitude: Lane) -> tuple[Lane, Lane]:
    """|x| modulo pi / 2, between -pi / 4 and pi / 4, and the number of the quarter turn in the low bits."""
    wide = magnitude.extend(f64)
    rounded = wide.fma(1 / _HALF_PI, _ROUND_64)
    count = rounded - _ROUND_64
    rest = wide
    for part in _HALF_PI_PARTS:
        rest = count.fma(-part, rest)
    quarter = rounded.bits().truncate_integer(i32)
    near = (rest.narrow().clamp(-0.786, 0.786), quarter)
    is_large = magnitude.compare("oge", _LARGE)

    def both(inner: LaneBuilder) -> list[Lane]:
        far = _reduce_large(inner.value(magnitude.ssa))
        mask = inner.value(is_large.ssa)
        return [mask.select(large, inner.value(small.ssa)) for large, small in zip(far, near)]

    rest, quarter = magnitude.lanes.if_any(is_large, near, both)
    return rest, quarter


def _reduce_large(magnitude: Lane) -> tuple[Lane, Lane]:
    """As `_reduce` from 2^25 on, by the digits of 2 / pi that matter.

    The argument is m 2^e with an m of 32 bits. Of the product with 2 / pi, multiples of 4 are whole turns, which no one
    sees: the first e - 2 digits of 2 / pi make nothing else. The next 96 give the quarter turn in two bits, and 62 bits
    of what is left, of which a float that is next to a quarter turn needs less than 32.

    Source: M. Payne and R. Hanek, Radian reduction for trigonometric functions, 1983.
    """
    bits = magnitude.bits()
    # m = 1.fraction 2^31, so x = m 2^(exponent - 158): skipped are exponent - 160 digits, and 8 zeros before them.
    mantissa = bits.and_bits(0x7FFFFF).plus(0x800000).shift_left(8).extend_integer()
    skipped = bits.shift_right(23).plus(-152).extend_integer()
    is_second = skipped.compare_integers("ugt", 63)
    words = [is_second.select(mantissa.like(after), before) for before, after in pairwise(_TWO_OVER_PI)]
    shift = skipped.and_bits(63)
    # Shifting by 64 has no meaning: by 1, then by up to 63.
    rest_of_word = shift.xor_bits(63)
    high, low = (
        word.shift_left_by(shift).or_bits(following.shift_zeros_right(1).shift_zeros_right(rest_of_word))
        for word, following in pairwise(words)
    )
    product = mantissa.times(high.shift_zeros_right(32)).shift_left(32)
    product = product.plus(mantissa.times(high.and_bits(0xFFFFFFFF)))
    product = product.plus(mantissa.times(low.shift_zeros_right(32)).shift_zeros_right(32))
    quarter = product.plus(1 << 61).shift_zeros_right(62).truncate_integer(i32)
    fraction = product.shift_left(2).shift_right(2)
    return (fraction.to_float(f64) * (_HALF_PI / 2.0**62)).narrow(), quarter


def _sine_and_cosine(rest: Lane) -> tuple[Lane, Lane]:
    square = rest * rest
    sine = (square * rest).fma(square.polynomial(_SIN), rest)
    cosine = (square * square).fma(square.polynomial(_COS), square.fma(-0.5, 1.0))
    return sine, cosine


def _circular(x: Lane, first_quarter: int, sign: Lane) -> Lane:
    """The sine of |x| and some quarter turns, with the bits of ``sign`` on top."""
    rest, quarter = _reduce(abs(x))
    sine, cosine = _sine_and_cosine(rest)
    if first_quarter:
        quarter = quarter.plus(first_quarter)
    odd = quarter.and_bits(1).compare_integers("ne", 0)
    value = odd.select(cosine, sine)
    turned = quarter.and_bits(2).shift_left(30)
    return value.bits().xor_bits(turned.xor_bits(sign)).as_float()


def _sign_bit(x: Lane) -> Lane:
    return x.bits().and_bits(-(1 << 31))


def sin(x: Lane) -> Lane:
    """sin within 1.5 ulp."""
    return _finite(x, _circular(x, 0, _sign_bit(x)))


def cos(x: Lane) -> Lane:
    """cos within 1.5 ulp."""
    return _finite(x, _circular(x, 1, x.bits().like(0)))


def tan(x: Lane) -> Lane:
    """tan within 3.5 ulp."""
    rest, quarter = _reduce(abs(x))
    sine, cosine = _sine_and_cosine(rest)
    odd = quarter.and_bits(1).compare_integers("ne", 0)
    ratio = odd.select(cosine, sine) / odd.select(-sine, cosine)
    return _finite(x, ratio.bits().xor_bits(_sign_bit(x)).as_float())


def _finite(x: Lane, result: Lane) -> Lane:
    """NaN for infinities: `x - x` is NaN exactly there."""
    return abs(x).compare("olt", float("inf")).select(result, x - x)


def atan(x: Lane) -> Lane:
    """atan within 2.5 ulp."""
    magnitude = abs(x)
    large = magnitude.compare("ogt", 1.0)
    reduced = large.select(1.0 / magnitude, magnitude)
    return large.select(_HALF_PI - _atan_to_one(reduced), _atan_to_one(reduced)).copysign(x)


def _atan_to_one(x: Lane) -> Lane:
    square = x * x
    return (square * x).fma(square.polynomial(_ATAN), x)


def atan2(y: Lane, x: Lane) -> Lane:
    """The angle of the point (x, y) within 3.5 ulp, with C's results on the axes and for infinities."""
    height, width = abs(y), abs(x)
    steep = height.compare("ogt", width)
    large = steep.select(height, width)
    small = steep.select(width, height)
    # Two infinities make 45 degrees, two zeros none.
    ratio = small / large
    ratio = large.compare("oeq", 0.0).select(large, ratio)
    ratio = small.compare("oeq", float("inf")).select(ratio.like(1.0), ratio)
    angle = _atan_to_one(ratio)
    angle = steep.select(_HALF_PI - angle, angle)
    behind = x.bits().compare_integers("slt", 0)
    angle = behind.select(pi - angle, angle).copysign(y)
    return x.compare("uno", y).select(x + y, angle)


def asin(x: Lane) -> Lane:
    """asin within 2.5 ulp; NaN outside of [-1, 1]."""
    magnitude = abs(x)
    steep, angle = _asin_parts(magnitude)
    return steep.select(_HALF_PI - angle * 2.0, angle).copysign(x)


def acos(x: Lane) -> Lane:
    """acos within 2.5 ulp; NaN outside of [-1, 1]."""
    steep, angle = _asin_parts(abs(x))
    doubled = angle * 2.0
    near_one = x.compare("olt", 0.0).select(pi - doubled, doubled)
    return steep.select(near_one, _HALF_PI - angle.copysign(x))


def _asin_parts(magnitude: Lane) -> tuple[Lane, Lane]:
    """Where |x| > 1/2, and asin of |x|, or there of sqrt((1 - |x|) / 2), which is half the angle from a right one."""
    steep = magnitude.compare("ogt", 0.5)
    halved = magnitude.fma(-0.5, 0.5)
    square = steep.select(halved, magnitude * magnitude)
    root = steep.select(halved.sqrt(), magnitude)
    return steep, (square * root).fma(square.polynomial(_ASIN), root)
