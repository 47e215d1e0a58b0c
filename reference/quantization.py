"""Real numbers that stand as integers."""

from __future__ import annotations

import numpy as np

from .elementwise import Arrays, Attributes, Operation, cast


def _quantize(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, scale, *zero = inputs
    rounded = np.rint(x / scale)
    shifted = rounded + zero[0].astype(np.float32) if zero else rounded
    return [cast(np.asarray(shifted, np.float32), np.dtype(attributes["dtype"]), saturate=True)]


def _dequantize(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, scale, *zero = inputs
    wide = x.astype(np.int32)
    difference = np.subtract(wide, zero[0].astype(np.int32)) if zero else wide
    return [difference.astype(np.float32) * scale]


def _byte_table(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, table = inputs
    return [table[x.view(np.uint8)]]


QUANTIZATION: dict[str, Operation] = {
    "quantize": _quantize,
    "dequantize": _dequantize,
    "byte_table": _byte_table,
}
