"""Operations that move elements, with static fields and with shapes from operands (``dynamic_``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .elementwise import Arrays, Attributes, Operation


def _reshape(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.ascontiguousarray(inputs[0]).reshape(attributes["shape"])]


def _transpose(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.ascontiguousarray(np.transpose(inputs[0], attributes["permutation"]))]


def _broadcast_to(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.ascontiguousarray(np.broadcast_to(inputs[0], attributes["shape"]))]


def take_slice(
    x: np.ndarray, axes: Sequence[int], starts: Sequence[int], ends: Sequence[int], steps: Sequence[int]
) -> np.ndarray:
    """Bounds count from the axis's start; with a negative step an end of -1 lies before the first element."""
    places = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps):
        places[axis] = slice(start, None if end < 0 else end, step)
    return np.ascontiguousarray(x[tuple(places)])


def _slice(inputs: Arrays, attributes: Attributes) -> Arrays:
    axes = attributes["axes"]
    steps = attributes.get("steps") or (1,) * len(axes)
    return [take_slice(inputs[0], axes, attributes["starts"], attributes["ends"], steps)]


def _concat(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.concatenate(inputs, attributes["axis"])]


def pad(x: np.ndarray, pads: Sequence[int], mode: str, value: np.ndarray | float | int) -> np.ndarray:
    """Adds elements before and after each axis; negative pads cut."""
    rank = x.ndim
    begin, end = pads[:rank], pads[rank:]
    for axis, (size, before, after) in enumerate(zip(x.shape, begin, end)):
        if size + before + after < 0:
            raise ValueError(f"pad: pads of {before} and {after} cut more from axis {axis} than its {size} elements")
    kept = x[tuple(slice(max(-b, 0), d - max(-e, 0) if e < 0 else None) for b, e, d in zip(begin, end, x.shape))]
    amounts = [(max(b, 0), max(e, 0)) for b, e in zip(begin, end)]
    if mode == "constant":
        return np.pad(kept, amounts, mode="constant", constant_values=value)
    return np.pad(kept, amounts, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _pad(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [pad(inputs[0], [int(p) for p in attributes["pads"]], attributes.get("mode", "constant"), inputs[1])]


def _reverse_sequence(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, lengths = inputs
    time_axis, batch_axis = attributes["time_axis"], attributes["batch_axis"]
    moved = np.moveaxis(x, (batch_axis, time_axis), (0, 1))
    result = moved.copy()
    for index, length in enumerate(lengths):
        result[index, :length] = moved[index, :length][::-1]
    return [np.ascontiguousarray(np.moveaxis(result, (0, 1), (batch_axis, time_axis)))]


def _trilu(inputs: Arrays, attributes: Attributes) -> Arrays:
    keep = np.triu if attributes.get("upper") else np.tril
    mask = keep(np.ones(inputs[0].shape[-2:], bool), attributes.get("diagonal", 0))
    return [np.where(mask, inputs[0], np.zeros((), inputs[0].dtype))]


def _dim_values(inputs: Arrays, attributes: Attributes) -> Arrays:
    values = np.array([int(d) for d in attributes["dimensions"]], attributes.get("dtype", "int64"))
    return [values.reshape(attributes["shape"])]


def _range(inputs: Arrays, attributes: Attributes) -> Arrays:
    start, limit, step = (value.reshape(()).item() for value in inputs)
    count = max(int(np.ceil((limit - start) / step)), 0)
    dtype = inputs[0].dtype
    return [(np.arange(count) * step + start).astype(dtype)]


def _iota(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.arange(attributes["shape"][0]).astype(attributes["dtype"])]


def _dynamic_reshape(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, shape = inputs
    keep_zero = attributes.get("allow_zero", False)
    wanted = [x.shape[i] if d == 0 and not keep_zero else int(d) for i, d in enumerate(shape)]
    return [np.ascontiguousarray(x).reshape(wanted)]


def _dynamic_expand(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, shape = inputs
    wanted = np.broadcast_shapes(x.shape, tuple(int(d) for d in shape))
    return [np.ascontiguousarray(np.broadcast_to(x, wanted))]


def _dynamic_squeeze(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.squeeze(inputs[0], tuple(inputs[1].tolist()))]


def _dynamic_unsqueeze(inputs: Arrays, attributes: Attributes) -> Arrays:
    return [np.expand_dims(inputs[0], tuple(inputs[1].tolist()))]


def _dynamic_slice(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, starts, ends, axes, steps = inputs
    places = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes.tolist(), starts.tolist(), ends.tolist(), steps.tolist()):
        places[axis] = clamped_slice(x.shape[axis], start, end, step)
    return [np.ascontiguousarray(x[tuple(places)])]


def clamped_slice(size: int, start: int, end: int, step: int) -> slice:
    """ONNX's rule: negative bounds count from the end, then both are clamped to the axis."""
    if start < 0:
        start += size
    if end < 0:
        end += size
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    first, last = min(max(start, 0), size - 1), min(max(end, -1), size - 1)
    return slice(first, None if last < 0 else last, step)


def _dynamic_pad(inputs: Arrays, attributes: Attributes) -> Arrays:
    x, value, pads = inputs
    return [pad(x, [int(p) for p in pads], attributes.get("mode", "constant"), value)]


MOVEMENT: dict[str, Operation] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast_to,
    "slice": _slice,
    "concat": _concat,
    "pad": _pad,
    "reverse_sequence": _reverse_sequence,
    "trilu": _trilu,
    "dim_values": _dim_values,
    "range": _range,
    "iota": _iota,
    "dynamic_reshape": _dynamic_reshape,
    "dynamic_expand": _dynamic_expand,
    "dynamic_squeeze": _dynamic_squeeze,
    "dynamic_unsqueeze": _dynamic_unsqueeze,
    "dynamic_slice": _dynamic_slice,
    "dynamic_pad": _dynamic_pad,
}
