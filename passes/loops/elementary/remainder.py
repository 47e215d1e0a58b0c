"""remf: C's fmod.

What is left of a division is exact in f64 as long as the quotient has at most 28 bits, since 28 + 24 bits are the most
that a product of it and an f32 takes. A larger quotient, which has up to 278 bits, is taken 28 bits at a time, from
multiples of the divisor by powers of two; that is behind a branch which few programs take.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from .lanes import Lane, LaneBuilder

_QUOTIENT = 2.0**28
# Enough for the largest number divided by the smallest normal one.
_STEPS = 9


def remf(x: Lane, y: Lane) -> Lane:
    """x less the multiple of y towards zero, exactly, with the sign of x; x for an infinite y, NaN where y is zero."""
    dividend, divisor = abs(x).extend(), abs(y).extend()
    is_far = dividend.compare("oge", divisor * _QUOTIENT)

    def reduced(inner: LaneBuilder) -> Sequence[Lane]:
        return [_reduced(inner, inner.value(dividend.ssa), inner.value(divisor.ssa))]

    (near,) = x.lanes.if_any(is_far, [dividend], reduced)
    rest = _less_multiple(near, divisor).narrow()
    return abs(y).compare("oeq", inf).select(x, rest.copysign(x))


def _reduced(lanes: LaneBuilder, dividend: Lane, divisor: Lane) -> Lane:
    """The dividend less a multiple of the divisor, so that less than 28 bits of quotient are left."""
    step_down = 1 / _QUOTIENT

    def step(carried: Sequence[Lane]) -> Sequence[Lane]:
        rest, multiple = carried
        return [_less_multiple(rest, multiple), multiple * step_down]

    rest, _ = lanes.repeat(_STEPS, [dividend, divisor * _QUOTIENT**_STEPS], step)
    return rest


def _less_multiple(x: Lane, y: Lane) -> Lane:
    return x - (x / y).truncate() * y
