"""Reading and writing at computed positions; selections whose size depends on data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementwise import Arrays, Attributes, Operation, is_float


def _in_range(indices: np.ndarray, size: int, operation: str) -> np.ndarray:
    """Indices with negative ones counted from the end. Raises IndexError that names one out of range."""
    outside = (indices < -size) | (indices >= size)
    if np.any(outside):
        raise IndexError(f"{operation}: index {indices[outside].flat[0]} is out of range for an axis of {size}")
    return np.where(indices < 0, indices + size, indices)


def _gather(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, indices = inputs
    axis = attributes["axis"]
    return [np.take(x, _in_range(indices, x.shape[axis], "gather"), axis)]


def _gather_elements(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, indices = inputs
    axis = attributes["axis"]
    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = _in_range(indices, x.shape[axis], "gather_elements")
    return [x[tuple(places)]]


def _gather_nd(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, indices = inputs
    batch, depth = attributes.get("batch_dims", 0), indices.shape[-1]
    shared: Any = np.indices(indices.shape[:batch], sparse=True)
    places: list[np.ndarray] = [axis.reshape(*axis.shape, *[1] * (indices.ndim - 1 - batch)) for axis in shared]
    for i in range(depth):
        places.append(_in_range(indices[..., i], x.shape[batch + i], "gather_nd"))
    return [np.asarray(x[tuple(places)])]


_COMBINE = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _scatter(x: np.ndarray, places: tuple[np.ndarray, ...], updates: np.ndarray, reduction: str) -> np.ndarray:
    if reduction == "none":
        result = x.copy()
        result[places] = updates
        return result
    # Sums and products of many floats, one by one, would lose digits in their own type.
    wide = np.float64 if is_float(x.dtype) else x.dtype
    result = np.array(x, wide)
    _COMBINE[reduction].at(result, places, updates.astype(wide))
    return result.astype(x.dtype, copy=False)


def _scatter_elements(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, indices, updates = inputs
    axis = attributes["axis"]
    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = _in_range(indices, x.shape[axis], "scatter_elements")
    return [_scatter(x, tuple(places), updates, attributes.get("reduction", "none"))]


def _scatter_nd(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, indices, updates = inputs
    depth = indices.shape[-1]
    wanted = (*indices.shape[:-1], *x.shape[depth:])
    if updates.shape != wanted:
        raise ValueError(f"scatter_nd: expected updates of shape {list(wanted)}, got {list(updates.shape)}")
    places = tuple(_in_range(indices[..., i], x.shape[i], "scatter_nd") for i in range(depth))
    return [_scatter(x, places, updates, attributes.get("reduction", "none"))]


def _one_hot(inputs: Arrays, attributes: Attributes) -> Arrays:
    indices, values = inputs
    axis = attributes["axis"]
    depth = attributes["shape"][axis]
    wrapped = np.where(indices < 0, indices + depth, indices)
    choices = np.arange(depth).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    return [np.where(np.expand_dims(wrapped, axis) == choices, values[1], values[0])]


def _topk(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, k = inputs
    axis, count = attributes["axis"], int(k.reshape(-1)[0])
    if attributes.get("smallest"):
        order = np.argsort(x, axis, kind="stable")
    else:
        # Descending with the lower index first among equals: ascending on the flipped axis, read backwards.
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)
    order = np.take(order, np.arange(count), axis).astype(np.int64)
    return [np.take_along_axis(x, order, axis), order]


def _nonzero(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.array(np.nonzero(np.atleast_1d(inputs[0])), np.int64)]


INDEXING: dict[str, Operation] = {
    "gather": _gather,
    "gather_elements": _gather_elements,
    "gather_nd": _gather_nd,
    "scatter_elements": _scatter_elements,
    "scatter_nd": _scatter_nd,
    "one_hot": _one_hot,
    "topk": _topk,
    "nonzero": _nonzero,
}
