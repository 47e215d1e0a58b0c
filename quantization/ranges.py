"""What is seen of a tensor while a model runs on data, and which range of it gets the integers."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

_BINS = 4096
_PERCENTILE = 99.99
_SHRINKS = np.linspace(1.0, 0.3, 36)
_LEVELS = 255


class Calibration(StrEnum):
    """How the range of a tensor follows from its numbers."""

    MINIMUM_MAXIMUM = "minimum-maximum"
    PERCENTILE = "percentile"
    MEAN_SQUARE = "mean-square"


class RangeObserver:
    """Minimum, maximum and histogram of a tensor's numbers, seen array by array.

    The bins of the histogram lie between -limit and limit; the limit doubles, and bins join in pairs, where an array
    has larger numbers. Zeros, which every range has an integer for, and what is not finite are left out.
    """

    def __init__(self) -> None:
        self.low, self.high = 0.0, 0.0
        self.shape: tuple[int, ...] = ()
        self._limit = 0.0
        self._counts = np.zeros(_BINS)

    def see(self, array: np.ndarray) -> None:
        self.shape = array.shape
        numbers = array.reshape(-1)
        # Zeros are exact in any range.
        numbers = numbers[np.isfinite(numbers) & (numbers != 0)]
        if not numbers.size:
            return
        low, high = float(numbers.min()), float(numbers.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._make_room(max(-low, high))
        if self._limit:
            places = ((numbers + self._limit) * (_BINS / 2 / self._limit)).astype(np.int64)
            self._counts += np.bincount(np.clip(places, 0, _BINS - 1), minlength=_BINS)

    def range(self, calibration: Calibration) -> tuple[float, float]:
        """The least and the largest number that shall have integers; 0 lies between them."""
        if calibration == Calibration.MINIMUM_MAXIMUM or not self._limit:
            return self.low, self.high
        if calibration == Calibration.PERCENTILE:
            return self._percentile_range()
        return self._mean_square_range()

    def _make_room(self, magnitude: float) -> None:
        if not self._limit:
            self._limit = magnitude
        while self._limit < magnitude:
            quarter = _BINS // 4
            joined = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts = np.concatenate((np.zeros(quarter), joined, np.zeros(quarter)))
            self._limit *= 2

    def _percentile_range(self) -> tuple[float, float]:
        share = self._counts.cumsum() / self._counts.sum()
        edges = np.linspace(-self._limit, self._limit, _BINS + 1)
        outside = (1 - _PERCENTILE / 100) / 2
        low = float(edges[np.searchsorted(share, outside, side="right")])
        high = float(edges[min(np.searchsorted(share, 1 - outside), _BINS - 1) + 1])
        return max(self.low, min(low, 0.0)), min(self.high, max(high, 0.0))

    def _mean_square_range(self) -> tuple[float, float]:
        """Of ranges that are shares of the whole, that whose rounding and cutting off give the least squares."""
        kept = self._counts > 0
        middles = (np.linspace(-self._limit, self._limit, _BINS + 1)[:-1] + self._limit / _BINS)[kept]
        counts = self._counts[kept]
        best, least = (self.low, self.high), np.inf
        for shrink in _SHRINKS:
            low, high = self.low * shrink, self.high * shrink
            # Rounding is off by a twelfth of a squared step on average, whatever lies in a bin.
            step = (high - low) / _LEVELS
            beyond = np.maximum(np.maximum(middles - high, low - middles), 0.0)
            error = float((counts * np.where(beyond > 0, np.square(beyond), step * step / 12)).sum())
            if error < least:
                best, least = (low, high), error
        return best
