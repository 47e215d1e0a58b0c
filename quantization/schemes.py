"""How real numbers stand as integers of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LEVELS = 255
_LARGEST = 127
_SHRINKS = np.linspace(1.0, 0.7, 13)
_LEAST_SCALE = 1e-30


@dataclass(frozen=True)
class Scheme:
    """A real number x stands as round(x / scale) + zero. Of weights ``scale`` has an entry for each channel."""

    scale: np.ndarray
    zero: np.ndarray


def activation_scheme(low: float, high: float) -> Scheme:
    """ui8 for all numbers of the range, 0 among them, which has an integer of its own."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max((high - low) / _LEVELS, _LEAST_SCALE) if high > low else 1.0)
    zero = np.clip(np.rint(-low / scale), 0, _LEVELS)
    return Scheme(np.array(scale, np.float32), np.array(zero, np.uint8))


def weight_scheme(weights: np.ndarray, axis: int, *, clip: bool) -> Scheme:
    """i8 for the weights, a scale for each index of the axis, no zero points.

    ``clip``: the largest weights of a channel are cut off where that makes the sum of squares of its errors less.
    """
    rows = np.abs(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)).astype(np.float32)
    largest = rows.max(axis=1, initial=0.0)
    best = np.maximum(largest / _LARGEST, _LEAST_SCALE)
    best[largest == 0] = 1.0
    if clip:
        best = _least_squares(rows, best)
    return Scheme(best.astype(np.float32), np.zeros(len(best), np.int8))


def _least_squares(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    best, least = scales, np.full(len(scales), np.inf)
    for shrink in _SHRINKS:
        tried = (scales * shrink)[:, None]
        errors = np.square(np.minimum(np.rint(rows / tried), _LARGEST) * tried - rows).sum(axis=1)
        best, least = np.where(errors < least, scales * shrink, best), np.minimum(errors, least)
    return best


def quantised(array: np.ndarray, scheme: Scheme, axis: int = 0) -> np.ndarray:
    """The integers; a scheme with several scales has one for each index of the axis."""
    shape = [1] * array.ndim
    if scheme.scale.ndim:
        shape[axis] = -1
    scale, zero = scheme.scale.reshape(shape), scheme.zero.reshape(shape).astype(np.float32)
    limits = np.iinfo(scheme.zero.dtype)
    return np.clip(np.rint(array / scale) + zero, limits.min, limits.max).astype(scheme.zero.dtype)
