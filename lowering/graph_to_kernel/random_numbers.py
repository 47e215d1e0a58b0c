"""Random numbers: arithmetic on the place of each, which kernels do as any other (reference/random_numbers.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import bf16, f16, f32, f64, i32, i64
from xdsl.ir import Attribute, SSAValue

from ...dialects import graph, kernel, layout
from ...dialects import shape as dims
from ...dialects.graph.types import numpy_dtype
from ...reference.random_numbers import (
    ANGLE_STEP,
    HALF_TURN_BITS,
    PARITY,
    RADIUS_BITS,
    ROTATIONS,
    ROUNDS,
    ROUNDS_A_KEY,
    UNIFORM_BITS,
)
from .elements import SHORT_FLOATS
from .function import FunctionLowering, result_type
from .movement import count_up
from .rules import Rule, no_obstacle
from .scalar_code import ScalarCode

# Columns from which rows and columns are counted apart, so that the places need no memory of their own.
_MANY_COLUMNS = 16
_SHORT_FLOAT_NAMES = {f16: "float16", bf16: "bfloat16", f32: "float32"}


def lower_random(lowering: FunctionLowering, op: graph.RandomOp) -> Sequence[SSAValue]:
    """A map of the key's words and of the places of rows and columns; two narrow types are made from f32."""
    type_ = result_type(op)
    row_size = type_.dims[-1] if type_.rank else 1
    if isinstance(row_size, int) and row_size < _MANY_COLUMNS:
        row_size = dims.product(type_.dims)
    rows, places = _rows(lowering, dims.product(type_.dims), row_size, type_)
    key = lowering.value(op.key)
    words = [lowering.window(key, [number], [1]) for number in (0, 1)]
    flat = layout.TensorType.of([rows, row_size] if len(places) > 1 else [row_size], type_.element_type)

    def write(code: ScalarCode) -> SSAValue:
        first, second, *counted = code.arguments
        place = counted[0] if len(counted) == 1 else code.emit(arith.AddiOp, *counted)
        low, high = _words_of(code, place)
        second = code.emit(arith.XOrIOp, _cut(code, second), code.constant(op.stream, i32))
        drawn = _threefry(code, _cut(code, first), second, low, high)
        make = _normal if op.distribution == "normal" else _uniform
        return make(code, *drawn, type_.element_type)

    return [lowering.reshape(lowering.map([*words, *places], flat, write), type_.dims)]


def _rows(
    lowering: FunctionLowering, count: dims.Dim, row_size: dims.Dim, type_: layout.TensorType
) -> tuple[dims.Dim, list[SSAValue]]:
    """How many rows there are, and the places of their first elements and of columns; of one row the latter alone."""
    element = i32 if isinstance(count, int) and count < 1 << 31 else i64
    columns = count_up(lowering, row_size, element)
    if row_size == count:
        return 1, [columns]
    rows = dims.product(type_.dims[:-1])
    start = lowering.constant(np.zeros([], numpy_dtype(element)), "zero")
    step = lowering.add(kernel.DimValuesOp([], layout.TensorType.of([], element), values=[row_size]))
    first = lowering.add(kernel.RangeOp([start, step], layout.TensorType.of([rows], element)))
    return rows, [lowering.reshape(first, [rows, 1]), columns]


def _cut(code: ScalarCode, value: SSAValue) -> SSAValue:
    return value if value.type == i32 else code.emit(arith.TruncIOp, value, type_=i32)


def _words_of(code: ScalarCode, place: SSAValue) -> tuple[SSAValue, SSAValue]:
    if place.type == i32:
        return place, code.constant(0, i32)
    return _cut(code, place), _cut(code, code.emit(arith.ShRUIOp, place, code.constant(32, i64)))


def _threefry(
    code: ScalarCode, first: SSAValue, second: SSAValue, a: SSAValue, b: SSAValue
) -> tuple[SSAValue, SSAValue]:
    """As ``reference.random_numbers.threefry``."""

    def add(left: SSAValue, right: SSAValue) -> SSAValue:
        return code.emit(arith.AddiOp, left, right)

    mixed = code.emit(arith.XOrIOp, code.emit(arith.XOrIOp, first, second), code.constant(PARITY, i32))
    words = [first, second, mixed]
    a, b = add(a, first), add(b, second)
    for number in range(ROUNDS):
        rotation = ROTATIONS[number % len(ROTATIONS)]
        a = add(a, b)
        left = code.emit(arith.ShLIOp, b, code.constant(rotation, i32))
        right = code.emit(arith.ShRUIOp, b, code.constant(32 - rotation, i32))
        b = code.emit(arith.XOrIOp, code.emit(arith.OrIOp, left, right), a)
        if number % ROUNDS_A_KEY == ROUNDS_A_KEY - 1:
            injection = number // ROUNDS_A_KEY + 1
            a = add(a, words[injection % 3])
            b = add(add(b, words[(injection + 1) % 3]), code.constant(injection, i32))
    return a, b


def _upper_bits(code: ScalarCode, word: SSAValue, bits: int, element: Attribute) -> SSAValue:
    """So many of a word, fewer than 32, as a float."""
    number = code.emit(arith.ShRUIOp, word, code.constant(32 - bits, i32))
    return code.emit(arith.SIToFPOp, number, type_=element)


def _scaled(code: ScalarCode, value: SSAValue, factor: float) -> SSAValue:
    return code.emit(arith.MulfOp, value, code.constant(factor, value.type))


def _uniform(code: ScalarCode, a: SSAValue, b: SSAValue, element: Attribute) -> SSAValue:
    if element == f64:
        upper = _scaled(code, _upper_bits(code, a, 27, f64), 2.0**26)
        return _scaled(code, code.emit(arith.AddfOp, upper, _upper_bits(code, b, 26, f64)), 2.0**-53)
    bits = UNIFORM_BITS[_SHORT_FLOAT_NAMES[element]]
    return _narrowed(code, _scaled(code, _upper_bits(code, a, bits, f32), 2.0**-bits), element)


def _normal(code: ScalarCode, a: SSAValue, b: SSAValue, element: Attribute) -> SSAValue:
    share = code.emit(arith.AddfOp, _upper_bits(code, a, RADIUS_BITS, f32), code.constant(0.5, f32))
    logarithm = code.emit(math.LogOp, _scaled(code, share, 2.0**-RADIUS_BITS))
    radius = code.emit(math.SqrtOp, _scaled(code, logarithm, -2.0))
    angle = _scaled(code, _upper_bits(code, b, HALF_TURN_BITS, f32), ANGLE_STEP)
    number = code.emit(arith.MulfOp, radius, code.emit(math.CosOp, angle))
    return code.emit(arith.ExtFOp, number, type_=f64) if element == f64 else _narrowed(code, number, element)


def _narrowed(code: ScalarCode, number: SSAValue, element: Attribute) -> SSAValue:
    return code.emit(arith.TruncFOp, number, type_=element) if element in SHORT_FLOATS else number


RULES = {"graph.random": Rule(lower_random, no_obstacle)}
