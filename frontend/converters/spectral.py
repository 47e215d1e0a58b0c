"""Fourier transforms, as products with matrices of sines and cosines.

Long ones of known length go by factors (fourier_factors.py). Of others, and of frames of a signal, the sums are those
of the definition, O(n^2) instead of O(n log n): a matrix product at full speed, which fuses with what is around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...dialects import graph
from ...dialects.graph.types import f64, i1, i64
from ...dialects.shape import add, floordiv, multiply, product, subtract
from ..node import MAKE_CONSTANT, Node
from ..registry import converter
from ..values import Value
from .fourier_factors import fourier_matrix, is_worth_factors, transformed

if TYPE_CHECKING:
    from ...dialects.shape import Dim

# Frames from which cutting them out of the signal pays.
_LONG_FRAME = 1024


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
    x, components = _with_components(node, node.input(0))
    axis = _dft_axis(node)
    if axis is None:
        return _dft_along_computed_axis(node, x, components)
    axis = node.axis(axis, x.rank)
    if axis == x.rank - 1:
        node.invalid(f"axis {axis} holds the real and imaginary parts, which cannot be transformed")
    return _dft_along(node, x, axis, components)


def _dft_along_computed_axis(node: Node, x: Value, components: int) -> Value:
    """The axes before it and those after it are taken as one each: [before, size, after, components]."""
    b, rank = node.b, x.rank - 1
    shape, places, one = b.dim_values(x.dims[:-1]), b.iota(rank), b.dim_values([1])
    axis = b.cast(b.reshape(node.input(2), (1,)), i64)
    axis = b.where(b.op(graph.LessOp, axis, b.dim_values([0])), b.add_scalar(axis, x.rank), axis)
    before = b.reduce("prod", b.where(b.op(graph.LessOp, places, axis), shape, one), [0])
    after = b.reduce("prod", b.where(b.op(graph.GreaterOp, places, axis), shape, one), [0])
    rows = _reshaped(node, x, b.concat([before, b.gather(shape, axis), after], 0))
    result = _dft_along(node, rows, 1, components)
    is_transformed = b.op(graph.EqualOp, places, axis)
    others = b.where(is_transformed, b.dim_values([result.dims[1]]), shape)
    return _reshaped(node, result, others)


def _reshaped(node: Node, x: Value, shape: Value) -> Value:
    """The axes but the last one in a shape that only a run gives."""
    sizes = node.fresh_type(i1, [None] * int(shape.dims[0]))  # pyright: ignore[reportArgumentType]
    dims = node.b.emit(graph.BindSizesOp, [shape], [sizes])[0].dims
    node.relate(product(dims), product(x.dims[:-1]), "the number of elements")
    return node.b.reshape(x, (*dims, x.dims[-1]))


def _dft_along(node: Node, x: Value, axis: int, components: int) -> Value:
    b = node.b
    length = _dft_length(node, x.dims[axis], _gives_real(node))
    if isinstance(length, int) and is_worth_factors(length):
        return _dft_by_factors(node, x, axis, length)
    weights = _dft_weights(node, x, length, components)
    read, _, bins, parts = weights.dims
    rows = b.transpose(x, [*(a for a in range(x.rank) if a not in (axis, x.rank - 1)), axis, x.rank - 1])
    rows = _of_length(node, rows, read)
    others = rows.dims[:-2]
    matrix = b.reshape(weights, (multiply(read, components), multiply(bins, parts)))
    result = b.matmul(b.reshape(rows, (*others, multiply(read, components))), matrix)
    order = list(range(x.rank - 2))
    order.insert(axis, x.rank - 2)
    return b.transpose(b.reshape(result, (*others, bins, parts)), [*order, x.rank - 1])


def _gives_real(node: Node) -> bool:
    """Whether real numbers are made of half a spectrum."""
    return bool(node.attribute("inverse", 0) and node.attribute("onesided", 0))


def _dft_by_factors(node: Node, x: Value, axis: int, length: int) -> Value:
    b, to_real, half = node.b, _gives_real(node), length // 2 + 1
    others = [other for other in range(x.rank - 1) if other != axis]
    rows = _of_length(node, b.transpose(x, [*others, axis, x.rank - 1]), half if to_real else length)
    rank = rows.rank
    columns = b.transpose(rows, [rank - 1, rank - 2, *range(rank - 2)])
    columns = b.reshape(columns, (columns.dims[0], columns.dims[1], product(columns.dims[2:])))
    if to_real:
        columns = _mirrored(node, columns, length)
    spectrum = transformed(b, columns, length, bool(node.attribute("inverse", 0)))
    if to_real:
        spectrum = b.slice(spectrum, [0], [0], [1])
    elif node.attribute("onesided", 0):
        spectrum = b.slice(spectrum, [1], [0], [half])
    spectrum = b.reshape(spectrum, (*spectrum.dims[:2], *(x.dims[other] for other in others)))
    order = list(range(2, rank))
    order.insert(axis, 1)
    return b.transpose(spectrum, [*order, 0])


def _mirrored(node: Node, half: Value, length: int) -> Value:
    """The spectrum [parts, length, columns] of a real signal, of its first half: the others are conjugates of these."""
    b, count = node.b, (length - 1) // 2
    if count == 0:
        return half
    others = b.slice(half, [1], [count], [0], [-1])
    if half.dims[0] == 2:
        others = b.mul(others, b.constant(np.array([1, -1], half.type.dtype).reshape(2, 1, 1)))
    return b.concat([half, others], 1)


def _dft_weights(node: Node, x: Value, length: Dim, components: int) -> Value:
    """[elements read, components, bins, parts of a result]"""
    inverse, onesided = bool(node.attribute("inverse", 0)), bool(node.attribute("onesided", 0))
    to_real = inverse and onesided
    if not isinstance(length, int):
        return _computed_weights(node, x, length, components, inverse, onesided)
    bins = length // 2 + 1 if onesided else length
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


def _dft_axis(node: Node) -> int | None:
    """An attribute before opset 20, an input since; None where only a run gives it."""
    if node.opset < 20:
        return node.attribute("axis", 1)
    given = node.scalar_input(2, -2)
    return None if given is None else int(given)


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


@converter("STFT", since=17, several_steps=True)
def convert_stft(node: Node) -> Value:
    """A convolution: its stride is the step between frames, its channels are sines and cosines times the window.

    One side of a complex signal's spectrum, which the specification calls impossible in one place and gives a size in
    another, is its first half, as shape inference, onnxruntime and the evaluator have it.
    """
    b = node.b
    signal = node.input(0)
    if signal.rank == 2:
        signal = b.unsqueeze(signal, [2])
    signal, components = _with_components(node, signal)
    window = node.optional(2)
    step = int(node.constant_input(1, "the step between frames").reshape(()))
    length = _frame_length(node, window)
    if step < 1 or length < 1:
        node.invalid(f"frames of {length} every {step}: both must be at least 1")
    bins = length // 2 + 1 if node.attribute("onesided", 1) else length
    if length >= _LONG_FRAME and is_worth_factors(length):
        return _frames_by_factors(node, signal, window, step, length, bins)
    matrix = fourier_matrix(length, components, bins).astype(signal.type.dtype)
    weights = b.constant(np.ascontiguousarray(matrix.transpose(3, 2, 1, 0)).reshape(2 * bins, components, length))
    if window is not None:
        weights = b.mul(weights, b.reshape(window, (1, 1, length)))
    channels = b.transpose(signal, [0, 2, 1])
    fields = {"strides": [step], "pads": [0, 0], "dilations": [1], "group": 1}
    spectra = b.op(graph.ConvOp, channels, weights, **fields)
    batch, _, frames = spectra.dims
    return b.transpose(b.reshape(spectra, (batch, 2, bins, frames)), [0, 3, 2, 1])


def _frames_by_factors(node: Node, signal: Value, window: Value | None, step: int, length: int, bins: int) -> Value:
    """Frames of [batch, samples, parts] as columns, which are transformed: [batch, frames, bins, 2]."""
    b, (batch, samples, parts) = node.b, signal.dims
    frames = add(floordiv(subtract(samples, length), step), 1)
    places = b.add(b.unsqueeze(b.iota(length), [1]), b.mul_scalar(b.iota(frames), step))
    columns = b.gather(b.transpose(signal, [2, 0, 1]), places, 2)
    columns = b.reshape(b.transpose(columns, [0, 2, 1, 3]), (parts, length, multiply(batch, frames)))
    if window is not None:
        columns = b.mul(columns, b.reshape(window, (length, 1)))
    spectra = b.slice(transformed(b, columns, length, False), [1], [0], [bins])
    return b.transpose(b.reshape(spectra, (2, bins, batch, frames)), [2, 3, 1, 0])


def _frame_length(node: Node, window: Value | None) -> int:
    if node.optional(3) is not None:
        return int(node.constant_input(3, "the length of a frame").reshape(()))
    if window is None:
        node.invalid("one of the window (input #2) and the length of a frame (input #3) must be given")
    length: Dim = window.dims[0]
    if not isinstance(length, int):
        node.unsupported(f"the window has {length} elements, which must be known", MAKE_CONSTANT)
    return length
