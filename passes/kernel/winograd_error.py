"""How far off Winograd's transforms are for the weights at hand, beside a direct sum, both in float32.

Both are carried out in float32 on a sample of the filters and on inputs of three kinds, and compared with float64:
numbers around 0, numbers that a rectifier left (the worse of the two), and signs chosen to make the transforms'
partial sums largest. One pixel far above its neighbours is another matter: its error spreads over its tile in
proportion to it (``spread_error``), so the kernel watches the spread of each tile's results and sums directly where
it is large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...dialects.winograd import TAPS, Transforms, transform_weights, transforms

# What is tried out of the layer: the estimate hardly depends on more.
_FILTERS = 8
_CHANNELS = 64
_TILES = 6


@dataclass(frozen=True)
class WinogradError:
    """Errors of one layer: root mean squares over those of a direct sum on each kind of input, and the spread's.

    ``spread`` is the error of a result that a large pixel's tile holds but its window does not, in units of the pixel
    times the root mean square of the filter's taps.
    """

    random: float
    rectified: float
    adversarial: float
    spread: float


def estimate_error(weights: np.ndarray, tile: int) -> float:
    """Error of F(tile x tile, 3 x 3) for weights [K, C, 3, 3], in tenths: the worse of two kinds of random input."""
    sample = _sample(weights)
    return round(max(_ratio(sample, tile, kind) for kind in (_random, _rectified)), 1)


def examine_error(weights: np.ndarray, tile: int) -> WinogradError:
    """All that is known of a layer's error, for people."""
    sample = _sample(weights)
    random, rectified, adversarial = (_ratio(sample, tile, kind) for kind in (_random, _rectified, _adversarial))
    return WinogradError(random, rectified, adversarial, spread_error(sample, tile))


def spread_error(weights: np.ndarray, tile: int) -> float:
    """Largest error where the one pixel of size 1 among small ones is not seen, over the taps' root mean square."""
    points = transforms(tile).points
    small = _random((1, weights.shape[1], points, points), transforms(tile)) * np.float32(2.0**-10)
    largest = 0.0
    for row in range(points):
        for column in range(points):
            inputs = small.copy()
            inputs[:, :, row, column] = 1.0
            errors = np.abs(_winograd(weights, inputs, tile) - _direct(weights, inputs, tile, np.float64))
            errors[max(0, row - TAPS + 1) : row + 1, max(0, column - TAPS + 1) : column + 1] = 0.0
            largest = max(largest, float(errors.max()))
    scale = float(np.sqrt(np.mean(np.square(weights, dtype=np.float64))) * np.sqrt(weights.shape[1]))
    return largest / scale if scale else 0.0


def _sample(weights: np.ndarray) -> np.ndarray:
    sample = weights[:_FILTERS, :_CHANNELS].astype(np.float32)
    return sample if np.isfinite(sample).all() else np.nan_to_num(sample, nan=1.0, posinf=1.0, neginf=-1.0)


def _random(shape: tuple[int, ...], transform: Transforms) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _rectified(shape: tuple[int, ...], transform: Transforms) -> np.ndarray:
    return np.maximum(_random(shape, transform), 0)


def _adversarial(shape: tuple[int, ...], transform: Transforms) -> np.ndarray:
    """Sizes around 1 with the signs of the row of B^T that sums most, along both axes."""
    signs = np.sign(transform.inputs[np.abs(transform.inputs).sum(axis=1).argmax()])
    pattern = np.where(signs == 0, 1, signs).astype(np.float32)
    return (1 + np.abs(_random(shape, transform))) * np.outer(pattern, pattern)


def _ratio(weights: np.ndarray, tile: int, make: Callable[[tuple[int, ...], Transforms], np.ndarray]) -> float:
    transform = transforms(tile)
    inputs = make((_TILES, weights.shape[1], transform.points, transform.points), transform)
    exact = _direct(weights, inputs, tile, np.float64)
    direct = _root_mean_square(_direct(weights, inputs, tile, np.float32) - exact)
    winograd = _root_mean_square(_winograd(weights, inputs, tile) - exact)
    return winograd / direct if direct else 0.0


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _direct(weights: np.ndarray, inputs: np.ndarray, tile: int, dtype: type) -> np.ndarray:
    """Tiles [tile, tile, P, K] of the sum over channels and taps, one product after another."""
    pixels = inputs.transpose(1, 2, 3, 0)
    windows = [pixels[:, row : row + tile, column : column + tile] for row in range(TAPS) for column in range(TAPS)]
    terms = np.stack(windows, axis=1).astype(dtype, copy=False)  # [C, tap, tile, tile, P]
    taps = weights.reshape(*weights.shape[:2], -1).transpose(1, 2, 0).astype(dtype)  # [C, tap, K]
    total = _sum_in_order(taps.reshape(-1, len(weights), 1) * terms.reshape(len(terms) * TAPS**2, 1, -1))
    return total.T.reshape(tile, tile, len(inputs), len(weights))


def _winograd(weights: np.ndarray, inputs: np.ndarray, tile: int) -> np.ndarray:
    """The same by the transforms, all in float32."""
    transform = transforms(tile)
    points = transform.points
    forward, back = transform.inputs.astype(np.float32), transform.outputs.astype(np.float32)
    values = np.einsum("ij,pcjk->pcik", forward, inputs)
    values = np.einsum("kj,pcij->cikp", forward, values)  # [C, point, point, P]
    planes = transform_weights(weights, tile)[: points**2].reshape(points, points, *weights.shape[1::-1])
    total = _sum_in_order(values[..., None] * planes.transpose(2, 0, 1, 3)[:, :, :, None])
    results = np.einsum("bj,ijpk->ibpk", back, total)
    return np.einsum("ai,ibpk->abpk", back, results).astype(np.float64)


def _sum_in_order(terms: np.ndarray) -> np.ndarray:
    """Sums along the first axis in their own type: one after another, which NumPy does along any but the last."""
    return np.add.reduce(terms, axis=0)
