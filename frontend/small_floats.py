"""Floats of 8, 6 and 4 bits, held in bytes: what they stand for, and how numbers are rounded to them.

A byte is looked up in a table of what it stands for. The other way numbers are rounded by their bits, in integers.
Source: ONNX's pages on float8 and float4, and OCP's on microscaling formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import onnx

from ..dialects import graph
from ..dialects.graph.types import f64, i32, i64, ui8
from .values import Value

if TYPE_CHECKING:
    from .builder import GraphBuilder

_T = onnx.TensorProto


@dataclass(frozen=True)
class SmallFloat:
    """A format: the type of ml_dtypes that reads it, bits of its fraction, its bias, and codes without the sign.

    ``largest`` is the code of the largest number, ``beyond`` of what is larger where that is not cut (an infinity or
    NaN, else the largest), ``nan`` of NaN. ``sign`` is the bit of the sign; without ``has_minus_zero`` it alone is NaN.
    """

    dtype: str
    fraction: int
    bias: int
    largest: int
    beyond: int
    nan: int
    sign: int = 0x80
    has_minus_zero: bool = True

    @property
    def held(self) -> np.dtype:
        return np.dtype(getattr(ml_dtypes, self.dtype))


E8M0 = "float8_e8m0fnu"
SMALL_FLOATS: dict[int, SmallFloat] = {
    _T.FLOAT8E4M3FN: SmallFloat("float8_e4m3fn", 3, 7, 0x7E, 0x7F, 0x7F),
    _T.FLOAT8E4M3FNUZ: SmallFloat("float8_e4m3fnuz", 3, 8, 0x7F, 0x80, 0x80, has_minus_zero=False),
    _T.FLOAT8E5M2: SmallFloat("float8_e5m2", 2, 15, 0x7B, 0x7C, 0x7E),
    _T.FLOAT8E5M2FNUZ: SmallFloat("float8_e5m2fnuz", 2, 16, 0x7F, 0x80, 0x80, has_minus_zero=False),
    _T.FLOAT8E8M0: SmallFloat(E8M0, 0, 127, 0xFE, 0xFF, 0xFF, sign=0),
    _T.FLOAT4E2M1: SmallFloat("float4_e2m1fn", 1, 1, 0x7, 0x7, 0x0, sign=0x8),
    _T.FLOAT6E2M3: SmallFloat("float6_e2m3fn", 3, 1, 0x1F, 0x1F, 0x0, sign=0x20),
    _T.FLOAT6E3M2: SmallFloat("float6_e3m2fn", 2, 3, 0x1F, 0x1F, 0x0, sign=0x20),
}
"""By ONNX's number of the element type. Floats of 4 and 6 bits have no NaN: it becomes 0."""


def decoded(b: GraphBuilder, x: Value, code: int) -> Value:
    """The f32 numbers that bytes of a format stand for."""
    held = SMALL_FLOATS[code].held
    count = 256 if held.itemsize == 1 and SMALL_FLOATS[code].sign in (0, 0x80) else 2 * SMALL_FLOATS[code].sign
    table = np.arange(count, dtype=np.uint8).view(held).astype(np.float32)
    return b.gather(b.constant(table, f"{held.name}.numbers"), b.cast(x, i64))


def encoded(b: GraphBuilder, x: Value, code: int, *, saturate: bool = True, round_mode: str = "up") -> Value:
    """f32 or f64 numbers rounded to a format, to the even one of two as near.

    ``saturate``: what is beyond the largest number becomes that. ``round_mode`` is for powers of two alone.
    """
    format_ = SMALL_FLOATS[code]
    rounding = _Rounding(b, x, format_)
    return rounding.rounded(saturate) if format_.sign else rounding.power(saturate, round_mode)


class _Rounding:
    """The bits of x as integers of its width, which have room for all sums here."""

    def __init__(self, b: GraphBuilder, x: Value, format_: SmallFloat):
        self.b, self.x, self.format = b, x, format_
        self.integer = i64 if x.element_type == f64 else i32
        self.fraction, self.bias = (52, 1023) if x.element_type == f64 else (23, 127)
        self.bits = b.bitcast(x, self.integer)
        self.magnitude = self._and(self.bits, (1 << (63 if x.element_type == f64 else 31)) - 1)
        infinity = (2 * self.bias + 1) << self.fraction
        self.is_nan = b.op(graph.GreaterOp, self.magnitude, self._number(infinity))

    def _number(self, value: int) -> Value:
        return self.b.scalar(value, self.integer)

    def _and(self, value: Value, mask: int) -> Value:
        return self.b.op(graph.AndOp, value, self._number(mask))

    def _shifted(self, value: Value, by: int) -> Value:
        return self.b.op(graph.ShiftRightOp, value, self._number(by))

    def _exceeds(self, value: Value, limit: int) -> Value:
        return self.b.op(graph.GreaterOp, value, self._number(limit))

    def rounded(self, saturate: bool) -> Value:
        b, format_ = self.b, self.format
        code = b.where(self._is_subnormal(), self._subnormal(), self._normal())
        beyond = self._number(format_.largest if saturate else format_.beyond)
        code = b.where(self._exceeds(code, format_.largest), beyond, code)
        code = b.where(self.is_nan, self._number(format_.nan), code)
        negative = b.op(graph.LessOp, self.bits, self._number(0))
        if not format_.has_minus_zero:
            negative = b.op(graph.AndOp, negative, self._exceeds(code, 0))
        signed = b.op(graph.OrOp, code, self._number(format_.sign))
        return b.cast(b.where(negative, signed, code), ui8)

    def _is_subnormal(self) -> Value:
        smallest = (self.bias + 1 - self.format.bias) << self.fraction
        return self.b.op(graph.LessOp, self.magnitude, self._number(smallest))

    def _subnormal(self) -> Value:
        """In units of the smallest number: a code as well."""
        b, format_ = self.b, self.format
        unit = b.scalar_like(2.0 ** (format_.bias - 1 + format_.fraction), self.x)
        steps = b.op(graph.RoundOp, b.mul(b.op(graph.AbsOp, self.x), unit))
        return b.cast(b.minimum(steps, b.scalar_like(1 << format_.fraction, self.x)), self.integer)

    def _normal(self) -> Value:
        """Half a unit less is added than would round ties away, and one more where the last bit kept is odd."""
        b, dropped = self.b, self.fraction - self.format.fraction
        odd = self._and(self._shifted(self.magnitude, dropped), 1)
        raised = b.add(b.add(self.magnitude, self._number((1 << (dropped - 1)) - 1)), odd)
        return b.sub(
            self._shifted(raised, dropped), self._number((self.bias - self.format.bias) << self.format.fraction)
        )

    def power(self, saturate: bool, round_mode: str) -> Value:
        """The exponent of an f32, whatever its sign; infinities are NaN."""
        b = self.b
        exponent, rest = self._shifted(self.magnitude, self.fraction), self._and(self.magnitude, (1 << 23) - 1)
        code = exponent
        if round_mode != "down":
            half = 1 << 22
            limit = b.where(self._exceeds(exponent, 0), self._number(half - 1), self._number(half))
            raises = self._exceeds(rest, 0) if round_mode == "up" else b.op(graph.GreaterOp, rest, limit)
            code = b.add(code, b.cast(raises, self.integer))
        if saturate:
            code = b.minimum(code, self._number(self.format.largest))
        return b.cast(b.where(self._exceeds(exponent, 0xFE), self._number(self.format.nan), code), ui8)
