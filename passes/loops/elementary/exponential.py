"""exp, exp2, expm1, sinh, cosh.

Every argument is `n ln2 + r` with an integer n and |r| <= ln2 / 2; the exponential of r is a polynomial and that of
`n ln2` a power of two, put together from bits. Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.

Where a run flushes denormals, results below 2^-125 (1.2 to 2.4 times the smallest normal number) become zero. Where it
keeps them, the power of two is multiplied in several factors, the last of which rounds to a denormal. `exp(-inf)` is
zero, what is too large is infinity, NaN stays NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import Float64Type

from .lanes import Lane

_LOG2E = 1.4426950408889634
# ln2 in two parts: n times the first one is exact for every exponent n, with or without fused multiply-add.
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.42860682030941723212e-06
_ROUND = 1.5 * 2.0**23
_ROUND_BITS = 0x4B400000

# (exp(r) - 1 - r) / r^2, relative error of exp 3.1e-9
_EXP = (0.4999999403953552, 0.1666651964187622, 0.04166839271783829, 0.008368780836462975, 0.001381446490995586)
# (2^r - 1) / r, relative error of 2^r 2.0e-9
_EXP2 = (
    0.6931471824645996,
    0.24022647738456726,
    0.05550331994891167,
    0.009618439711630344,
    0.0013399133458733559,
    0.00015353152411989868,
)
# (expm1(r) - r) / r^2, relative error of expm1 1.3e-8
_EXPM1 = (0.4999999701976776, 0.1666654348373413, 0.04166720062494278, 0.008366580121219158, 0.0013882507337257266)
# (sinh(sqrt z) / sqrt z - 1) / z on [0, 1], relative error 5.2e-11
_SINH = (0.1666666716337204, 0.008333349600434303, 0.0001983615948120132, 2.8169513370812638e-06)

_LN2_HIGH_64, _LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND_64 = 1.5 * 2.0**52
_ROUND_64_BITS = 0x4338000000000000
# (exp(r) - 1 - r) / r^2 in f64, relative error of exp 6e-20
_EXP_64 = (
    0.5,
    0.16666666666666682,
    0.04166666666666609,
    0.008333333333316826,
    0.001388888888911583,
    0.00019841269896898615,
    2.4801586927568235e-05,
    2.7557234351319933e-06,
    2.7557580221926766e-07,
    2.511221310250922e-08,
    2.08273274705265e-09,
)


def exp(x: Lane) -> Lane:
    """exp within 1.1 ulp (f32), 1.1 ulp (f64)."""
    if x.lanes.keeps_denormals:
        return _exp_to_denormals(x)
    if isinstance(x.element, Float64Type):
        return _exp_64(x)
    x = x.clamp(-87.5, 89.0)
    rounded, rest = _whole_and_rest(x)
    # Doubled, and scaled by 2^(n - 1): n is as large as 128, but 2^128 is no float.
    doubled = rest.polynomial([2.0, 2.0, *(2 * coefficient for coefficient in _EXP)])
    return doubled * _power_of_two(rounded, -1)


def exp2(x: Lane) -> Lane:
    """2^x within 1.1 ulp."""
    x = x.clamp(-151.0 if x.lanes.keeps_denormals else -126.25, 128.25)
    rounded = x + _ROUND
    rest = x - (rounded - _ROUND)
    if x.lanes.keeps_denormals:
        return _product(rest.polynomial([1.0, *_EXP2]), _powers_of_two(rounded, 2))
    doubled = rest.polynomial([2.0, *(2 * coefficient for coefficient in _EXP2)])
    return doubled * _power_of_two(rounded, -1)


def _power_of_two(rounded: Lane, bias: int) -> Lane:
    """2^(n + bias) for the n in the low bits of a sum with 1.5 * 2^23; zero for n + bias = -127."""
    return rounded.bits().shift_left(23).plus((127 + bias) << 23).as_float()


def _whole_and_rest(x: Lane) -> tuple[Lane, Lane]:
    """The n of `x = n ln2 + r` in the low bits of a float, and r."""
    if isinstance(x.element, Float64Type):
        rounding, high, low = _ROUND_64, _LN2_HIGH_64, _LN2_LOW_64
    else:
        rounding, high, low = _ROUND, _LN2_HIGH, _LN2_LOW
    rounded = x.fma(_LOG2E, rounding)
    count = rounded - rounding
    return rounded, count.fma(-low, count.fma(-high, x))


def _exp_to_denormals(x: Lane) -> Lane:
    """exp where denormals are kept: zero from half the smallest one on."""
    is_wide = isinstance(x.element, Float64Type)
    clamped = x.clamp(-746.0, 710.0) if is_wide else x.clamp(-104.0, 89.0)
    rounded, rest = _whole_and_rest(clamped)
    return _product(_exp_of_rest(rest), _powers_of_two(rounded, 2))


def _exp_of_rest(rest: Lane) -> Lane:
    return rest.polynomial([1.0, 1.0, *(_EXP_64 if isinstance(rest.element, Float64Type) else _EXP)])


def _powers_of_two(rounded: Lane, factors: int) -> list[Lane]:
    """Two or four factors of 2^n for the n in the low bits of ``rounded``, where 2^n itself may be no number."""
    is_wide = isinstance(rounded.element, Float64Type)
    digits, bias = (52, 1023) if is_wide else (23, 127)
    count = rounded.bits().minus(_ROUND_64_BITS if is_wide else _ROUND_BITS)
    part = count.shift_right(factors // 2)
    parts = [part] * (factors - 1)
    last = count
    for other in parts:
        last = last.minus(other)
    return [exponent.plus(bias).shift_left(digits).as_float() for exponent in (*parts, last)]


def _product(x: Lane, factors: Sequence[Lane]) -> Lane:
    for factor in factors:
        x = x * factor
    return x


def quotient_by_exp(x: Lane, exponent: Lane) -> Lane:
    """x / (1 + exp(exponent)) within 3 ulp, down to denormals: where exp would overflow it is x exp(-exponent)."""
    limit = 1455.0 if isinstance(x.element, Float64Type) else 193.0
    rounded, rest = _whole_and_rest(abs(exponent).minimum(limit) * -1.0)
    # Of the largest number nothing is left at the limit; an infinite one has no quotient by infinity.
    fraction = exponent.compare("oge", limit).select(rest.like(0.0), _exp_of_rest(rest))
    powers = _powers_of_two(rounded, 4)
    numerator = exponent.compare("ogt", 0.0).select(_product(x * fraction, powers), x)
    return numerator / (_product(fraction, powers) + 1.0)


def expm1(x: Lane) -> Lane:
    """exp(x) - 1 within 2 ulp, also near zero."""
    clamped = x.clamp(-30.0, 89.0)
    rounded = clamped.fma(_LOG2E, _ROUND)
    count = rounded - _ROUND
    rest = count.fma(-_LN2_LOW, count.fma(-_LN2_HIGH, clamped))
    # Halved throughout: half of 2^128 is a float.
    half = _power_of_two(rounded, -1)
    fraction = (rest * rest).fma(rest.polynomial(_EXPM1), rest)
    result = half.fma(fraction, half - 0.5) * 2.0
    # Nothing is lost for tiny arguments, and minus zero stays.
    return abs(x).compare("olt", 1e-4).select(x.fma(x * 0.5, x), result)


def sinh(x: Lane) -> Lane:
    """sinh within 3 ulp, also near zero."""
    magnitude = abs(x)
    square = x * x
    near = (square * x).fma(square.polynomial(_SINH), x)
    # exp of half the argument, squared in two steps, so that only a result that is too large overflows.
    root = exp(magnitude * 0.5)
    far = (root * 0.5) * root - (0.5 / root) / root
    return magnitude.compare("olt", 1.0).select(near, far.copysign(x))


def cosh(x: Lane) -> Lane:
    """cosh within 3 ulp."""
    root = exp(abs(x) * 0.5)
    return (root * 0.5).fma(root, (0.5 / root) / root)


def _exp_64(x: Lane) -> Lane:
    x = x.clamp(-708.5, 710.0)
    rounded, rest = _whole_and_rest(x)
    doubled = rest.polynomial([2.0, 2.0, *(2 * coefficient for coefficient in _EXP_64)])
    scale = rounded.bits().shift_left(52).plus(1022 << 52).as_float()
    return doubled * scale
