"""Reductions and normalisations along axes."""

from __future__ import annotations

import numpy as np

from .elementwise import Arrays, Attributes, Operation, is_float, widened
from .linear import lowest


def _reduce(inputs: Arrays, attributes: Attributes) -> Arrays:
    (x,) = inputs
    axes, keepdims, kind = tuple(attributes["axes"]), attributes["keepdims"], attributes["kind"]
    wide = widened(x)
    match kind:
        case "sum":
            result = np.sum(wide, axes, keepdims=keepdims, dtype=_sum_dtype(wide))
        case "prod":
            result = np.prod(wide, axes, keepdims=keepdims, dtype=_sum_dtype(wide))
        case "mean" if is_float(x.dtype):
            result = np.mean(wide, axes, keepdims=keepdims, dtype=_sum_dtype(wide))
        case "mean":
            count = int(np.prod([x.shape[axis] for axis in axes]))
            total = np.sum(wide, axes, keepdims=keepdims, dtype=wide.dtype)
            result = np.trunc(total / count)
        case "max":
            result = np.max(wide, axes, keepdims=keepdims, initial=_initial(wide, lowest(wide.dtype)))
        case "min":
            highest = np.inf if is_float(x.dtype) else np.iinfo(x.dtype).max if x.dtype != np.bool_ else True
            result = np.min(wide, axes, keepdims=keepdims, initial=_initial(wide, highest))
        case _:
            raise ValueError(f"unknown reduction '{kind}'")
    return [np.asarray(result).astype(x.dtype, copy=False)]


def _dynamic_reduce(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, axes = inputs[0], [int(axis) % inputs[0].ndim for axis in inputs[1].reshape(-1)]
    if not axes and attributes["none_is_none"]:
        return [x]
    return _reduce([x], {**attributes, "axes": axes or range(x.ndim)})


def _sum_dtype(x: np.ndarray) -> np.dtype:
    """What elements are combined in: float64 where they are floats, since NumPy goes along most axes one by one."""
    return np.dtype(np.float64) if is_float(x.dtype) else x.dtype


def _initial(x: np.ndarray, value: float | int) -> float | int:
    return bool(value > 0) if x.dtype == np.bool_ else value


def _arg_reduce(best: str) -> Operation:
    def operation(inputs: Arrays, attributes: Attributes) -> Arrays:
        (x,) = inputs
        axis, find = attributes["axis"], getattr(np, best)
        if attributes.get("select_last"):
            index = x.shape[axis] - 1 - find(np.flip(x, axis), axis=axis)
        else:
            index = find(x, axis=axis)
        index = np.asarray(index, np.int64)
        return [np.expand_dims(index, axis) if attributes["keepdims"] else index]

    return operation


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(x - np.max(x, axis, keepdims=True))
    return powers / np.sum(powers, axis, keepdims=True, dtype=_sum_dtype(powers)).astype(powers.dtype)


def _softmax(inputs: Arrays, attributes: Attributes) -> Arrays:
    (x,) = inputs
    if x.size == 0:
        return [x.copy()]
    return [softmax(widened(x), attributes["axis"]).astype(x.dtype, copy=False)]


def _layer_norm(inputs: Arrays, attributes: Attributes) -> Arrays:
    x = widened(inputs[0])
    axes = tuple(range(attributes["axis"], x.ndim))
    centred = x - np.mean(x, axes, keepdims=True, dtype=_sum_dtype(x)).astype(x.dtype)
    variance = np.mean(centred * centred, axes, keepdims=True, dtype=_sum_dtype(x)).astype(x.dtype)
    result = centred / np.sqrt(variance + np.asarray(attributes["epsilon"], x.dtype)) * widened(inputs[1])
    if len(inputs) > 2:
        result = result + widened(inputs[2])
    return [result.astype(inputs[0].dtype, copy=False)]


def _cumsum(inputs: Arrays, attributes: Attributes) -> Arrays:
    (x,) = inputs
    axis = attributes["axis"]
    wide = widened(x)
    ordered = np.flip(wide, axis) if attributes.get("reverse") else wide
    result = np.cumsum(ordered, axis, dtype=_sum_dtype(wide))
    if attributes.get("exclusive") and x.shape[axis]:
        # Not the sum less the element: that rounds, and infinity less itself is none.
        before = result.take(range(x.shape[axis] - 1), axis)
        result = np.concatenate([np.zeros_like(result.take([0], axis)), before], axis)
    result = np.flip(result, axis) if attributes.get("reverse") else result
    return [np.ascontiguousarray(result).astype(x.dtype, copy=False)]


REDUCTIONS: dict[str, Operation] = {
    "reduce": _reduce,
    "dynamic_reduce": _dynamic_reduce,
    "arg_max": _arg_reduce("argmax"),
    "arg_min": _arg_reduce("argmin"),
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "cumsum": _cumsum,
}
