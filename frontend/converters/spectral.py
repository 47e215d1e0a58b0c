"""Fourier transforms, as products with matrices of sines and cosines.

The sums are those of the definition, O(n^2) instead of a fast transform's O(n log n): for the lengths that speech
models use (n up to some 1000) a matrix product at full speed is as fast, and it fuses with what is around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import f64
from ...dialects.shape import add, floordiv, multiply, subtract
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
    if axis == x.rank - 1:
        node.invalid(f"axis {axis} holds the real and imaginary parts, which cannot be transformed")
    x, components = _with_components(node, x)
    weights = _dft_weights(node, x, axis, components)
    read, _, bins, parts = weights.dims
    rows = b.transpose(x, [*(a for a in range(x.rank) if a not in (axis, x.rank - 1)), axis, x.rank - 1])
    rows = _of_length(node, rows, read)
    others = rows.dims[:-2]
    matrix = b.reshape(weights, (multiply(read, components), multiply(bins, parts)))
    result = b.matmul(b.reshape(rows, (*others, multiply(read, components))), matrix)
    order = list(range(x.rank - 2))
    order.insert(axis, x.rank - 2)
    return b.transpose(b.reshape(result, (*others, bins, parts)), [*order, x.rank - 1])


def _dft_weights(node: Node, x: Value, axis: int, components: int) -> Value:
    """[elements read, components, bins, parts of a result]"""
    inverse, onesided = bool(node.attribute("inverse", 0)), bool(node.attribute("onesided", 0))
    to_real = inverse and onesided
    length = _dft_length(node, x.dims[axis], to_real)
    if not isinstance(length, int):
        return _computed_weights(node, x, length, components, inverse, onesided)
    bins = length // 2 + 1 if onesided else length
    _check_matrix_size(node, x, length * bins * components * 2)
    if to_real:
        matrix = half_spectrum_matrix(length, components)
    else:
        matrix = fourier_matrix(length, components, bins, inverse=inverse)
    return node.b.constant(matrix.astype(x.type.dtype))


def _dft_length(node: Node, size: Dim, to_real: bool) -> Dim:
    """What is given, or what follows from the axis. There is no transform of length 0."""
    given = node.optional(1)
    if given is None:
        length = multiply(subtract(size, 1), 2) if to_real else size
    else:
        lengths = given.dimensions()
        if lengths is None:
            node.unsupported("the length (input #1) must be known when the model is compiled", MAKE_CONSTANT)
        length = lengths[0]
    node.at_least(length, 1, "the length of the transform")
    return length


def _computed_weights(node: Node, x: Value, length: Dim, components: int, inverse: bool, onesided: bool) -> Value:
    """As ``fourier_matrix`` and ``half_spectrum_matrix``, at each run, from one table of sines and cosines."""
    b, half = node.b, add(floordiv(length, 2), 1)
    read, bins = (half, length) if inverse and onesided else (length, half if onesided else length)
    rows, columns, places = (b.iota(size) for size in (read, bins, length))
    count = b.dim_values([length], shape=())
    angles = b.div(b.mul_scalar(b.cast(places, f64), 2 * np.pi), b.cast(count, f64))
    index = b.op(graph.ModOp, b.mul(b.unsqueeze(rows, [1]), columns), count)
    cosines, sines = (b.gather(b.op(function, angles), index) for function in (graph.CosOp, graph.SinOp))
    if inverse:
        scale = b.cast(count, f64)
        if onesided:
            scale = b.div(scale, b.unsqueeze(_half_spectrum_counts(node, rows, length), [1]))
        cosines, sines = b.div(cosines, scale), b.div(sines, scale)
    else:
        sines = b.op(graph.NegOp, sines)
    parts = [[cosines, sines], [b.op(graph.NegOp, sines), cosines]][:components]
    if inverse and onesided:
        parts = [[real] for real, _ in parts]
    stacked = [b.unsqueeze(b.concat([b.unsqueeze(part, [2]) for part in row], 2), [1]) for row in parts]
    return b.cast(b.concat(stacked, 1), x.element_type)


def _half_spectrum_counts(node: Node, rows: Value, length: Dim) -> Value:
    """How often each number of half a spectrum counts: twice, the first and the middle one of an even length once."""
    b = node.b
    twice = b.dim_values([length], shape=())
    doubled = b.mul_scalar(rows, 2)
    is_single = b.op(graph.OrOp, b.op(graph.EqualOp, rows, b.scalar_like(0, rows)), b.op(graph.EqualOp, doubled, twice))
    return b.where(is_single, b.scalar(1.0, f64), b.scalar(2.0, f64))


def _dft_axis(node: Node) -> int:
    """An attribute before opset 20, an input since."""
    if node.opset < 20:
        return node.attribute("axis", 1)
    return -2 if node.optional(2) is None else int(node.constant_input(2, "the axis").reshape(()))


def _with_components(node: Node, x: Value) -> tuple[Value, int]:
    """A signal, and the length of its last axis: 1 for real numbers, 2 for complex ones.

    One of free size is filled up to complex numbers.
    """
    components = x.dims[-1]
    if not isinstance(components, int):
        node.at_least(components, 1, "the last axis")
        node.b.symbols.require_at_most(components, 2, f"{node.describe()}: the last axis must be at most 2")
        return node.b.pad(x, [*[0] * (2 * x.rank - 1), subtract(2, components)]), 2
    if components not in (1, 2):
        node.invalid(f"the last axis of {x.type} must have length 1 (real) or 2 (complex)")
    return x, components


def _of_length(node: Node, rows: Value, length: Dim) -> Value:
    """The axis before the last cut, or filled with zeros, to ``length``."""
    missing = subtract(length, rows.dims[-2])
    if isinstance(missing, int) and missing < 0:
        return node.b.slice(rows, [rows.rank - 2], [0], [length])
    return node.b.pad(rows, [*[0] * (2 * rows.rank - 2), missing, 0])


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
    given = signal.dims[2]
    signal, components = _with_components(node, signal)
    window = node.optional(2)
    step = int(node.constant_input(1, "the step between frames").reshape(()))
    length = _frame_length(node, window)
    if step < 1 or length < 1:
        node.invalid(f"frames of {length} every {step}: both must be at least 1")
    half, onesided = length // 2 + 1, bool(node.attribute("onesided", 1))
    bins = half if onesided and given == 1 else length
    _check_matrix_size(node, signal, length * bins * components * 2)
    matrix = fourier_matrix(length, components, bins).astype(signal.type.dtype)
    weights = b.constant(np.ascontiguousarray(matrix.transpose(3, 2, 1, 0)).reshape(2 * bins, components, length))
    if window is not None:
        weights = b.mul(weights, b.reshape(window, (1, 1, length)))
    channels = b.transpose(signal, [0, 2, 1])
    fields = {"strides": [step], "pads": [0, 0], "dilations": [1], "group": 1}
    spectra = b.op(graph.ConvOp, channels, weights, **fields)
    batch, _, frames = spectra.dims
    result = b.transpose(b.reshape(spectra, (batch, 2, bins, frames)), [0, 3, 2, 1])
    if isinstance(given, int) or not onesided:
        return result
    # Of real numbers one side, of complex ones both.
    return b.slice(result, [2], [0], [subtract(length, multiply(subtract(2, given), length - half))])


def _frame_length(node: Node, window: Value | None) -> int:
    if node.optional(3) is not None:
        return int(node.constant_input(3, "the length of a frame").reshape(()))
    if window is None:
        node.invalid("one of the window (input #2) and the length of a frame (input #3) must be given")
    length: Dim = window.dims[0]
    if not isinstance(length, int):
        node.unsupported(f"the window has {length} elements, which must be known", MAKE_CONSTANT)
    return length
