"""Fourier transforms of known length by factors of it, as products with small matrices of sines and cosines.

Of length n = p q, with elements n = q i + j and results k = a + p b (Cooley and Tukey, 1965)::

    X[a + p b] = sum over j of  W_q^(j b)  W_n^(j a)  sum over i of  W_p^(i a) x[q i + j]

that is, p-point transforms of all columns j, a factor for each number, and q-point transforms of all rows a, which
are done in the same way. A length whose prime factors are long goes as a convolution with a chirp, by transforms of a
longer length that is easy (Bluestein, 1970)::

    X[k] = w[k] sum over n of (x[n] w[n]) / w[k - n]          w[n] = exp(-pi i n^2 / length)

Values are [parts, length, columns], the real parts before the imaginary ones.
"""

from __future__ import annotations

import functools

import numpy as np

from ...dialects.shape import multiply
from ..builder import GraphBuilder
from ..values import Value

# What it takes to go over all numbers between two products, in multiplications of each.
_PASS = 16
# Of a chirp: two passes and a product of complex numbers more.
_CHIRP = 64


def fourier_matrix(length: int, components: int, bins: int, *, inverse: bool = False) -> np.ndarray:
    """The transform as a matrix [length, components, bins, 2] in float64; ``components`` is 2 for a complex input.

    X[k] = sum over n of x[n] exp(-2 pi i k n / length); the inverse has the other sign and divides by the length.
    """
    angles = 2 * np.pi / length * (np.outer(np.arange(length), np.arange(bins)) % length)
    sign = 1 if inverse else -1
    cosines, sines = np.cos(angles), sign * np.sin(angles)
    of_real = np.stack([cosines, sines], axis=-1)
    of_imaginary = np.stack([-sines, cosines], axis=-1)
    matrix = np.stack([of_real, of_imaginary][:components], axis=1)
    return matrix / length if inverse else matrix


def is_worth_factors(length: int) -> bool:
    """Whether factors, or a chirp, take fewer multiplications than one matrix for the whole length."""
    return length >= 128 and min(_cost(length), _chirp_cost(length)) < 0.7 * length


@functools.cache
def _cost(length: int) -> int:
    """Multiplications for each element: of one matrix, or of the best two factors."""
    factor = _best_factor(length)
    return length if factor is None else _split_cost(length, factor)


def _split_cost(length: int, factor: int) -> int:
    return _cost(factor) + _cost(length // factor) + _PASS


@functools.cache
def _best_factor(length: int) -> int | None:
    """The first factor, which is multiplied as one matrix; None where the whole length is."""
    factors = [factor for factor in range(2, min(length, 256)) if length % factor == 0 and factor < length]
    best = min(factors, key=lambda factor: factor + _cost(length // factor), default=None)
    if best is None or best + _cost(length // best) + _PASS >= length:
        return None
    return best


def _chirp_cost(length: int) -> float:
    easy = _easy_length(2 * length - 1)
    return 2 * _cost(easy) * easy / length + _CHIRP


@functools.cache
def _easy_length(least: int) -> int:
    """A power of two, or three times one."""
    power = 1 << (least - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= least else power


def transformed(b: GraphBuilder, x: Value, length: int, inverse: bool) -> Value:
    """The transform [2, length, columns] of [1 or 2, length, columns]."""
    if _chirp_cost(length) < _cost(length):
        return _by_chirp(b, x, length, inverse)
    return _by_factors(b, x, length, inverse)


def _by_factors(b: GraphBuilder, x: Value, length: int, inverse: bool) -> Value:
    parts, columns = x.dims[0], x.dims[2]
    first = _best_factor(length)
    if first is None:
        return _by_matrix(b, x, length, inverse)
    second = length // first
    rows = b.reshape(x, (parts, first, multiply(second, columns)))
    rows = b.reshape(_by_matrix(b, rows, first, inverse), (2, first, second, columns))
    sign = 2j if inverse else -2j
    turns = np.exp(sign * np.pi / length * (np.outer(np.arange(first), np.arange(second)) % length))
    turned = _multiplied(b, rows, turns[..., None])
    inner = b.reshape(b.transpose(turned, [0, 2, 1, 3]), (2, second, multiply(first, columns)))
    return b.reshape(_by_factors(b, inner, second, inverse), (2, length, columns))


def _by_matrix(b: GraphBuilder, x: Value, length: int, inverse: bool) -> Value:
    parts, columns = _parts(x), x.dims[2]
    matrix = fourier_matrix(length, parts, length, inverse=inverse).transpose(3, 2, 1, 0)
    left = b.constant(np.ascontiguousarray(matrix.reshape(2 * length, parts * length), x.type.dtype))
    return b.reshape(b.matmul(left, b.reshape(x, (multiply(parts, length), columns))), (2, length, columns))


def _by_chirp(b: GraphBuilder, x: Value, length: int, inverse: bool) -> Value:
    longer = _easy_length(2 * length - 1)
    places = np.arange(length, dtype=object)
    # Squares are exact, and their turns counted before they are rounded.
    angles = np.pi / length * np.array(places * places % (2 * length), np.float64)
    chirp = np.exp((1j if inverse else -1j) * angles)
    filter_ = np.zeros(longer, np.complex128)
    filter_[:length] = chirp.conj()
    filter_[longer - length + 1 :] = chirp[:0:-1].conj()
    turned = _multiplied(b, x, chirp[:, None])
    padded = b.pad(turned, [0, 0, 0, 0, longer - length, 0])
    spectrum = _multiplied(b, _by_factors(b, padded, longer, False), np.fft.fft(filter_)[:, None])
    convolved = b.slice(_by_factors(b, spectrum, longer, True), [1], [0], [length])
    return _multiplied(b, convolved, (chirp / length if inverse else chirp)[:, None])


def _multiplied(b: GraphBuilder, x: Value, factors: np.ndarray) -> Value:
    """Complex numbers, or real ones, times complex constants that broadcast to them."""
    cosines, sines = (
        b.constant(np.ascontiguousarray(part, x.type.dtype)) for part in (np.real(factors), np.imag(factors))
    )
    parts = [b.reshape(part, part.dims[1:]) for part in b.split(x, 0, [1] * _parts(x))]
    if len(parts) == 1:
        results = [b.mul(parts[0], cosines), b.mul(parts[0], sines)]
    else:
        real, imaginary = parts
        results = [
            b.sub(b.mul(real, cosines), b.mul(imaginary, sines)),
            b.add(b.mul(real, sines), b.mul(imaginary, cosines)),
        ]
    return b.concat([b.unsqueeze(part, [0]) for part in results], 0)


def _parts(x: Value) -> int:
    parts = x.dims[0]
    assert isinstance(parts, int)
    return parts
