"""Rounds matrices to integers of few bits in blocks, with a scale and a zero point each.

With the second moments of what a matrix is multiplied with, the error of each rounded row is made up for by the rows
that are still to be rounded, so that the product is off least. After E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh:
GPTQ, 2022, whose order of steps this follows; the inverse of the moments is taken apart by Cholesky once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SHRINKS = np.linspace(1.0, 0.8, 9)
# Of the mean of the moments, added to each so that their matrix has an inverse; and so that fewer rows than there are
# columns are not taken for all that there will be.
_DAMPING, _DAMPING_OF_FEW = 0.01, 0.1
# Rows after which what they did wrong is taken off all rows behind.
_BATCH = 128


@dataclass(frozen=True)
class BlockedMatrix:
    """w[k, n] = (integers[k, n] - zeros[k / block, n]) * scales[k / block, n]."""

    integers: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray
    block: int

    def real(self) -> np.ndarray:
        rows = len(self.integers)
        scales, zeros = (np.repeat(part, self.block, axis=0)[:rows] for part in (self.scales, self.zeros))
        return (self.integers.astype(np.float32) - zeros) * scales


@dataclass
class Moments:
    """How the columns of what a matrix is multiplied with go together: the sum of x x^T over some rows x."""

    total: np.ndarray
    rows: int = 0

    @classmethod
    def none(cls, columns: int) -> Moments:
        return cls(np.zeros((columns, columns), np.float32))

    def add(self, rows: np.ndarray) -> None:
        rows = rows.reshape(-1, rows.shape[-1]).astype(np.float32)
        self.total += rows.T @ rows
        self.rows += len(rows)


def round_in_blocks(w: np.ndarray, bits: int, block: int, moments: Moments | None = None) -> BlockedMatrix:
    """``w`` is [K, N], and has rows of K numbers before it in a product."""
    depth, columns = w.shape
    blocks = -(-depth // block)
    result = BlockedMatrix(
        np.zeros((depth, columns), np.uint8),
        np.zeros((blocks, columns), np.float32),
        np.zeros((blocks, columns), np.uint8),
        block,
    )
    w = w.astype(np.float32).copy()
    shares = _shares(moments) if moments is not None and moments.rows else None
    for start in range(0, depth, _BATCH):
        stop = min(start + _BATCH, depth)
        errors = np.zeros((stop - start, columns), np.float32)
        for row in range(start, stop):
            if row % block == 0:
                _choose_scale(w[row : row + block], result, row // block, bits)
            error = _round_row(w[row], result, row, bits)
            if shares is not None:
                errors[row - start] = error / shares[row, row]
                w[row + 1 : stop] -= np.outer(shares[row, row + 1 : stop], errors[row - start])
        if shares is not None:
            w[stop:] -= shares[start:stop, stop:].T @ errors
    return result


def _shares(moments: Moments) -> np.ndarray:
    """The upper triangle R with R^T R the inverse of the moments: how rows behind make up for an error."""
    total = moments.total.astype(np.float64)
    diagonal = np.diagonal(total)
    share = _DAMPING + _DAMPING_OF_FEW * len(total) / moments.rows
    damped = total + np.diag(np.where(diagonal == 0, 1.0, share * max(float(diagonal.mean()), 1e-30)))
    return np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)


def _choose_scale(rows: np.ndarray, result: BlockedMatrix, place: int, bits: int) -> None:
    """The scale and the zero point of a block of each column: of some shrunk ranges that with the least squares."""
    levels = (1 << bits) - 1
    low, high = np.minimum(rows.min(axis=0), 0), np.maximum(rows.max(axis=0), 0)
    least = np.full(rows.shape[1], np.inf)
    for shrink in _SHRINKS:
        scale = (high - low) * np.float32(shrink / levels)
        scale[scale == 0] = 1.0
        zero = np.clip(np.rint(-low * np.float32(shrink) / scale), 0, levels)
        rounded = (np.clip(np.rint(rows / scale) + zero, 0, levels) - zero) * scale
        errors = np.square(rounded - rows).sum(axis=0)
        better = errors < least
        least[better] = errors[better]
        result.scales[place, better] = scale[better]
        result.zeros[place, better] = zero[better].astype(np.uint8)


def _round_row(row: np.ndarray, result: BlockedMatrix, place: int, bits: int) -> np.ndarray:
    """Rounds one row in its block's scales; gives what it lost."""
    scale, zero = result.scales[place // result.block], result.zeros[place // result.block].astype(np.float32)
    integers = np.clip(np.rint(row / scale) + zero, 0, (1 << bits) - 1)
    result.integers[place] = integers.astype(np.uint8)
    return row - (integers - zero) * scale
