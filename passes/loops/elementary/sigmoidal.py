"""tanh, erf and the Gaussian units that are made of them.

tanh and erf are an odd rational function of the clamped argument, x P(x^2) / Q(x^2): within 5 ulp everywhere; they keep
the sign of zero, are one in size from the clamp on and propagate NaN. Made of them, gelu would lose all digits where
it nearly vanishes, so that it has formulas of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi, sqrt

from .exponential import exp
from .lanes import Lane

# Relative error 6.6e-9 on [0, 9]; tanh(9) rounds to one. At the limit the quotient rounds to more than one, with and
# without fused multiply-add, and is cut to one.
_TANH_LIMIT = 9.02
_TANH_NUMERATOR = (
    1.0,
    0.13084010779857635,
    0.0031039565801620483,
    1.1154311323480215e-05,
    -2.0225240149329693e-08,
    5.2779565440363996e-11,
    -8.488733126794587e-14,
)
_TANH_DENOMINATOR = (1.0, 0.4641733765602112, 0.02449517883360386, 0.00025461456971243024)

# Relative error 1.9e-8 on [0, 3.92]; erf(3.92) rounds to one, the quotient is above one from there on, and is cut.
_ERF_LIMIT = 4.1
_ERF_NUMERATOR = (
    1.1283791065216064,
    0.19040699303150177,
    0.052748799324035645,
    0.0037656412459909916,
    0.0002848835429176688,
    2.050087005045498e-06,
)
_ERF_DENOMINATOR = (
    1.0,
    0.5020765662193298,
    0.1141093373298645,
    0.014969265088438988,
    0.0011625419137999415,
    3.809175541391596e-05,
)

# erfc(t / sqrt 2) exp(t^2 / 2) / 2 on [0, 14], relative error 4.4e-8
_TAIL_LIMIT = 14.0
# From here on less than half of the smallest denormal is left.
_DENORMAL_TAIL_LIMIT = 15.0
_TAIL_NUMERATOR = (
    0.5000000026002177,
    0.43637204713920197,
    0.18181238006704847,
    0.04015401992208706,
    0.004045260865604047,
)
_TAIL_DENOMINATOR = (
    1.0,
    1.6706290287532557,
    1.1965895693060151,
    0.4657147951172889,
    0.10065832812104092,
    0.010139828540298533,
)
# 2 sqrt(2 / pi) (x + 0.044715 x^3): twice the argument of tanh in its gelu
_GELU_LINEAR = 2 * sqrt(2 / pi)
_GELU_CUBIC = 0.044715 * _GELU_LINEAR


def _odd_rational(x: Lane, limit: float, numerator: Sequence[float], denominator: Sequence[float]) -> Lane:
    x = x.clamp(-limit, limit)
    square = x * x
    ratio = (x * square.polynomial(numerator)) / square.polynomial(denominator)
    return ratio.clamp(-1.0, 1.0)


def tanh(x: Lane) -> Lane:
    """The hyperbolic tangent, absolute error 3e-7."""
    return _odd_rational(x, _TANH_LIMIT, _TANH_NUMERATOR, _TANH_DENOMINATOR)


def erf(x: Lane) -> Lane:
    """The error function, absolute error 3e-7."""
    return _odd_rational(x, _ERF_LIMIT, _ERF_NUMERATOR, _ERF_DENOMINATOR)


def gelu(x: Lane) -> Lane:
    """x / 2 (1 + erf(x / sqrt 2)) within 8 ulp."""
    keeps_denormals = x.lanes.keeps_denormals
    magnitude = abs(x).minimum(_DENORMAL_TAIL_LIMIT if keeps_denormals else _TAIL_LIMIT)
    wide = magnitude.extend()
    ratio = magnitude.polynomial(_TAIL_NUMERATOR) / magnitude.polynomial(_TAIL_DENOMINATOR)
    power = _exp_of_wide(wide * wide * -0.5)
    if keeps_denormals:
        # A denormal tail has few digits, which a product with x would spread: it is rounded after that.
        product = (power.extend() * ratio.extend() * x.extend()).narrow()
        return x.compare("ogt", 0.0).select(x * (1.0 - power * ratio), product)
    tail = power * ratio
    return x * x.compare("ogt", 0.0).select(1.0 - tail, tail)


def tanh_gelu(x: Lane) -> Lane:
    """x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) within 3 ulp.

    The same as x / (1 + exp(-2 u)), with u for the argument of tanh.
    """
    wide = x.extend()
    doubled = wide * (wide * wide).fma(-_GELU_CUBIC, -_GELU_LINEAR)
    if x.lanes.keeps_denormals:
        # The quotient with the inverse power, which is a number where the power is too large; 2^32 times as large, as a
        # denormal has few digits.
        power = _exp_of_wide(abs(doubled).minimum(150.0) * -1.0 + 32 * log(2))
        numerator = doubled.compare("ogt", 0.0).select(x * power * 2.0**-32, x)
        return numerator / power.fma(2.0**-32, 1.0)
    return x / (_exp_of_wide(doubled.clamp(-100.0, 100.0)) + 1.0)


def _exp_of_wide(x: Lane) -> Lane:
    """exp of an f64 as f32: rounded to f32 first, a large argument would lose digits of the result."""
    high = x.narrow()
    low = (x - high.extend()).narrow()
    power = exp(high)
    return power.fma(low, power) if x.lanes.keeps_denormals else power * (low + 1.0)
