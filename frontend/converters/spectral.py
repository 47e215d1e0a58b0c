"""Fourier transforms, as products with matrices of sines and cosines.

The sums are those of the definition, O(n^2) instead of a fast transform's O(n log n): for the lengths that speech
models use (n up to some 1000) a matrix product at full speed is as fast, and it fuses with what is around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value

if TYPE_CHECKING:
    from ...dialects.shape import Dim

# A matrix of sines and cosines larger than this is refused.
MAX_MATRIX_BYTES = 256 << 20


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


def half_spectrum_matrix(length: int, components: int) -> np.ndarray:
    """The inverse transform to real numbers, [length // 2 + 1, components, length, 1] in float64.

    Of a real signal's spectrum one half is enough: the other is its conjugate, so that all but the first number, and
    the middle one of an even length, count twice.
    """
    bins = length // 2 + 1
    counts = np.full(bins, 2.0)
    counts[0] = 1.0
    if length % 2 == 0:
        counts[-1] = 1.0
    full = fourier_matrix(length, components, length, inverse=True)[:bins, :, :, :1]
    return counts[:, None, None, None] * full


@converter("DFT", since=17, several_steps=True)
def convert_dft(node: Node) -> Value:
    x, b = node.input(0), node.b
    axis = node.axis(_dft_axis(node), x.rank)
    components = _components(node, x)
    if axis == x.rank - 1:
        node.invalid(f"axis {axis} holds the real and imaginary parts, which cannot be transformed")
    matrix = _dft_matrix(node, x, axis, components)
    read, _, bins, parts = matrix.shape
    rows = b.transpose(x, [*(a for a in range(x.rank) if a not in (axis, x.rank - 1)), axis, x.rank - 1])
    rows = _of_length(node, rows, read)
    others = rows.dims[:-2]
    weights = b.constant(matrix.reshape(read * components, bins * parts).astype(x.type.dtype))
    product = b.matmul(b.reshape(rows, (*others, read * components)), weights)
    order = list(range(x.rank - 2))
    order.insert(axis, x.rank - 2)
    return b.transpose(b.reshape(product, (*others, bins, parts)), [*order, x.rank - 1])


def _dft_matrix(node: Node, x: Value, axis: int, components: int) -> np.ndarray:
    inverse, onesided = bool(node.attribute("inverse", 0)), bool(node.attribute("onesided", 0))
    to_real = inverse and onesided
    size = x.dims[axis]
    if node.optional(1) is not None:
        length = int(node.constant_input(1, "the length").reshape(()))
    elif not isinstance(size, int):
        node.unknown_size("a Fourier transform", size)
    else:
        length = 2 * (size - 1) if to_real else size
    if length < 1:
        node.invalid(f"a transform of length {length}: it must be at least 1")
    bins = length // 2 + 1 if onesided else length
    _check_matrix_size(node, x, length * bins * components * 2)
    if to_real:
        return half_spectrum_matrix(length, components)
    return fourier_matrix(length, components, bins, inverse=inverse)


def _dft_axis(node: Node) -> int:
    """An attribute before opset 20, an input since."""
    if node.opset < 20:
        return node.attribute("axis", 1)
    return -2 if node.optional(2) is None else int(node.constant_input(2, "the axis").reshape(()))


def _components(node: Node, x: Value) -> int:
    """1 for real numbers, 2 for complex ones: the length of the last axis."""
    components = x.dims[-1]
    if not isinstance(components, int):
        node.unknown_size("telling real numbers (1) from complex ones (2) by the last axis", components)
    if components not in (1, 2):
        node.invalid(f"the last axis of {x.type} must have length 1 (real) or 2 (complex)")
    return components


def _of_length(node: Node, rows: Value, length: int) -> Value:
    """The axis before the last cut, or filled with zeros, to ``length``."""
    axis, size = rows.rank - 2, rows.dims[-2]
    if size == length:
        return rows
    if not isinstance(size, int):
        node.unknown_size("a Fourier transform of a given length", size)
    if size > length:
        return node.b.slice(rows, [axis], [0], [length])
    return node.b.pad(rows, [*[0] * rows.rank, *[0] * axis, length - size, 0])


def _check_matrix_size(node: Node, x: Value, elements: int) -> None:
    size = elements * x.type.dtype.itemsize
    if size > MAX_MATRIX_BYTES:
        node.unsupported(
            f"a Fourier transform this long needs a matrix of {size >> 20} MiB: at most {MAX_MATRIX_BYTES >> 20}",
            "do the transform outside the model",
        )


@converter("STFT", since=17, several_steps=True)
def convert_stft(node: Node) -> Value:
    """A convolution: its stride is the step between frames, its channels are sines and cosines times the window."""
    b = node.b
    signal = node.input(0)
    if signal.rank == 2:
        signal = b.unsqueeze(signal, [2])
    components = _components(node, signal)
    window = node.optional(2)
    step = int(node.constant_input(1, "the step between frames").reshape(()))
    length = _frame_length(node, window)
    if step < 1 or length < 1:
        node.invalid(f"frames of {length} every {step}: both must be at least 1")
    onesided = bool(node.attribute("onesided", 1)) and components == 1
    bins = length // 2 + 1 if onesided else length
    _check_matrix_size(node, signal, length * bins * components * 2)
    matrix = fourier_matrix(length, components, bins).astype(signal.type.dtype)
    weights = b.constant(np.ascontiguousarray(matrix.transpose(3, 2, 1, 0)).reshape(2 * bins, components, length))
    if window is not None:
        weights = b.mul(weights, b.reshape(window, (1, 1, length)))
    channels = b.transpose(signal, [0, 2, 1])
    fields = {"strides": [step], "pads": [0, 0], "dilations": [1], "group": 1}
    spectra = b.op(graph.ConvOp, channels, weights, **fields)
    batch, _, frames = spectra.dims
    return b.transpose(b.reshape(spectra, (batch, 2, bins, frames)), [0, 3, 2, 1])


def _frame_length(node: Node, window: Value | None) -> int:
    if node.optional(3) is not None:
        return int(node.constant_input(3, "the length of a frame").reshape(()))
    if window is None:
        node.invalid("one of the window (input #2) and the length of a frame (input #3) must be given")
    length: Dim = window.dims[0]
    if not isinstance(length, int):
        node.unsupported(f"the window has {length} elements, which must be known", MAKE_CONSTANT)
    return length
