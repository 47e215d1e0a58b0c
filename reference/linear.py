"""Convolution, matrix product and pooling, a window element at a time: no window matrix is built."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from .elementwise import Arrays, Attributes, Operation, is_float, widened


def window_sizes(
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
) -> tuple[int, ...]:
    """How many windows fit along each spatial axis."""
    rank = len(kernel)
    return tuple(
        (sizes[i] + pads[i] + pads[rank + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i in range(rank)
    )


def _window_elements(
    padded: np.ndarray,
    output: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """For each position in the window, the elements at it of all windows: [N, C, output]."""
    for position in itertools.product(*map(range, kernel)):
        places = tuple(
            slice(p * dilation, p * dilation + (count - 1) * stride + 1, stride)
            for p, dilation, count, stride in zip(position, dilations, output, strides)
        )
        yield position, padded[(slice(None), slice(None), *places)]


def _pad_spatial(x: np.ndarray, pads: Sequence[int], value: float | int) -> np.ndarray:
    if not any(pads):
        return x
    rank = x.ndim - 2
    return np.pad(x, [(0, 0), (0, 0), *((pads[i], pads[rank + i]) for i in range(rank))], constant_values=value)


NARROW_INTEGERS = (np.int8, np.uint8, np.int16)


def widened_to_sum(x: np.ndarray) -> np.ndarray:
    """The array in the type in which products of its elements are summed: int32 for narrow integers."""
    return x.astype(np.int32) if x.dtype in NARROW_INTEGERS else widened(x)


def _conv(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, w = widened_to_sum(inputs[0]), widened_to_sum(inputs[1])
    group = attributes["group"]
    strides, dilations, kernel = attributes["strides"], attributes["dilations"], w.shape[2:]
    output = window_sizes(x.shape[2:], kernel, strides, attributes["pads"], dilations)
    batch, channels_out = x.shape[0], w.shape[0]
    padded = _pad_spatial(x, attributes["pads"], 0)
    weights = w.reshape(group, channels_out // group, *w.shape[1:])
    result = np.zeros((batch, group, channels_out // group, int(np.prod(output))), x.dtype)
    for position, elements in _window_elements(padded, output, kernel, strides, dilations):
        columns = elements.reshape(batch, group, x.shape[1] // group, int(np.prod(output)))
        result += np.matmul(weights[(..., *position)], columns)
    result = result.reshape(batch, channels_out, *output)
    if len(inputs) > 2:
        result += widened(inputs[2]).reshape(-1, *[1] * len(kernel))
    return [_stored(result, inputs[0])]


def _stored(sums: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The sums as the operation gives them: rounded to the type of short floats."""
    return sums.astype(x.dtype, copy=False) if is_float(x.dtype) else sums


def _matmul(inputs: Arrays, attributes: Attributes) -> Arrays:
    a, b = widened_to_sum(inputs[0]), widened_to_sum(inputs[1])
    if attributes.get("transpose_a"):
        a = np.swapaxes(a, -1, -2)
    if attributes.get("transpose_b"):
        b = np.swapaxes(b, -1, -2)
    return [_stored(np.matmul(a, b), inputs[0])]


def lowest(dtype: np.dtype) -> float | int:
    """The identity of max: -inf, or the least integer."""
    return -np.inf if is_float(dtype) else int(np.iinfo(dtype).min)


def _max_pool(inputs: Arrays, attributes: Attributes) -> Arrays:
    (x,) = inputs
    kernel, strides, dilations = attributes["kernel"], attributes["strides"], attributes["dilations"]
    output = window_sizes(x.shape[2:], kernel, strides, attributes["pads"], dilations)
    padded = _pad_spatial(x, attributes["pads"], lowest(x.dtype))
    result = np.full((*x.shape[:2], *output), lowest(x.dtype), x.dtype)
    for _, elements in _window_elements(padded, output, kernel, strides, dilations):
        result = np.maximum(result, elements)
    return [result]


def _max_pool_with_indices(inputs: Arrays, attributes: Attributes) -> Arrays:
    (x,) = inputs
    kernel, strides, dilations = attributes["kernel"], attributes["strides"], attributes["dilations"]
    output = window_sizes(x.shape[2:], kernel, strides, attributes["pads"], dilations)
    spatial = x.shape[2:]
    order = "F" if attributes.get("column_major") else "C"
    places = np.arange(int(np.prod(spatial)), dtype=np.int64).reshape(spatial, order=order)
    planes = np.arange(x.shape[0] * x.shape[1], dtype=np.int64).reshape(*x.shape[:2], *[1] * len(spatial))
    positions = _pad_spatial(places + planes * places.size, attributes["pads"], -1)
    padded = _pad_spatial(x, attributes["pads"], lowest(x.dtype))
    best = np.full((*x.shape[:2], *output), lowest(x.dtype), x.dtype)
    where = np.full(best.shape, -1, np.int64)
    pairs = zip(
        _window_elements(padded, output, kernel, strides, dilations),
        _window_elements(positions, output, kernel, strides, dilations),
    )
    for (_, elements), (_, indices) in pairs:
        better = (elements > best) | ((where < 0) & (indices >= 0))
        best, where = np.where(better, elements, best), np.where(better, indices, where)
    return [best, where]


def _avg_pool(inputs: Arrays, attributes: Attributes) -> Arrays:
    x = widened(inputs[0])
    kernel, strides, dilations = attributes["kernel"], attributes["strides"], attributes["dilations"]
    pads, rank = list(attributes["pads"]), x.ndim - 2
    output = window_sizes(x.shape[2:], kernel, strides, pads, dilations)
    counted = np.ones((1, 1, *x.shape[2:]), x.dtype)
    overhang = attributes.get("overhang") or (0,) * rank
    if attributes.get("count_include_pad"):
        inside = [*pads[:rank], *(pads[rank + i] - overhang[i] for i in range(rank))]
        counted = _pad_spatial(counted, inside, 1)
        counted = _pad_spatial(counted, [*[0] * rank, *overhang], 0)
    else:
        counted = _pad_spatial(counted, pads, 0)
    padded = _pad_spatial(x, pads, 0)
    total = np.zeros((*x.shape[:2], *output))
    count = np.zeros((1, 1, *output))
    for _, elements in _window_elements(padded, output, kernel, strides, dilations):
        total += elements
    for _, elements in _window_elements(counted, output, kernel, strides, dilations):
        count += elements
    return [(total / count).astype(inputs[0].dtype, copy=False)]


LINEAR: dict[str, Operation] = {
    "conv": _conv,
    "matmul": _matmul,
    "max_pool": _max_pool,
    "max_pool_with_indices": _max_pool_with_indices,
    "avg_pool": _avg_pool,
}
