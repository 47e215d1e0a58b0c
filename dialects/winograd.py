"""Winograd's minimal filtering F(m x m, 3 x 3): the three transforms, generated from interpolation points.

A tile of m outputs of a 3-tap filter is ``A^T [(G g) * (B^T d)]`` with n = m + 2 products instead of 3 m
(Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015). The matrices follow from n - 1
points and infinity (Toom-Cook); the points decide the rounding error: pairs +-a with a and 1/a keep it low.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

TAPS = 3
DEFAULT_ERROR = 3.0
"""How far off the transforms may be, in units of what a direct sum in float32 is off by."""
_FILTERS_AT_ONCE = 1024
"""How many filters are transformed at once: what is read and made stays in a core's cache."""
POINTS = {
    2: (0.0, 1.0, -1.0),
    4: (0.0, math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2.0), -math.sqrt(2.0)),
}


@dataclass(frozen=True)
class Transforms:
    """Matrices in float64: ``inputs`` B^T [n, n], ``weights`` G [n, 3], ``outputs`` A^T [m, n]."""

    tile: int
    inputs: np.ndarray
    weights: np.ndarray
    outputs: np.ndarray

    @property
    def points(self) -> int:
        """n: inputs (and products) of a tile along one axis."""
        return self.tile + TAPS - 1


@functools.cache
def transforms(tile: int) -> Transforms:
    """The transforms for output tiles of ``tile`` x ``tile``. Raises KeyError for a tile without points."""
    finite = np.array(POINTS[tile])
    n = tile + TAPS - 1
    outputs = np.zeros((tile, n))
    outputs[:, :-1] = finite[None, :] ** np.arange(tile)[:, None]
    outputs[-1, -1] = 1.0
    weights = np.zeros((n, TAPS))
    inputs = np.zeros((n, n))
    for row, point in enumerate(finite):
        others = np.delete(finite, row)
        weights[row] = point ** np.arange(TAPS) / np.prod(point - others)
        inputs[row, :-1] = np.poly(others)[::-1]
    weights[-1, -1] = 1.0
    inputs[-1] = np.poly(finite)[::-1]
    for matrix in (inputs, weights, outputs):
        # Powers of the points that cancel leave 1e-17 behind.
        matrix[np.abs(matrix) < 1e-12] = 0.0
        matrix.setflags(write=False)
    return Transforms(tile, inputs, weights, outputs)


def tile_of(algorithm: str) -> int:
    """Output tile of ``winograd2`` or ``winograd4``; 0 for another algorithm."""
    return int(algorithm.removeprefix("winograd")) if algorithm.startswith("winograd") else 0


def weight_planes(tile: int) -> int:
    """Planes of [C, K] that transformed weights consist of: one a point, then one a tap."""
    return (tile + TAPS - 1) ** 2 + TAPS**2


def transform_weights(weights: np.ndarray, tile: int) -> np.ndarray:
    """G g G^T for every filter, in float64 until the end: [K, C, 3, 3] -> [(tile + 2)^2 + 9, C, K] float32.

    The last nine planes are the taps g themselves, row by row: a tile whose numbers spread too far for the transforms
    is summed directly.
    """
    matrix = transforms(tile).weights
    outputs, channels = weights.shape[:2]
    combined = np.kron(matrix, matrix)
    points = len(combined)
    transformed = np.empty((weight_planes(tile), channels, outputs), np.float32)
    transformed[points:] = weights.reshape(outputs, channels, TAPS**2).transpose(2, 1, 0)
    taps, results = transformed[points:].reshape(TAPS**2, -1), transformed[:points].reshape(points, -1)
    for first in range(0, channels * outputs, _FILTERS_AT_ONCE):
        part = slice(first, first + _FILTERS_AT_ONCE)
        results[:, part] = combined @ taps[:, part].astype(np.float64)
    return transformed


def restore_weights(transformed: np.ndarray) -> np.ndarray:
    """The inverse of ``transform_weights``: [(tile + 2)^2 + 9, C, K] -> [K, C, 3, 3]."""
    taps = transformed[-(TAPS**2) :].transpose(2, 1, 0)
    return np.ascontiguousarray(taps).reshape(*taps.shape[:2], TAPS, TAPS)


def winograd_scratch(points: int, tiles: int, channels: int, columns: int, tile: int, lanes: int) -> list[int]:
    """Elements of V, M and one output tile; ``channels`` with padding lanes."""
    return [points * tiles * channels, points * tiles * columns, tile * tile * lanes]
